"""The kinds of value that a setting can have: read, checked, shown.

A kind knows three ways in and out: the text of a command line (L{Kind.parse}),
an already typed value of a TOML file or a default (L{Kind.check}), and the text
that shows a value (L{Kind.format}; what it gives, C{parse} reads back). A value
that is not allowed raises C{ValueError} with a message that says what was found
and what is allowed, and leaves the name of the setting to the caller.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import date, time
from math import isclose
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

from netsvc.daemon.limits import Rate

V = TypeVar("V")
N = TypeVar("N", int, float)

LARGEST: Final = 2**53
"""The upper bound of a number that has no other: beyond it floats are not exact."""

_FOUND_LENGTH = 60


def found(value: object) -> str:
    """Show a value that was found, quoted, safe for a terminal and not long."""
    if isinstance(value, bool):
        return str(value).lower()
    try:
        shown = repr(value[:_FOUND_LENGTH] if isinstance(value, str) else value)
    except ValueError:  # an int of too many digits (from TOML, in hexadecimal)
        return "a very large number"
    if isinstance(value, str):
        return shown + ("..." if len(value) > _FOUND_LENGTH else "")
    return shown if len(shown) <= _FOUND_LENGTH else shown[:_FOUND_LENGTH] + "..."


class Kind(ABC, Generic[V]):
    """One kind of value.

    @cvar units: how such a value is written, in a line for the help text, or
        empty where the name says it.
    @ivar metavar: what stands for the value in the help text.
    """

    units: ClassVar[str] = ""
    metavar: str

    @abstractmethod
    def parse(self, text: str) -> V:
        """Read a value from text, or raise C{ValueError}."""

    def check(self, value: object) -> V:
        """Check an already typed value, or raise C{ValueError}.

        Text is parsed. A value that was checked before passes unchanged.
        """
        if isinstance(value, str):
            return self.parse(value)
        raise ValueError(f"{found(value)} is not a string")

    def format(self, value: V) -> str:
        """Show a value as text that L{parse} reads back."""
        return str(value)

    def allowed(self) -> str:
        """Say which values are allowed, in a few words, or nothing."""
        return ""


class Text(Kind[str]):
    """One line of text, counted in bytes of UTF-8; no control characters but tab."""

    metavar = "TEXT"

    def __init__(self, max_length: int, min_length: int = 0) -> None:
        """@param max_length: in bytes, as is C{min_length}."""
        self._max_length = max_length
        self._min_length = min_length

    def parse(self, text: str) -> str:
        """Read a line of text."""
        try:
            length = len(text.encode())
        except UnicodeEncodeError:
            raise ValueError(f"{found(text)} is not valid UTF-8") from None
        if re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f]", text):
            raise ValueError(f"{found(text)} contains a control character")
        if length > self._max_length:
            raise ValueError(
                f"{found(text)} is too long: {length} bytes, "
                f"at most {self._max_length} are allowed"
            )
        if length < self._min_length:
            raise ValueError(
                f"{found(text)} is too short: {length} bytes, "
                f"at least {self._min_length} are needed"
            )
        return text

    def allowed(self) -> str:
        """Say how long the text may be."""
        return f"at most {self._max_length} bytes"


class Choice(Kind[str]):
    """One of a few names."""

    def __init__(self, *names: str) -> None:
        """@param names: what is allowed, in the order in which it is shown."""
        self._names = names
        self.metavar = "|".join(names)

    def parse(self, text: str) -> str:
        """Read one of the names."""
        if text not in self._names:
            raise ValueError(f"{found(text)} is not one of {', '.join(self._names)}")
        return text


class Flag(Kind[bool]):
    """Yes or no; on the command line its name alone."""

    metavar = ""

    def parse(self, text: str) -> bool:
        """Read C{yes} or C{no}."""
        if text not in ("yes", "no"):
            raise ValueError(f"{found(text)} is not yes or no")
        return text == "yes"

    def check(self, value: object) -> bool:
        """Check a truth value."""
        if isinstance(value, bool):
            return value
        raise ValueError(f"{found(value)} is not true or false")

    def format(self, value: bool) -> str:
        """Show C{yes} or C{no}."""
        return "yes" if value else "no"


class FilePath(Kind[Path]):
    """The path of a file, which need not exist."""

    metavar = "FILE"

    def parse(self, text: str) -> Path:
        """Read a path."""
        if not text:
            raise ValueError("'' is not the path of a file")
        if "\0" in text:
            raise ValueError(f"{found(text)} contains a null character")
        return Path(text)

    def check(self, value: object) -> Path:
        """Check a path or its text."""
        return value if isinstance(value, Path) else super().check(value)


class Parsed(Kind[Any]):
    """A value that some function reads, a listen string for instance."""

    def __init__(
        self,
        metavar: str,
        parse: Callable[[str], Any],
        format: Callable[[Any], str] = str,
    ) -> None:
        """Make a kind of a function.

        @param metavar: what stands for the value in the help text.
        @param parse: reads the text into an object of a class of its own, or
            into text that it reads unchanged; raises C{ValueError} that says
            what was found and what is allowed.
        @param format: shows a value as text that C{parse} reads back.
        """
        self.metavar = metavar
        self._parse = parse
        self._format = format

    def parse(self, text: str) -> Any:
        """Read a value by the function."""
        return self._parse(text)

    def check(self, value: object) -> Any:
        """Check text; what is no plain value has been parsed before."""
        if isinstance(value, (int, float, date, time, bytes, list, dict)):
            raise ValueError(f"{found(value)} is not a string")
        return self._parse(value) if isinstance(value, str) else value

    def format(self, value: Any) -> str:
        """Show a value by the function."""
        return self._format(value)


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
