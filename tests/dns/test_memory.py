"""Tests of L{netsvc.dns.memory}, L{netsvc.dns.wheel} and L{netsvc.dns.entropy}."""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.entropy import BLOCK, Entropy
from netsvc.dns.memory import (
    FIRST_REST,
    FIRST_WAIT,
    LEAST_WAIT,
    MEMORY,
    MOST_REST,
    STALE,
    STRIKES,
    Memory,
)
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.servers import parse_server
from netsvc.dns.wheel import RESOLUTION, Wheel


class MemoryTests(SynchronousTestCase):
    """What is remembered of a server."""

    def setUp(self) -> None:
        """Know nothing."""
        self.memory = Memory(parse_server("192.0.2.1"), b"c" * 8)

    def test_rtt(self) -> None:
        """The round-trip time is smoothed."""
        self.assertEqual(self.memory.patience, FIRST_WAIT)
        self.assertEqual(self.memory.hedge, FIRST_WAIT)
        self.memory.heard(0.4, 0.0)
        self.assertEqual((self.memory.srtt, self.memory.rttvar), (0.4, 0.2))
        self.memory.heard(0.4, 0.0)
        assert self.memory.srtt is not None
        self.assertAlmostEqual(self.memory.srtt, 0.4)
        self.assertAlmostEqual(self.memory.patience, 0.4 + 4 * 0.15)
        for _ in range(100):
            self.memory.heard(0.001, 0.0)
        self.assertEqual(self.memory.patience, LEAST_WAIT)
        self.assertLess(self.memory.hedge, 0.01)

    def test_rank(self) -> None:
        """Unknown before known, quick before slow, all before those that fail."""
        slow, failing = (Memory(parse_server(f"192.0.2.{n}")) for n in (2, 3))
        slow.heard(0.2, 0.0)
        for _ in range(STRIKES):
            failing.failed(0.0)
        found = sorted([failing, slow, self.memory], key=Memory.rank)
        self.assertEqual(found, [self.memory, slow, failing])
        failing.heard(0.1, 0.0)
        self.assertFalse(failing.is_resting)

    def test_probes(self) -> None:
        """What fails is tried again, less and less often; what is old as well."""
        memory = self.memory
        self.assertFalse(memory.probe_is_due(0.0))
        for _ in range(STRIKES):
            memory.failed(0.0)
        self.assertFalse(memory.probe_is_due(FIRST_REST - 0.1))
        self.assertTrue(memory.probe_is_due(FIRST_REST))
        self.assertFalse(memory.probe_is_due(FIRST_REST))
        for _ in range(100):
            memory.failed(100.0)
        self.assertFalse(memory.probe_is_due(100 + MOST_REST - 1))
        self.assertTrue(memory.probe_is_due(100 + MOST_REST))
        memory.heard(0.1, 200.0)
        self.assertFalse(memory.probe_is_due(200 + STALE - 1))
        self.assertTrue(memory.probe_is_due(200 + STALE))

    def test_limits(self) -> None:
        """What a server cannot do is forgotten after a while."""
        memory = self.memory
        memory.answered_without_edns(0.0)
        self.assertEqual(memory.no_edns_until, 0)
        memory.answered_without_edns(0.0)
        self.assertEqual(memory.no_edns_until, MEMORY)
        memory.sent_opt(1.0)
        self.assertEqual(
            (memory.no_edns_until, memory.speaks_edns_until), (0, MEMORY + 1)
        )
        memory.stalled(0.0)
        self.assertTrue(memory.takes_one_by_one(MEMORY - 1))
        self.assertFalse(memory.takes_one_by_one(MEMORY))

    def test_cookies(self) -> None:
        """A changed cookie is in the next query; a new address has a new one."""
        plain = self.memory.opt(PLAIN)
        self.assertIs(self.memory.opt(PLAIN), plain)
        self.assertIn(b"c" * 8, plain)
        self.memory.cookie(b"s" * 8)
        self.assertIn(b"c" * 8 + b"s" * 8, self.memory.opt(PLAIN))
        self.assertIn(b"s" * 8, self.memory.opt(QueryOptions(nsid=True)))
        self.memory.renew(b"d" * 8)
        self.assertTrue(self.memory.opt(PLAIN).endswith(b"\0\x08" + b"d" * 8))


class _Item:
    """Something with a deadline."""

    def __init__(self, then: object = None) -> None:
        self.slot = 0
        self.due_at: list[float] = []
        self._then = then

    def due(self, now: float) -> None:
        """Note it."""
        self.due_at.append(round(now, 2))
        if callable(self._then):
            self._then()


class WheelTests(SynchronousTestCase):
    """Many deadlines, one delayed call."""

    def setUp(self) -> None:
        """Have a wheel."""
        self.clock = Clock()
        self.errors: list[Exception] = []
        self.wheel = Wheel(self.clock, self.errors.append)

    def test_due(self) -> None:
        """Each is due when it should be, and once."""
        items = [_Item() for _ in range(4)]
        for item, when in zip(items, (0.5, 0.1, 0.1, 0.3), strict=True):
            self.wheel.set(item, when)
        self.assertEqual(len(self.wheel), 4)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.wheel.clear(items[3])
        self.wheel.clear(items[3])
        self.clock.pump([0.01] * 60)
        for item, when in zip(items, (0.5, 0.1, 0.1), strict=False):
            (due,) = item.due_at
            self.assertTrue(when <= due <= when + 2 * RESOLUTION, due)
        self.assertEqual(items[3].due_at, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_moved(self) -> None:
        """A deadline can be set anew, also when it has come."""

        def then() -> None:
            if len(again.due_at) < 3:
                self.wheel.set(again, self.clock.seconds() + 0.1)

        again = _Item(then)
        self.wheel.set(again, 5.0)
        self.wheel.set(again, 0.1)
        self.clock.pump([0.01] * 100)
        self.assertEqual(len(again.due_at), 3)

    def test_error(self) -> None:
        """What is wrong in one does not disturb the others."""
        bad, good = _Item(lambda: 1 / 0), _Item()
        self.wheel.set(bad, 0.1)
        self.wheel.set(good, 0.1)
        self.clock.advance(0.2)
        self.assertEqual([type(error) for error in self.errors], [ZeroDivisionError])
        self.assertEqual(len(good.due_at), 1)

    def test_stop(self) -> None:
        """Stopped, nothing is due."""
        item = _Item()
        self.wheel.set(item, 0.1)
        self.wheel.stop()
        self.assertEqual((item.slot, self.clock.getDelayedCalls()), (0, []))


class EntropyTests(SynchronousTestCase):
    """Random bytes."""

    def test_once(self) -> None:
        """Each byte is handed out once, and more are fetched when needed."""
        blocks = []

        def source(count: int) -> bytes:
            blocks.append(os.urandom(count))
            return blocks[-1]

        entropy = Entropy(source)
        found = b"".join(entropy.take(3) for _ in range(BLOCK // 3 + 1))
        self.assertEqual(found, blocks[0][: BLOCK // 3 * 3] + blocks[1][:3])
