"""Tests of L{netsvc.dns.question}: what those who are asked refuse, in one way."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.asking import Asks
from netsvc.dns.cache import Cache
from netsvc.dns.cached import CachedAsks
from netsvc.dns.dnssec.anchors import Anchors
from netsvc.dns.errors import InvalidName, TransferRequested
from netsvc.dns.names import from_text
from netsvc.dns.options import QueryOptions
from netsvc.dns.question import read_question
from netsvc.dns.resolver import Resolver
from netsvc.dns.result import Question
from netsvc.dns.rrtypes import AXFR, CH, IN, IXFR, MX, A
from netsvc.dns.servers import parse_server
from netsvc.dns.validated import ValidatedAsks

NAME = from_text("www.example.com")


class Nobody:
    """Who must not be asked."""

    def query(self, *arguments: Any) -> Any:
        """Be asked."""
        raise AssertionError(f"asked for {arguments}")


class QuestionTests(SynchronousTestCase):
    """Tests of L{read_question}."""

    def test_read(self) -> None:
        """Texts and numbers are the same question, in any case and script."""
        for given, read in (
            (("www.example.com", "A", "IN"), Question(NAME, A)),
            ((NAME, A, IN), Question(NAME, A)),
            (("www.example.com.", "mx", "ch"), Question(NAME, MX, CH)),
            (("www.example.com", "TYPE15", "CLASS3"), Question(NAME, MX, CH)),
            (("bücher.test", "A", 1), Question(from_text("xn--bcher-kva.test"), A)),
        ):
            found = read_question(*given)
            self.assertEqual(found, read)
            self.assertIsInstance(found, Question)

    def test_mistakes(self) -> None:
        """What is no name, type or class is refused."""
        for given in (("a..b", "A", "IN"), ("a", "NO", "IN"), ("a", "A", "NO")):
            self.assertRaises(InvalidName, read_question, *given)

    def test_transfers(self) -> None:
        """A type that asks for a zone is refused as such, however it is written."""
        for rtype in ("AXFR", "axfr", "TYPE252", AXFR, "IXFR", IXFR):
            error = self.assertRaises(
                TransferRequested, read_question, "example.com", rtype, "IN"
            )
            self.assertIn("asks for a zone", str(error))
            self.assertIsInstance(error, InvalidName)


class AsksTests(SynchronousTestCase):
    """Tests of all who can be asked by a program."""

    def asks(self) -> list[Asks]:
        """Make one of each."""
        clock = Clock()
        server = parse_server("192.0.2.53")
        cache = Cache()
        anchors = Anchors(())
        resolver = Resolver(clock, [server])
        self.addCleanup(resolver.close)
        return [
            resolver,
            CachedAsks(Nobody(), cache, clock),
            ValidatedAsks(Nobody(), [server], anchors, clock),
        ]

    def test_transfers(self) -> None:
        """A zone is not asked for as if it were an answer: nothing is sent."""
        for asks in self.asks():
            for rtype in ("AXFR", IXFR):
                for options in (QueryOptions(), QueryOptions(checking_disabled=True)):
                    self.failureResultOf(
                        asks.query("example.com", rtype, "IN", options),
                        TransferRequested,
                    )
        # The resolver has not even opened a socket: trial would find it.
