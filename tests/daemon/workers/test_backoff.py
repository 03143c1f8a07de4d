"""Tests of the waits until a worker is replaced."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.workers.backoff import LONGEST, STABLE, Backoff


class BackoffTests(SynchronousTestCase):
    """L{Backoff}."""

    def test_grows(self) -> None:
        """The first death costs no wait, further ones more and more, up to 30 s."""
        backoff = Backoff()
        waits = [backoff.next(0.1) for _ in range(10)]
        self.assertEqual(waits, [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30])
        self.assertEqual(LONGEST, 30)

    def test_stable(self) -> None:
        """After a stable minute a death counts as the first one."""
        backoff = Backoff()
        for _ in range(5):
            backoff.next(1)
        self.assertEqual(backoff.deaths, 5)
        self.assertEqual(backoff.next(STABLE), 0)
        self.assertEqual(backoff.next(STABLE - 1), 0.5)
