"""
Zone transfer, AXFR (RFC 5936), over TCP or TLS (RFC 9103).

Records are handed on as they come: a zone may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from netsvc.dns.codes import NOERROR
from netsvc.dns.endings import why
from netsvc.dns.errors import (
    BadReply,
    ConnectionClosed,
    FormatError,
    ServerError,
    ServerTimeout,
    TLSFailed,
    response_error,
)
from netsvc.dns.result import Message, Question, Record
from netsvc.dns.rrtypes import SOA
from netsvc.dns.servers import TLS, Server
from netsvc.dns.wire import (
    NOT_A_REPLY,
    WRONG_OPCODE,
    WRONG_QUESTION,
    compare,
    pack_query,
    pack_question,
    parse,
)
from netsvc.multiplex.dial import dial

#: Records of one transfer.
MAX_RECORDS = 100_000_000

_MISMATCH = frozenset({NOT_A_REPLY, WRONG_OPCODE, WRONG_QUESTION})


@implementer(IHandshakeListener)
class Transfer(Protocol):
    """
    One transfer.

    @ivar records: How many records have come.
    @ivar size: Bytes of the messages.
    """

    transport: Any

    def __init__(
        self,
        reactor: Any,
        server: Server,
        question: Question,
        ident: bytes,
        timeout: float,
        take: Callable[[tuple[Record, ...]], object],
        most: int = MAX_RECORDS,
    ) -> None:
        """
        @param server: Whom to ask; its host is an address.
        @param question: For AXFR.
        @param ident: Two random bytes.
        @param timeout: Seconds without a message after which it fails.
        @param take: Given the records of each message.
        @param most: Records after which it fails.
        """
        self._server = server
        self._transport_name = TLS if server.transport == TLS else "tcp"
        self._question = pack_question(question)
        self._ident = ident
        self._timeout = timeout
        self._take = take
        self._most = most
        self._buffer = b""
        self._soa: Record | None = None
        self._attempt: Any = None
        self._accepts: Callable[[Any], bool] | None = None
        self._reactor = reactor
        self._done: Deferred[None] = Deferred(lambda _: self._close())
        self._timer = reactor.callLater(timeout, self._expired)
        self.records = 0
        self.size = 0

    def start(self, authorities: Path | None) -> Deferred[None]:
        """
        Connect, ask and read to the end.

        @param authorities: Whose signatures are trusted over TLS, as in
            L{ResolverSettings<netsvc.dns.resolver_settings.ResolverSettings>}.
        @return: Fires when the zone is complete; fails with a L{ServerError}. To
            cancel it closes the connection.
        @raise TLSSettingsError: The authorities' file cannot be read.
        """
        protocol: Any = self
        is_secure = self._server.transport == TLS
        trust = None
        if authorities is not None or (is_secure and not self._server.pins):
            from netsvc.dns.tls import trust_root

            try:
                trust = trust_root(authorities)
            except BaseException:
                self._close()
                raise
        if is_secure:
            from netsvc.dns.tls import TLSClient

            client = TLSClient(self._server, trust, b"dot")
            self._accepts = client.accepts
            protocol = client.wrap(self)
        host, port = self._server.host, self._server.port
        self._attempt = dial(self._reactor, host, port, protocol, self._not_connected)
        return self._done

    def _not_connected(self, error: Exception) -> None:
        kind, detail = why(error)
        self._fail(kind, detail)

    def connectionMade(self) -> None:
        """Ask; over TLS after the handshake."""
        if self._accepts is None:
            self._ask()

    def handshakeCompleted(self) -> None:
        """Ask."""
        if self._accepts is not None and not self._accepts(self.transport):
            self._fail(TLSFailed, "the public key is not one that is pinned")
        else:
            self._ask()

    def _ask(self) -> None:
        query = pack_query(self._ident, self._question, flags=0)
        self.transport.write(len(query).to_bytes(2, "big") + query)

    def dataReceived(self, data: bytes) -> None:
        """Take messages apart; at most one of 64 KiB is kept in part."""
        data = self._buffer + data
        position = 0
        while not self._done.called and len(data) >= position + 2:
            start = position + 2
            end = start + int.from_bytes(data[position:start], "big")
            if end > len(data):
                break
            position = end
            self._message(data[start:end])
        self._buffer = data[position:]

    def _message(self, data: bytes) -> None:
        if self._timer.active():
            self._timer.cancel()
        self._timer = self._reactor.callLater(self._timeout, self._expired)
        self.size += len(data)
        verdict = compare(data, self._question)
        # Messages after the first need no question (RFC 5936 section 2.2.1).
        if data[:2] != self._ident or verdict in _MISMATCH:
            self._fail(BadReply, "a message that was not asked for")
            return
        try:
            message = parse(data)
        except FormatError as error:
            self._fail(BadReply, str(error))
            return
        if message.rcode != NOERROR:
            self._end(response_error(self._server, self._transport_name, message.rcode))
            return
        self._answer(message)

    def _answer(self, message: Message) -> None:
        records = message.answer
        if not records:
            self._fail(BadReply, "a message without records")
            return
        first = self._soa is None
        if first:
            if records[0].rtype != SOA:
                self._fail(BadReply, "a zone that does not begin with its SOA record")
                return
            self._soa = records[0]
        ends = [
            index
            for index, record in enumerate(records)
            if record.rtype == SOA and (index or not first)
        ]
        if ends:
            records = records[: ends[0] + 1]
        self.records += len(records)
        if self.records > self._most:
            self._fail(BadReply, f"more than {self._most} records")
            return
        self._take(records)
        if ends:
            self._end(None)

    def _expired(self) -> None:
        """
        Nothing has come for too long, unless it waits to be read: whoever reads what is
        written may have kept us from it.
        """
        self._timer = self._reactor.callLater(0, self._fail, ServerTimeout)

    def connectionLost(self, reason: Any = None) -> None:
        """The zone is not complete."""
        kind, detail = why(reason.value)
        self._fail(kind, detail)

    def _fail(self, kind: type[ServerError] = ConnectionClosed, text: str = "") -> None:
        self._end(kind(self._server, self._transport_name, text))

    def _end(self, error: ServerError | None) -> None:
        if self._done.called:
            return
        self._close()
        if error is None:
            self._done.callback(None)
        else:
            error.errors = (error,)
            self._done.errback(error)

    def _close(self) -> None:
        if self._timer.active():
            self._timer.cancel()
        attempt, self._attempt = self._attempt, None
        if self.transport is not None:
            self.transport.abortConnection()
        elif attempt is not None:
            attempt.cancel()
