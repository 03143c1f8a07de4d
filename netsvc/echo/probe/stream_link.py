"""The probe's TCP or TLS connection, made again when it is lost."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IPushProducer,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from netsvc.echo.probe.errors import describe_failure
from netsvc.echo.probe.events import Connected
from netsvc.echo.probe.stream import Reassembly
from netsvc.echo.probe.wire import Codec

__all__ = [
    "CLOSE_TIMEOUT",
    "HANDSHAKE_TIMEOUT",
    "MAX_OUTSTANDING",
    "RECONNECT_DELAY",
    "HandshakeTimeoutError",
    "IStreamReceiver",
    "StreamLink",
]

#: Messages under way on one connection; more are not sent.
MAX_OUTSTANDING = 65_536
#: How long a TLS handshake may take, seconds.
HANDSHAKE_TIMEOUT = 10.0
#: How long a connection may take to close before it is cut, seconds.
CLOSE_TIMEOUT = 1.0
#: How long after a lost connection the next one is tried, seconds.
RECONNECT_DELAY = 1.0


class IStreamReceiver(Protocol):
    """Who takes what the connection gives."""

    def message(self, sequence: int, data: bytes) -> None:
        """Take the answer to packet C{sequence}."""

    def unexpected(self, size: int) -> None:
        """Take C{size} bytes that belong to no packet."""

    def connected(self, event: Connected) -> None:
        """Take that a connection was made."""

    def disconnected(self, reason: str) -> None:
        """Take that the connection is lost, or was not made again."""


class HandshakeTimeoutError(Exception):
    """The other side took the connection but did not finish the TLS handshake."""


@implementer(IHandshakeListener, IPushProducer)
class _EchoClient(TwistedProtocol):
    """One connection of a L{StreamLink}.

    @ivar blocked: the other side does not read, and the buffers are full.
    @ivar ready: messages can be sent.
    """

    def __init__(self, link: StreamLink, reassembly: Reassembly) -> None:
        self.link = link
        self.reassembly = reassembly
        self.blocked = False
        self.ready = False
        self.connected_at = 0

    def connectionMade(self) -> None:
        """Be ready, unless there is a TLS handshake to wait for."""
        self.connected_at = self.link.now()
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        transport.registerProducer(self, True)
        self.link.made(self)
        if not self.link.secure:
            self.ready = True
            self.link.ready(self)

    def handshakeCompleted(self) -> None:
        """Be ready after the TLS handshake."""
        transport: Any = self.transport
        version = transport.getHandle().get_protocol_version_name()
        self.ready = True
        self.link.ready(self, self.link.now() - self.connected_at, version)

    def dataReceived(self, data: bytes) -> None:
        """Find the answers that C{data} completes."""
        before = self.reassembly.unexpected
        for sequence, message in self.reassembly.feed(data):
            self.link.receiver.message(sequence, message)
        if self.reassembly.unexpected > before:
            self.link.receiver.unexpected(self.reassembly.unexpected - before)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Report the loss to the link."""
        self.ready = False
        self.link.lost(reason)

    def pauseProducing(self) -> None:
        """Send nothing: the transport's buffer is full."""
        self.blocked = True

    def resumeProducing(self) -> None:
        """Send again."""
        self.blocked = False

    def stopProducing(self) -> None:
        """Send nothing any more; L{connectionLost} follows."""
        self.blocked = True


