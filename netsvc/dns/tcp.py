"""DNS over TCP and over TLS: each message after its length (RFC 7766, RFC 7858)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IHandshakeListener
from zope.interface import implementer

from netsvc.dns.asked import Asked
from netsvc.dns.entropy import Entropy
from netsvc.dns.errors import TLSFailed
from netsvc.dns.stream import Connection, StreamCarrier
from netsvc.dns.wire import pack_query


class FramedConnection(Connection):
    """A connection with lengths before messages."""

    def __init__(self, carrier: StreamCarrier, entropy: Entropy) -> None:
        """
        @param carrier: Whose it is.
        @param entropy: For ids.
        """
        super().__init__(carrier)
        self._entropy = entropy
        self._buffer = b""

    def connectionMade(self) -> None:
        """Send what waits."""
        self.carrier.connected(self)
        self.begin()

    def write_query(self, asked: Asked) -> Any:
        """Send a query under a random id."""
        while (ident := self._entropy.take(2)) in self.pending:
            pass
        query = pack_query(ident, asked.question, asked.rest, asked.flags)
        self.transport.write(len(query).to_bytes(2, "big") + query)
        return ident

    def dataReceived(self, data: bytes) -> None:
        """Take messages apart; at most one of 64 KiB is kept in part."""
        self.data_came()
        if self._buffer:
            data = self._buffer + data
        position = 0
        while not self.closed and len(data) >= position + 2:
            start = position + 2
            end = start + int.from_bytes(data[position:start], "big")
            if end > len(data):
                break
            position = end
            self.received(data[start : start + 2], data[start:end])
        self._buffer = data[position:] if not self.closed else b""


@implementer(IHandshakeListener)
class TLSConnection(FramedConnection):
    """The same over TLS: it begins after the handshake."""

    def __init__(
        self, carrier: StreamCarrier, entropy: Entropy, accepts: Callable[[Any], bool]
    ) -> None:
        """
        @param accepts: Looks at the transport once the handshake is over.
        """
        super().__init__(carrier, entropy)
        self._accepts = accepts

    def connectionMade(self) -> None:
        """Wait for the handshake."""
        self.carrier.connected(self)

    def handshakeCompleted(self) -> None:
        """Send what waits."""
        if self._accepts(self.transport):
            self.begin()
        else:
            self.give_up(TLSFailed, "the public key is not one that is pinned")
