"""Tests of L{netsvc.dns.resolver} and L{netsvc.dns.tls} without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.errors import InvalidName, ResolverClosed, ServerTimeout
from netsvc.dns.memory import STALE, STRIKES
from netsvc.dns.options import QueryOptions
from netsvc.dns.resolver import Resolver
from netsvc.dns.resolver_settings import Order, ResolverSettings
from netsvc.dns.servers import parse_server
from netsvc.dns.tls import TLSSettingsError, trust_root
from tests.dns.fakes import GOOD, FakeCarrier, FakeServer, reply

SERVERS = [parse_server(f"192.0.2.{number}") for number in (1, 2, 3)]


class ResolverTests(SynchronousTestCase):
    """A resolver whose servers the test plays."""

    def make(self, **settings: Any) -> Resolver:
        """Make one."""
        self.clock = Clock()
        # Its sockets are never used, so any poll set will do.
        self.fakes = {server: FakeServer(str(server)) for server in SERVERS}
        resolver = Resolver(self.clock, SERVERS, ResolverSettings(**settings))
        for server, upstream in resolver._upstreams.items():
            fake = self.fakes[server]
            fake.memory = upstream.memory
            fake.udp = FakeCarrier()
            upstream.datagrams = fake.udp
            upstream.stream = fake.stream
        self.resolver = resolver
        self.addCleanup(resolver.close)
        return resolver

    def asked(self) -> list[int]:
        """Give how many queries each server has got."""
        return [len(self.fakes[server].udp.sent) for server in SERVERS]

    def answer(self, index: int) -> None:
        """Let a server answer its newest query."""
        fake = self.fakes[SERVERS[index]]
        asked = fake.udp.sent[-1]
        asked.conversation.datagram(asked, reply(asked))

    def test_fixed(self) -> None:
        """In fixed order the first is always asked first."""
        resolver = self.make(order=Order.FIXED)
        for number in range(4):
            found = resolver.query(f"n{number}.test")
            self.answer(0)
            self.assertEqual(self.successResultOf(found).addresses, (GOOD,))
        self.assertEqual(self.asked(), [4, 0, 0])

    def test_joined_cancelled(self) -> None:
        """Who waits for the same may give up the others' wait when told."""
        resolver = self.make(order=Order.FIXED)
        first, second = resolver.query("n.test"), resolver.query("n.test")
        seen: list[object] = []
        first.addCallback(lambda result: second.cancel())
        second.addErrback(seen.append)
        self.answer(0)
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertEqual(len(seen), 1)

    def test_rotate(self) -> None:
        """Each in its turn."""
        resolver = self.make(order=Order.ROTATE)
        for number in range(6):
            resolver.query(f"n{number}.test").addErrback(lambda failure: None)
        self.assertEqual(self.asked(), [2, 2, 2])

    def test_fastest(self) -> None:
        """Those not known are asked first, then the quickest."""
        resolver = self.make()
        for _ in SERVERS:
            before = self.asked()
            found = resolver.query(f"n{sum(before)}.test")
            index = next(n for n, each in enumerate(self.asked()) if each > before[n])
            self.clock.advance((0.03, 0.01, 0.02)[index])
            self.answer(index)
            self.successResultOf(found)
        self.assertEqual(self.asked(), [1, 1, 1])
        resolver.query("last.test").addErrback(lambda failure: None)
        self.assertEqual(self.asked(), [1, 2, 1])

    def test_probe(self) -> None:
        """One that has failed is asked beside, after a while, and comes back."""
        resolver = self.make()
        for server, rtt in zip(SERVERS, (0.001, 0.1, 0.2), strict=True):
            resolver.memory(server).heard(rtt, 0.0)
        memory = resolver.memory(SERVERS[0])
        for _ in range(STRIKES):
            memory.failed(0.0)
        resolver.query("a.test").addErrback(lambda failure: None)
        self.assertEqual(self.asked(), [0, 1, 0])
        self.clock.advance(1.1)
        resolver.query("b.test").addErrback(lambda failure: None)
        asked = self.asked()
        self.assertEqual(asked[0], 1)
        self.assertEqual(resolver.counters["probes"], 1)
        resolver.query("c.test").addErrback(lambda failure: None)
        self.assertEqual(self.asked()[0], 1)
        self.answer(0)
        self.assertFalse(memory.is_resting)
        self.assertEqual(resolver._probing, {})

    def test_probe_is_silent(self) -> None:
        """A probe without an answer ends by itself; others are probed when old."""
        resolver = self.make()
        for server in SERVERS:
            resolver.memory(server).heard(0.1, 0.0)
        self.clock.advance(STALE + 1)
        resolver.query("a.test").addErrback(lambda failure: None)
        self.assertEqual(resolver.counters["probes"], 1)
        self.clock.pump([0.1] * 20)
        self.assertEqual(resolver._probing, {})

    def test_mistakes(self) -> None:
        """A name that is none fails, and asks nobody."""
        resolver = self.make()
        for args in (("a..b",), ("a.test", "NOPE"), ("a.test", "A", "NOPE")):
            self.failureResultOf(resolver.query(*args), InvalidName)
        options = QueryOptions(subnet="x")
        self.failureResultOf(resolver.query("a.test", options=options), InvalidName)
        self.assertEqual(self.asked(), [0, 0, 0])
        self.assertRaises(InvalidName, Resolver, self.clock, [parse_server("a.test")])

    def test_numbers(self) -> None:
        """Wire form and numbers are taken as they are."""
        resolver = self.make(order=Order.FIXED)
        found = resolver.query(b"\1x\4test\0", 1, 1)
        self.answer(0)
        self.assertEqual(self.successResultOf(found).question.name, b"\1x\4test\0")

    def test_other_servers(self) -> None:
        """Servers that are not the resolver's are not asked."""
        resolver = self.make()
        options = QueryOptions(servers=(parse_server("192.0.2.99"), SERVERS[2]))
        resolver.query("a.test", options=options).addErrback(lambda failure: None)
        self.assertEqual(self.asked(), [0, 0, 1])

    def test_deadline(self) -> None:
        """The total time is kept."""
        resolver = self.make(total=2.0)
        found = resolver.query("a.test")
        self.clock.pump([0.1] * 21)
        self.failureResultOf(found, ServerTimeout)
        self.assertEqual(resolver.counters["failed"], 1)

    def test_closed(self) -> None:
        """What is under way when it is closed fails."""
        resolver = self.make()
        found = resolver.query("a.test")
        resolver.close()
        self.failureResultOf(found, ResolverClosed)
        self.assertTrue(all(fake.udp.closed for fake in self.fakes.values()))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_mistake(self) -> None:
        """A mistake of ours in a deadline is logged."""
        resolver = self.make()

        class Bad:
            slot = 0

            def due(self, now: float) -> None:
                """Fail."""
                raise ZeroDivisionError

        resolver.set_deadline(Bad(), 1.0)
        self.clock.advance(2)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class TrustTests(SynchronousTestCase):
    """The file of authorities."""

    def test_refused(self) -> None:
        """A file without certificates is refused, and says which."""
        path = Path(self.mktemp())
        for text in ("", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"):
            path.write_text(text)
            failure = self.assertRaises(TLSSettingsError, trust_root, path)
            self.assertIn(str(path), str(failure))
        self.assertRaises(TLSSettingsError, trust_root, Path("missing"))
        self.assertIsNotNone(trust_root(None))
