"""The kinds of value that a setting can have: read, checked, shown.

A kind knows three ways in and out: the text of a command line (L{Kind.parse}),
an already typed value of a TOML file or a default (L{Kind.check}), and the text
that shows a value (L{Kind.format}; what it gives, C{parse} reads back). A value
that is not allowed raises C{ValueError} with a message that says what was found
and what is allowed, and leaves the name of the setting to the caller.

Numbers of all kinds are in L{netsvc.daemon.quantities}.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import date, time
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from netsvc.daemon.credentials import PREFIX, credential_path, show_path

V = TypeVar("V")

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
    """One of a few names.

    @ivar names: what is allowed.
    """

    def __init__(self, *names: str) -> None:
        """@param names: what is allowed, in the order in which it is shown."""
        self.names = names
        self.metavar = "|".join(names)

    def parse(self, text: str) -> str:
        """Read one of the names."""
        if text not in self.names:
            raise ValueError(f"{found(text)} is not one of {', '.join(self.names)}")
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
    """The path of a file, which need not exist, or C{credential:NAME}."""

    metavar = "FILE"

    def parse(self, text: str) -> Path:
        """Read a path."""
        if text.startswith(PREFIX):
            return credential_path(text)
        if not text:
            raise ValueError("'' is not the path of a file")
        if "\0" in text:
            raise ValueError(f"{found(text)} contains a null character")
        return Path(text)

    def check(self, value: object) -> Path:
        """Check a path or its text."""
        return value if isinstance(value, Path) else super().check(value)

    def format(self, value: Path) -> str:
        """Show a path, one of a credential by its name."""
        return show_path(value)


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
