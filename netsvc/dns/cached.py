"""
A cache in front of who is asked: L{CachedAsks}.

Identical questions under way are asked once. Answers that are asked for often are
renewed before their time is over. When nobody answers, or not soon, an old answer
serves (RFC 8767); what could not be answered is not asked again at once (RFC 9520).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from netsvc.dns.asking import Asks
from netsvc.dns.cache import Cache, make_key
from netsvc.dns.codes import NXDOMAIN
from netsvc.dns.errors import (
    InvalidName,
    LookupFailed,
    ServerError,
    TooManyQueries,
)
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.question import read_question
from netsvc.dns.result import ExtendedError, Question, Result, Security
from netsvc.dns.stored import Stored
from netsvc.dns.wire import pack_query, pack_question, parse

#: Seconds after which who waits gets an old answer, if there is one, while the lookup
#: goes on (RFC 8767 section 5).
STALE_AFTER: Final = 1.8

#: Lookups under way, and those who may wait for one of them.
MAX_LOOKUPS: Final = 10_000
MAX_WAITING: Final = 1000

#: Extended errors of our own (RFC 8914).
STALE_ANSWER: Final = 3
STALE_NXDOMAIN: Final = 19

#: All servers are asked together: a failure is all of theirs.
_ALL_SERVERS: Final = ""


class _Lookup:
    """A question that is under way, and who waits for its answer."""

    __slots__ = ("timer", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Deferred[Result]] = []
        self.timer: Any = None


class CachedAsks:
    """
    Answers from a cache, or asks (L{Asks<netsvc.dns.asking.Asks>}).

    @ivar cache: The answers.
    @ivar counters: C{asked} (lookups begun), C{joined}, C{prefetched},
        C{too-many}, C{uncached} (asked with options that no cache can serve).
    """

    def __init__(self, asks: Asks, cache: Cache, reactor: Any) -> None:
        """
        @param asks: Who is asked.
        @param cache: The answers.
        @param reactor: Gives the time (L{IReactorTime}).
        """
        self._asks = asks
        self.cache = cache
        self._reactor = reactor
        self._now: Callable[[], float] = reactor.seconds
        self.counters: Counter[str] = Counter()
        self._lookups: dict[tuple[bytes, QueryOptions], _Lookup] = {}

    def __len__(self) -> int:
        """Give how many lookups are under way."""
        return len(self._lookups)

    def query(
        self,
        name: str | bytes,
        rtype: str | int = "A",
        rclass: str | int = "IN",
        options: QueryOptions = PLAIN,
    ) -> Deferred[Result]:
        """
        Ask one question; see L{Asks.query<netsvc.dns.asking.Asks.query>}.
        """
        try:
            question = read_question(name, rtype, rclass)
        except InvalidName as error:
            return fail(error)
        if not _is_plain(options):
            self.counters["uncached"] += 1
            return self._asks.query(*question, options)
        key = make_key(
            question,
            dnssec=options.dnssec,
            checking_disabled=options.checking_disabled,
        )
        stored = self.cache.get(key, self._now())
        if stored is not None:
            if self.cache.is_due(stored, self._now()):
                self.prefetch(key, question, options)
            return succeed(self._result(question, stored))
        return self.ask(key, question, options)

    def ask(
        self, key: bytes, question: Question, options: QueryOptions = PLAIN
    ) -> Deferred[Result]:
        """
        Ask what the cache has no good answer to.

        @param key: The question's.
        @param options: Plain ones, but for DO, CD and a deadline.
        """
        now = self._now()
        failure = self.cache.failure(key, _ALL_SERVERS, now)
        if failure is not None:
            stale = self._stale(key, question)
            if stale is not None:
                return succeed(stale)
            return fail(_again(failure.reason))
        lookup = self._lookups.get((key, options))
        if lookup is None:
            if len(self._lookups) >= MAX_LOOKUPS:
                self.counters["too-many"] += 1
                return fail(TooManyQueries("too many lookups are under way"))
            lookup = _Lookup()
        elif len(lookup.waiting) >= MAX_WAITING:
            self.counters["too-many"] += 1
            return fail(TooManyQueries("too many wait for the same lookup"))
        else:
            self.counters["joined"] += 1
        waiting: Deferred[Result] = Deferred(partial(_leave, lookup))
        lookup.waiting.append(waiting)
        self._begin(key, question, options, lookup)
        return waiting

    def prefetch(
        self, key: bytes, question: Question, options: QueryOptions = PLAIN
    ) -> None:
        """Ask for an answer anew before its time is over; nobody waits for it."""
        if (key, options) not in self._lookups and len(self._lookups) < MAX_LOOKUPS:
            self.counters["prefetched"] += 1
            self._begin(key, question, options, _Lookup())

    def _begin(
        self, key: bytes, question: Question, options: QueryOptions, lookup: _Lookup
    ) -> None:
        """Ask, unless that is done already."""
        if (key, options) in self._lookups:
            return
        self._lookups[key, options] = lookup
        self.counters["asked"] += 1
        if lookup.waiting:
            lookup.timer = self._reactor.callLater(
                STALE_AFTER, self._waited, key, question, lookup
            )
        asked = self._asks.query(*question, options)
        asked.addBoth(self._done, key, question, options, lookup)

    def _waited(self, key: bytes, question: Question, lookup: _Lookup) -> None:
        """It takes long: an old answer will do."""
        lookup.timer = None
        stale = self._stale(key, question)
        if stale is not None:
            _tell(lookup, stale)

    def _done(
        self,
        outcome: Result | Failure,
        key: bytes,
        question: Question,
        options: QueryOptions,
        lookup: _Lookup,
    ) -> None:
        """A lookup has ended."""
        del self._lookups[key, options]
        if lookup.timer is not None:
            lookup.timer.cancel()
            lookup.timer = None
        now = self._now()
        if isinstance(outcome, Result):
            secure = outcome.security is Security.SECURE
            self.cache.put(
                key,
                question,
                outcome.rcode,
                outcome.records,
                outcome.authority,
                now,
                authentic=secure,
            )
            _tell(lookup, outcome)
            return
        if outcome.check(ServerError) is not None:
            self.cache.fail(key, _ALL_SERVERS, now, outcome.value)
        if lookup.waiting:
            _tell(lookup, self._stale(key, question) or outcome)

    # Answers from the cache.

    def _stale(self, key: bytes, question: Question) -> Result | None:
        """Give an old answer, if there is one."""
        stored = self.cache.get_stale(key, self._now())
        return None if stored is None else self._result(question, stored)

    def _result(self, question: Question, stored: Stored) -> Result:
        """Make a result of what is stored."""
        now = self._now()
        query = pack_query(b"\0\0", pack_question(question))
        wire = stored.reply(query, len(query), now)
        message = parse(wire)
        is_stale = now >= stored.expires
        code = STALE_NXDOMAIN if stored.rcode == NXDOMAIN else STALE_ANSWER
        return Result(
            question,
            message.rcode,
            message.answer,
            message.authority,
            flags=message.flags,
            transport="cache",
            size=len(wire),
            security=(Security.SECURE if stored.is_authentic else Security.UNCHECKED),
            reasons=(ExtendedError(code),) if is_stale else (),
            stale=is_stale,
            wire=wire,
        )


def _is_plain(options: QueryOptions) -> bool:
    """Tell whether an answer to these options is the same for all who ask."""
    return options is PLAIN or options == replace(
        PLAIN,
        dnssec=options.dnssec,
        checking_disabled=options.checking_disabled,
        deadline=options.deadline,
    )


def _leave(lookup: _Lookup, waiting: Deferred[Result]) -> None:
    """One of those who wait is cancelled; the answer is kept for others."""
    if waiting in lookup.waiting:
        lookup.waiting.remove(waiting)


def _tell(lookup: _Lookup, outcome: Result | Failure) -> None:
    """Tell all who wait."""
    waiting, lookup.waiting = lookup.waiting, []
    for each in waiting:
        if isinstance(outcome, Failure):
            each.errback(Failure(outcome.value))
        else:
            each.callback(outcome)


def _again(reason: object) -> LookupFailed:
    """Give the error of a failure that is remembered."""
    assert isinstance(reason, LookupFailed)
    return reason
