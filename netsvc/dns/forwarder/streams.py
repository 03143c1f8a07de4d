"""The forwarder over TCP (RFC 7766) and TLS (RFC 7858)."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IProtocolNegotiationFactory,
    IPushProducer,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from netsvc.daemon.connections import Connections, ServiceFactory, ServiceProtocol
from netsvc.dns.forwarder.engine import Forwarder
from netsvc.dns.forwarder.request import MAX_QUERY
from netsvc.dns.wire import HEADER

#: Queries of one connection that may be under way; more are not read.
MAX_PIPELINED: Final = 100

# What may keep a connection from being read, as bits.
_OUTPUT: Final = 1  # its peer does not take what is sent
_BUSY: Final = 2  # it has as many queries under way as it may


@implementer(IHalfCloseableProtocol, IPushProducer)
class StreamBase(ServiceProtocol):
    """
    A connection with queries under way.

    @ivar under_way: How many.
    """

    factory: ForwarderFactory
    under_way = 0
    _beats = 0
    _held = 0
    _ended = False
    _gone = False

    def connectionMade(self) -> None:
        """Start; hear of a peer that does not read."""
        super().connectionMade()
        if isinstance(self.transport, TLSMemoryBIOProtocol):
            # Replies are small; the others' transports have it on.
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)

    def connectionLost(self, reason: Any = None) -> None:
        """The connection has ended."""
        self._gone = True
        super().connectionLost(reason)

    def ask(self, data: bytes, send: Any) -> None:
        """
        Have a query answered.

        @param send: Sends the reply, while there is a connection; an empty one says
            that there will be none.
        """
        factory = self.factory
        forwarder = factory.forwarder
        now = forwarder.now()
        factory.received += 1
        # Whole queries count, and no bytes: who sends one byte a minute is idle.
        self.received += 1
        done = _Once(self, send)
        if not forwarder.access.allows(self.host):
            forwarder.prohibit(data, done)
        elif not forwarder.admits(self.host, now):
            forwarder.limit(data, True, done)
        else:
            reply = forwarder.quick(data, now, True)
            if reply:
                done(reply)
                return
            missed = reply is not None
            forwarder.handle(data, self.host, factory.transport, done, missed)
        done.unless_later()

    def begun(self) -> None:
        """A query is under way."""
        self.under_way += 1
        if self.under_way == MAX_PIPELINED:
            self._hold(_BUSY)

    def over(self) -> None:
        """It no longer is."""
        self.under_way -= 1
        if self._held & _BUSY:
            self._release(_BUSY)
        self._finish()

    def _finish(self) -> None:
        """Close the connection if its peer has sent all, and all is answered."""
        if self._ended and not self.under_way and not self._held and not self._gone:
            self.close()

    def progress(self) -> int:
        """Give a number that changes; while a query is under way it always does."""
        if self.under_way:
            self._beats += 2
        return super().progress() + self._beats

    def describe(self) -> str:
        """Say what waits."""
        return f"{self.under_way} queries under way" if self.under_way else ""

    def close(self) -> None:
        """Close the connection when what was written is sent."""
        if not self._closing:
            # While it has a producer, a transport does not end.
            self.transport.unregisterProducer()
        super().close()

    def readConnectionLost(self) -> None:
        """The peer has sent all: close when all is answered."""
        self._ended = True
        self._finish()

    def writeConnectionLost(self) -> None:
        """Our half is only ever closed with the whole."""

    def pauseProducing(self) -> None:
        """Do not read: the peer does not take what is sent."""
        self._hold(_OUTPUT)

    def resumeProducing(self) -> None:
        """Read: the peer has taken it."""
        self._release(_OUTPUT)

    def stopProducing(self) -> None:
        """The transport is gone."""

    def _hold(self, why: int) -> None:
        self._held |= why
        if not self._ended and not self._closing:
            self.transport.pauseProducing()

    def _release(self, why: int) -> None:
        self._held &= ~why
        if self._held or self._gone or self._closing:
            return
        self.go_on()
        if self._ended:
            self._finish()
        elif not self._held and not self._closing:
            self.transport.resumeProducing()

    def go_on(self) -> None:
        """Deal with what waits."""


class _Once:
    """Sends the reply to one query, now or later."""

    __slots__ = ("_called", "_counted", "_send", "_stream")

    def __init__(self, stream: StreamBase, send: Any) -> None:
        self._stream = stream
        self._send = send
        self._called = False
        self._counted = False

    def __call__(self, reply: bytes) -> None:
        """Send."""
        self._called = True
        if not self._stream._gone:
            self._send(reply)
        if self._counted:
            self._stream.over()

    def unless_later(self) -> None:
        """It was handed on: count it, unless it has been answered."""
        if not self._called:
            self._counted = True
            self._stream.begun()


class MessageStream(StreamBase):
    """A connection with messages after their lengths (RFC 1035 section 4.2.2)."""

    _buffer = b""
    _working = False

    def dataReceived(self, data: bytes) -> None:
        """Take queries."""
        self._buffer += data
        self.go_on()

    def go_on(self) -> None:
        """Answer the queries that are there."""
        if self._working:
            return  # a reply that was sent has made it call here
        self._working = True
        buffer = self._buffer
        position = 0
        while len(buffer) - position >= 2 and not self._held and not self._closing:
            after = (
                position + 2 + int.from_bytes(buffer[position : position + 2], "big")
            )
            if not HEADER <= after - position - 2 <= MAX_QUERY:
                # No query; what comes after it cannot be trusted either.
                self.reply(b"")
                break
            if len(buffer) < after:
                break
            self.ask(buffer[position + 2 : after], self.reply)
            position = after
        self._buffer = buffer[position:]
        self._working = False

    def reply(self, reply: bytes) -> None:
        """Send a reply; cut who does not ask."""
        if reply:
            self.transport.write(len(reply).to_bytes(2, "big") + reply)
        elif not self._closing:
            self._closing = True
            self.abort()


@implementer(IProtocolNegotiationFactory)
class ForwarderFactory(ServiceFactory):
    """
    Makes the connections of one listen string.

    @ivar received: How many queries came.
    """

    protocol_name = b"dot"
    kind: type[StreamBase] = MessageStream

    def __init__(
        self, connections: Connections, transport: str, forwarder: Forwarder
    ) -> None:
        """
        @param connections: What watches them.
        @param transport: C{tcp}, C{tls} or C{unix}.
        @param forwarder: Answers.
        """
        super().__init__(connections, transport)
        self.transport = transport
        self.forwarder = forwarder
        self.received = 0

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802 -- Twisted's name
        """Say what is spoken over TLS (RFC 7301)."""
        return [self.protocol_name]

    def make(self) -> StreamBase:
        """Make a connection's protocol."""
        stream = self.kind()
        stream.factory = self
        return stream
