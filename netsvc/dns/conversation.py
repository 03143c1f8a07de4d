"""
What is said between one lookup and one server: the rules of acceptance.

    - A datagram that is no acceptable reply is dropped and counted; the query stays
      pending, for the right reply may still come (dns.md section 2, rules 2 to 7).
    - TC: the content is thrown away, and the same question goes to the same server
      over TCP, once (rule 10).
    - FORMERR, NOTIMP or BADVERS to a query with EDNS: once again without it, from a
      server that is not known to speak it (RFC 6891 section 6.2.2).
    - Many datagrams that are no acceptable replies: the same server over TCP at once,
      for the right reply may have found the socket's buffer full.
    - The question came back in other letters, or a cookie is missing that was to be
      expected: the same server over TCP, where nobody can forge, tells whether
      that is the server's way.
    - BADCOOKIE: once again with the cookie that came with it, then over TCP
      (RFC 7873 section 5.3).

Pure: bytes come in from a carrier, and what follows goes to the L{Lookup
<netsvc.dns.lookup.Lookup>}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.dns import wire
from netsvc.dns.asked import Asked, Carrier, Upstream
from netsvc.dns.codes import (
    ANSWERS,
    BADCOOKIE,
    BADVERS,
    BARE,
    COOKIE,
    FORMERR,
    NOTIMP,
    PADDING,
    TC,
)
from netsvc.dns.errors import (
    BadReply,
    FormatError,
    ServerError,
    Truncated,
    response_error,
)
from netsvc.dns.memory import MEMORY
from netsvc.dns.result import Edns, Message
from netsvc.dns.servers import HTTPS, TCP, TLS, UDP

if TYPE_CHECKING:
    from netsvc.dns.lookup import Lookup

#: Bytes of a client cookie, and the least and most of a server's (RFC 7873 section 4).
CLIENT_COOKIE = 8
LEAST_COOKIE = 8
MOST_COOKIE = 32

#: Queries over encrypted transports are padded to a multiple of this (RFC 8467).
BLOCK = 128

_ENCRYPTED = frozenset({TLS, HTTPS})

# Why a datagram was dropped, beside wire.compare's reasons.
MALFORMED = "malformed"
WRONG_COOKIE = "wrong-cookie"
BARE_DATA = "bare-data"

# Other things that are counted.
FOLDED = "folded"
MISSING_COOKIE = "missing-cookie"
TRUNCATED = "truncated"
NO_EDNS = "without-edns"
TRAILING = "trailing-bytes"
FLOODED = "flooded"


class Conversation:
    """
    One lookup's queries to one server.

    @ivar upstream: The server.
    @ivar is_over: Whether the server has answered or failed.
    """

    __slots__ = (
        "_bare",
        "_cookie_tries",
        "_lookup",
        "_mismatches",
        "_mixes_case",
        "_refused_edns",
        "_streamed",
        "is_over",
        "pending",
        "upstream",
    )

    def __init__(self, lookup: Lookup, upstream: Upstream) -> None:
        """
        @param lookup: Whose.
        @param upstream: With whom.
        """
        self._lookup = lookup
        self.upstream = upstream
        self.is_over = False
        self.pending: list[Asked] = []
        self._bare = False
        self._refused_edns = False
        self._streamed = upstream.datagrams is None
        self._cookie_tries = 0
        self._mismatches = 0
        # Where nobody can forge it serves nothing.
        self._mixes_case = lookup.engine.mixes_case and upstream.datagrams is not None

    # To the server.

    def begin(self, now: float) -> None:
        """Ask."""
        upstream = self.upstream
        carrier = upstream.datagrams
        self._send(upstream.stream if carrier is None else carrier, now)

    def ask(self, now: float, last: bool) -> None:
        """
        Ask again: what was asked before may still be answered.

        @param last: Whether this is the last try.
        """
        memory = self.upstream.memory
        carrier = self.upstream.datagrams
        if self._streamed or carrier is None:
            if self.pending and self.upstream.datagrams is not None:
                return  # over TCP already: at most one query
            if not self.stalled():
                self._send(self.upstream.stream, now)
            return
        if last and now >= memory.speaks_edns_until:
            self._bare = True
        self._send(carrier, now)

    def stalled(self) -> bool:
        """
        Note that what was asked waits for too long.

        @return: Whether something is asked again because of that.
        """
        again = [asked.stalled() for asked in self.pending[:]]  # each of them
        return any(again)

    def close(self) -> None:
        """Expect nothing any more."""
        self.is_over = True
        if self.pending:
            self._forget_pending()

    def _send(self, carrier: Carrier, now: float) -> None:
        lookup, memory = self._lookup, self.upstream.memory
        engine, options = lookup.engine, lookup.options
        name, tail = lookup.question[0], lookup.tail
        if self._mixes_case and now >= memory.folds_until:
            name = wire.mix_case(name, engine.noise(len(name)))
        rest = b""
        transport = carrier.transport
        if options.edns and not self._bare and now >= memory.no_edns_until:
            if transport in _ENCRYPTED:
                rest = self._padded(len(name) + len(tail))
            else:
                rest = memory.opt(options)
        asked = Asked(self, name + tail, rest, lookup.flags, transport, now)
        self.pending.append(asked)
        memory.counts[transport] += 1
        carrier.send(asked)

    def _padded(self, length: int) -> bytes:
        """Write the OPT record of a query over an encrypted transport."""
        options = self._lookup.options
        packed = options.packed()
        opt = wire.pack_opt(packed, options.payload, options.dnssec)
        more = wire.padding(wire.HEADER + length + len(opt) + 4, BLOCK)
        packed += wire.pack_option(PADDING, bytes(more))
        return wire.pack_opt(packed, options.payload, options.dnssec)

    def _over_stream(self, listen: bool = False) -> None:
        """
        Ask the same server over TCP, once.

        @param listen: Whether datagrams may still answer: what has led here may be
            a forgery.
        """
        if self._streamed:
            return
        self._streamed = True
        if not listen:
            self._forget_pending()
        self._send(self.upstream.stream, self._lookup.engine.now())

    def flooded(self) -> None:
        """So many datagrams have come that are no replies: ask over TCP, too."""
        if not (self._streamed or self.is_over):
            self.upstream.memory.counts[FLOODED] += 1
            self._over_stream(listen=True)

    def _dropped(self, why: str) -> None:
        """A datagram with the right id was no acceptable reply."""
        self.upstream.memory.counts[why] += 1
        self._mismatches += 1
        if self._mismatches >= self._lookup.engine.max_mismatches:
            self.flooded()

    def _forget_pending(self) -> None:
        """Expect no reply to what was asked so far."""
        pending, self.pending = self.pending, []
        for asked in pending:
            via = asked.via
            if via is not None:
                asked.via = None
                via.forget(asked)

    # From the server.

    def datagram(self, asked: Asked, data: bytes) -> None:
        """
        A datagram has come.

        @param asked: The query whose id it has.
        """
        memory = self.upstream.memory
        verdict = wire.compare(data, asked.question)
        if verdict is wire.SAME:
            if data[2] & 0x02:
                memory.counts[TRUNCATED] += 1
                self._over_stream()
                return
            # Names that point into the question are to have the letters as asked.
            question = self._lookup.question
            name = question[0]
            whole = data[: wire.HEADER] + name + data[wire.HEADER + len(name) :]
            try:
                message = wire.parse(whole, question)
            except FormatError:
                self._dropped(MALFORMED)
                return
            edns = message[7]
            if (
                memory.server_cookie or (edns is not None and edns[4])
            ) and not self._accept_cookie(asked, edns):
                return
            self._judge(asked, message, whole)
        elif verdict is wire.BARE:
            self._bare_reply(asked, data)
        elif verdict is wire.FOLDED:
            memory.counts[FOLDED] += 1
            self._over_stream(listen=True)
        else:
            self._dropped(verdict)

    def _bare_reply(self, asked: Asked, data: bytes) -> None:
        """A datagram without a question may say that it went wrong, and no more."""
        memory = self.upstream.memory
        if data[2] & 0x02:
            memory.counts[TRUNCATED] += 1
            self._over_stream(listen=True)
            return
        try:
            message = wire.parse(data)
        except FormatError:
            self._dropped(MALFORMED)
            return
        if message.rcode not in BARE:
            self._dropped(BARE_DATA)
        elif self._accept_cookie(asked, message.edns):
            self._judge(asked, message, data)

    def _accept_cookie(self, asked: Asked, edns: Edns | None) -> bool:
        """Compare the cookie of a datagram (RFC 7873 section 5.3)."""
        memory = self.upstream.memory
        if not asked.rest or not memory.client_cookie:
            return True  # we have sent none
        value = edns.option(COOKIE) if edns is not None else None
        if value is None:
            if not memory.server_cookie:
                return True
            memory.counts[MISSING_COOKIE] += 1
            self._over_stream(listen=True)
            return False
        length = len(value) - CLIENT_COOKIE
        if value[:CLIENT_COOKIE] != memory.client_cookie or (
            length and not LEAST_COOKIE <= length <= MOST_COOKIE
        ):
            self._dropped(WRONG_COOKIE)
            return False
        if length:
            memory.cookie(value[CLIENT_COOKIE:])
        return True

    def streamed(self, asked: Asked, data: bytes) -> bool:
        """
        A message has come over a stream.

        @param asked: The query that it is to answer.
        @return: Whether it does.
        """
        lookup, memory = self._lookup, self.upstream.memory
        verdict = wire.compare(data, asked.question)
        try:
            message = wire.parse(data)
        except FormatError as error:
            asked.failed(BadReply, str(error))
            return False
        bare = verdict is wire.BARE and (message.rcode in BARE or message.flags & TC)
        if verdict not in (wire.SAME, wire.FOLDED) and not bare:
            asked.failed(BadReply, str(verdict))
            return False
        if not bare:
            end = wire.HEADER + len(lookup.question[0])
            data = data[: wire.HEADER] + lookup.question[0] + data[end:]
            message = wire.parse(data, lookup.question)
        if asked.transport == TCP and self.upstream.datagrams is not None:
            self._learn(asked, verdict, message.edns)
        asked.via = None
        if message.flags & TC:
            server = memory.server
            self.failed(asked, Truncated(server, asked.transport))
        else:
            self._judge(asked, message, data)
        return True

    def _learn(self, asked: Asked, verdict: str, edns: Edns | None) -> None:
        """See over a connection what is the server's way and no forgery."""
        memory = self.upstream.memory
        if verdict is wire.FOLDED:
            memory.folded(self._lookup.engine.now())
        if asked.rest and memory.client_cookie:
            value = edns.option(COOKIE) if edns is not None else None
            right = value is not None and value[:CLIENT_COOKIE] == memory.client_cookie
            memory.cookie(value[CLIENT_COOKIE:] if value and right else b"")

    def _judge(self, asked: Asked, message: Message, data: bytes) -> None:
        """An acceptable reply has come: see whether it is an answer."""
        lookup, memory = self._lookup, self.upstream.memory
        now = lookup.engine.now()
        rcode = message[2]
        if message[9]:
            memory.counts[TRAILING] += 1
        if message[7] is not None:
            if rcode != BADVERS and now >= memory.speaks_edns_until - MEMORY + 1:
                memory.sent_opt(now)  # once a second will do
        elif not asked.rest and self._bare and rcode in ANSWERS:
            if self._refused_edns:
                memory.refused_edns(now)
            else:
                memory.answered_without_edns(now)
        if rcode in ANSWERS:
            memory.heard(now - asked.sent, now)
            self.is_over = True
            self._forget_pending()
            lookup.answered(self, asked, message, data, now)
        elif rcode == BADCOOKIE and asked.rest and self._cookie_tries < 2:
            self._retry_cookie(now)
        elif (
            rcode in (FORMERR, NOTIMP, BADVERS)
            and asked.rest
            and not self._bare
            and (rcode == BADVERS or now >= memory.speaks_edns_until)
        ):
            self._retry_without_edns(asked, now)
        else:
            error = response_error(memory.server, asked.transport, rcode)
            error.reply = message
            self.failed(asked, error)

    def _retry_cookie(self, now: float) -> None:
        """It wants its own cookie, which has come with the refusal."""
        self._cookie_tries += 1
        datagrams = self.upstream.datagrams
        if self._cookie_tries == 1 and datagrams is not None and not self._streamed:
            self._forget_pending()
            self._send(datagrams, now)
        elif not self._streamed:
            self._over_stream()
        else:
            self._forget_pending()
            self._send(self.upstream.stream, now)

    def _retry_without_edns(self, asked: Asked, now: float) -> None:
        """It does not know EDNS."""
        self._bare = self._refused_edns = True
        self.upstream.memory.counts[NO_EDNS] += 1
        self._forget_pending()
        datagrams = self.upstream.datagrams
        if asked.transport == UDP and datagrams is not None:
            self._send(datagrams, now)
        else:
            self._send(self.upstream.stream, now)

    def failed(self, asked: Asked, error: ServerError) -> None:
        """One query has failed, and with it what the server has to say."""
        if self.is_over:
            return
        if asked in self.pending:
            self.pending.remove(asked)
        if self.pending and asked.transport != UDP:
            return  # a datagram may still answer
        now = self._lookup.engine.now()
        self.upstream.memory.failed(now)
        self.close()
        self._lookup.failed(self, error)
