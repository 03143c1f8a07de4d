"""Tests of L{netsvc.dns.validated}."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dns.name
from dns.message import Message
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from netsvc.dns import validated
from netsvc.dns.chain import on_chain
from netsvc.dns.errors import (
    Bogus,
    DeadlineExceeded,
    InvalidName,
    LookupFailed,
    ServerFailure,
    ServerTimeout,
    Unvalidated,
)
from netsvc.dns.names import from_text
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.result import Question, Result, Security
from netsvc.dns.servers import Server
from netsvc.dns.validated import DISTRUST, TOTAL, ValidatedAsks
from netsvc.dns.wire import parse
from tests.dns.dnssec.case import Case, anchors_for

GOOD, LIAR, OTHER = (Server("udp", f"192.0.2.{n}", 53) for n in (1, 2, 3))

#: Changes what a server answers; L{None}: no answer at all.
Change = Callable[[Message], Message | None]


def forge(message: Message) -> Message:
    """Change every address."""
    for rrset in message.answer:
        if rrset.rdtype == RdataType.A:
            forged = [each.replace(address="6.6.6.6") for each in rrset]
            rrset.clear()
            for each in forged:
                rrset.add(each)
    return message


def strip(message: Message) -> Message:
    """Leave out all signatures."""
    message.answer = [each for each in message.answer if each.rdtype != RdataType.RRSIG]
    message.authority = []
    return message


class FakeAsks:
    """
    Servers with the same zones, some of which change what they answer.

    @ivar changes: What each server does.
    @ivar asked: Which servers were asked for what.
    @ivar order: Which server answers if several may.
    """

    def __init__(self, fetch: Any) -> None:
        self._fetch = fetch
        self.changes: dict[Server, Change] = {}
        self.asked: list[tuple[Question, QueryOptions]] = []
        self.order = [LIAR, GOOD, OTHER]
        self.silent = False
        self.wire: bytes | None = None

    def query(
        self, name: Any, rtype: Any = 1, rclass: Any = 1, options: QueryOptions = PLAIN
    ) -> Deferred[Result]:
        """Answer."""
        question = Question(name, rtype, rclass)
        self.asked.append((question, options))
        if self.silent:
            return Deferred()
        may = options.servers or tuple(self.order)
        server = next(each for each in self.order if each in may)
        return Deferred.fromCoroutine(self._answer(question, server))

    async def _answer(self, question: Question, server: Server) -> Result:
        name = dns.name.from_wire(question.name, 0)[0]
        message = await self._fetch(name, RdataType.make(question.rtype))
        message = self.changes.get(server, lambda message: message)(message)
        if message is None:
            raise ServerTimeout(server, "udp")
        if message.rcode() == Rcode.SERVFAIL:
            raise ServerFailure(server, "udp", 2)
        wire = message.to_wire() if self.wire is None else self.wire
        found = parse(message.to_wire())
        return Result(
            question,
            found.rcode,
            on_chain(found.answer, question),
            found.authority,
            server=server,
            transport="udp",
            wire=wire,
        )


class ValidatedTests(Case):
    """Validation in front of who is asked."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.asks = FakeAsks(self.upstream.fetch)
        self.validated = ValidatedAsks(
            self.asks,
            [LIAR, GOOD, OTHER],
            anchors_for(self.root),
            self.clock,
            lambda: self.now,
        )

    def ask(self, name: str, rtype: str = "A", **options: Any) -> Deferred[Result]:
        """Ask."""
        return self.validated.query(name, rtype, options=QueryOptions(**options))

    def found(self, name: str = "www.nsec.test", *rtype: str, **options: Any) -> Result:
        """Ask what is answered."""
        return self.successResultOf(self.ask(name, *rtype, **options))

    def test_secure(self) -> None:
        """A signed answer is secure, and has signatures only for who wants them."""
        found = self.found()
        self.assertEqual(found.addresses, ("192.0.2.1",))
        self.assertIs(found.security, Security.SECURE)
        self.assertEqual(len(found.records), 1)
        self.assertEqual(len(self.found(dnssec=True).records), 2)
        self.assertEqual(self.validated.counters["secure"], 2)
        found = self.found("www.nsec.test", "ANY")
        self.assertIn(RdataType.RRSIG, {record.rtype for record in found.records})

    def test_denial(self) -> None:
        """So is a signed denial, without its proof."""
        found = self.found("no.nsec.test")
        self.assertEqual((found.rcode, found.security), (3, Security.SECURE))
        self.assertEqual([record.rtype for record in found.authority], [6])

    def test_insecure(self) -> None:
        """What is not signed is insecure, and believed."""
        self.asks.changes[LIAR] = forge
        found = self.found("www.plain.test")
        self.assertEqual(found.addresses, ("6.6.6.6",))
        self.assertIs(found.security, Security.INSECURE)

    def test_forged(self) -> None:
        """A forged answer is not believed; another server is asked, from then on."""
        for change in (forge, strip):
            self.setUp()
            self.asks.changes[LIAR] = change
            found = self.found()
            self.assertEqual((found.addresses, found.server), (("192.0.2.1",), GOOD))
            self.assertEqual([type(error) for error in found.errors], [Bogus])
            self.asks.asked.clear()
            self.assertEqual(self.found("www.nsec3.test").server, GOOD)
            self.assertEqual(self.asks.asked[0][1].servers, (GOOD, OTHER))
            self.assertEqual(self.validated.counters["passed-over"], 1)
            self.clock.advance(DISTRUST)
            self.asks.asked.clear()
            self.found("www.nsec.test")
            self.assertEqual(self.asks.asked[0][1].servers, ())

    def test_forged_keys(self) -> None:
        """Who forges keys does not discredit the others."""

        def forge_keys(message: Message) -> Message:
            if message.question[0].rdtype in (RdataType.DNSKEY, RdataType.DS):
                return strip(message)
            return message

        for liar in (LIAR, GOOD):
            self.setUp()
            self.asks.changes[liar] = forge_keys
            found = self.found()
            self.assertEqual(found.addresses, ("192.0.2.1",))
            self.assertIs(found.security, Security.SECURE)

    def test_all_forged(self) -> None:
        """Where all forge there is no answer."""
        for server in (LIAR, GOOD, OTHER):
            self.asks.changes[server] = forge
        failure = self.failureResultOf(self.ask("www.nsec.test"), Bogus)
        self.assertEqual(len(failure.value.errors), 4)
        self.assertEqual(self.validated.counters["passed-over"], 0)

    def test_one_server(self) -> None:
        """Where one alone may be asked, no other is."""
        self.asks.changes[LIAR] = forge
        self.failureResultOf(self.ask("www.nsec.test", servers=(LIAR,)), Bogus)
        self.assertEqual({each.servers for _, each in self.asks.asked}, {(LIAR,)})

    def test_others_fail(self) -> None:
        """That the others do not answer is told, too."""
        self.asks.changes = {
            LIAR: forge,
            GOOD: lambda message: None,
            OTHER: lambda message: None,
        }
        failure = self.failureResultOf(self.ask("www.nsec.test"), Bogus)
        kinds = [type(error).__name__ for error in failure.value.errors]
        self.assertEqual(kinds, ["Bogus", "ServerTimeout", "ServerTimeout", "Bogus"])

    def test_no_keys(self) -> None:
        """Where no keys can be had nothing is believed."""

        def hold_back(message: Message) -> Message | None:
            rdtype = message.question[0].rdtype
            return None if rdtype == RdataType.DNSKEY else message

        for server in (LIAR, GOOD, OTHER):
            self.asks.changes[server] = hold_back
        self.failureResultOf(self.ask("www.nsec.test"), Unvalidated)

    def test_malformed(self) -> None:
        """An answer that dnspython cannot read is bogus."""
        self.asks.wire = b"?"
        self.failureResultOf(self.ask("www.nsec.test"), Bogus)

    def test_malformed_keys(self) -> None:
        """Keys that cannot be read are none."""

        def break_off(message: Message) -> Message:
            self.asks.wire = None
            if message.question[0].rdtype == RdataType.DNSKEY:
                self.asks.wire = b"?"
            return message

        for server in (LIAR, GOOD, OTHER):
            self.asks.changes[server] = break_off
        self.failureResultOf(self.ask("www.nsec.test"), Unvalidated)

    def test_empty_non_terminal(self) -> None:
        """What the header says of an empty name is put right."""

        def claim(message: Message) -> Message:
            message.set_rcode(dns.rcode.NXDOMAIN)
            return message

        self.upstream.changes[dns.name.from_text("empty.nsec.test"), RdataType.A] = (
            claim
        )
        result = self.successResultOf(self.ask("empty.nsec.test"))
        self.assertEqual((result.rcode, result.exists), (0, False))

    def test_not_covered(self) -> None:
        """A record beside those that were judged makes an answer bogus."""
        found = self.found(dnssec=True)
        verdict = self.successResultOf(
            Deferred.fromCoroutine(
                self.validated._judge(found.question, found, ()),
            )
        )
        self.assertTrue(validated._is_covered(found, verdict))
        extra = found.records[0]._replace(owner=from_text("bank.test"))
        more = found._replace(records=(*found.records, extra))
        self.assertFalse(validated._is_covered(more, verdict))

    def test_ttl(self) -> None:
        """No record outlives its signature."""
        short = validated._capped(self.found().records, 7)
        self.assertEqual([record.ttl for record in short], [7])

    def test_not_validated(self) -> None:
        """With CD, and of other classes, nothing is validated."""
        self.asks.changes[LIAR] = forge
        found = self.found(checking_disabled=True)
        self.assertEqual(found.addresses, ("6.6.6.6",))
        self.assertIs(found.security, Security.UNCHECKED)
        self.validated.query("www.nsec.test", "A", "CH")
        self.failureResultOf(self.validated.query("a..b"), InvalidName)

    def test_deadline(self) -> None:
        """It ends when its time is up."""
        self.asks.silent = True
        first, second = self.ask("www.nsec.test"), self.ask("x.test", deadline=1.0)
        self.clock.advance(1)
        self.failureResultOf(second, DeadlineExceeded)
        self.clock.advance(TOTAL)
        self.failureResultOf(first, DeadlineExceeded)

    def test_deadline_after_forgery(self) -> None:
        """What was found out before is told."""

        self.asks.changes[LIAR] = forge
        self.patch(self.validated, "_try_one", lambda case, server: Deferred())
        asked = self.ask("www.nsec.test")
        self.clock.advance(TOTAL)
        self.failureResultOf(asked, Bogus)

    def test_fails(self) -> None:
        """Where nobody answers it fails as without validation, also in time."""
        for server in (LIAR, GOOD, OTHER):
            self.asks.changes[server] = lambda message: None
        self.failureResultOf(self.ask("www.nsec.test"), ServerTimeout)
        self.assertEqual(self.validated._under_way, 0)

    def test_cancelled(self) -> None:
        """To cancel it gives up."""
        self.asks.silent = True
        asked = self.ask("www.nsec.test")
        asked.addErrback(lambda failure: None)
        asked.cancel()
        self.assertEqual(
            (self.validated._under_way, self.clock.getDelayedCalls()), (0, [])
        )

    def test_bounded(self) -> None:
        """So many answers may be under way."""
        self.patch(validated, "MAX_VALIDATIONS", 1)
        self.asks.silent = True
        self.ask("www.nsec.test")
        self.failureResultOf(self.ask("www.nsec.test"), LookupFailed)
