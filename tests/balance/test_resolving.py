"""Tests of L{netsvc.balance.resolving}."""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.internet.task import Clock
from twisted.names.error import DNSNameError
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backends import (
    MAX_ADDRESSES,
    Resolved,
    SrvRecord,
    parse_backend,
)
from netsvc.balance.pool_log import PoolLog
from netsvc.balance.resolving import LOOKUP_TIMEOUT, RETRY, Resolving
from netsvc.balance.system_lookup import Answer


class FakeLookup:
    """A resolver that the test plays.

    @ivar asked: what was asked, with what is to be answered.
    """

    def __init__(self) -> None:
        """Begin."""
        self.asked: list[tuple[str, defer.Deferred[Answer]]] = []

    def addresses(self, name: str) -> defer.Deferred[Answer]:
        """Look up a name."""
        answer: defer.Deferred[Answer] = defer.Deferred()
        self.asked.append((name, answer))
        return answer

    services = addresses

    def close(self) -> None:
        """Ask no more."""


class ResolvingTests(SynchronousTestCase):
    """A name is looked up again and again."""

    def make(self, text: str = "a.test:80") -> None:
        """Begin."""
        self.clock = Clock()
        self.lookup = FakeLookup()
        self.found: list[list[Resolved]] = []
        self.left_out = 0
        self.resolving = Resolving(
            parse_backend(text),
            self.lookup,
            self.take,
            PoolLog(lambda: "netsvc-balance", self.clock.seconds),
            self.clock,
        )
        self.resolving.start()

    def take(self, spec: Any, resolved: list[Resolved], left_out: int) -> None:
        """Take what is found."""
        self.found.append(resolved)
        self.left_out = left_out

    def services(self, *records: SrvRecord) -> list[str]:
        """Answer the newest question with records; give the targets asked for."""
        before = len(self.lookup.asked)
        self.lookup.asked[-1][1].callback(Answer(services=records, ttl=60))
        return [name for name, _ in self.lookup.asked[before:]]

    def answer(self, *hosts: str, ttl: float = 60) -> None:
        """Answer the newest question with addresses."""
        self.lookup.asked[-1][1].callback(Answer(hosts, ttl=ttl))

    def test_again_when_expired(self) -> None:
        """It is asked again when the answer expires."""
        self.make()
        self.answer("10.0.0.1", "10.0.0.2")
        self.assertEqual(
            self.found, [[Resolved("10.0.0.1", 80), Resolved("10.0.0.2", 80)]]
        )
        self.clock.advance(59)
        self.assertEqual(len(self.lookup.asked), 1)
        self.clock.advance(1)
        self.assertEqual(len(self.lookup.asked), 2)

    def test_ttl_is_bounded(self) -> None:
        """Not more than once a second, and not less than once an hour."""
        self.make()
        self.answer("10.0.0.1", ttl=0)
        self.assertEqual(len(self.lookup.asked), 1)
        self.clock.advance(1)
        self.answer("10.0.0.1", ttl=1e9)
        self.clock.advance(3600)
        self.assertEqual(len(self.lookup.asked), 3)

    def test_failure(self) -> None:
        """A failure leaves the addresses, and is tried again soon."""
        self.make()
        for _ in range(2):
            self.lookup.asked[-1][1].errback(DNSNameError("a.test"))
            self.clock.advance(RETRY)
        self.assertEqual(self.found, [])
        self.answer("10.0.0.1")
        self.assertEqual(len(self.found), 1)

    def test_timeout(self) -> None:
        """One that takes too long has failed."""
        self.make()
        self.clock.advance(LOOKUP_TIMEOUT)
        self.clock.advance(RETRY)
        self.assertEqual(len(self.lookup.asked), 2)

    def test_srv(self) -> None:
        """Records give ports, weights and backups; their targets are looked up."""
        self.make("srv:_http._tcp.a.test")
        records = (
            SrvRecord("one.test", 81, 0, 100),
            SrvRecord("10.0.0.9", 82, 1, 0),
        )
        self.lookup.asked[0][1].callback(Answer(services=records, ttl=60))
        self.answer("10.0.0.1", ttl=5)
        self.assertEqual(
            [(each.host, each.port, each.backup) for each in self.found[0]],
            [("10.0.0.1", 81, False), ("10.0.0.9", 82, True)],
        )
        self.clock.advance(5)
        self.assertEqual(len(self.lookup.asked), 3)

    def test_srv_target_fails(self) -> None:
        """A target that is none keeps no other away, and is asked for again soon."""
        self.make("srv:_http._tcp.a.test")
        records = [SrvRecord(f"{name}.test", 80, 0, 1) for name in ("one", "two")]
        for again in range(2):
            asked = self.services(*records)
            self.assertEqual(asked, ["one.test", "two.test"])
            self.lookup.asked[-2][1].errback(DNSNameError("one.test"))
            self.answer("10.0.0.2")
            self.assertEqual(self.found[again], [Resolved("10.0.0.2", 80, 1, False)])
            self.clock.advance(RETRY)
        self.services(*records)
        self.lookup.asked[-2][1].callback(Answer(("10.0.0.1",), ttl=60))
        self.answer("10.0.0.2")
        self.assertEqual(
            [each.host for each in self.found[2]], ["10.0.0.1", "10.0.0.2"]
        )
        self.clock.advance(60)
        self.services(*records)
        # What was known of a target stays.
        self.lookup.asked[-2][1].errback(DNSNameError("one.test"))
        self.answer("10.0.0.3")
        self.assertEqual(
            [each.host for each in self.found[3]], ["10.0.0.1", "10.0.0.3"]
        )

    def test_srv_target_silent(self) -> None:
        """A target that is silent keeps no other away."""
        self.make("srv:_http._tcp.a.test")
        self.services(*(SrvRecord(f"{name}.test", 80, 0, 1) for name in ("one", "two")))
        self.answer("10.0.0.2")
        self.clock.advance(LOOKUP_TIMEOUT)
        self.assertEqual(self.found, [[Resolved("10.0.0.2", 80, 1, False)]])
        self.clock.advance(RETRY)
        self.assertEqual(self.lookup.asked[-1][0], "_http._tcp.a.test")

    def test_srv_all_targets_fail(self) -> None:
        """Without any target that has an address the lookup has failed."""
        self.make("srv:_http._tcp.a.test")
        self.services(SrvRecord("one.test", 80, 0, 1))
        self.lookup.asked[-1][1].errback(DNSNameError("one.test"))
        self.assertEqual(self.found, [])
        self.clock.advance(RETRY)
        self.assertEqual(len(self.lookup.asked), 3)

    def test_srv_twice(self) -> None:
        """A target with several records is asked for once; what is primary is so."""
        self.make("srv:_http._tcp.a.test")
        asked = self.services(
            SrvRecord("one.test", 80, 5, 9),
            SrvRecord("one.test", 80, 1, 9),
            SrvRecord("one.test", 81, 1, 9),
        )
        self.assertEqual(asked, ["one.test"])
        self.answer("10.0.0.1")
        self.assertEqual(
            [(each.port, each.backup) for each in self.found[0]],
            [(80, False), (81, False)],
        )

    def test_srv_too_many(self) -> None:
        """Of too many targets the same ones are asked for, in whatever order."""
        records = [SrvRecord(f"t{i}.test", 80, i % 2, i) for i in range(3000)]
        self.make("srv:_http._tcp.a.test")
        first = self.services(*records)
        self.assertEqual(len(first), MAX_ADDRESSES)
        self.assertEqual(first[0], "t2998.test")
        for number, (_, asked) in enumerate(self.lookup.asked[1:]):
            asked.callback(Answer((f"10.0.0.{number}",), ttl=60))
        self.assertEqual(len(self.found[0]), MAX_ADDRESSES)
        self.assertEqual(self.left_out, 3000 - MAX_ADDRESSES)
        self.clock.advance(60)
        self.assertEqual(self.services(*reversed(records)), first)
        self.resolving.stop()

    def test_stop(self) -> None:
        """After a stop nothing is left."""
        self.make()
        self.resolving.stop()
        self.make()
        self.answer("10.0.0.1")
        self.resolving.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_late_answer(self) -> None:
        """What comes after a stop is for nobody."""
        self.make()
        running = self.resolving._running
        self.resolving._running = None
        self.answer("10.0.0.1")
        self.assertIsNotNone(running)
        self.assertEqual(self.found, [])

    def test_mistake(self) -> None:
        """A mistake of ours is logged, and it goes on."""
        self.make()
        self.resolving._found = lambda spec, resolved, left_out: 1 / 0
        self.answer("10.0.0.1")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.clock.advance(60)
        self.assertEqual(len(self.lookup.asked), 2)
