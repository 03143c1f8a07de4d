"""How long to wait for an answer."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.round_trip import MAX_BACKOFF, RoundTrip


class RoundTripTests(SynchronousTestCase):
    """The rules of RFC 6298."""

    def test_patience(self) -> None:
        """It follows the round trips and how much they vary, within bounds."""
        trip = RoundTrip()
        self.assertEqual(trip.patience(0.5, 0.1, 2.0), 0.5)
        trip.measured(0.2)
        self.assertAlmostEqual(trip.patience(0.5, 0.1, 2.0), 0.6)
        for _ in range(100):
            trip.measured(0.01)
        self.assertEqual(trip.patience(0.5, 0.1, 2.0), 0.1)
        trip.measured(60.0)
        self.assertEqual(trip.patience(0.5, 0.1, 2.0), 2.0)

    def test_backoff(self) -> None:
        """It doubles while nothing is answered, up to a bound, and no longer then."""
        trip = RoundTrip()
        trip.unanswered()
        self.assertEqual(trip.patience(0.5, 0.1, 99.0), 1.0)
        for _ in range(20):
            trip.unanswered()
        self.assertEqual(trip.patience(0.5, 0.1, 99.0), 0.5 * MAX_BACKOFF)
        trip.answered()
        self.assertEqual(trip.patience(0.5, 0.1, 99.0), 0.5)

    def test_backwards(self) -> None:
        """A clock that has gone backwards says that it took no time."""
        trip = RoundTrip()
        trip.measured(-5.0)
        self.assertEqual(trip.seconds, 0.0)
