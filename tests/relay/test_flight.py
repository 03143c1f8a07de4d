"""Segments that are on their way, and how many may be."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.flight import FIRST_WINDOW, LAST, LEAST_WINDOW, OVERTAKEN, Flight
from netsvc.relay.round_trip import RoundTrip

LIMIT = 32


class FlightTests(SynchronousTestCase):
    """One end's segments."""

    def setUp(self) -> None:
        """Begin with nothing on the way."""
        self.trip = RoundTrip()
        self.flight = Flight(self.trip, LIMIT)

    def fill(self, now: float = 0.0) -> int:
        """Send as many as may be; say how many."""
        count = 0
        while self.flight.may_add():
            self.flight.add(1, b"xx", now)
            count += 1
        return count

    def test_first_window(self) -> None:
        """At first ten segments may be on their way."""
        self.assertEqual(self.fill(), FIRST_WINDOW)
        self.assertEqual(len(self.flight), FIRST_WINDOW)
        self.assertEqual(self.flight.size, 2 * FIRST_WINDOW)

    def test_growth(self) -> None:
        """The window doubles with each round trip, up to the limit and no further."""
        counts = []
        for now in range(4):
            counts.append(self.fill(now))
            number = self.flight.number
            self.assertTrue(self.flight.acknowledged(number, 0, now + 0.5))
        self.assertEqual(counts, [10, 20, LIMIT, LIMIT])
        self.assertEqual(self.trip.seconds, 0.5)

    def test_overtaken(self) -> None:
        """What three later ones have overtaken is sent again, and halves the window."""
        self.fill()
        self.assertTrue(self.flight.acknowledged(0, 0b110, 0.1))
        self.assertIsNone(self.flight.again(0.1))
        self.assertTrue(self.flight.acknowledged(0, 0b1110, 0.1))
        lost = self.flight.again(0.2)
        assert lost is not None
        self.assertEqual((lost.number, lost.tries, lost.sent_at), (0, 2, 0.2))
        self.assertIsNone(self.flight.again(0.2))
        missing = [each.number for each in self.flight.missing()]
        self.assertEqual(missing, [0, *range(OVERTAKEN + 1, FIRST_WINDOW)])
        self.assertFalse(self.flight.may_add())

    def test_old_news(self) -> None:
        """The same acknowledgement once more is no news."""
        self.fill()
        self.assertTrue(self.flight.acknowledged(2, 0b10, 0.1))
        self.assertFalse(self.flight.acknowledged(2, 0b10, 0.2))
        self.assertEqual(len(self.flight), FIRST_WINDOW - 2)

    def test_lose_all(self) -> None:
        """Without any answer all is lost, and goes out again in a small window."""
        self.assertFalse(self.flight.lose_all())
        self.fill()
        self.assertTrue(self.flight.lose_all())
        again = 0
        while self.flight.again(1.0) is not None:
            again += 1
        self.assertEqual(again, LEAST_WINDOW)
        # What was sent twice tells nothing about the round trip (Karn).
        self.assertTrue(self.flight.acknowledged(1, 0, 1.1))
        self.assertIsNone(self.trip.seconds)

    def test_late(self) -> None:
        """What counted as lost and comes after all is not sent again."""
        self.fill()
        self.flight.lose_all()
        self.assertTrue(self.flight.acknowledged(self.flight.number, 0, 1.0))
        self.assertIsNone(self.flight.again(1.0))
        self.assertEqual(len(self.flight), 0)

    def test_numbers(self) -> None:
        """There is no segment behind the last number."""
        self.flight.number = LAST
        self.assertEqual(self.fill(), 1)
        self.assertTrue(self.flight.used_up)
