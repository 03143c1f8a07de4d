"""Tests of what processes that share a port tell each other."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from netsvc.multiplex.crowd import SLACK, Crowd, create


class CrowdTests(SynchronousTestCase):
    """L{Crowd}."""

    def setUp(self) -> None:
        """Two processes of three."""
        fd = create(3)
        self.one, self.two = Crowd(fd, 0), Crowd(fd, 1)
        os.close(fd)
        self.addCleanup(self.one.close)
        self.addCleanup(self.two.close)

    def test_alone(self) -> None:
        """One that accepts alone is never ahead."""
        self.assertFalse(self.one.ahead(10_000))

    def test_ahead(self) -> None:
        """One is ahead with more than another has, and an eighth, and a little."""
        self.assertFalse(self.two.ahead(80))
        self.assertFalse(self.one.ahead(90 + SLACK))
        self.assertTrue(self.one.ahead(91 + SLACK))
        self.assertFalse(self.two.ahead(80))
        self.assertFalse(self.two.ahead(91))
        self.assertFalse(self.one.ahead(91 + SLACK))

    def test_leave(self) -> None:
        """One that is gone is not waited for; another can say so of it."""
        self.two.ahead(0)
        self.assertTrue(self.one.ahead(100))
        self.two.leave()
        self.assertFalse(self.one.ahead(100))
        self.two.ahead(0)
        self.one.leave(1)
        self.assertFalse(self.one.ahead(100))
