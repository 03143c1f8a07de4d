"""The kinds of setting that are numbers with bounds: counts, sizes, durations, rates.

What a kind is, and those that are no numbers, is in L{netsvc.daemon.kinds}.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from math import isclose
from typing import ClassVar, Final, TypeVar

from netsvc.daemon.kinds import Kind, found
from netsvc.daemon.limits import Rate

N = TypeVar("N", int, float)

LARGEST: Final = 2**53
"""The upper bound of a number that has no other: beyond it floats are not exact."""


class _Quantity(Kind[N]):
    """A number within bounds.

    @cvar what: names the kind in a message, with examples.
    """

    what: ClassVar[str]

    def __init__(
        self, minimum: N, maximum: N = LARGEST, zero_means: str | None = None
    ) -> None:
        """Bound the kind.

        @param minimum: the least value allowed.
        @param maximum: the greatest value allowed.
        @param zero_means: a word for 0, such as C{never}. If it is given, 0 and
            the word are allowed beside the values within the bounds.
        """
        self._minimum: N = minimum
        self._maximum: N = maximum
        self._zero_means = zero_means

    @abstractmethod
    def _read(self, text: str) -> N | None:
        """Read a number with its unit; C{None} if the text is not one."""

    @abstractmethod
    def _show(self, value: N) -> str:
        """Show a number with its unit."""

    def parse(self, text: str) -> N:
        """Read a number with its unit, or the word for 0."""
        number = self._read("0" if text == self._zero_means else text)
        if number is None:
            raise ValueError(f"{found(text)} is not {self.what}")
        return self._bounded(number, text)

    def format(self, value: N) -> str:
        """Show a number with its unit, or the word for 0."""
        if value == 0 and self._zero_means is not None:
            return self._zero_means
        return self._show(value)

    def allowed(self) -> str:
        """Say what the bounds are."""
        shown = self._show(self._minimum)
        if self._maximum == LARGEST:
            shown = f"at least {shown}"
        else:
            shown += f" to {self._show(self._maximum)}"
        if self._zero_means is not None:
            shown += f", or 0 for {self._zero_means}"
        return shown

    def _bounded(self, number: N, original: object) -> N:
        if number == 0 and self._zero_means is not None:
            return number
        # Written so that not-a-number is refused too.
        if not self._minimum <= number <= self._maximum:
            raise ValueError(f"{found(original)} is out of range: {self.allowed()}")
        return number


class Count(_Quantity[int]):
    """A whole number."""

    metavar = "NUMBER"
    what = "a whole number"

    def _read(self, text: str) -> int | None:
        return int(text) if re.fullmatch("-?[0-9]{1,18}", text) else None

    def _show(self, value: int) -> str:
        return str(value)

    def check(self, value: object) -> int:
        """Check a whole number or its text."""
        if isinstance(value, int) and not isinstance(value, bool):
            return self._bounded(value, value)
        if isinstance(value, str):
            return self.parse(value)
        raise ValueError(f"{found(value)} is not {self.what}")


class Size(Count):
    """A number of bytes; k, M, G and T are binary multiples."""

    metavar = "SIZE"
    units = "SIZE is in bytes: 65536, 64k, 8M, 1G (k is 1024)."
    what = "a size (such as 65536, 64k, 8M, 1G)"

    _FACTORS: ClassVar = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}

    def _read(self, text: str) -> int | None:
        match = re.fullmatch("([0-9]{1,18})(?:([kmgt])(?:i?b)?)?", text, re.I | re.A)
        if match is None:
            return None
        return int(match[1]) * self._FACTORS[(match[2] or "").lower()]

    def _show(self, value: int) -> str:
        for unit, factor in (("T", 2**40), ("G", 2**30), ("M", 2**20), ("k", 2**10)):
            if value and value % factor == 0:
                return f"{value // factor}{unit}"
        return str(value)


class Duration(_Quantity[float]):
    """A time span in seconds."""

    metavar = "DURATION"
    units = "DURATION is 500ms, 10s, 5m, 1h or 7d; a plain number is in seconds."
    what = "a duration (such as 10s, 500ms, 5m)"

    _FACTORS: ClassVar = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}

    def _read(self, text: str) -> float | None:
        match = re.fullmatch("([0-9]{1,12}(?:[.][0-9]{1,9})?)(ms|[smhd])?", text)
        if match is None:
            return None
        if match[2] == "ms":
            return float(match[1]) / 1000  # rounds once, so that 1ms is 0.001
        return float(match[1]) * self._FACTORS[match[2] or "s"]

    def _show(self, value: float) -> str:
        for unit, factor in self._FACTORS.items():
            if value >= factor and value % factor == 0:
                return f"{value / factor:.0f}{unit}"
        milliseconds = round(value * 1000)
        if milliseconds / 1000 == value:
            return f"{milliseconds}ms" if value else "0s"
        return f"{value:.9f}".rstrip("0").rstrip(".") + "s"

    def check(self, value: object) -> float:
        """Check a number of seconds or a text."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(self._bounded(value, value))
        if isinstance(value, str):
            return self.parse(value)
        raise ValueError(f"{found(value)} is not {self.what}")


class RateLimit(Kind[Rate | None]):
    """A rate with a burst; C{None} is no limit."""

    metavar = "RATE"
    units = "RATE is 100/s, 60/m or 100/s:2000 (the burst last), or off."

    _FACTORS: ClassVar = {"s": 1, "m": 60, "h": 3600}
    _WHAT = "a rate (such as 1000/s, 60/m, 100/s:2000, off)"

    def parse(self, text: str) -> Rate | None:
        """Read a rate; C{0} and C{off} are no limit.

        The burst, if it is not given, is one second's worth, and at least 1.
        """
        if text in ("0", "off"):
            return None
        match = re.fullmatch(
            "([0-9]{1,9}(?:[.][0-9]{1,6})?)/([smh])(?::([0-9]{1,9}))?", text
        )
        if match is None:
            raise ValueError(f"{found(text)} is not {self._WHAT}")
        per_second = float(match[1]) / self._FACTORS[match[2]]
        if per_second == 0:
            return None
        burst = _default_burst(per_second) if match[3] is None else int(match[3])
        if burst < 1:
            raise ValueError(f"{found(text)} has a burst of less than 1")
        return Rate(per_second, burst)

    def check(self, value: object) -> Rate | None:
        """Check a rate, its text, C{None} or 0."""
        if value is None or isinstance(value, Rate):
            return value
        if value == 0 and value is not False:
            return None
        if isinstance(value, str):
            return self.parse(value)
        raise ValueError(f"{found(value)} is not {self._WHAT}")

    def format(self, value: Rate | None) -> str:
        """Show a rate, in the shortest unit in which it is exact."""
        if value is None:
            return "off"
        shown = ""
        for unit, factor in self._FACTORS.items():
            amount = f"{value.per_second * factor:.6f}".rstrip("0").rstrip(".")
            shown = f"{amount}/{unit}"
            if isclose(float(amount), value.per_second * factor):
                break
        if value.burst != _default_burst(value.per_second):
            shown += f":{value.burst}"
        return shown


def _default_burst(per_second: float) -> int:
    return max(1, int(per_second))
