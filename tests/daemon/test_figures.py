"""Figures as people read them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.figures import format_age, format_bytes, format_number


class FigureTests(SynchronousTestCase):
    """L{netsvc.daemon.figures}."""

    def test_bytes(self) -> None:
        """Bytes get the unit in which they have three digits or so."""
        for number, shown in (
            (0, "0 B"),
            (999, "999 B"),
            (1536, "1.5 KiB"),
            (3 << 30, "3.0 GiB"),
            (1e30, "-"),
            ("x", "-"),
            (True, "-"),
        ):
            self.assertEqual(format_bytes(number), shown)

    def test_age(self) -> None:
        """Ages have two units at most."""
        for seconds, shown in (
            (-1, "0.0s"),
            (0.55, "0.6s"),
            (59, "59s"),
            (60, "1m"),
            (200, "3m20s"),
            (187200, "2d4h"),
            (None, "-"),
        ):
            self.assertEqual(format_age(seconds), shown)

    def test_number(self) -> None:
        """Thousands stand apart, and what is not whole has a digit more."""
        for number, shown in ((1234567, "1,234,567"), (0.25, "0.2"), ("x", "-")):
            self.assertEqual(format_number(number), shown)
