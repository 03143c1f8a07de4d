"""
Validation in front of who is asked: L{ValidatedAsks}.

Each answer is judged by DNSSEC (L{netsvc.dns.dnssec.validator}). One that is bogus is
not believed, nor one that nothing can be found out about though it should be signed:
the other servers are asked, one by one, and each is judged by keys that it has sent
itself, so that one that lies cannot discredit another. A server that is found out is
passed over for a while.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import dns.exception
import dns.message
import dns.name
from dns.rdatatype import RdataType
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.python.failure import Failure

from netsvc.dns import rrtypes
from netsvc.dns.asking import Asks
from netsvc.dns.dnssec.anchors import Anchors
from netsvc.dns.dnssec.limits import Limits
from netsvc.dns.dnssec.status import FetchError, Verdict
from netsvc.dns.dnssec.validator import Validator
from netsvc.dns.errors import (
    Bogus,
    DeadlineExceeded,
    InvalidName,
    LookupFailed,
    ServerError,
    Unvalidated,
    most_telling,
)
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.question import read_question
from netsvc.dns.result import ExtendedError, Question, Record, Result, Security
from netsvc.dns.servers import Server

#: Seconds for which a server is passed over that has sent a bogus answer where another
#: one has sent a good one.
DISTRUST: Final = 300.0

#: Servers that are asked one by one after a bogus answer.
MAX_TRIES: Final = 8

#: Seconds that an answer and its chain of trust may take in all.
TOTAL: Final = 10.0

#: Validations under way.
MAX_VALIDATIONS: Final = 1000

_SIGNATURES: Final = frozenset({rrtypes.RRSIG, rrtypes.NSEC, rrtypes.NSEC3})


class ValidatedAsks:
    """
    Asks, and believes only what DNSSEC does not refute (L{Asks}).

    @ivar counters: Answers by what was found: C{secure}, C{insecure}, C{bogus},
        C{indeterminate}; and C{passed-over}: servers not to be believed.
    """

    def __init__(
        self,
        asks: Asks,
        servers: Iterable[Server],
        anchors: Anchors,
        reactor: Any,
        clock: Callable[[], float] = time.time,
        limits: Limits | None = None,
    ) -> None:
        """
        @param asks: Who is asked; it knows C{options.servers}.
        @param servers: The servers that it asks.
        @param anchors: What is trusted from the start.
        @param reactor: Gives the time for deadlines (L{IReactorTime}).
        @param clock: Gives POSIX time in seconds: signatures have dates.
        @param limits: How much work an answer may cost.
        """
        self._asks = asks
        self._servers = tuple(servers)
        self._reactor = reactor
        self._distrusted: dict[Server, float] = {}
        self._under_way = 0
        self.counters: Counter[str] = Counter()
        self._validator = Validator(self._fetch_from(()), anchors, clock, limits)

    def query(
        self,
        name: str | bytes,
        rtype: str | int = "A",
        rclass: str | int = "IN",
        options: QueryOptions = PLAIN,
    ) -> Deferred[Result]:
        """
        Ask one question; see L{Asks.query<netsvc.dns.asking.Asks.query>}.

        With C{options.checking_disabled} nothing is validated.
        """
        try:
            question = read_question(name, rtype, rclass)
        except InvalidName as error:
            return fail(error)
        if options.checking_disabled or question.rclass != rrtypes.IN:
            return self._asks.query(*question, options)
        if self._under_way >= MAX_VALIDATIONS:
            return fail(DeadlineExceeded("too many answers are being validated"))
        self._under_way += 1
        case = _Case(question, options)
        deferred: Deferred[Result] = Deferred.fromCoroutine(self._answer(case))
        total = TOTAL if options.deadline is None else options.deadline
        deferred.addTimeout(total, self._reactor, partial(_too_late, case))
        return deferred.addBoth(self._over)

    def _over(self, outcome: Any) -> Any:
        self._under_way -= 1
        return outcome

    # One answer.

    async def _answer(self, case: _Case) -> Result:
        """Ask all, and then one by one those who may know better."""
        trusted = self._trusted(case.options)
        result = await self._try(case, trusted)
        if result is not None:
            return result
        liar = case.errors[-1].server
        chosen = case.options.servers or self._servers
        if len(chosen) > 1:
            # It may have been right, and the keys another one's forgery.
            others = [server for server in chosen if server != liar]
            for server in [*others, liar][:MAX_TRIES]:
                result = await self._try_one(case, server)
                if result is not None:
                    self._blame(case, server)
                    return result
        raise most_telling(tuple(case.errors))

    async def _try_one(self, case: _Case, server: Server) -> Result | None:
        try:
            return await self._try(case, (server,))
        except ServerError as error:
            case.errors.append(error)
            return None

    async def _try(self, case: _Case, servers: tuple[Server, ...]) -> Result | None:
        """
        Ask some servers, and judge the answer.

        @param servers: These; all if it is empty.
        @return: The answer, if it is to be believed.
        """
        asked = replace(
            case.options,
            dnssec=True,
            checking_disabled=True,
            edns=True,
            servers=servers,
        )
        question = case.question
        result = await self._asks.query(*question, asked)
        verdict = await self._judge(question, result, servers)
        self.counters[verdict.security.value] += 1
        if verdict.usable and _is_covered(result, verdict):
            return _cleaned(result, verdict, case)
        assert result.server is not None
        undecided = verdict.security is Security.INDETERMINATE
        kind = Unvalidated if undecided else Bogus
        case.errors.append(kind(result.server, result.transport, verdict.reason))
        return None

    async def _judge(
        self, question: Question, result: Result, servers: tuple[Server, ...]
    ) -> Verdict:
        try:
            name = dns.name.from_wire(question.name, 0)[0]
            message = dns.message.from_wire(result.wire, ignore_trailing=True)
        except (dns.exception.DNSException, ValueError):
            return Verdict(security=Security.BOGUS, reason="a malformed answer")
        return await self._validator.validate(
            name, question.rtype, message, self._fetch_from(servers)
        )

    def _fetch_from(self, servers: tuple[Server, ...]) -> Any:
        """Make what asks some servers for the chain of trust."""
        options = QueryOptions(dnssec=True, checking_disabled=True, servers=servers)

        async def fetch(name: dns.name.Name, rtype: RdataType) -> dns.message.Message:
            try:
                result = await self._asks.query(
                    name.to_wire() or b"\0", int(rtype), rrtypes.IN, options
                )
                return dns.message.from_wire(result.wire, ignore_trailing=True)
            except LookupFailed as error:
                raise FetchError(str(error)) from None
            except (dns.exception.DNSException, ValueError):
                raise FetchError("a malformed answer") from None

        return fetch

    # Who lies.

    def _trusted(self, options: QueryOptions) -> tuple[Server, ...]:
        """Choose the servers that are asked at first; empty for all."""
        if not self._distrusted:
            return options.servers
        now = self._reactor.seconds()
        self._distrusted = {
            server: until for server, until in self._distrusted.items() if now < until
        }
        chosen = options.servers or self._servers
        trusted = tuple(each for each in chosen if each not in self._distrusted)
        return options.servers if len(trusted) in (0, len(chosen)) else trusted

    def _blame(self, case: _Case, honest: Server) -> None:
        """Pass over those whose answers were not to be believed."""
        until = self._reactor.seconds() + DISTRUST
        for error in case.errors:
            if isinstance(error, (Bogus, Unvalidated)) and error.server != honest:
                if error.server not in self._distrusted:
                    self.counters["passed-over"] += 1
                self._distrusted[error.server] = until


class _Case:
    """One question on its way."""

    __slots__ = ("errors", "options", "question")

    def __init__(self, question: Question, options: QueryOptions) -> None:
        self.question = question
        self.options = options
        self.errors: list[ServerError] = []


def _too_late(case: _Case, outcome: Any, timeout: float) -> Any:
    """Say why there is no answer after all this time."""
    if isinstance(outcome, Failure):
        if outcome.check(CancelledError) is None:
            return outcome
        if case.errors:
            raise most_telling(tuple(case.errors))
        raise DeadlineExceeded("to validate the answer takes too long")
    return outcome


def _is_covered(result: Result, verdict: Verdict) -> bool:
    """Tell whether each record of a secure answer was found secure itself."""
    if verdict.security is not Security.SECURE:
        return True
    return all(
        record.rtype == rrtypes.RRSIG
        or (record.owner.lower(), record.rtype) in verdict.rrsets
        for record in result.records
    )


def _cleaned(result: Result, verdict: Verdict, case: _Case) -> Result:
    """Give an answer as it was asked for, with what was found."""
    reasons: tuple[ExtendedError, ...] = ()
    if verdict.ede is not None:
        reasons = (ExtendedError(int(verdict.ede), verdict.reason),)
    records, authority = result.records, result.authority
    if not case.options.dnssec:
        wanted = case.question.rtype
        records = _without_signatures(records, wanted)
        authority = _without_signatures(authority, wanted)
    if verdict.ttl is not None:
        records = _capped(records, verdict.ttl)
        authority = _capped(authority, verdict.ttl)
    rcode = result.rcode if verdict.rcode is None else verdict.rcode
    return result._replace(
        rcode=rcode,
        records=records,
        authority=authority,
        security=verdict.security,
        reasons=reasons,
        errors=(*case.errors, *result.errors),
    )


def _without_signatures(records: tuple[Record, ...], wanted: int) -> tuple[Record, ...]:
    if wanted == rrtypes.ANY:
        return records
    return tuple(
        record
        for record in records
        if record.rtype not in _SIGNATURES or record.rtype == wanted
    )


def _capped(records: tuple[Record, ...], ttl: int) -> tuple[Record, ...]:
    """Let no record live longer than its signature."""
    return tuple(
        record if record.ttl <= ttl else record._replace(ttl=ttl) for record in records
    )
