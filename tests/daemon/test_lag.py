"""How late the reactor is."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.lag import BOUNDS, INTERVAL, ReactorLag


class LagTests(SynchronousTestCase):
    """L{ReactorLag}."""

    def setUp(self) -> None:
        """Measure a clock that the test moves."""
        self.clock: Any = Clock()
        self.lag = ReactorLag(self.clock)

    def test_in_time(self) -> None:
        """A reactor in time fills the first bucket."""
        self.lag.start()
        self.lag.start()
        self.clock.pump([INTERVAL] * 20)
        found = self.lag.histogram()
        self.assertEqual(found.bounds, BOUNDS)
        self.assertEqual(found.counts[0], 20)
        self.assertLess(found.sum, 1e-6)

    def test_stalled(self) -> None:
        """A stall is one entry, as long as it was."""
        self.lag.start()
        self.clock.advance(INTERVAL + 0.3)
        found = self.lag.histogram()
        self.assertEqual(sum(found.counts), 1)
        self.assertEqual(found.counts[BOUNDS.index(0.5)], 1)
        self.assertAlmostEqual(found.sum, 0.3)

    def test_beyond(self) -> None:
        """What is later than the last bound has a bucket of its own."""
        self.lag.start()
        self.clock.advance(60)
        self.assertEqual(self.lag.histogram().counts[-1], 1)

    def test_stop(self) -> None:
        """After a stop nothing is due; what was measured stays."""
        self.lag.start()
        self.clock.advance(INTERVAL)
        self.lag.stop()
        self.lag.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(sum(self.lag.histogram().counts), 1)