class StreamLink:
    """A connection to a stream echo that outlives the loss of its connection.

    @ivar secure: whether it is TLS.
    """

    def __init__(
        self,
        reactor: Any,
        endpoint: IStreamClientEndpoint,
        codec: Codec,
        now: Callable[[], int],
        receiver: IStreamReceiver,
        tls: IOpenSSLClientConnectionCreator | None = None,
    ) -> None:
        """Prepare to connect.

        @param reactor: gives time.
        @param now: the time in nanoseconds of a clock that never steps.
        @param tls: how to make a TLS connection; plain TCP if L{None}.
        """
        self._reactor = reactor
        self._endpoint = endpoint
        self._codec = codec
        self._tls = tls
        self.secure = tls is not None
        self.now = now
        self.receiver = receiver
        self._client: _EchoClient | None = None
        self._first: Deferred[None] | None = None
        self._attempt: Deferred[Any] | None = None
        self._attempted_at = 0
        self._timer: IDelayedCall | None = None
        self._closed: Deferred[None] | None = None
        #: Why the connection was cut, if the link did it.
        self._reason: HandshakeTimeoutError | None = None

    def connect(self) -> Deferred[None]:
        """Make the first connection.

        @return: fires when messages can be sent, or fails with the reason. After
            that the link connects again by itself until L{close}.
        """
        first: Deferred[None] = Deferred()
        self._first = first
        self._try()
        return first

    def send(self, sequence: int, payload: bytes) -> None:
        """Send one message.

        @raise OSError: if there is no connection, or the other side does not read.
        """
        client = self._client
        if client is None or not client.ready:
            raise OSError(errno.ENOTCONN, "not connected")
        if client.blocked or client.reassembly.outstanding >= MAX_OUTSTANDING:
            raise BlockingIOError(errno.EAGAIN, "the other side does not read")
        client.reassembly.sent(sequence, len(payload))
        transport: Any = client.transport
        transport.write(payload)

    def close(self) -> Deferred[None]:
        """Close, in order if that is quick.

        @return: fires when the connection is gone.
        """
        if self._closed is not None:
            return self._closed
        closed: Deferred[None] = Deferred()
        self._closed = closed
        self._cancel_timer()
        if self._client is not None:
            transport: Any = self._client.transport
            transport.unregisterProducer()
            self._timer = self._reactor.callLater(
                CLOSE_TIMEOUT, transport.abortConnection
            )
            transport.loseConnection()
        else:
            if self._attempt is not None:
                self._attempt.cancel()
            closed.callback(None)
        return closed

    def _try(self) -> None:
        self._timer = None
        self._attempted_at = self.now()
        factory: Any = Factory.forProtocol(
            lambda: _EchoClient(self, Reassembly(self._codec))
        )
        factory.noisy = False
        if self._tls is not None:
            factory = TLSMemoryBIOFactory(self._tls, True, factory, self._reactor)
            factory.noisy = False
        self._attempt = attempt = self._endpoint.connect(factory)
        attempt.addErrback(self._not_made)

    def _not_made(self, failure: Failure) -> None:
        self._attempt = None
        if self._closed is None:
            self._failed(failure)

    def made(self, client: _EchoClient) -> None:
        """Take that there is a connection, and limit the handshake's time."""
        self._attempt = None
        self._client = client
        if self.secure:
            self._timer = self._reactor.callLater(HANDSHAKE_TIMEOUT, self._too_slow)

    def _too_slow(self) -> None:
        self._timer = None
        self._reason = HandshakeTimeoutError(
            f"no end of the TLS handshake within {HANDSHAKE_TIMEOUT:g} s"
        )
        assert self._client is not None
        transport: Any = self._client.transport
        transport.abortConnection()

    def ready(
        self, client: _EchoClient, handshake: int | None = None, version: str = ""
    ) -> None:
        """Take that messages can be sent over C{client}.

        @param handshake: how long the TLS handshake took, nanoseconds.
        """
        self._cancel_timer()
        connect = client.connected_at - self._attempted_at
        self.receiver.connected(Connected(connect, handshake, version))
        if self._first is not None:
            first, self._first = self._first, None
            first.callback(None)

    def lost(self, reason: Failure) -> None:
        """Take that the connection is gone."""
        self._cancel_timer()
        self._client = None
        if self._closed is not None:
            self._closed.callback(None)
        else:
            failure, self._reason = self._reason, None
            self._failed(reason if failure is None else Failure(failure))

    def _failed(self, failure: Failure) -> None:
        """Report, and try again later if there ever was a connection."""
        if self._first is not None:
            first, self._first = self._first, None
            first.errback(failure)
            return
        self._timer = self._reactor.callLater(RECONNECT_DELAY, self._try)
        self.receiver.disconnected(describe_failure(failure))

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
