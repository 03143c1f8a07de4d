"""Tests of L{netsvc.daemon.kinds} and L{netsvc.daemon.quantities}."""

from __future__ import annotations

from datetime import date
from math import isclose
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.kinds import Choice, FilePath, Flag, Kind, Parsed, Text, found
from netsvc.daemon.limits import Rate
from netsvc.daemon.quantities import Count, Duration, RateLimit, Size

EVERY_KIND: list[Kind[Any]] = [
    Text(20, min_length=1),
    Choice("text", "json"),
    Count(1, 100),
    Size(0, 2**40),
    Duration(0.001, 86400, zero_means="never"),
    RateLimit(),
    Flag(),
    FilePath(),
    Parsed("WORD", str.lower),
]


class KindTestCase(SynchronousTestCase):
    """What the tests of kinds share."""

    def assert_refused(self, kind: Kind[Any], value: object, message: str) -> None:
        """A value, as text and as typed value, is refused with a message."""
        ways = [kind.check, kind.parse] if isinstance(value, str) else [kind.check]
        for read in ways:
            error = self.assertRaises(ValueError, read, value)
            self.assertEqual(str(error), message)


class EveryKindTests(KindTestCase):
    """What holds for every kind."""

    @given(st.sampled_from(EVERY_KIND), st.text())
    def test_any_text(self, kind: Kind[Any], text: str) -> None:
        """Any text is read or refused; what was read is shown and read again."""
        try:
            value = kind.parse(text)
        except ValueError as error:
            self.assertNotIn("\n", str(error))
        else:
            self.assertEqual(kind.check(value), value)
            self.assertEqual(kind.parse(kind.format(value)), value)

    @given(
        st.sampled_from(EVERY_KIND),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.dates(),
            st.lists(st.text()),
            st.dictionaries(st.text(), st.integers()),
        ),
    )
    def test_any_typed_value(self, kind: Kind[Any], value: object) -> None:
        """A value of any type that TOML knows is accepted or refused."""
        try:
            checked = kind.check(value)
        except ValueError as error:
            self.assertNotIn("\n", str(error))
        else:
            self.assertEqual(kind.check(checked), checked)


class FoundTests(SynchronousTestCase):
    """Tests of L{found}."""

    def test_shown(self) -> None:
        """A value is shown as it would be written, with nothing unprintable."""
        self.assertEqual(found("10x"), "'10x'")
        self.assertEqual(found("a\n\x1b\u202e안"), r"'a\n\x1b\u202e안'")
        self.assertEqual(found(True), "true")
        self.assertEqual(found([1]), "[1]")

    def test_long(self) -> None:
        """A long value is cut."""
        self.assertEqual(found("x" * 61), f"'{'x' * 60}'...")
        self.assertEqual(found([1] * 100), ("[" + "1, " * 20)[:60] + "...")
        self.assertEqual(found(1 << 100_000), "a very large number")


class TextTests(KindTestCase):
    """Tests of L{Text}."""

    def test_accepted(self) -> None:
        """Text of any script within its length passes, tabs too."""
        self.assertEqual(Text(20).parse("안녕\thello"), "안녕\thello")

    def test_length(self) -> None:
        """The length is counted in bytes of UTF-8."""
        kind = Text(5, min_length=2)
        self.assertEqual(kind.allowed(), "at most 5 bytes")
        self.assert_refused(
            kind, "안녕", "'안녕' is too long: 6 bytes, at most 5 are allowed"
        )
        self.assert_refused(
            kind, "a", "'a' is too short: 1 bytes, at least 2 are needed"
        )

    def test_not_a_line(self) -> None:
        """Control characters and what is not UTF-8 are refused."""
        self.assert_refused(Text(20), "a\nb", r"'a\nb' contains a control character")
        self.assert_refused(Text(20), "\udcff", r"'\udcff' is not valid UTF-8")
        self.assert_refused(Text(20), 5, "5 is not a string")


class ChoiceTests(KindTestCase):
    """Tests of L{Choice}."""

    def test_names(self) -> None:
        """One of the names passes; the message about another lists them."""
        kind = Choice("text", "json")
        self.assertEqual(kind.parse("json"), "json")
        self.assertEqual(kind.metavar, "text|json")
        self.assert_refused(kind, "xml", "'xml' is not one of text, json")
        self.assert_refused(kind, True, "true is not a string")


class FlagTests(KindTestCase):
    """Tests of L{Flag}."""

    def test_truth(self) -> None:
        """Truth values pass, and nothing that is merely like them."""
        self.assertIs(Flag().check(True), True)
        self.assertIs(Flag().parse("no"), False)
        self.assertRaises(ValueError, Flag().parse, "maybe")
        self.assertRaises(ValueError, Flag().check, 1)
        self.assertRaises(ValueError, Flag().check, "yes")


