"""Tests of L{netsvc.dns.backend_lookup}."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import bootstrap
from netsvc.dns.backend_lookup import (
    HOSTS_TTL,
    BackendLookup,
    Found,
    NothingFound,
    Service,
    make_lookup,
)
from netsvc.dns.errors import InvalidName, LookupFailed, NoServers, ServerTimeout
from netsvc.dns.names import from_text
from netsvc.dns.resolver_settings import DEFAULT, Order, ResolverSettings
from netsvc.dns.result import Question, Record, Result
from netsvc.dns.rrtypes import AAAA, CNAME, SRV, A
from netsvc.dns.servers import Server, parse_server

SERVER = Server("udp", "192.0.2.53", 53)


class FakeResolver:
    """
    A resolver that the test plays.

    @ivar servers: whom it would ask.
    @ivar settings: how.
    @ivar answers: records by name and type; L{None}: no server answers.
    @ivar asked: what was asked.
    """

    def __init__(
        self, reactor: Any, servers: Sequence[Server], settings: ResolverSettings
    ) -> None:
        """Ask these servers."""
        self.servers = tuple(servers)
        self.settings = settings
        self.answers: dict[tuple[str, int], list[Record] | None] = {}
        self.asked: list[tuple[bytes, int]] = []
        self.closed = False

    def query(self, name: bytes, rtype: int) -> Deferred[Result]:
        """Answer."""
        self.asked.append((name, rtype))
        found = {
            (from_text(text), number): records
            for (text, number), records in self.answers.items()
        }.get((name, rtype), [])
        if found is None:
            return fail(ServerTimeout(SERVER, "udp"))
        return succeed(Result(Question(name, rtype), 0, tuple(found)))

    def close(self) -> None:
        """Note it."""
        self.closed = True


def record(owner: str, rtype: int, rdata: bytes, ttl: int = 60) -> Record:
    """Make a record."""
    return Record(from_text(owner), rtype, 1, ttl, rdata)


def srv(target: str, port: int, priority: int = 0, weight: int = 1) -> Record:
    """Make an SRV record."""
    numbers = (priority, weight, port)
    rdata = b"".join(number.to_bytes(2, "big") for number in numbers)
    return record("_s._tcp.a.test", SRV, rdata + from_text(target), 40)


class BackendLookupTests(SynchronousTestCase):
    """Addresses and SRV records, with their times to live."""

    def setUp(self) -> None:
        """Have a resolv.conf and a hosts file."""
        self.conf, self.hosts = Path(self.mktemp()), Path(self.mktemp())
        self.conf.write_text("nameserver 192.0.2.1\nsearch in.test\n")
        self.hosts.write_text("192.0.2.80 known.in.test\n::2 known.in.test six\n")
        self.made: list[FakeResolver] = []
        self.lookup = self.make(None)

    def make(self, servers: Sequence[Server] | None) -> BackendLookup:
        """Make a lookup."""

        def made(*arguments: Any) -> FakeResolver:
            self.made.append(FakeResolver(*arguments))
            return self.made[-1]

        return BackendLookup(Clock(), servers, self.conf, self.hosts, made)

    def addresses(self, name: str) -> Found:
        """Look up the addresses of a name."""
        coroutine = self.lookup.addresses(name)
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def failed(self, name: str, kind: type[Exception]) -> Exception:
        """Look up the addresses of a name in vain."""
        coroutine = self.lookup.addresses(name)
        failure = self.failureResultOf(Deferred.fromCoroutine(coroutine), kind)
        error: Exception = failure.value
        return error

    def resolver(self) -> FakeResolver:
        """Give the resolver, once something was asked."""
        self.addresses("known.in.test.")
        return self.made[-1]

    def test_addresses(self) -> None:
        """IPv4 counts; the shortest time to live of the whole chain holds."""
        self.resolver().answers = {
            ("a.test", A): [
                record("a.test", CNAME, from_text("b.test"), 7),
                record("b.test", A, b"\xc0\0\2\1"),
                record("b.test", A, b"\xc0\0\2\2"),
            ],
            ("six.test", AAAA): [record("six.test", AAAA, bytes(15) + b"\1", 9)],
        }
        self.assertEqual(
            self.addresses("a.test."), Found(("192.0.2.1", "192.0.2.2"), ttl=7)
        )
        self.assertEqual(self.made[0].asked, [(from_text("a.test"), A)])
        self.assertEqual(self.addresses("six.test."), Found(("::1",), ttl=9))

    def test_address(self) -> None:
        """An address is looked up nowhere."""
        self.assertEqual(self.addresses("192.0.2.9").addresses, ("192.0.2.9",))
        self.assertEqual(self.made, [])

    def test_hosts(self) -> None:
        """The hosts file comes first, and short names are completed for it, too."""
        for name in ("known", "known.in.test", "KNOWN.in.test."):
            self.assertEqual(
                self.addresses(name), Found(("192.0.2.80",), ttl=HOSTS_TTL)
            )
        self.assertEqual(self.addresses("six.").addresses, ("::2",))
        self.assertEqual(self.made[0].asked, [])
        self.hosts.write_text("192.0.2.81 known.in.test # another address\n")
        self.assertEqual(self.addresses("known").addresses, ("192.0.2.81",))

    def test_unreadable_hosts(self) -> None:
        """One that cannot be read says nothing."""
        self.hosts.unlink()
        self.hosts.mkdir()
        self.failed("known", NothingFound)

    def test_search(self) -> None:
        """Short names are completed, as the system does it."""
        self.resolver().answers["a.in.test", A] = [
            record("a.in.test", A, b"\xc0\0\2\3")
        ]
        self.assertEqual(self.addresses("a").addresses, ("192.0.2.3",))

    def test_nothing(self) -> None:
        """A name without addresses is a failure, so that the old ones stay."""
        error = self.failed("a.test.", NothingFound)
        self.assertEqual(str(error), "a.test. has no address")

    def test_failure(self) -> None:
        """So is no answer: the other family is no way out."""
        self.resolver().answers = {
            ("a.test", A): None,
            ("a.test", AAAA): [record("a.test", AAAA, bytes(15) + b"\1")],
        }
        self.failed("a.test.", ServerTimeout)

    def test_services(self) -> None:
        """SRV records have targets that no search list completes."""
        self.resolver().answers["_s._tcp.a.test", SRV] = [
            srv("one.test", 80, 1, 2),
            srv("10.0.0.9", 81),
            srv(".", 0),
        ]
        found = self.successResultOf(
            Deferred.fromCoroutine(self.lookup.services("_s._tcp.a.test"))
        )
        services = (Service("one.test.", 80, 1, 2), Service("10.0.0.9", 81, 0, 1))
        self.assertEqual(found, Found(services=services, ttl=40))

    def test_no_services(self) -> None:
        """A name without SRV records, or that says there are none, is a failure."""
        for records in ([], [srv(".", 0)]):
            self.resolver().answers["_s._tcp.a.test", SRV] = records
            self.failureResultOf(
                Deferred.fromCoroutine(self.lookup.services("_s._tcp.a.test")),
                NothingFound,
            )

    def test_system(self) -> None:
        """resolv.conf says whom to ask, and is read again when it has changed."""
        first = self.resolver()
        self.assertEqual(first.servers, (parse_server("192.0.2.1"),))
        self.assertEqual(first.settings, DEFAULT)
        self.resolver()
        self.assertEqual(len(self.made), 1)
        self.conf.write_text(
            "nameserver 192.0.2.2\noptions timeout:30 attempts:2 rotate\n"
        )
        second = self.resolver()
        self.assertEqual((first.closed, second.servers[0].host), (True, "192.0.2.2"))
        self.assertEqual(second.settings.timeout, DEFAULT.timeout)
        self.assertEqual(second.settings.tries, 2)
        self.assertIs(second.settings.order, Order.ROTATE)
        self.conf.unlink()
        self.assertEqual(self.resolver().servers[0].host, "127.0.0.1")
        self.lookup.close()
        self.lookup.close()
        self.assertTrue(all(each.closed for each in self.made))

    def test_unreadable(self) -> None:
        """One that cannot be read is a failure, which the next try may mend."""
        self.conf.unlink()
        self.conf.mkdir()
        error = self.failed("a.test", LookupFailed)
        self.assertIn("Is a directory", str(error))

    def test_others(self) -> None:
        """Others may be asked, in their own way."""
        self.lookup = self.make([SERVER])
        resolver = self.resolver()
        self.assertEqual((resolver.servers, resolver.settings), ((SERVER,), DEFAULT))

    def test_make(self) -> None:
        """Whom to ask is what people write; without resolv.conf it is not known."""
        reactor = Clock()
        self.assertIsNotNone(make_lookup(["system"], reactor, self.conf))
        self.assertIsNone(make_lookup(["system"], reactor, Path("/nonexistent")))
        for texts, hosts in (
            (["@192.0.2.9:5353"], ["192.0.2.9"]),
            (["kt", "system"], ["168.126.63.1", "168.126.63.2", "192.0.2.1"]),
        ):
            made = make_lookup(texts, reactor, self.conf)
            assert made is not None and made._servers is not None
            self.assertEqual([each.host for each in made._servers], hosts)
        with self.assertRaises(InvalidName):
            make_lookup(["nonsense://x"], reactor, self.conf)
        self.patch(bootstrap, "_look_up", lambda server: OSError("no address"))
        with self.assertRaises(NoServers):
            make_lookup(["192.0.2.1", "dns.test"], reactor, self.conf)
        self.assertTrue(os.path.exists(self.conf))
