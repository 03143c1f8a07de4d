"""Tests of L{netsvc.balance.system_lookup}."""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.names.error import DNSNameError
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backends import SrvRecord
from netsvc.balance.system_lookup import Answer, SystemLookup


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
