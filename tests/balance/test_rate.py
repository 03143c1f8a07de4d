"""Tests of L{netsvc.balance.rate}."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.rate import SessionRate


class SessionRateTests(SynchronousTestCase):
    """Tests of L{SessionRate}."""

    def test_none(self) -> None:
        """Without an event the rate is 0."""
        self.assertEqual(SessionRate().per_second(100.5), 0)

    def test_slides(self) -> None:
        """What happened leaves the window little by little, and then altogether."""
        rate = SessionRate()
        for _ in range(10):
            rate.add(5.5)
        shown = [rate.per_second(now) for now in (5.9, 6.0, 6.25, 6.5, 7.0)]
        self.assertEqual(shown, [10, 10, 7.5, 5, 0])

    def test_gap(self) -> None:
        """After a second without an event the rate is 0."""
        rate = SessionRate()
        rate.add(5.0)
        self.assertEqual(rate.per_second(8.0), 0)

    @settings(deadline=None)
    @given(st.integers(1, 1000), st.floats(2, 1000))
    def test_steady(self, per_second: int, until: float) -> None:
        """A steady stream is shown at its rate, to within two events."""
        rate = SessionRate()
        for i in range(per_second * 2):
            rate.add(until - 2 + i / per_second)
        self.assertApproximates(rate.per_second(until), per_second, 2 + 1e-6)
