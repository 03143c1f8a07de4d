"""Tests of L{netsvc.balance.resolving}."""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.names.error import DNSNameError
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backends import Resolved, SrvRecord, parse_backend
from netsvc.balance.resolving import (
    LOOKUP_TIMEOUT,
    RETRY,
    Answer,
    Resolving,
    SystemLookup,
)


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
        self.resolving = Resolving(
            parse_backend(text),
            self.lookup,
            lambda spec, resolved: self.found.append(resolved),
            self.clock,
        )
        self.resolving.start()

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
        self.resolving._found = lambda spec, resolved: 1 / 0
        self.answer("10.0.0.1")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.clock.advance(60)
        self.assertEqual(len(self.lookup.asked), 2)


def record(payload: Any, ttl: int = 60) -> dns.RRHeader:
    """Make a record."""
    return dns.RRHeader(b"a.test", payload.TYPE, dns.IN, ttl, payload)


class FakeResolver:
    """A DNS client with fixed answers."""

    def __init__(self, **answers: Any) -> None:
        """Take them, by type."""
        self.answers = answers

    def _give(self, kind: str) -> Any:
        found = self.answers.get(kind)
        if isinstance(found, Exception):
            return defer.fail(found)
        return defer.succeed((found or [], [], []))

    def lookupAddress(self, name: str, timeout: Any) -> Any:
        """Look up A."""
        return self._give("a")

    def lookupIPV6Address(self, name: str, timeout: Any) -> Any:
        """Look up AAAA."""
        return self._give("aaaa")

    def lookupService(self, name: str, timeout: Any) -> Any:
        """Look up SRV."""
        return self._give("srv")


class FakeSystem:
    """The system's resolver."""

    def __init__(self, *hosts: str) -> None:
        """Take what it knows."""
        self.hosts = hosts
        self.nameResolver = self

    def resolveHostName(self, receiver: Any, name: str) -> None:
        """Answer."""
        receiver.resolutionBegan(None)
        for host in self.hosts:
            receiver.addressResolved(IPv4Address("TCP", host, 0))
        receiver.addressResolved(object())
        receiver.resolutionComplete()


class SystemLookupTests(SynchronousTestCase):
    """The DNS is asked, and then the system."""

    def look(self, system: FakeSystem | None = None, **answers: Any) -> Answer:
        """Look up a name."""
        lookup = SystemLookup(system or FakeSystem(), FakeResolver(**answers))
        return self.successResultOf(lookup.addresses("a.test"))

    def test_v4(self) -> None:
        """IPv4 addresses count, with their shortest time; CNAMEs are passed over."""
        cname = record(dns.Record_CNAME(b"b.test"))
        found = self.look(
            a=[
                cname,
                record(dns.Record_A("10.0.0.1")),
                record(dns.Record_A("10.0.0.2"), 9),
            ]
        )
        self.assertEqual(found, Answer(("10.0.0.1", "10.0.0.2"), ttl=9))

    def test_v6(self) -> None:
        """Where there is none, IPv6 ones."""
        found = self.look(aaaa=[record(dns.Record_AAAA("2001:db8::1"))])
        self.assertEqual(found.addresses, ("2001:db8::1",))

    def test_system(self) -> None:
        """Where the DNS knows nothing, the system is asked."""
        found = self.look(
            FakeSystem("127.0.0.1", "127.0.0.1"),
            a=DNSNameError("a.test"),
            aaaa=defer.TimeoutError(),
        )
        self.assertEqual(found.addresses, ("127.0.0.1",))

    def test_nobody(self) -> None:
        """A name that nobody knows is an error."""
        lookup = SystemLookup(FakeSystem(), FakeResolver())
        self.failureResultOf(lookup.addresses("a.test"))

    def test_services(self) -> None:
        """SRV records are given; those that mean 'not here' are not."""
        resolver = FakeResolver(
            srv=[
                record(dns.Record_SRV(1, 2, 80, b"one.test")),
                record(dns.Record_SRV(1, 2, 80, b"."), 9),
            ]
        )
        lookup = SystemLookup(FakeSystem(), resolver)
        found = self.successResultOf(lookup.services("_http._tcp.a.test"))
        self.assertEqual(
            found, Answer(services=(SrvRecord("one.test", 80, 1, 2),), ttl=9)
        )
        lookup = SystemLookup(FakeSystem(), FakeResolver())
        self.failureResultOf(lookup.services("_http._tcp.a.test"))

    def test_default_client(self) -> None:
        """By default the servers of the system are asked."""
        lookup = SystemLookup(Clock())
        self.assertIs(lookup._dns, lookup._dns)
