"""Verdicts on what several servers say."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.codes import NXDOMAIN, RCODE, REFUSED, SERVFAIL
from netsvc.dns.errors import DNSError
from netsvc.dns.lookups.comparing import (
    ask_all,
    comparison_lines,
    comparison_object,
    look_for_rewriting,
)
from netsvc.dns.lookups.comparison import Kind, Said, Verdict, judge, names_differ
from netsvc.dns.lookups.spans import plain
from netsvc.dns.names import from_text
from netsvc.dns.options import PLAIN
from netsvc.dns.result import ExtendedError, Question, Record, Result, Security
from netsvc.dns.rrtypes import IN, MX, TXT
from netsvc.dns.servers import parse_server
from tests.dns.lookups.kit import (
    OTHER,
    SERVER,
    THIRD,
    FakeAsks,
    answer,
    ede,
    missing,
    refusal,
    secure,
    timeout,
)

SERVERS = [SERVER, OTHER, THIRD, parse_server("192.0.2.56")]


def said(*found: Result | DNSError, **changes: Any) -> list[Said]:
    """Let each server say something."""
    return [
        Said(server, each) if isinstance(each, Result) else Said(server, error=each)
        for server, each in zip(SERVERS, found, strict=False)
    ]


class VerdictTests(SynchronousTestCase):
    """One verdict for each server."""

    def kinds(self, *found: Result | DNSError) -> list[Kind]:
        return [verdict.kind for verdict in judge(said(*found))]

    def test_same(self) -> None:
        """Order and time to live do not matter, nor the case of names."""
        one = answer("8.8.8.8", "9.9.9.9")
        two = answer("9.9.9.9", "8.8.8.8")
        later = two._replace(records=tuple(r._replace(ttl=1) for r in two.records))
        self.assertEqual(self.kinds(one, two, later), [Kind.SAME] * 3)
        mails = [
            answer()._replace(
                question=Question(from_text("a.test"), MX),
                records=(Record(b"\1a\0", MX, IN, 1, b"\0A" + from_text(name)),),
            )
            for name in ("mail.test", "MAIL.test")
        ]
        self.assertEqual(self.kinds(*mails), [Kind.SAME] * 2)
        texts = [
            answer()._replace(
                question=Question(from_text("a.test"), TXT),
                records=(Record(b"\1a\0", TXT, IN, 1, data),),
            )
            for data in (b"\1A", b"\1a")
        ]
        self.assertEqual(self.kinds(*texts), [Kind.SAME, Kind.DIFFERS])

    def test_differs(self) -> None:
        """Other addresses are a difference, and only a guess at its reason."""
        found = judge(said(answer("8.8.8.8"), answer("8.8.8.8", "9.9.9.9"), answer()))
        self.assertEqual(
            [str(each) for each in found],
            [
                "same",
                "differs (rotation or location): in part the same",
                "differs (rotation or location): no data",
            ],
        )
        self.assertEqual([each.is_guess for each in found], [False, True, True])
        self.assertEqual(
            self.kinds(answer("8.8.8.8"), answer("9.9.9.9")), [Kind.SAME, Kind.DIFFERS]
        )

    def test_filtered_as_it_says(self) -> None:
        """A server that says itself that it filters does, whatever it answers."""
        for code in (15, 16, 17):
            says = missing(edns=ede((code, "")))
            found = judge(said(answer("8.8.8.8"), says))[1]
            self.assertEqual((found.kind, found.is_guess), (Kind.FILTERED, False))
            refused = refusal(REFUSED, OTHER, ede((code, "")))
            self.assertIs(
                judge(said(answer("8.8.8.8"), refused))[1].kind, Kind.FILTERED
            )

    def test_probably_filtered(self) -> None:
        """An address that cannot be public, or NXDOMAIN, may be a filter's."""
        good = answer("8.8.8.8")
        for other in (answer("0.0.0.0"), answer("10.0.0.1", "127.0.0.1"), missing()):
            found = judge(said(good, good, other))[2]
            self.assertEqual((found.kind, found.is_guess), (Kind.FILTERED, True))
            self.assertIn("probably filtered", str(found))
        # In a private network all addresses are private.
        private = [answer("10.0.0.1"), answer("10.0.0.1"), answer("10.0.0.2")]
        self.assertIs(judge(said(*private))[2].kind, Kind.DIFFERS)

    def test_filter_first(self) -> None:
        """Of two that differ the filter is the suspect, also if it is asked first."""
        good = answer("8.8.8.8")
        for other in (answer("0.0.0.0"), missing()):
            for order in ((other, good), (good, other)):
                kinds = dict(zip(order, self.kinds(*order), strict=True))
                self.assertEqual(kinds, {good: Kind.SAME, other: Kind.FILTERED})
            # Two are more than one.
            self.assertIs(self.kinds(good, other, other)[1], Kind.SAME)

    def test_rewritten(self) -> None:
        """Addresses where most, or DNSSEC, say that there is no such name."""
        found = judge(said(missing(), missing(), answer("9.9.9.9")))
        self.assertEqual([each.kind for each in found][2], Kind.REWRITTEN)
        self.assertIn("most say", found[2].why)
        proven = secure(missing())
        found = judge(said(answer("9.9.9.9"), answer("9.9.9.9"), proven))
        self.assertEqual([each.kind for each in found][:2], [Kind.REWRITTEN] * 2)
        self.assertIn("proven", found[0].why)

    def test_rewritten_as_seen(self) -> None:
        """Who gives the same address for a name that cannot exist rewrites."""
        one, two = said(answer("9.9.9.9"), missing())
        one = one._replace(rewrites=frozenset({"9.9.9.9"}))
        found = judge([one, two])
        self.assertEqual([each.kind for each in found], [Kind.REWRITTEN, Kind.SAME])
        self.assertIn("9.9.9.9", found[0].why)
        other = one._replace(rewrites=frozenset({"1.1.1.1"}))
        self.assertIs(judge([other, two])[0].kind, Kind.REWRITTEN)

    def test_bogus(self) -> None:
        """Bogus is what DNSSEC has proven to be so, and nothing else."""
        reasons = (ExtendedError(6, "a wrong signature"),)
        forged = answer("9.9.9.9", security=Security.BOGUS, reasons=reasons)
        found = judge(said(secure(answer("8.8.8.8")), forged))
        self.assertEqual(found[1], Verdict(Kind.BOGUS, why="a wrong signature"))
        # The right data without its signatures is no forgery.
        stripped = answer("8.8.8.8", security=Security.BOGUS, reasons=reasons)
        found = judge(said(secure(answer("8.8.8.8")), stripped))
        self.assertIs(found[1].kind, Kind.SAME)
        self.assertIn("a wrong signature", found[1].why)
        alone = answer("8.8.8.8", security=Security.BOGUS)
        self.assertEqual(self.kinds(alone), [Kind.BOGUS])

    def test_keys_not_to_be_had(self) -> None:
        """What could not be validated for want of keys is not called bogus."""
        reasons = (ExtendedError(22, ". DNSKEY: REFUSED"),)
        status = Security.INDETERMINATE
        unproven = answer("8.8.8.8", security=status, reasons=reasons)
        (alone,) = judge(said(unproven))
        self.assertEqual(str(alone), "same: not validated: . DNSKEY: REFUSED")
        other = answer("9.9.9.9", security=status, reasons=reasons)
        found = self.kinds(secure(answer("8.8.8.8")), unproven, other)
        self.assertEqual(found, [Kind.SAME, Kind.SAME, Kind.DIFFERS])

    def test_keys_held_back(self) -> None:
        """Nor is an answer of a server that says that there are no keys."""
        reasons = (ExtendedError(9, "test. has no DNSKEY records"),)
        unproven = answer("8.8.8.8", security=Security.BOGUS, reasons=reasons)
        self.assertEqual(self.kinds(unproven), [Kind.SAME])

    def test_proven_counts(self) -> None:
        """What is proven counts, and not what most say."""
        lie = answer("9.9.9.9")
        found = self.kinds(lie, lie, secure(answer("8.8.8.8")))
        self.assertEqual(found, [Kind.DIFFERS, Kind.DIFFERS, Kind.SAME])

    def test_no_answer(self) -> None:
        """Silence is unreachable; an error code is no answer."""
        found = judge(said(timeout(), refusal(SERVFAIL), answer("8.8.8.8")))
        self.assertEqual(
            [str(each) for each in found],
            ["unreachable: timeout", "no answer: SERVFAIL", "same"],
        )
        self.assertEqual(self.kinds(timeout()), [Kind.UNREACHABLE])

    def test_statuses(self) -> None:
        """The status is the response code, or what went wrong."""
        found = said(missing(), timeout(), refusal(RCODE["NOTIMP"]))
        statuses = [each.status for each in found]
        self.assertEqual(statuses, ["NXDOMAIN", "TIMEOUT", "NOTIMP"])
        self.assertEqual(found[0].content, (NXDOMAIN, frozenset()))
        self.assertIsNone(found[1].content)


