"""Tests of L{netsvc.chat.pace}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.pace import Pace
from netsvc.daemon.limits import Rate

RATE = Rate(2.0, 4)


class PaceTests(SynchronousTestCase):
    """The budget of one connection: two a second, and four at once."""

    def setUp(self) -> None:
        """Start with all of it."""
        self.pace = Pace()

    def test_wait(self) -> None:
        """The burst is there at once, what is beyond it at the rate."""
        for _ in range(4):
            self.assertEqual(self.pace.wait(1.0, RATE, 10.0), 0.0)
            self.pace.charge(1.0, RATE, 10.0)
        self.assertAlmostEqual(self.pace.wait(1.0, RATE, 10.0), 0.5, 2)
        self.assertAlmostEqual(self.pace.wait(1.0, RATE, 10.25), 0.25, 2)
        self.assertEqual(self.pace.wait(0.0, RATE, 10.0), 0.0)
        self.assertEqual(self.pace.wait(1.0, RATE, 10.5), 0.0)

    def test_rounding(self) -> None:
        """After the time that it gave there is no more to wait for."""
        rate, now = Rate(25.0, 100), 100.1
        self.pace.charge(100, rate, now)
        for _ in range(1000):
            wait = self.pace.wait(1.0, rate, now)
            self.assertGreater(wait, 0.0)
            now += wait
            self.assertEqual(self.pace.wait(1.0, rate, now), 0.0)
            self.pace.charge(1.0, rate, now)

    def test_bound(self) -> None:
        """However much was taken, no more is missing than so many bursts."""
        self.pace.charge(1e9, RATE, 10.0)
        self.pace.bound(2, RATE, 10.0)
        self.assertAlmostEqual(self.pace.wait(1.0, RATE, 10.0), 2.5, 2)

    def test_patience(self) -> None:
        """Who is over it for longer than the patience, if there is one, is found."""
        self.pace.charge(100, RATE, 0.0)
        self.assertFalse(self.pace.too_long(5.0, 0.0))
        self.assertTrue(self.pace.begins(0.0))
        self.assertFalse(self.pace.begins(4.9))
        self.assertFalse(self.pace.too_long(5.0, 4.9))
        self.assertTrue(self.pace.too_long(5.0, 5.0))
        self.assertFalse(self.pace.too_long(0.0, 1e6))

    def test_calm(self) -> None:
        """Half of the burst must be there before it counts as over."""
        self.pace.charge(4, RATE, 0.0)
        self.assertTrue(self.pace.begins(0.0))
        self.pace.wait(1.0, RATE, 1.2)
        self.assertEqual(self.pace.flooding, 0.0)
        self.pace.wait(1.0, RATE, 1.3)
        self.assertIsNone(self.pace.flooding)
