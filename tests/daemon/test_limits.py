"""Tests of L{netsvc.daemon.limits}."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.limits import (
    UNIX_SOURCE,
    ConnectionLimits,
    Rate,
    RateTable,
    source_key,
)

# Times in sixteenths of a second: exact as floats and as fractions.
steps = st.integers(0, 200).map(lambda sixteenths: sixteenths / 16)
rates = st.builds(
    Rate,
    per_second=st.sampled_from([0.25, 0.5, 1.0, 4.0, 8.0]),
    burst=st.integers(1, 6),
)


class BucketModel:
    """A token bucket in exact arithmetic, as a textbook has it."""

    def __init__(self, rate: Rate) -> None:
        """Start with every bucket full."""
        self.rate = rate
        self.tokens: dict[str, Fraction] = {}
        self.times: dict[str, float] = {}

    def allow(self, key: str, now: float, cost: int = 1) -> bool:
        """Take tokens if there are as many."""
        gained = Fraction(now - self.times.get(key, now)) * Fraction(
            self.rate.per_second
        )
        held = self.tokens.get(key, Fraction(self.rate.burst)) + gained
        held = min(held, Fraction(self.rate.burst))
        allowed = cost <= held
        self.tokens[key] = held - cost if allowed else held
        self.times[key] = now
        return allowed


class SourceKeyTests(SynchronousTestCase):
    """Tests of L{source_key}."""

    def test_ipv4(self) -> None:
        """An IPv4 address is its own key."""
        self.assertEqual(source_key("192.0.2.1"), "192.0.2.1")

    def test_ipv6(self) -> None:
        """IPv6 addresses of one /64 share a key; those of two do not."""
        key = source_key("2001:db8:0:1::1")
        self.assertEqual(key, source_key("2001:db8::1:ffff:0:0:9"))
        self.assertNotEqual(key, source_key("2001:db8:0:2::1"))

    def test_mapped(self) -> None:
        """An IPv4-mapped IPv6 address is that IPv4 address."""
        self.assertEqual(source_key("::ffff:192.0.2.1"), "192.0.2.1")

    def test_scope(self) -> None:
        """The scope of a link-local address is ignored."""
        self.assertEqual(source_key("fe80::1%eth0"), source_key("fe80::2"))

    def test_unix(self) -> None:
        """Whatever a UNIX socket calls its peer is one source."""
        peers = [None, "", b"", b"/run/x", "/run/a:b", "@abstract", "\0abstract"]
        self.assertEqual({source_key(peer) for peer in peers}, {UNIX_SOURCE})

    @given(st.one_of(st.text(), st.binary(), st.none()))
    def test_odd(self, host: str | bytes | None) -> None:
        """Any text has a key that can be looked up."""
        hash(source_key(host))

    def test_odd_with_colon(self) -> None:
        """Text that only resembles an IPv6 address is its own key."""
        for odd in ("a:b", "::1\0", ":\ud800", "1:2:3"):
            self.assertEqual(source_key(odd), odd)


class RateTests(SynchronousTestCase):
    """Tests of L{Rate}."""

    def test_impossible(self) -> None:
        """A bucket that would never let anything through cannot be made."""
        self.assertRaises(ValueError, Rate, 0.0, 1)
        self.assertRaises(ValueError, Rate, float("nan"), 1)
        self.assertRaises(ValueError, Rate, 1.0, 0)


class RateTableTests(SynchronousTestCase):
    """Tests of L{RateTable}."""

    @given(
        rates,
        st.floats(0, 2e9),
        st.lists(
            st.tuples(steps, st.sampled_from("abc"), st.sampled_from([1, 1, 1, 2, 7]))
        ),
    )
    def test_model(
        self, rate: Rate, start: float, uses: list[tuple[float, str, int]]
    ) -> None:
        """Each source gets what a token bucket of its own would give it."""
        table, model = RateTable(rate), BucketModel(rate)
        now = float(int(start))
        refused = 0
        for step, key, cost in uses:
            now += step
            expected = model.allow(key, now, cost)
            self.assertEqual(table.allow(key, now, cost), expected)
            refused += not expected
        self.assertEqual(table.refused, refused)

    @given(
        st.floats(0.01, 1e5),
        st.integers(1, 300),
        st.one_of(st.just(0.0), st.floats(0, 2e9)),
    )
    def test_burst(self, per_second: float, burst: int, now: float) -> None:
        """A full bucket of any rate holds its burst, give or take rounding."""
        table = RateTable(Rate(per_second, burst))
        allowed = sum(table.allow("a", now) for _ in range(burst + 2))
        # One float apart at 2e9 s is 0.24 us: 2 % of a token at 100,000/s.
        self.assertLessEqual(abs(allowed - burst), 1 + burst * 0.03)
        if now == 0:
            self.assertEqual(allowed, burst)

    @given(st.integers(1, 8), st.lists(st.integers(0, 40)))
    def test_bounded(self, max_sources: int, keys: list[int]) -> None:
        """No flood of sources makes the table larger than two generations."""
        table = RateTable(Rate(1, 1), max_sources)
        for key in keys:
            table.allow(key, 0.0)
            self.assertLessEqual(len(table), 2 * max_sources)

    def test_busy_source_is_remembered(self) -> None:
        """A source that is seen in every generation is never forgotten."""
        table = RateTable(Rate(1, 1), max_sources=4)
        self.assertTrue(table.allow("busy", 0.0))
        for flood in range(100):
            table.allow(flood, 0.0)
            if flood % 4 == 0:
                self.assertFalse(table.allow("busy", 0.0))

    def test_forgotten_source_starts_full(self) -> None:
        """A source that two generations of others pushed out starts again."""
        table = RateTable(Rate(1, 1), max_sources=4)
        self.assertTrue(table.allow("quiet", 0.0))
        for flood in range(8):
            table.allow(flood, 0.0)
        self.assertTrue(table.allow("quiet", 0.0))

    def test_clock_set_back(self) -> None:
        """A clock that is set back does not lock out who was refused by it."""
        table = RateTable(Rate(1, 2))
        self.assertTrue(table.allow("a", 1e6))
        self.assertTrue(table.allow("a", 10.0))
        self.assertTrue(table.allow("a", 10.0))
        self.assertFalse(table.allow("a", 10.0))
        self.assertFalse(table.allow("a", 5.0, cost=3))

    def test_no_sources(self) -> None:
        """A table for no source at all cannot be made."""
        self.assertRaises(ValueError, RateTable, Rate(1, 1), 0)


class ConnectionLimitsTests(SynchronousTestCase):
    """Tests of L{ConnectionLimits}."""

    hosts = st.sampled_from(
        ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2", ""]
    )

    @given(
        st.integers(0, 6),
        st.integers(0, 3),
        st.one_of(st.none(), rates),
        st.lists(st.tuples(steps, hosts, st.booleans())),
    )
    def test_model(
        self,
        max_connections: int,
        max_per_source: int,
        rate: Rate | None,
        events: list[tuple[float, str, bool]],
    ) -> None:
        """Connections are admitted as by a model that keeps them all in a list."""
        limits = ConnectionLimits(max_connections, max_per_source, rate)
        buckets = BucketModel(rate) if rate else None
        live: list[str | bytes] = []
        refused: Counter[str] = Counter()
        now = 0.0
        for step, host, opens in events:
            now += step
            key = source_key(host)
            if not opens:
                if key in live:
                    live.remove(key)
                    limits.release(host)
                else:
                    self.assertRaises(ValueError, limits.release, host)
                continue
            expected = None
            if max_connections and len(live) >= max_connections:
                expected = "max-connections"
            elif max_per_source and live.count(key) >= max_per_source:
                expected = "max-connections-per-source"
            elif buckets and not buckets.allow(str(key), now):
                expected = "connection-rate"
            self.assertEqual(limits.acquire(host, now), expected)
            if expected:
                refused[expected] += 1
            else:
                live.append(key)
            self.assertEqual(limits.live, len(live))
            self.assertEqual(limits.sources, len(set(live)))
        self.assertEqual(limits.refused, refused)

    def test_released_table_is_empty(self) -> None:
        """Nothing is kept of sources whose connections have ended."""
        limits = ConnectionLimits(100, 2)
        for number in range(100):
            self.assertIsNone(limits.acquire(f"192.0.2.{number}", 0.0))
        self.assertEqual(limits.acquire("192.0.2.200", 0.0), "max-connections")
        for number in range(100):
            limits.release(f"192.0.2.{number}")
        self.assertEqual((limits.live, limits.sources), (0, 0))
