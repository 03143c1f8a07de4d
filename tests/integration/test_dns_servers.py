"""Several servers: truncation in parallel, dead and lying ones, forgeries."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import dns.rcode
from twisted.internet.defer import CancelledError, Deferred, DeferredList, gatherResults
from twisted.internet.task import deferLater

from netsvc.dns import memory
from netsvc.dns.errors import (
    LookupFailed,
    NoServers,
    ResolverClosed,
    TooManyQueries,
    Unreachable,
)
from netsvc.dns.options import QueryOptions
from netsvc.dns.resolver_settings import Order
from netsvc.dns.servers import Server, parse_server
from tests.integration.balance_peers import free_ports
from tests.integration.dns_servers import (
    CLOSE,
    GOOD,
    NAME,
    POISON,
    DNSTestCase,
    Query,
    Step,
    answer,
    error,
    good,
    other_question,
    silent,
    truncated,
)
from tests.integration.figures import figure


def tc(query: Query) -> Iterator[Step]:
    """Truncate."""
    yield truncated(query)


def servfail(query: Query) -> Iterator[Step]:
    """Fail."""
    yield error(query, dns.rcode.SERVFAIL)


def closed_port() -> Server:
    """Find a port at which nobody listens, and that the kernel gives to nobody."""
    (port,) = free_ports(1)
    return parse_server(f"127.0.0.1:{port}")


class ParallelTests(DNSTestCase):
    """
    Two servers asked at once, of which one truncates or both do (hickory-dns #3963).

    The good answer comes, and each server gets one query over TCP at the most.
    """

    async def expect_good(self, *servers: Any, most: float = 1.0) -> None:
        """Ask both at once."""
        began = self.clock.seconds()
        resolver = self.resolve_by(*servers, parallel=2)
        result = await resolver.query(NAME)
        self.assertEqual(result.addresses, (GOOD,))
        self.assertLess(self.clock.seconds() - began, most)
        for server in servers:
            if not isinstance(server, Server):
                self.assertLessEqual(len(server.tcp), 1)

    async def test_both_truncate(self) -> None:
        """(a) B's truncation does not disturb A's TCP, whenever it comes."""
        for delay in (0.0, 0.01, 0.05):

            def slow_tc(query: Query, delay: float = delay) -> Iterator[Step]:
                yield delay, truncated(query)

            def slow_good(query: Query) -> Iterator[Step]:
                yield 0.03, answer(query)

            await self.expect_good(
                self.serve(tc, tcp=slow_good), self.serve(slow_tc, tcp=good)
            )

    async def test_one_closes(self) -> None:
        """(b) A's TCP takes 200 ms; B's closes: A's answer counts."""

        def slow_good(query: Query) -> Iterator[Step]:
            yield 0.2, answer(query)

        def close(query: Query) -> Iterator[Step]:
            yield CLOSE

        await self.expect_good(self.serve(tc, tcp=slow_good), self.serve(tc, tcp=close))

    async def test_one_fails(self) -> None:
        """(c) B's SERVFAIL comes first."""

        def slow_tc(query: Query) -> Iterator[Step]:
            yield 0.05, truncated(query)

        await self.expect_good(self.serve(slow_tc, tcp=good), self.serve(servfail))

    async def test_one_is_dead(self) -> None:
        """(d) B is dead: silent, or its port is closed."""
        await self.expect_good(self.serve(tc, tcp=good), self.serve(silent))
        await self.expect_good(self.serve(tc, tcp=good), closed_port())


class FailoverTests(DNSTestCase):
    """A server that is of no use does not cost the answer."""

    async def test_refused_port(self) -> None:
        """A closed port is known at once, not after a timeout."""
        dead = closed_port()
        began = self.clock.seconds()
        result = await self.resolve_by(dead, self.serve(good)).query(NAME)
        self.assertEqual(result.addresses, (GOOD,))
        self.assertEqual([type(each) for each in result.errors], [Unreachable])
        self.assertLess(self.clock.seconds() - began, 0.3)
        with self.assertRaises(Unreachable):
            await self.resolve_by(dead).query(NAME)

    async def test_refused_tcp(self) -> None:
        """So is a closed TCP port."""
        dead = closed_port()
        with self.assertRaises(Unreachable):
            await self.resolve_by(Server("tcp", dead.host, dead.port)).query(NAME)

    async def test_no_servers(self) -> None:
        """Without a server there is an error."""
        with self.assertRaises(NoServers):
            await self.resolve_by().query(NAME)

    async def test_dead_and_misbehaving(self) -> None:
        """
        One dead and one misbehaving server among three: all names are answered
        rightly, and nearly all within a second (of a machine that has time).
        """
        chance = random.Random(3)

        def misbehave(query: Query) -> Iterator[Step]:
            kind = query.number % 4
            if kind == 0:
                yield other_question(query)
            elif kind == 1:
                yield query.data[:2] + chance.randbytes(30)
            elif kind == 2:
                yield truncated(query)
            else:
                yield error(query, dns.rcode.SERVFAIL)

        servers = self.serve(silent), self.serve(misbehave, tcp=tc), self.serve(good)

        resolver = self.resolve_by(*servers, order=Order.FASTEST, tries=3, total=5.0)
        names = iter(range(600))
        times: list[float] = []

        async def ask() -> None:
            for number in names:
                began = self.clock.seconds()
                result = await resolver.query(f"n{number}.test")
                self.assertEqual(result.addresses, (GOOD,))
                times.append(self.clock.seconds() - began)

        await gatherResults([Deferred.fromCoroutine(ask()) for _ in range(20)])
        self.assertEqual(len(times), 600)
        slowest = sorted(times)[593]
        figure(self, "99th percentile with one of three right", slowest, "s", most=1)

    async def test_recovers(self) -> None:
        """A server that was dead is found again, by a question asked beside."""
        self.patch(memory, "FIRST_REST", 0.1)
        answers = False

        def script(query: Query) -> Iterator[Step]:
            if answers:
                yield answer(query)

        back = self.serve(script)
        resolver = self.resolve_by(
            back, self.serve(good), order=Order.FASTEST, timeout=0.2, total=3.0
        )
        known = resolver.memory(back.server)
        numbers = itertools.count()
        while not known.is_resting:
            await resolver.query(f"a{next(numbers)}.test")
        answers = True
        end = self.clock.seconds() + 5
        while known.is_resting and self.clock.seconds() < end:
            await resolver.query(f"b{next(numbers)}.test")
            await deferLater(self.clock, 0.02)
        self.assertFalse(known.is_resting)


class ForgeryTests(DNSTestCase):
    """Someone who sees nothing guesses."""

    async def test_forged(self) -> None:
        """None of 10,000 forged answers is accepted, though each has the port right."""
        forged = 0

        def script(query: Query) -> Iterator[Step]:
            nonlocal forged
            poison = answer(query, POISON)
            letters = bytes(
                byte ^ 0x20 if chr(byte).isalpha() else byte for byte in poison[12:40]
            )
            for number in range(100):
                forged += 1
                kind = number % 4
                if kind == 0:  # any id
                    ident = (int.from_bytes(poison[:2], "big") + 1 + number) % 65536
                    yield ident.to_bytes(2, "big") + poison[2:]
                elif kind == 1:  # the right id, another question
                    yield other_question(query)
                elif kind == 2:  # the right id, but guessed letters
                    yield poison[:12] + letters + poison[40:]
                else:  # the right id, but not the query's bit
                    yield poison[:2] + b"\x01\x00" + poison[4:]
            yield answer(query)

        server = self.serve(script, tcp=good)
        resolver = self.resolve_by(server)
        accepted = 0
        for number in range(100):
            name = f"a-name-with-many-letters-{number}.example.test"
            result = await resolver.query(name)
            accepted += result.addresses != (GOOD,)
        # A query that was sent again is forged again.
        self.assertGreaterEqual(forged, 10_000)
        figure(self, "accepted, of 10,000 forged answers", accepted, most=0)
        counts = resolver.memory(server.server).counts
        self.assertGreater(counts["unknown-id"] + counts["wrong-question"], 2500)


class JoinTests(DNSTestCase):
    """Lookups that are under way."""

    async def test_joined(self) -> None:
        """Identical questions are one query; who gives up does not disturb others."""

        def slow(query: Query) -> Iterator[Step]:
            yield 0.1, answer(query)

        server = self.serve(slow)
        resolver = self.resolve_by(server)
        waiting = [resolver.query(name) for name in ("x.test", "X.TEST", "x.test.")]
        other = resolver.query("x.test", options=QueryOptions(dnssec=True))
        gone = self.assertFailure(waiting[0], CancelledError)
        waiting[0].cancel()
        await gone
        for result in await gatherResults([*waiting[1:], other]):
            self.assertEqual(result.addresses, (GOOD,))
        self.assertEqual(len(server.udp), 2)

    async def test_cancelled(self) -> None:
        """A lookup for which nobody waits any more is over."""
        resolver = self.resolve_by(self.serve(silent))
        waiting = resolver.query(NAME)
        waiting.cancel()
        with self.assertRaises(CancelledError):
            await waiting
        self.assertEqual(len(resolver), 0)

    async def test_limits(self) -> None:
        """There is room for so many lookups, and for so many to wait for one."""
        resolver = self.resolve_by(self.serve(silent), max_lookups=2, max_waiting=2)
        waiting = [resolver.query(name) for name in ("a.", "a.", "b.")]
        for name in ("a.", "c."):
            with self.assertRaises(TooManyQueries):
                await resolver.query(name)
        resolver.close()
        ended: list[Any] = await DeferredList(waiting, consumeErrors=True)
        for found, failure in ended:
            self.assertFalse(found)
            self.assertIs(failure.type, ResolverClosed)
        with self.assertRaises(ResolverClosed):
            await resolver.query(NAME)

    async def test_own_deadline(self) -> None:
        """A lookup can have a deadline of its own, and servers of its own."""
        slow, quick = self.serve(silent), self.serve(good)
        resolver = self.resolve_by(slow, quick)
        began = self.clock.seconds()
        with self.assertRaises(LookupFailed):
            await resolver.query(
                NAME, options=QueryOptions(deadline=0.2, servers=(slow.server,))
            )
        self.assertLess(self.clock.seconds() - began, 0.5)
        options = QueryOptions(servers=(quick.server,))
        result = await resolver.query(NAME, options=options)
        self.assertEqual(result.server, quick.server)
