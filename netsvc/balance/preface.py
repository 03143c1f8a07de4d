"""
What comes before a session: a PROXY header, a TLS ClientHello.

A L{Preface} serves a connection until it has read them. Their bytes are few and
bounded, and so is the time. Of a ClientHello every byte is kept, as it is the
backend that answers it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from netsvc.balance.announce import Announced
from netsvc.balance.client_hello import NotTLS, Reader
from netsvc.balance.deadlines import Deadlines
from netsvc.balance.proxy_protocol import Parser, ProxyError

#: Connections that may be in their preface at once.
MAX_PREFACES = 1024

# Why one was ended.
BAD_PROXY_HEADER = "bad-proxy-header"
CLIENT_TIMEOUT = "client-timeout"
ENDED_EARLY = "ended-early"

#: Makes what serves the connection after its preface, given the connection and
#: what was announced. L{None} refuses it.
Successor = Callable[[Any, "Announced | None"], "Protocol | None"]


class Prefaces:
    """
    The connections of which the beginning is being read.

    @ivar live: Them, with their deadlines.
    @ivar ended: How many came to nothing, by reason.
    """

    def __init__(self, timeout: float, clock: Any) -> None:
        """
        @param timeout: Seconds that each may take.
        @param clock: The reactor.
        """
        self.live: Deadlines[Preface] = Deadlines(
            timeout, lambda preface: preface.end(CLIENT_TIMEOUT), clock
        )
        self.ended: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        """Whether there is no room for another one."""
        return len(self.live) >= MAX_PREFACES

    def stop(self) -> None:
        """Cut all."""
        for preface in self.live:
            preface.transport.abortConnection()
        self.live.stop()


@implementer(IHalfCloseableProtocol)
class Preface(Protocol):
    """Reads the beginning of one connection."""

    transport: Any

    def __init__(
        self,
        prefaces: Prefaces,
        successor: Successor,
        *,
        header: bool,
        hello: bool,
    ) -> None:
        """
        @param prefaces: The others.
        @param successor: Makes what follows.
        @param header: Whether a PROXY header comes first.
        @param hello: Whether to read a ClientHello; what is no TLS is passed on
            as it is.
        """
        self._prefaces = prefaces
        self._successor = successor
        self._parser = Parser() if header else None
        self._reader = Reader() if hello else None
        self._announced: Announced | None = None
        self._over = False

    def connectionMade(self) -> None:
        """Begin."""
        self._prefaces.live.set(self)

    def dataReceived(self, data: bytes) -> None:
        """Read on."""
        if self._over:
            return
        if self._parser is not None:
            try:
                header = self._parser.feed(data)
            except ProxyError:
                self.end(BAD_PROXY_HEADER)
                return
            if header is None:
                return
            self._announced = Announced.by_header(header)
            data = self._parser.rest
            self._parser = None
            if self._reader is not None and not data:
                return
        self._read_hello(data)

    def _read_hello(self, data: bytes) -> None:
        """Read on behind the header."""
        if self._reader is not None:
            try:
                hello = self._reader.feed(data)
            except NotTLS:
                pass
            else:
                if hello is None:
                    return
                self._announced = Announced.by_hello(hello, self._announced)
            data = self._reader.seen
        self._hand_over(data)

    def _hand_over(self, early: bytes) -> None:
        """Let the successor serve the connection."""
        self._over = True
        self._prefaces.live.clear(self)
        transport = self.transport
        successor = self._successor(transport, self._announced)
        if successor is None:
            transport.abortConnection()
            return
        transport.protocol = successor
        successor.makeConnection(transport)
        if early:
            successor.dataReceived(early)

    def readConnectionLost(self) -> None:
        """The client has sent all it will: a beginning that is none."""
        if self._parser is None and self._reader is not None and self._reader.seen:
            # It may be the whole of another protocol's question.
            seen, self._reader = self._reader.seen, None
            self._hand_over(seen)
            successor = self.transport.protocol
            if successor is not self:
                successor.readConnectionLost()
        else:
            self.end(ENDED_EARLY)

    def writeConnectionLost(self) -> None:
        """Never closed alone."""

    def end(self, reason: str) -> None:
        """Give up."""
        if not self._over:
            self._over = True
            self._prefaces.ended[reason] += 1
            self.transport.abortConnection()

    def connectionLost(self, reason: Any = None) -> None:
        """The client has left."""
        self._prefaces.live.clear(self)
