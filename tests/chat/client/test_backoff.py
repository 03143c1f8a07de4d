"""The wait before the next attempt."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client.backoff import FIRST, LONGEST, SPREAD, Backoff


class BackoffTests(SynchronousTestCase):
    """Delays."""

    def test_doubles(self) -> None:
        """Delays double to the longest, and begin again."""
        backoff = Backoff(lambda: 0.5)
        self.assertEqual([backoff.next() for _ in range(4)], [1, 2, 4, 8])
        for _ in range(10):
            longest = backoff.next()
        self.assertEqual(longest, LONGEST)
        backoff.reset()
        self.assertEqual(backoff.next(), FIRST)

    def test_spread(self) -> None:
        """Chance makes a delay shorter or longer by a part of it."""
        self.assertEqual(Backoff(lambda: 0.0).next(), FIRST * (1 - SPREAD))
        self.assertEqual(Backoff(lambda: 1.0).next(), FIRST * (1 + SPREAD))
