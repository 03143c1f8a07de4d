"""Durations, percentages and sizes as they are typed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.quantity import (
    MAX_DURATION,
    format_duration,
    format_milliseconds,
    milliseconds,
    parse_duration,
    parse_percentage,
    parse_size,
    seconds,
)


class DurationTests(SynchronousTestCase):
    """Durations have units and become exact nanoseconds."""

    def test_units(self) -> None:
        """Each unit has its length, and a bare number is in seconds."""
        for text, expected in {
            "5ns": 5,
            "100us": 100_000,
            "100µs": 100_000,
            "100μs": 100_000,
            "20ms": 20_000_000,
            "0.1": 100_000_000,
            ".5 s": 500_000_000,
            "1.s": 1_000_000_000,
            "2m": 120_000_000_000,
            "2min": 120_000_000_000,
            "1h": 3_600_000_000_000,
            "1d": 86_400_000_000_000,
            " 3 ": 3_000_000_000,
            "0": 0,
        }.items():
            self.assertEqual(parse_duration(text), expected, text)

    def test_refused(self) -> None:
        """What is no duration is refused with a sentence that shows it."""
        for text in ("", "s", "-1s", "1 week", "1e3", "0x10", "nan", "1s2", "٣s"):
            with self.assertRaises(ValueError) as caught:
                parse_duration(text)
            self.assertIn(repr(text), str(caught.exception))

    def test_too_long(self) -> None:
        """More than a year is refused."""
        self.assertEqual(parse_duration("366d"), MAX_DURATION)
        self.assertRaises(ValueError, parse_duration, "367d")

    @given(st.integers(0, 10**12))
    def test_exact(self, value: int) -> None:
        """No nanosecond is lost on the way from decimal text."""
        text = f"{value // 10**9}.{value % 10**9:09d}"
        self.assertEqual(parse_duration(text), value)

    def test_format(self) -> None:
        """A duration is shown in the unit that suits it."""
        for value, expected in {
            100_000: "100 us",
            1_500: "1.5 us",
            20_000_000: "20 ms",
            1_500_000_000: "1.5 s",
            3_600_000_000_000: "3600 s",
        }.items():
            self.assertEqual(format_duration(value), expected)
        self.assertEqual(format_milliseconds(1_234_567), "1.235")

    def test_conversion(self) -> None:
        """Nanoseconds become seconds and milliseconds."""
        self.assertEqual(seconds(1_500_000_000), 1.5)
        self.assertEqual(milliseconds(1_500_000), 1.5)


class NumberTests(SynchronousTestCase):
    """Percentages and sizes are plain decimal numbers."""

    def test_percentage(self) -> None:
        """A percentage may carry its sign."""
        self.assertEqual(parse_percentage("20"), 20)
        self.assertEqual(parse_percentage("0.5 %"), 0.5)
        self.assertEqual(parse_percentage("100%"), 100)

    def test_percentage_refused(self) -> None:
        """0, more than 100 and other things are no percentage to wait for."""
        for text in ("0", "0%", "101", "-1", "", "%", "ten", "1e1", "nan"):
            self.assertRaises(ValueError, parse_percentage, text)

    def test_size(self) -> None:
        """A size is a whole number of bytes, perhaps 0."""
        self.assertEqual(parse_size("0"), 0)
        self.assertEqual(parse_size("1472"), 1472)
        for text in ("", "-1", "1k", "1.5", "9" * 10, "٣"):
            self.assertRaises(ValueError, parse_size, text)
