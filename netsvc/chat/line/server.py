"""
The line frontend's connections: sessions on Twisted's transports.

A connection is watched by L{netsvc.daemon.connections}. It is not cut for being silent,
so that is to be told of no idle timeout; hosts that are gone are found by TCP itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from twisted.internet import error
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from netsvc.chat.line.frontend import LineFrontend
from netsvc.chat.line.intake import LineIntake
from netsvc.chat.line.link import Peer, Timer, Work
from netsvc.chat.line.session import LineSession
from netsvc.chat.line.works import Works
from netsvc.daemon.connections import Connections, ServiceFactory, ServiceProtocol
from netsvc.multiplex import pending

#: How often in an idle timeout the kernel asks a silent peer's host whether it is
#: there, and how often in vain before it gives up: half of the timeout in all.
KEEPALIVE_PROBES: Final = 4


class _Call:
    """A delayed call that may be cancelled at any time."""

    __slots__ = ("_call",)

    def __init__(self, call: Any) -> None:
        self._call = call

    def cancel(self) -> None:
        if self._call.active():
            self._call.cancel()


@implementer(IHalfCloseableProtocol, IPushProducer)
class LineProtocol(ServiceProtocol):
    """One connection; its session's L{Link<netsvc.chat.line.link.Link>}."""

    factory: LineFactory
    session: LineSession | None = None
    _intake: LineIntake
    _half_closed = False
    _works: Works

    _log = Logger()

    # For Twisted.

    def connectionMade(self) -> None:
        """Greet, unless a TLS handshake has to be done before."""
        super().connectionMade()
        if not self._handshaking:
            self._begin()

    def handshakeCompleted(self) -> None:
        """Greet."""
        super().handshakeCompleted()
        self._begin()

    def _begin(self) -> None:
        factory = self.factory
        factory.prepare(self.transport)
        # So that it is known who does not read: their queue is looked at.
        self.transport.registerProducer(self, True)
        peer = Peer(self.host, factory.private)
        self._works = Works(factory.reactor)
        self.session = LineSession(factory.frontend, self, peer)
        self._intake = LineIntake(self.session, self)
        self._intake.begin()

    def dataReceived(self, data: bytes) -> None:
        """Take what came."""
        self.received += len(data)
        self._intake.feed(data)

    def readConnectionLost(self) -> None:
        """The client has sent all: it is closed when all that is answered."""
        self._half_closed = True
        if self.session is None:
            self.close()
        else:
            self._intake.end()

    def writeConnectionLost(self) -> None:
        """Our half is only ever closed with the whole."""

    def connectionLost(self, reason: Any = None) -> None:
        """The connection is gone."""
        if self.session is not None:
            self._intake.lost(_why(reason))
            self._works.cancel()
            self.session = None
            del self._intake
        super().connectionLost(reason)

    def describe(self) -> str:
        """Say who it is."""
        member = None if self.session is None else self.session.member
        return "line" if member is None else f"line {member.nick}"

    def close(self) -> None:
        """Close the connection when what was written is sent."""
        session = self.session
        if session is not None and not session.closing:
            session.close("the server ends this connection")
        elif not self._closing:
            if session is not None:
                # While it has a producer, a transport does not end.
                self.transport.unregisterProducer()
            super().close()

    # The producer: told when the client does not read.

    def pauseProducing(self) -> None:
        """The client does not take what is sent."""
        if self.session is not None:
            self.session.pause()

    def resumeProducing(self) -> None:
        """The client has taken it."""
        if self.session is not None:
            self.session.resume()

    def stopProducing(self) -> None:
        """The transport is gone."""

    # The link.

    @property
    def stream(self) -> Any:
        """The transport."""
        return self.transport

    def pending(self) -> int:
        """Give the bytes that the peer has not taken."""
        return pending(self.transport)

    def end(self) -> None:
        """End the connection when what was written is sent."""
        self.close()

    def cut(self) -> None:
        """End it in the next turn, without what is not sent."""
        self.factory.reactor.callLater(0, self.abort)

    def hold(self) -> None:
        """Do not read."""
        self.held = True
        if not self._half_closed:
            self.transport.pauseProducing()

    def release(self) -> None:
        """Read again."""
        self.held = False
        if not self._half_closed and not self._closing:
            self.transport.resumeProducing()

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call something later."""
        return _Call(self.factory.reactor.callLater(seconds, call))

    def run(
        self, work: Work, seconds: float, done: Callable[[Exception | None], None]
    ) -> None:
        """Do some work; it is cancelled when it takes too long, or nobody waits."""
        self._works.run(work, seconds, done)

    def failed(self, error: Exception) -> None:
        """Report a mistake of ours."""
        self._log.failure(
            "while doing what a line client asked",
            Failure(error),
            event="internal-error",
        )


def _why(reason: Any) -> str:
    """Say to others why a connection has ended."""
    value = getattr(reason, "value", None)
    if isinstance(value, error.ConnectionDone):
        return "Connection closed"
    return "Connection lost"


class LineFactory(ServiceFactory):
    """
    Makes the connections of one listen string.

    @ivar frontend: What they share, also with those of others.
    @ivar private: Whether nobody can listen between client and server.
    @ivar reactor: Gives the time.
    """

    def __init__(
        self,
        connections: Connections,
        transport: str,
        frontend: LineFrontend,
        reactor: Any,
    ) -> None:
        """
        @param connections: What watches them.
        @param transport: C{tcp}, C{tls} or C{unix}.
        @param frontend: See there.
        @param reactor: See there (L{IReactorTime}).
        """
        super().__init__(connections, transport)
        self.frontend = frontend
        self.reactor = reactor
        self.private = transport in ("tls", "unix")
        self._is_tcp = transport in ("tcp", "tls")

    def make(self) -> LineProtocol:
        """Make a connection's protocol."""
        protocol = LineProtocol()
        protocol.factory = self
        return protocol

    def prepare(self, transport: Any) -> None:
        """Have the kernel send lines at once, and find out whose host is gone."""
        if not self._is_tcp:
            return
        below = getattr(transport, "transport", None) or transport
        handle = below.getHandle() if hasattr(below, "getHandle") else None
        timeout = self.frontend.options.idle_timeout
        if not isinstance(handle, socket.socket):
            return
        with suppress(OSError):  # it may be gone already
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not timeout:
                return
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            between = max(round(timeout / 2 / KEEPALIVE_PROBES), 1)
            for name, value in (
                ("TCP_KEEPIDLE", max(round(timeout / 2), 1)),
                ("TCP_KEEPINTVL", between),
                ("TCP_KEEPCNT", KEEPALIVE_PROBES),
                ("TCP_USER_TIMEOUT", round(timeout * 1000)),
            ):
                if hasattr(socket, name):  # not on all systems
                    handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