class AskingTests(SynchronousTestCase):
    """All servers are asked at once."""

    def ask(self, work: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(work)

    def test_all_at_once(self) -> None:
        """Each server gets the question alone, and keeps its place."""
        asks = FakeAsks()
        question = Question(from_text("www.example"), 1)
        work = self.ask(ask_all(asks, SERVERS[:3], question, PLAIN))
        self.assertEqual(
            [options.servers for _, _, options in asks.asked],
            [(server,) for server in SERVERS[:3]],
        )
        self.assertTrue(all(each[2].authentic_data for each in asks.asked))
        asks.answer(1, "8.8.8.8")
        asks.fail(0, timeout())
        asks.waiting[2].cancel()
        found = self.successResultOf(work)
        statuses = [each.status for each in found]
        self.assertEqual(statuses, ["TIMEOUT", "NOERROR", "INTERRUPTED"])

    def test_rewriting(self) -> None:
        """Where names differ, servers with data are asked for one that cannot exist."""
        asks = FakeAsks()
        first = said(answer("9.9.9.9"), missing(), timeout())
        self.assertTrue(names_differ(first))
        work = self.ask(look_for_rewriting(asks, first, PLAIN, "random"))
        ((name, _, options),) = asks.asked
        self.assertEqual(name, from_text("random.invalid"))
        self.assertEqual(options.servers, (SERVER,))
        asks.answer(0, "9.9.9.9")
        found = self.successResultOf(work)
        self.assertEqual(found[0].rewrites, {"9.9.9.9"})
        self.assertEqual(found[1].rewrites, frozenset())

    def test_no_rewriting(self) -> None:
        """Where they agree, or no addresses were asked for, nothing is asked."""
        asks = FakeAsks()
        agreed = said(answer("9.9.9.9"), answer("8.8.8.8"))
        self.assertFalse(names_differ(agreed))
        mails = said(answer(), missing())
        question = Question(from_text("www.example"), MX)
        mails = [
            each._replace(
                result=each.result and each.result._replace(question=question)
            )
            for each in mails
        ]
        for each in (agreed, mails):
            work = self.ask(look_for_rewriting(asks, each, PLAIN, "random"))
            self.assertEqual(self.successResultOf(work), each)
        self.assertEqual(asks.asked, [])


class ShownTests(SynchronousTestCase):
    """The table and the object."""

    def setUp(self) -> None:
        nsid = ede((4, "made up"))
        nsid = nsid._replace(options=(*nsid.options, (3, b"here")))
        self.said = said(
            secure(answer("8.8.8.8", "8.8.4.4")), timeout(), missing(edns=nsid)
        )
        self.verdicts = judge(self.said)

    def test_lines(self) -> None:
        """A row for each server, further data below, then what there is to say."""
        lines = comparison_lines("www.example A", self.said, self.verdicts)
        text = [plain(line) for line in lines]
        self.assertEqual(text[0], "; www.example A")
        self.assertRegex(text[1], r"^SERVER +STATUS +RTT +TTL +AD +EDE +VERDICT +ANSW")
        self.assertRegex(
            text[2], r"53 +NOERROR +12.3 ms +300 +ad +- +same +8\.8\.4\.4$"
        )
        self.assertRegex(text[3], r"^ +8\.8\.8\.8$")
        self.assertEqual(text[3].index("8.8.8.8"), text[2].index("8.8.4.4"))
        self.assertRegex(text[4], r"TIMEOUT +- +- +- +- +unreachable +-$")
        self.assertRegex(text[5], r"NXDOMAIN .* 4 +filtered\? +-$")
        rest = "\n".join(text[6:])
        self.assertIn("has not answered in time", rest)
        self.assertIn("probably filtered: NXDOMAIN where others have data", rest)
        self.assertIn("NSID here", rest)
        self.assertIn("EDE 4 (Forged Answer): made up", rest)
        self.assertIn("3 servers: 1 same, 1 unreachable, 1 filtered", rest)
        self.assertIn("guesses", rest)

    def test_certain(self) -> None:
        """Where nothing is a guess, nothing is said of guesses."""
        found = said(answer("8.8.8.8"), answer("8.8.8.8"))
        lines = comparison_lines("www.example A", found, judge(found))
        self.assertNotIn("guess", "".join(plain(line) for line in lines))
        self.assertEqual(plain(lines[-1]), "; 2 servers: 2 same")
        lines = comparison_lines("www.example A", found[:1], judge(found[:1]))
        self.assertEqual(plain(lines[-1]), "; 1 server: 1 same")

    def test_object(self) -> None:
        """All of it is in the object."""
        question = Question(from_text("www.example"), 1)
        found = comparison_object("www.example", question, self.said, self.verdicts)
        first, second, third = found["servers"]
        self.assertEqual((found["type"], found["class"]), ("A", "IN"))
        self.assertEqual(first["verdict"], "same")
        self.assertEqual(len(first["records"]), 2)
        self.assertEqual(second["error"]["kind"], "TIMEOUT")
        self.assertTrue(third["guess"])
        self.assertEqual(third["ede"][0]["code"], 4)
