"""Tests of L{netsvc.dns.zones}, and of C{IResolver.lookupZone} by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
from twisted.internet.defer import CancelledError
from twisted.internet.testing import MemoryReactorClock
from twisted.names import dns as names
from twisted.names import error
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import zones
from netsvc.dns.cache import Cache
from netsvc.dns.cached import CachedAsks
from netsvc.dns.errors import (
    BadReply,
    NoServers,
    Refused,
    ResolverClosed,
    ServerTimeout,
    TooManyQueries,
)
from netsvc.dns.hostnames import NamesResolver
from netsvc.dns.lookups import transfer as transfer_module
from netsvc.dns.names import from_text
from netsvc.dns.resolver import Resolver
from netsvc.dns.servers import parse_server
from netsvc.dns.tls import TLSSettingsError
from tests.dns.lookups.test_transfer import SOA, Transport

ZONE = from_text("x.test")


class Attempt:
    """A connection to a server, which the test plays."""

    def __init__(self, host: str, port: int, protocol: Any) -> None:
        """Note where it goes."""
        self.at = (host, port)
        self.protocol = protocol
        self.cancelled = False

    def cancel(self) -> None:
        """Note it."""
        self.cancelled = True

    def connect(self) -> Attempt:
        """Connect, and read the query."""
        self.transport = Transport()
        self.protocol.makeConnection(self.transport)
        self.query = dns.message.from_wire(self.transport.value()[2:])
        return self

    def say(self, *records: tuple[str, str], rcode: int = 0) -> None:
        """Send a message with records."""
        reply = dns.message.make_response(self.query)
        for rtype, text in records:
            rrset = dns.rrset.from_text("x.test.", 60, "IN", rtype, text)
            reply.answer.append(rrset)
        reply.set_rcode(dns.rcode.Rcode(rcode))
        wire = reply.to_wire()
        self.protocol.dataReceived(len(wire).to_bytes(2, "big") + wire)


class ZonesCase(SynchronousTestCase):
    """A resolver whose connections and time the test plays."""

    def setUp(self) -> None:
        """Put the fakes in place."""
        self.clock = MemoryReactorClock()
        self.attempts: list[Attempt] = []

        def dial(reactor: Any, host: str, port: int, protocol: Any, _: Any) -> Attempt:
            self.attempts.append(Attempt(host, port, protocol))
            return self.attempts[-1]

        self.patch(transfer_module, "dial", dial)

    def make(self, *servers: str) -> Resolver:
        """Make a resolver that asks these."""
        given = servers or ("192.0.2.53",)
        return Resolver(self.clock, [parse_server(each) for each in given])

    def tearDown(self) -> None:
        """Nothing is left."""
        self.assertEqual(self.clock.getDelayedCalls(), [])


class NamesTests(ZonesCase):
    """Zones as L{twisted.names} has them."""

    def test_zone(self) -> None:
        """A zone comes over TCP, from SOA to SOA, as that resolver's do."""
        resolver = NamesResolver(self.make())
        for ask in (
            lambda: resolver.lookupZone(b"x.test"),
            lambda: resolver.query(names.Query("x.test", names.AXFR)),
        ):
            done = ask()
            attempt = self.attempts[-1].connect()
            self.assertEqual(attempt.at, ("192.0.2.53", 53))
            self.assertEqual(attempt.query.question[0].to_text(), "x.test. IN AXFR")
            attempt.say(("SOA", SOA), ("A", "192.0.2.1"))
            attempt.say(("SOA", SOA))
            answers, authority, additional = self.successResultOf(done)
            self.assertEqual(
                [each.type for each in answers], [names.SOA, names.A, names.SOA]
            )
            self.assertEqual(answers[1].payload.dottedQuad(), "192.0.2.1")
            self.assertEqual((authority, additional), ([], []))
            self.assertTrue(attempt.transport.aborted)

    def test_failures(self) -> None:
        """Failures have the names that they have there, and ours as their cause."""
        resolver = NamesResolver(self.make())
        done = resolver.lookupZone("x.test")
        self.attempts[-1].connect().say(rcode=5)
        failure = self.failureResultOf(done, error.DNSQueryRefusedError)
        self.assertIsInstance(failure.value.__cause__, Refused)
        done = resolver.lookupZone("x.test", timeout=[1, 2])
        self.clock.pump([3, 0])
        failure = self.failureResultOf(done, error.DNSQueryTimeoutError)
        self.assertIsInstance(failure.value.__cause__, ServerTimeout)
        self.assertTrue(self.attempts[-1].cancelled)
        done = resolver.lookupZone("a..b")
        self.failureResultOf(done, error.DNSNameError)
        self.assertEqual(len(self.attempts), 2)

    def test_authorities_gone(self) -> None:
        """A file of authorities that is gone meanwhile is told."""
        asks = self.make()
        self.patch(asks, "settings", _Settings())
        failure = self.failureResultOf(
            NamesResolver(asks).lookupZone("x.test"), error.DNSUnknownError
        )
        self.assertIsInstance(failure.value.__cause__, TLSSettingsError)

    def test_cached(self) -> None:
        """Behind a cache nobody is asked for zones, which is told at once."""
        resolver = NamesResolver(CachedAsks(self.make(), Cache(), self.clock))
        failure = self.failureResultOf(
            resolver.lookupZone("x.test"), error.DNSNotImplementedError
        )
        self.assertIn("are asked of a Resolver", str(failure.value))
        self.assertEqual(self.attempts, [])


