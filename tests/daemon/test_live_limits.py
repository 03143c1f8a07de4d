"""Tests of limits and timeouts that change while connections are there."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.connections import Timeouts
from netsvc.daemon.limits import (
    CONNECTION_RATE_REACHED,
    MAX_CONNECTIONS_REACHED,
    MAX_PER_SOURCE_REACHED,
    ConnectionLimits,
    Rate,
    RateTable,
    changed_table,
)
from tests.daemon.connections_case import ConnectionsCase


class LimitsTests(SynchronousTestCase):
    """Tests of L{ConnectionLimits.change} and L{RateTable.change}."""

    def test_table(self) -> None:
        """A bucket stays as empty in time; one emptier than it could be starts anew."""
        table = RateTable(Rate(1, 2))
        self.assertEqual([table.allow("a", 0.0) for _ in range(3)], [True, True, False])
        table.change(Rate(1, 4))
        self.assertEqual([table.allow("a", 0.0) for _ in range(3)], [True, True, False])
        table.change(Rate(10, 1))
        self.assertEqual([table.allow("a", 3.0) for _ in range(2)], [True, False])

    def test_changed_table(self) -> None:
        """A table comes with a rate, stays with another, and goes without one."""
        table = changed_table(None, Rate(1, 1))
        assert table is not None
        self.assertTrue(table.allow("a", 0.0))
        self.assertIs(changed_table(table, Rate(1, 2)), table)
        self.assertIsNone(changed_table(table, None))
        self.assertIsNone(changed_table(None, None))

    def test_connections(self) -> None:
        """Who is admitted stays; who comes is measured by the new limits."""
        limits = ConnectionLimits(0)
        for _ in range(3):
            self.assertIsNone(limits.acquire("a", 0.0))
        limits.change(3, 0, None)
        self.assertEqual(limits.max_connections, 3)
        self.assertEqual(limits.acquire("b", 0.0), MAX_CONNECTIONS_REACHED)
        limits.change(0, 2, None)
        self.assertEqual(limits.acquire("a", 0.0), MAX_PER_SOURCE_REACHED)
        limits.change(0, 0, Rate(1, 1))
        self.assertIsNone(limits.acquire("b", 0.0))
        self.assertEqual(limits.acquire("b", 0.0), CONNECTION_RATE_REACHED)
        for host in "aaab":
            limits.release(host)
        self.assertEqual((limits.live, limits.sources), (0, 0))


class TimeoutsTests(ConnectionsCase):
    """Tests of L{Connections.change}."""

    def test_shorter(self) -> None:
        """Who is there is closed by the new timeout."""
        self.watch(ConnectionLimits(0), idle=0, close=5)
        wire = self.connect()
        self.wait(100)
        self.assertTrue(wire.connected)
        self.connections.change(Timeouts(idle=10, close=5))
        self.wait(2)
        self.assertFalse(wire.connected)

    def test_never(self) -> None:
        """A timeout can be given up."""
        self.watch(ConnectionLimits(0), idle=10, close=5)
        wire = self.connect()
        self.connections.change(Timeouts(idle=0))
        self.wait(100)
        self.assertTrue(wire.connected)
