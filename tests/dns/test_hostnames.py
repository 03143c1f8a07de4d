"""Tests of L{netsvc.dns.hostnames} and L{netsvc.dns.bootstrap}."""

from __future__ import annotations

import socket
import threading
from queue import Queue
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.names import error
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import hosts
from netsvc.dns.bootstrap import TIMEOUT, with_addresses, with_addresses_now
from netsvc.dns.codes import NXDOMAIN
from netsvc.dns.errors import (
    LookupFailed,
    NoServers,
    Refused,
    ServerFailure,
    ServerTimeout,
    Truncated,
    response_error,
)
from netsvc.dns.hostnames import HostLookup, HostnameResolver, NamesResolver
from netsvc.dns.names import to_text
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.resolv_conf import ResolvConf
from netsvc.dns.result import Question, Record, Result
from netsvc.dns.rrtypes import A
from netsvc.dns.servers import parse_server

#: What a table has for a name that is never answered.
WAIT = object()

SERVER = parse_server("192.0.2.53")


class FakeAsks:
    """
    Answers from a table.

    @ivar table: addresses or failures, by name; what is not there is NXDOMAIN.
    @ivar asked: what was asked.
    @ivar waiting: what waits for ever.
    """

    def __init__(self, **table: Any) -> None:
        """Take the table, with C{_} for dots."""
        self.table = {name.replace("_", "."): found for name, found in table.items()}
        self.asked: list[tuple[str, int, QueryOptions]] = []
        self.waiting: list[Deferred[Result]] = []

    def query(
        self,
        name: str | bytes,
        rtype: str | int = "A",
        rclass: str | int = "IN",
        options: QueryOptions = PLAIN,
    ) -> Deferred[Result]:
        """Answer."""
        assert isinstance(rtype, int)
        text = name if isinstance(name, str) else to_text(name)
        self.asked.append((text, rtype, options))
        wire = name if isinstance(name, bytes) else b"\1x\0"
        found = self.table.get(text)
        question = Question(wire, rtype)
        if found is WAIT:
            self.waiting.append(Deferred())
            return self.waiting[-1]
        if isinstance(found, Exception):
            return fail(found)
        if found is None:
            return succeed(Result(question, NXDOMAIN))
        records = tuple(
            Record(wire, rtype, 1, 2**32 - 1, rdata)
            for rdata in found
            if len(rdata) == (4 if rtype == A else 16)
        )
        return succeed(Result(question, 0, records))


FOUR = b"\xc0\0\2\1"
SIX = bytes(15) + b"\1"


class LookupTests(SynchronousTestCase):
    """Addresses of names: hosts file, search list, DNS."""

    def find(self, name: str, asks: FakeAsks | None = None, **more: Any) -> Any:
        """Find the addresses of a name."""
        self.asks = asks or FakeAsks()
        lookup = HostLookup(self.asks, **more)
        return self.successResultOf(Deferred.fromCoroutine(lookup.addresses(name)))

    def test_both(self) -> None:
        """Both types are asked for; IPv6 comes first."""
        self.assertEqual(
            self.find("a.test", FakeAsks(a_test=[FOUR, SIX])), ("::1", "192.0.2.1")
        )

    def test_literal(self) -> None:
        """An address is its own address."""
        self.assertEqual(self.find("192.0.2.7"), ("192.0.2.7",))
        self.assertEqual(self.asks.asked, [])

    def test_hosts(self) -> None:
        """The hosts file comes first."""
        found = hosts.parse("192.0.2.8 a.test")
        self.assertEqual(self.find("a.test", hosts=found), ("192.0.2.8",))
        self.assertEqual(self.find("localhost"), ("127.0.0.1", "::1"))
        self.assertEqual(self.asks.asked, [])

    def test_search(self) -> None:
        """Short names are completed."""
        conf = ResolvConf(search=("b.test", "c.test"))
        asks = FakeAsks(a_c_test=[FOUR])
        self.assertEqual(self.find("a", asks, conf=conf), ("192.0.2.1",))
        self.assertEqual(
            [name for name, *_ in asks.asked[::2]], ["a.b.test", "a.c.test"]
        )
        self.assertEqual(self.find("none", conf=conf), ())

    def test_one_fails(self) -> None:
        """What one type says is enough; nothing at all is a failure."""
        trouble = response_error(SERVER, "udp", 2)
        lookup = HostLookup(FakeAsks(a_test=trouble))
        self.failureResultOf(
            Deferred.fromCoroutine(lookup.addresses("a.test")), ServerFailure
        )

    def test_cancelled(self) -> None:
        """To give up gives up the queries."""
        asks = FakeAsks(a_test=WAIT)
        running = Deferred.fromCoroutine(HostLookup(asks).addresses("a.test"))
        running.cancel()
        self.assertEqual([each.called for each in asks.waiting], [True, True])
        self.failureResultOf(running, CancelledError)