class FilePathTests(KindTestCase):
    """Tests of L{FilePath}."""

    def test_path(self) -> None:
        """A path is read; an empty one and one with a null are none."""
        self.assertEqual(FilePath().check("/var/log/x"), Path("/var/log/x"))
        self.assert_refused(FilePath(), "", "'' is not the path of a file")
        self.assert_refused(FilePath(), "a\0", r"'a\x00' contains a null character")
        self.assert_refused(FilePath(), 5, "5 is not a string")


class ParsedTests(KindTestCase):
    """Tests of L{Parsed}."""

    def test_function(self) -> None:
        """Text goes to the function; what it made passes; other values do not."""
        kind = Parsed("POINT", lambda text: complex(text), format=lambda z: f"<{z}>")
        self.assertEqual(kind.metavar, "POINT")
        self.assertEqual(kind.check("1+2j"), 1 + 2j)
        self.assertEqual(kind.check(1 + 2j), 1 + 2j)
        self.assertEqual(kind.format(1j), "<1j>")
        self.assert_refused(kind, 5, "5 is not a string")
        self.assertRaises(ValueError, kind.check, date(2026, 11, 20))


class CountTests(KindTestCase):
    """Tests of L{Count}."""

    def test_bounds(self) -> None:
        """Whole numbers within the bounds pass."""
        kind = Count(1, 100)
        self.assertEqual(kind.parse("100"), 100)
        self.assertEqual(kind.check(1), 1)
        self.assertEqual(kind.format(5), "5")
        self.assert_refused(kind, "0", "'0' is out of range: 1 to 100")
        self.assert_refused(kind, "-5", "'-5' is out of range: 1 to 100")
        self.assert_refused(kind, 101, "101 is out of range: 1 to 100")

    def test_not_a_number(self) -> None:
        """What is no whole number is refused."""
        for text in ("", "1.5", "1_0", " 1", "٣", "9" * 5000, "1e3"):
            self.assert_refused(Count(1), text, f"{found(text)} is not a whole number")
        self.assert_refused(Count(1), 1.0, "1.0 is not a whole number")
        self.assert_refused(Count(1), True, "true is not a whole number")

    def test_zero(self) -> None:
        """Zero passes below the minimum if it has a meaning, as does the word."""
        kind = Count(10, zero_means="unlimited")
        self.assertEqual(kind.parse("0"), 0)
        self.assertEqual(kind.parse("unlimited"), 0)
        self.assertEqual(kind.format(0), "unlimited")
        self.assertEqual(kind.allowed(), "at least 10, or 0 for unlimited")


class SizeTests(KindTestCase):
    """Tests of L{Size}."""

    def test_units(self) -> None:
        """Sizes are in bytes, and the multiples are binary."""
        kind = Size(0)
        for text, size in [
            ("65536", 65536),
            ("64k", 65536),
            ("64K", 65536),
            ("64KiB", 65536),
            ("8M", 8 << 20),
            ("1G", 1 << 30),
            ("2T", 2 << 40),
            ("0", 0),
        ]:
            self.assertEqual(kind.parse(text), size)
        self.assertEqual(kind.check(65536), 65536)
        for size, text in [(65536, "64k"), (8 << 20, "8M"), (1000, "1000"), (0, "0")]:
            self.assertEqual(kind.format(size), text)

    def test_refused(self) -> None:
        """What is no size, or out of bounds, is refused."""
        what = "a size (such as 65536, 64k, 8M, 1G)"
        for text in ("", "k", "1.5M", "-1", "1 k", "1kk", "1\u212a"):
            self.assert_refused(Size(0), text, f"{found(text)} is not {what}")
        self.assert_refused(Size(0), 1.5, f"1.5 is not {what}")
        self.assert_refused(Size(1, 1024), "2k", "'2k' is out of range: 1 to 1k")