class _Settings:
    """Settings with a file that is not there."""

    authorities = Path("/nonexistent")


class BoundsTests(ZonesCase):
    """What limits a transfer."""

    def test_next(self) -> None:
        """The first server that gives the zone is taken, and nothing of others."""
        done = self.make("192.0.2.1", "https://192.0.2.2/q", "192.0.2.3").transfer(ZONE)
        self.attempts[0].connect().say(("SOA", SOA), ("A", "6.6.6.6"))
        self.attempts[0].say()
        self.attempts[1].connect().say(("SOA", SOA), ("SOA", SOA))
        self.assertEqual(self.attempts[1].at, ("192.0.2.3", 53))
        self.assertEqual(len(self.successResultOf(done)), 2)

    def test_none(self) -> None:
        """Zones are not transferred over HTTPS."""
        self.failureResultOf(self.make("https://192.0.2.2/q").transfer(ZONE), NoServers)

    def test_time(self) -> None:
        """All servers together have one limit of time, however they dawdle."""
        done = self.make("192.0.2.1", "192.0.2.3").transfer(ZONE)
        attempt = self.attempts[0].connect()
        attempt.say(("SOA", SOA))
        for _ in range(int(zones.TIMEOUT)):
            self.assertNoResult(done)
            attempt.say(("A", "192.0.2.1"))
            self.clock.advance(1)
        self.failureResultOf(done, ServerTimeout)
        self.assertEqual(len(self.attempts), 1)

    def test_size(self) -> None:
        """So many records and so many bytes may come; what has more is counted."""
        resolver = self.make()
        for limit, text in (("MAX_RECORDS", "2 records"), ("MAX_SIZE", "2 bytes")):
            self.patch(zones, limit, 2)
            done = resolver.transfer(ZONE)
            attempt = self.attempts[-1].connect()
            attempt.say(("SOA", SOA), ("A", "192.0.2.1"), ("TXT", "a"))
            self.assertIn(text, str(self.failureResultOf(done, BadReply).value))
            self.assertTrue(attempt.transport.aborted)
            self.patch(zones, limit, 1000)
        self.assertEqual(resolver.counters[zones.TOO_LARGE], 2)

    def test_many(self) -> None:
        """So many may be under way; to cancel one makes room."""
        resolver = self.make()
        live = [resolver.transfer(ZONE) for _ in range(zones.MAX_TRANSFERS)]
        self.failureResultOf(resolver.transfer(ZONE), TooManyQueries)
        self.assertEqual(resolver.counters[zones.REFUSED], 1)
        live[0].cancel()
        self.failureResultOf(live[0], CancelledError)
        self.assertTrue(self.attempts[0].cancelled)
        live[0] = resolver.transfer(ZONE)
        resolver.close()
        for each in (*live, resolver.transfer(ZONE)):
            self.failureResultOf(each, ResolverClosed)
