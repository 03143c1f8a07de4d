"""
What becomes of a query: answered from the cache or here, asked upstream, or refused.

It knows nothing of sockets; the transports hand it what came and a function that sends.
The quick way is for what most queries are, one question whose answer is in the cache:
nothing is taken apart, so that it costs a few microseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from netsvc.daemon.limits import Rate, RateTable, changed_table, source_key
from netsvc.dns.cache import Cache, query_key
from netsvc.dns.cached import CachedAsks
from netsvc.dns.codes import AA, AD, COOKIE, NXDOMAIN, REFUSED, SERVFAIL
from netsvc.dns.errors import (
    BadAliases,
    Bogus,
    LookupFailed,
    ResponseCode,
    ServerError,
    Unvalidated,
)
from netsvc.dns.forwarder import reply as replies
from netsvc.dns.forwarder.access import Access
from netsvc.dns.forwarder.cookies import ServerCookies
from netsvc.dns.forwarder.request import PLAIN_LIMIT, Request, read
from netsvc.dns.forwarder.special import SpecialNames
from netsvc.dns.options import QueryOptions
from netsvc.dns.result import ExtendedError, Question, Result, Security
from netsvc.dns.wire import HEADER, PAYLOAD, pack_option

#: Sends a reply; called once for each query. An empty reply is none: what came was no
#: query, or is not to be answered.
Send = Callable[[bytes], object]

#: Ends of queries that are known by heart.
MAX_TAILS: Final = 1024

#: What L{Forwarder.quick} gives when the cache has been asked in vain.
MISS: Final = b""

# Extended errors (RFC 8914).
_OTHER: Final = 0
_INDETERMINATE: Final = 5
_BOGUS: Final = 6
_PROHIBITED: Final = 18
_NOT_AUTHORITATIVE: Final = 20
_NO_AUTHORITY: Final = 22
_NETWORK: Final = 23
_RATE_LIMITED: Final = 31

#: How upstream is asked, by DO and CD.
_OPTIONS: Final = {
    (dnssec, disabled): QueryOptions(dnssec=dnssec, checking_disabled=disabled)
    for dnssec in (False, True)
    for disabled in (False, True)
}

#: One question and nothing else, in the header's first three counts.
_ONE_QUESTION: Final = b"\0\1\0\0\0\0"


class Forwarder:
    """
    Answers queries.

    @ivar access: Whom.
    @ivar counts: Queries by what became of them: C{asked}, C{local} (special
        names), C{formerr} and its like, C{no-query} (dropped), C{prohibited},
        C{rate-limited}, C{not-cached} (without RD), C{failed}, C{truncated},
        C{stale}.
    """

    _log = Logger()

    def __init__(
        self,
        asks: CachedAsks,
        access: Access,
        rates: RateTable | None,
        special: SpecialNames,
        cookies: ServerCookies,
        now: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        """
        @param asks: Who is asked what is not in the cache.
        @param access: Who is served.
        @param rates: A bucket for each client; L{None}: no limit.
        @param special: What is answered here.
        @param cookies: Makes our cookies.
        @param now: Gives the time of the cache and the buckets.
        @param clock: Gives POSIX seconds, for cookies.
        """
        self._asks = asks
        self._cache: Cache = asks.cache
        self._get = asks.cache.get
        self.access = access
        self._rates = rates
        self._special = special
        self._cookies = cookies
        self.now = now
        self._clock = clock
        self.counts: Counter[str] = Counter()
        self._slip = False
        # The end of a query: how long the reply may be over UDP, DO, the OPT record.
        self._tails: dict[bytes, tuple[int, bool, bytes]] = {}
        self._plain = {b"\0\0": (PLAIN_LIMIT, False, b"")}

    def change(self, rate: Rate | None, special: SpecialNames) -> None:
        """
        Go by others from now on.

        @param rate: Queries of each client; L{None}: no limit.
        @param special: What is answered here.
        """
        self._rates = changed_table(self._rates, rate)
        self._special = special

    # The quick way.

    def quick(self, data: bytes, now: float, is_stream: bool) -> bytes | None:
        """
        Answer a query from the cache without taking it apart.

        @param data: What came from a client that is served.
        @param now: The time.
        @param is_stream: Whether a reply may have any length.
        @return: The reply; L{MISS} if the cache has none; L{None} if the query has to
            be looked at more closely.
        """
        # A zero in a label would end the name too early. Then what is looked for is
        # no well-formed key, and not in the cache.
        end = data.find(b"\0", HEADER) + 5
        if data[4:10] != _ONE_QUESTION or data[2] & 0xFE or end < HEADER + 5:
            return None
        tail = data[10:12] + data[end:]
        known = self._tails.get(tail) or self._plain.get(tail)
        if known is None:
            return None
        limit, dnssec, opt = known
        stored = self._get(query_key(data, end, dnssec=dnssec), now)
        if stored is None:
            return MISS
        if self._cache.is_due(stored, now):
            self._prefetch(data)
        reply = stored.reply(data, end, now, opt)
        if len(reply) > limit and not is_stream:
            self.counts["truncated"] += 1
            return replies.truncated(reply, end, opt)
        return reply

    def _prefetch(self, data: bytes) -> None:
        """Ask for the answer to a query anew, before its time is over."""
        request = read(data)
        if request is not None and request.question is not None:
            dnssec = request.dnssec
            self._asks.prefetch(
                query_key(data, request.end, dnssec=dnssec),
                request.question,
                _OPTIONS[dnssec, request.checking_disabled],
            )

    def _learn(self, request: Request) -> None:
        """Know the end of a query the next time."""
        tail = request.tail
        if tail is None or tail in self._plain:
            return
        if len(self._tails) >= MAX_TAILS:
            self._tails.clear()
        opt = replies.pack_edns(0, request.dnssec)
        self._tails[tail] = (min(PAYLOAD, request.payload), request.dnssec, opt)

    # Who may ask.

    def admits(self, host: str | None, now: float) -> bool:
        """Take a token of a client's bucket."""
        return self._rates is None or self._rates.allow(source_key(host), now)

    def prohibit(self, data: bytes, send: Send) -> None:
        """Refuse whom we do not serve."""
        self.counts["prohibited"] += 1
        self._refuse(data, send, _PROHIBITED)

    def limit(self, data: bytes, is_stream: bool, send: Send) -> None:
        """
        Refuse who asks too much. Over UDP every other query is dropped, and the rest
        is sent to TCP, where addresses cannot be forged.
        """
        self.counts["rate-limited"] += 1
        if is_stream:
            self._refuse(data, send, _RATE_LIMITED)
            return
        self._slip = not self._slip
        request = read(data) if self._slip else None
        if request is None:
            send(b"")
        else:
            reply = replies.refusal(request, 0)
            send(replies.truncated(reply, request.end))

    def _refuse(self, data: bytes, send: Send, why: int) -> None:
        request = read(data)
        if request is None:
            send(b"")
        else:
            opt = self._opt(request, None, REFUSED, (ExtendedError(why),))
            send(replies.refusal(request, REFUSED, opt))

    # The other ways.

    def handle(
        self,
        data: bytes,
        host: str | None,
        transport: str,
        send: Send,
        missed: bool = False,
    ) -> None:
        """
        Answer a query, now or later.

        @param data: What came from a client that is served.
        @param host: Its address; L{None} for one on a UNIX socket.
        @param transport: C{udp}, C{tcp}, C{tls}, C{https} or C{unix}.
        @param send: Sends the reply.
        @param missed: Whether the cache has been asked in vain.
        """
        request = read(data)
        if request is None:
            self.counts["no-query"] += 1
            send(b"")
            return
        answering = _Answering(self, request, host, transport, send)
        question = request.question
        if request.refusal is not None or question is None:
            code = request.refusal or 0
            self.counts[f"rcode-{code}"] += 1
            answering.refuse(code)
            return
        self._learn(request)
        local = self.local(question)
        if local is not None:
            answering.answer(local)
            return
        now = self.now()
        dnssec = request.dnssec
        key = query_key(data, request.end, dnssec=dnssec)
        if not missed:
            stored = self._get(key, now)
            if stored is not None:
                if self._cache.is_due(stored, now):
                    self._prefetch(data)
                opt = self._opt(request, host, 0)
                answering.send(stored.reply(data, request.end, now, opt), opt)
                return
        if not request.recursion:
            self.counts["not-cached"] += 1
            answering.refuse(REFUSED, ExtendedError(_NOT_AUTHORITATIVE))
            return
        self.counts["asked"] += 1
        options = _OPTIONS[dnssec, request.checking_disabled]
        asked = self._asks.ask(key, question, options)
        asked.addCallbacks(answering.answer, answering.failed)
        asked.addErrback(self._mistaken, answering)

    def _mistaken(self, failure: Failure, answering: _Answering) -> None:
        """The mistake is ours."""
        self._log.failure("while answering a query", failure, event="internal-error")
        answering.refuse(SERVFAIL)

    def local(self, question: Question) -> Result | None:
        """Answer a question about a special name; L{None} if it is about no such."""
        found = self._special.answer(question)
        if found is None:
            return None
        self.counts["local"] += 1
        rcode, answer, authority = found
        return Result(question, rcode, answer, authority, flags=AA, transport="local")

    def lookup(self, question: Question) -> Deferred[Result]:
        """Ask a question as a client would, for the frontend for people."""
        local = self.local(question)
        return succeed(local) if local is not None else self._asks.query(*question)

    def _opt(
        self,
        request: Request,
        host: str | None,
        rcode: int,
        errors: tuple[ExtendedError, ...] = (),
    ) -> bytes:
        """
        Write the OPT record of a reply; nothing if the query has none.

        @param host: The client's address, for a cookie; L{None}: it gets none.
        """
        if request.edns is None:
            return b""
        options = replies.pack_errors(errors)
        cookie = request.cookie
        if cookie is not None and host is not None and len(cookie) >= 8:
            made, good = self._cookies.answer(cookie[:40], host, int(self._clock()))
            self.counts["cookie-good"] += good
            options += pack_option(COOKIE, made)
        return replies.pack_edns(rcode, request.dnssec, options)


