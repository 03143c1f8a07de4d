"""Durations, percentages and sizes as people write them on a command line.

Inside the probe every duration is a whole number of nanoseconds: sums and
multiples of an interval stay exact over days.
"""

from __future__ import annotations

import re

__all__ = [
    "NANOSECONDS_PER_MILLISECOND",
    "NANOSECONDS_PER_SECOND",
    "format_duration",
    "format_milliseconds",
    "milliseconds",
    "parse_duration",
    "parse_percentage",
    "parse_size",
    "seconds",
]

NANOSECONDS_PER_SECOND = 1_000_000_000
NANOSECONDS_PER_MILLISECOND = 1_000_000

#: The longest duration that is accepted: a year.
MAX_DURATION = 366 * 86_400 * NANOSECONDS_PER_SECOND

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign of keyboards
    "μs": 1_000,
    "ms": NANOSECONDS_PER_MILLISECOND,
    "": NANOSECONDS_PER_SECOND,
    "s": NANOSECONDS_PER_SECOND,
    "m": 60 * NANOSECONDS_PER_SECOND,
    "min": 60 * NANOSECONDS_PER_SECOND,
    "h": 3_600 * NANOSECONDS_PER_SECOND,
    "d": 86_400 * NANOSECONDS_PER_SECOND,
}
_DURATION = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})\s*(\D*)")
_NUMBER = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})")


def parse_duration(text: str) -> int:
    """Read a duration such as C{250ms}, C{1.5s}, C{100us}, C{2m} or C{3}.

    @param text: a decimal number and a unit (C{ns}, C{us}, C{ms}, C{s}, C{m},
        C{h}, C{d}); a bare number is in seconds.
    @return: nanoseconds.
    @raise ValueError: with a sentence for the user, for anything else.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is no duration (write 100us, 20ms, 1.5s, 2m or 1h)")
    whole, _, fraction = match[1].partition(".")
    unit = _UNITS[match[2]]
    # Whole numbers throughout: 0.1 s is exactly 100 ms.
    value = int(whole or "0") * unit
    value += int(fraction or "0") * unit // int(10 ** len(fraction))
    if value > MAX_DURATION:
        raise ValueError(f"{text!r} is longer than a year")
    return value


def parse_percentage(text: str) -> float:
    """Read a percentage above 0 and up to 100, with or without its sign.

    @raise ValueError: with a sentence for the user.
    """
    number = text.strip().removesuffix("%").strip()
    if _NUMBER.fullmatch(number) is None or not 0 < float(number) <= 100:
        raise ValueError(f"{text!r} is no percentage above 0 and up to 100")
    return float(number)


def parse_size(text: str) -> int:
    """Read a number of bytes, 0 or more.

    @raise ValueError: with a sentence for the user.
    """
    if re.fullmatch(r"[0-9]{1,9}", text.strip()) is None:
        raise ValueError(f"{text!r} is no size in bytes")
    return int(text)


def seconds(nanoseconds: float) -> float:
    """Convert nanoseconds to seconds."""
    return nanoseconds / NANOSECONDS_PER_SECOND


def milliseconds(nanoseconds: float) -> float:
    """Convert nanoseconds to milliseconds."""
    return nanoseconds / NANOSECONDS_PER_MILLISECOND


def format_milliseconds(nanoseconds: float) -> str:
    """Write a time in milliseconds with microseconds after the point."""
    return f"{milliseconds(nanoseconds):.3f}"


def format_duration(nanoseconds: int) -> str:
    """Write a duration with the unit that suits it: C{100 us}, C{1.5 s}."""
    if nanoseconds >= NANOSECONDS_PER_SECOND:
        return f"{seconds(nanoseconds):.10g} s"
    if nanoseconds >= NANOSECONDS_PER_MILLISECOND:
        return f"{milliseconds(nanoseconds):.10g} ms"
    return f"{nanoseconds / 1_000:.10g} us"