class Receiver:
    """
    What a resolution tells.

    @ivar found: the addresses.
    @ivar complete: whether that was all.
    """

    def __init__(self) -> None:
        """Begin."""
        self.found: list[Any] = []
        self.began: Any = None
        self.complete = 0

    def resolutionBegan(self, resolution: Any) -> None:
        """It has begun."""
        self.began = resolution

    def addressResolved(self, address: Any) -> None:
        """One address."""
        self.found.append(address)

    def resolutionComplete(self) -> None:
        """That was all."""
        self.complete += 1


class HostnameTests(SynchronousTestCase):
    """The resolver of a reactor."""

    def resolve(self, name: str, asks: FakeAsks, *args: Any) -> Receiver:
        """Resolve a name."""
        receiver = Receiver()
        resolver = HostnameResolver(HostLookup(asks))
        resolution = resolver.resolveHostName(receiver, name, *args)
        self.assertIs(receiver.began, resolution)
        self.assertEqual(resolution.name, name)
        return receiver

    def test_addresses(self) -> None:
        """Addresses come with port and protocol."""
        receiver = self.resolve("a.test", FakeAsks(a_test=[FOUR, SIX]), 80)
        self.assertEqual(
            receiver.found,
            [IPv6Address("TCP", "::1", 80), IPv4Address("TCP", "192.0.2.1", 80)],
        )
        self.assertEqual(receiver.complete, 1)

    def test_types(self) -> None:
        """Only the types that are wanted."""
        asks = FakeAsks(a_test=[FOUR, SIX])
        receiver = self.resolve("a.test", asks, 0, [IPv4Address], "UDP")
        self.assertEqual(receiver.found, [IPv4Address("UDP", "192.0.2.1", 0)])
        self.assertEqual([rtype for _, rtype, _ in asks.asked], [A])
        receiver = self.resolve("::1", asks, 0, [IPv4Address])
        self.assertEqual((receiver.found, receiver.complete), ([], 1))

    def test_failures(self) -> None:
        """What cannot be looked up has no address."""
        trouble = response_error(SERVER, "udp", 5)
        for name in ("a.test", "a..b", "b.test"):
            receiver = self.resolve(name, FakeAsks(a_test=trouble))
            self.assertEqual((receiver.found, receiver.complete), ([], 1))

    def test_cancelled(self) -> None:
        """A resolution can be given up."""
        receiver = self.resolve("a.test", FakeAsks(a_test=WAIT))
        receiver.began.cancel()
        self.assertEqual((receiver.found, receiver.complete), ([], 1))

    def test_mistake(self) -> None:
        """A mistake of ours is logged, and the resolution ends."""
        receiver = self.resolve("a.test", FakeAsks(a_test=ZeroDivisionError()))
        self.assertEqual(receiver.complete, 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class NamesTests(SynchronousTestCase):
    """In place of the resolver of L{twisted.names}."""

    def test_records(self) -> None:
        """Records are those of L{twisted.names}; the timeout is a deadline."""
        asks = FakeAsks(a_test=[FOUR])
        answers, authority, more = self.successResultOf(
            NamesResolver(asks).lookupAddress(b"a.test", timeout=(1, 2))
        )
        self.assertEqual(answers[0].payload.dottedQuad(), "192.0.2.1")
        self.assertEqual(answers[0].ttl, 2**31 - 1)
        self.assertEqual((authority, more), ([], []))
        self.assertEqual(asks.asked[0][2].deadline, 3.0)
        self.successResultOf(NamesResolver(asks).lookupAddress("a.test", timeout=2))
        self.assertEqual(asks.asked[1][2].deadline, 2.0)
        self.successResultOf(NamesResolver(asks).lookupAddress("a.test"))
        self.assertIsNone(asks.asked[2][2].deadline)

    def test_failures(self) -> None:
        """Failures have the names that they have there, and ours as their cause."""
        for found, kind in (
            (None, error.DNSNameError),
            (response_error(SERVER, "udp", 2), error.DNSServerError),
            (response_error(SERVER, "udp", 5), error.DNSQueryRefusedError),
            (response_error(SERVER, "udp", 16), error.DNSUnknownError),
            (ServerTimeout(SERVER, "udp"), error.DNSQueryTimeoutError),
            (Truncated(SERVER, "tcp"), error.DNSUnknownError),
        ):
            resolver = NamesResolver(FakeAsks(a_test=found))
            failure = self.failureResultOf(resolver.lookupAddress("a.test"), kind)
            if found is not None:
                self.assertIs(failure.value.__cause__, found)

    def test_host_by_name(self) -> None:
        """An IPv4 address is preferred."""
        resolver = NamesResolver(FakeAsks(a_test=[FOUR, SIX], b_test=[SIX]))
        for name, address in ((b"a.test", "192.0.2.1"), ("b.test", "::1")):
            self.assertEqual(
                self.successResultOf(resolver.getHostByName(name)), address
            )
        for name in ("none.test", "a..b"):
            self.failureResultOf(resolver.getHostByName(name), DNSLookupError)
        resolver = NamesResolver(FakeAsks(a_test=response_error(SERVER, "udp", 5)))
        failure = self.failureResultOf(
            resolver.getHostByName("a.test"), error.DNSQueryRefusedError
        )
        self.assertIsInstance(failure.value.__cause__, Refused)


class BootstrapTests(SynchronousTestCase):
    """Servers by name."""

    def test_found(self) -> None:
        """Each address is a server of its own; what TLS expects stays the name."""
        resolver = HostnameResolver(HostLookup(FakeAsks(a_test=[FOUR, SIX])))
        servers = [parse_server("tls://a.test"), SERVER]
        found = self.successResultOf(
            Deferred.fromCoroutine(with_addresses(Clock(), servers, resolver))
        )
        self.assertEqual(
            [str(each) for each in found],
            ["tls://[::1]#a.test", "tls://192.0.2.1#a.test", "192.0.2.53"],
        )

    def test_slow(self) -> None:
        """The system's resolver has a limited time."""
        asks = FakeAsks(a_test=WAIT)
        resolver = HostnameResolver(HostLookup(asks))
        clock = Clock()
        found = Deferred.fromCoroutine(
            with_addresses(clock, [parse_server("a.test")], resolver)
        )
        clock.advance(TIMEOUT)
        self.failureResultOf(found, NoServers)
        for each in asks.waiting:
            each.errback(LookupFailed("late"))

    def test_slow_at_start(self) -> None:
        """So it has while a service starts; addresses need no resolver."""
        asked: Queue[threading.Thread] = Queue()
        go_on = threading.Event()

        def wait(*args: Any, **more: Any) -> Any:
            asked.put(threading.current_thread())
            go_on.wait(60)
            return []

        self.patch(socket, "getaddrinfo", wait)
        self.assertEqual(with_addresses_now([SERVER], 0.0), (SERVER,))
        self.assertTrue(asked.empty())
        with self.assertRaises(NoServers) as caught:
            with_addresses_now([parse_server("tls://a.test"), SERVER], 0.0)
        self.assertEqual(
            str(caught.exception),
            "tls://a.test: the address of a.test was not found in 0 s",
        )
        go_on.set()
        asked.get(timeout=60).join(60)

    def test_found_at_start(self) -> None:
        """Each address is a server of its own there, too; what is no name has none."""
        found = [(2, 1, 6, "", ("192.0.2.7", 853)), (2, 1, 6, "", ("192.0.2.8", 853))]
        self.patch(socket, "getaddrinfo", lambda *args, **more: found)
        servers = with_addresses_now([parse_server("tls://a.test"), SERVER])
        self.assertEqual(
            [str(each) for each in servers],
            ["tls://192.0.2.7#a.test", "tls://192.0.2.8#a.test", "192.0.2.53"],
        )

        def no_name(*args: Any, **more: Any) -> Any:
            raise UnicodeError("label too long")

        self.patch(socket, "getaddrinfo", no_name)
        with self.assertRaises(NoServers) as caught:
            with_addresses_now([parse_server("a.test")])
        self.assertIn("is no name", str(caught.exception))