class _Answering:
    """One query that is being answered."""

    __slots__ = ("_forwarder", "_host", "_request", "_send", "_transport")

    def __init__(
        self,
        forwarder: Forwarder,
        request: Request,
        host: str | None,
        transport: str,
        send: Send,
    ) -> None:
        self._forwarder = forwarder
        self._request = request
        self._host = host
        self._transport = transport
        self._send = send

    def send(self, reply: bytes, opt: bytes) -> None:
        """Send a reply, as long as it may be."""
        request = self._request
        if self._transport == "udp":
            if len(reply) > min(PAYLOAD, request.payload):
                self._forwarder.counts["truncated"] += 1
                reply = replies.truncated(reply, request.end, opt)
        elif opt and self._transport in ("tls", "https") and request.is_padded:
            reply = replies.pad(reply, opt)
        self._send(reply)

    def refuse(self, rcode: int, *errors: ExtendedError) -> None:
        """Answer with a response code and nothing else."""
        opt = self._forwarder._opt(self._request, self._host, rcode, errors)
        self.send(replies.refusal(self._request, rcode, opt), opt)

    def answer(self, result: Result) -> None:
        """Answer."""
        forwarder, request = self._forwarder, self._request
        opt = forwarder._opt(request, self._host, result.rcode, result.reasons)
        flags = result.flags & AA if result.transport == "local" else 0
        wants_ad = request.dnssec or request.data[3] & AD
        if result.security is Security.SECURE and wants_ad:
            flags |= AD
        if result.stale:
            forwarder.counts["stale"] += 1
        authority = result.authority
        if result.transport != "local":
            is_negative = result.rcode == NXDOMAIN or not result.exists
            if is_negative or request.dnssec:
                authority = replies.denials(authority, request.dnssec)
            else:
                authority = ()
        reply = replies.answer(
            request,
            result.rcode,
            result.records,
            authority,
            forwarder._cache.limits.ttl,
            opt,
            flags,
        )
        self.send(reply, opt)

    def failed(self, failure: Failure) -> None:
        """Nobody has an answer."""
        failure.trap(LookupFailed)
        self._forwarder.counts["failed"] += 1
        self.refuse(SERVFAIL, _why(failure.value))


def _why(error: Any) -> ExtendedError:
    """Say why there is no answer."""
    if isinstance(error, Bogus):
        return ExtendedError(_BOGUS, error.detail)
    if isinstance(error, Unvalidated):
        return ExtendedError(_INDETERMINATE, error.detail)
    if isinstance(error, ResponseCode):
        return ExtendedError(_NETWORK, str(error))
    if isinstance(error, ServerError) and not isinstance(error, BadAliases):
        return ExtendedError(_NO_AUTHORITY, str(error))
    return ExtendedError(_OTHER, str(error))