class DurationTests(KindTestCase):
    """Tests of L{Duration}."""

    def test_units(self) -> None:
        """Durations are in seconds, whatever the unit they are given in."""
        kind = Duration(0.001)
        for text, seconds in [
            ("10", 10.0),
            ("10s", 10.0),
            ("1.5", 1.5),
            ("500ms", 0.5),
            ("1ms", 0.001),
            ("5m", 300.0),
            ("1h", 3600.0),
            ("7d", 604800.0),
        ]:
            self.assertEqual(kind.parse(text), seconds)
        self.assertEqual(kind.check(10), 10.0)
        self.assertIsInstance(kind.check(10), float)

    def test_shown(self) -> None:
        """A duration is shown in the largest unit that divides it."""
        for seconds, text in [
            (86400.0, "1d"),
            (129600.0, "36h"),
            (600.0, "10m"),
            (90.0, "90s"),
            (1.5, "1500ms"),
            (0.001, "1ms"),
            (0.0000005, "0.0000005s"),
            (0.0, "0s"),
        ]:
            self.assertEqual(Duration(0).format(seconds), text)

    @given(st.floats(1e-3, 1e9))
    def test_shown_closely(self, seconds: float) -> None:
        """A duration of any length is read back to the nanosecond."""
        kind = Duration(0.0001)
        self.assertTrue(
            isclose(kind.parse(kind.format(seconds)), seconds, abs_tol=1e-9)
        )

    def test_refused(self) -> None:
        """What is no duration, or out of bounds, is refused."""
        what = "a duration (such as 10s, 500ms, 5m)"
        for text in ("10x", "", "s", "-1s", "1 s", "inf", "nan", "1e3", "10S"):
            self.assert_refused(Duration(1), text, f"{found(text)} is not {what}")
        self.assert_refused(Duration(1), True, f"true is not {what}")
        self.assert_refused(Duration(1), [1], f"[1] is not {what}")
        kind = Duration(1, 3600)
        self.assert_refused(kind, "100ms", "'100ms' is out of range: 1s to 1h")
        self.assert_refused(kind, "0", "'0' is out of range: 1s to 1h")
        self.assert_refused(kind, float("nan"), "nan is out of range: 1s to 1h")
        self.assert_refused(kind, float("inf"), "inf is out of range: 1s to 1h")
        self.assertRaises(ValueError, kind.check, 10**400)

    def test_zero(self) -> None:
        """Zero passes if it has a meaning, as does the word for it."""
        kind = Duration(1, 3600, zero_means="never")
        self.assertEqual((kind.parse("0"), kind.parse("never")), (0.0, 0.0))
        self.assertEqual(kind.format(0.0), "never")
        self.assertEqual(kind.allowed(), "1s to 1h, or 0 for never")


class RateLimitTests(KindTestCase):
    """Tests of L{RateLimit}."""

    def test_rates(self) -> None:
        """A rate is so many in a second, minute or hour, and a burst."""
        kind = RateLimit()
        for text, rate in [
            ("1000/s", Rate(1000.0, 1000)),
            ("100/s:2000", Rate(100.0, 2000)),
            ("60/m", Rate(1.0, 1)),
            ("90/m", Rate(1.5, 1)),
            ("36/h", Rate(0.01, 1)),
            ("0.5/s:3", Rate(0.5, 3)),
        ]:
            self.assertEqual(kind.parse(text), rate)
            self.assertEqual(kind.check(rate), rate)

    def test_off(self) -> None:
        """Zero and off are no limit, in text and as a value."""
        for text in ("0", "off", "0/s"):
            self.assertIsNone(RateLimit().parse(text))
        self.assertIsNone(RateLimit().check(0))
        self.assertIsNone(RateLimit().check(None))
        self.assertEqual(RateLimit().format(None), "off")

    def test_shown(self) -> None:
        """A rate is shown in the shortest unit that is exact, and its own burst."""
        for rate, text in [
            (Rate(1000.0, 1000), "1000/s"),
            (Rate(100.0, 2000), "100/s:2000"),
            (Rate(100 / 60, 1), "100/m"),
            (Rate(7 / 3600, 2), "7/h:2"),
            (Rate(1 / 7000, 1), "0.514286/h"),
        ]:
            self.assertEqual(RateLimit().format(rate), text)

    @given(
        st.decimals("0.000001", 10**8, places=6),
        st.sampled_from("smh"),
        st.integers(1, 10**8),
    )
    def test_read_back(self, amount: object, unit: str, burst: int) -> None:
        """Every rate that can be written is shown so that it is read back."""
        kind = RateLimit()
        rate = kind.parse(f"{amount}/{unit}:{burst}")
        again = kind.parse(kind.format(rate))
        assert rate is not None and again is not None
        self.assertTrue(isclose(again.per_second, rate.per_second))
        self.assertEqual(again.burst, burst)

    def test_refused(self) -> None:
        """What is no rate is refused."""
        what = "a rate (such as 1000/s, 60/m, 100/s:2000, off)"
        for text in ("1000", "", "/s", "1/d", "-1/s", "1/s:", "1/s:x", "x/s"):
            self.assert_refused(RateLimit(), text, f"{found(text)} is not {what}")
        self.assert_refused(RateLimit(), "1/s:0", "'1/s:0' has a burst of less than 1")
        self.assert_refused(RateLimit(), False, f"false is not {what}")
        self.assert_refused(RateLimit(), 5, f"5 is not {what}")
