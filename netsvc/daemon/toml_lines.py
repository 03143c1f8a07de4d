"""
Where the keys of a TOML file stand, which L{tomllib} does not say.

The text must be valid TOML: L{tomllib} reads it first, and says what is wrong with
what is not. Here nothing is checked; in other text it finds what it can.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from contextlib import suppress
from typing import Final

#: A way to a value: names of keys, and indices in arrays, such as
#: C{("balance", 0, "listen", 1)}.
KeyPath = tuple[str | int, ...]

_SPACE: Final = re.compile(r"[ \t]*")
_BETWEEN: Final = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_DOT: Final = re.compile(r"[ \t]*\.[ \t]*")
_BASIC: Final = r'"(?:[^"\\\n]++|\\.)*+"'
_LITERAL: Final = r"'[^'\n]*+'"
_KEY: Final = re.compile(rf"[A-Za-z0-9_-]+|{_BASIC}|{_LITERAL}")
_SCALAR: Final = re.compile(
    r'"""(?:[^"\\]++|\\[\s\S]|"{1,2}(?!"))*+"{3,5}'
    r"|'''(?:[^']++|'{1,2}(?!'))*+'{3,5}"
    rf"|{_BASIC}|{_LITERAL}"
    r"|\d{4}-\d\d-\d\d \d[^\s,\]}#]*"
    r"|[^\s,\[\]{}#'\"]+"
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """
    Find the line of every key, table and element of an array.

    @param text: Valid TOML.
    @return: Line numbers, from 1. A table has the line of its first mention, an
        element that of its first character.
    """
    scanner = _Scanner(text)
    with suppress(_Lost, RecursionError):
        scanner.document()
    return scanner.lines


def last_statement(text: str) -> int:
    """
    Find where the last table or value begins that can be made out.

    @param text: TOML that ends too early.
    @return: The line, from 1.
    """
    scanner = _Scanner(text)
    with suppress(_Lost, RecursionError):
        scanner.document()
    return scanner.line(scanner.statement)


class _Lost(Exception):
    """What stands there is not TOML."""


class _Scanner:
    """Goes once through the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self._last: dict[KeyPath, int] = {}  # the index of an array's last table
        self.lines: dict[KeyPath, int] = {}
        self.statement = 0

    def document(self) -> None:
        """Read all of it."""
        table: KeyPath = ()
        self._take(_BETWEEN)
        while self._at < len(self._text):
            self.statement = self._at
            if self._skip("[["):
                table = self._header(array=True)
            elif self._skip("["):
                table = self._header(array=False)
            else:
                self._pair(table)
            self._take(_BETWEEN)

    def _header(self, *, array: bool) -> KeyPath:
        """Read what stands in the brackets of a table's header, and its end."""
        begin = self._at
        self._take(_SPACE)
        *above, name = self._key()
        path: KeyPath = ()
        for each in above:
            path = (*path, each)
            self._note(path, begin)
            if path in self._last:
                path = (*path, self._last[path])
        path = (*path, name)
        self._note(path, begin)
        if array:
            self._last[path] = self._last.get(path, -1) + 1
            path = (*path, self._last[path])
            self._note(path, begin)
        elif path in self._last:
            raise _Lost
        self._take(_SPACE)
        if not self._skip("]]" if array else "]"):
            raise _Lost
        return path

    def _pair(self, table: KeyPath) -> None:
        """Read a key and its value."""
        begin = self._at
        path = table
        for name in self._key():
            path = (*path, name)
            self._note(path, begin)
        self._take(_SPACE)
        if not self._skip("="):
            raise _Lost
        self._take(_SPACE)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        """Read a value of any type."""
        if self._skip("["):
            self._take(_BETWEEN)
            index = 0
            while not self._skip("]"):
                self._note((*path, index), self._at)
                self._value((*path, index))
                index += 1
                self._comma("]")
        elif self._skip("{"):
            self._take(_BETWEEN)
            while not self._skip("}"):
                self._pair(path)
                self._comma("}")
        else:
            self._take(_SCALAR)

    def _comma(self, end: str) -> None:
        """Pass over a comma, if the end does not come next."""
        self._take(_BETWEEN)
        if self._skip(","):
            self._take(_BETWEEN)
        elif not self._text.startswith(end, self._at):
            raise _Lost

    def _key(self) -> list[str]:
        """Read a key, with its dots."""
        names = []
        while True:
            name = self._take(_KEY)
            if name[0] in "\"'":
                try:
                    name = tomllib.loads(f"key = {name}")["key"]
                except tomllib.TOMLDecodeError:
                    raise _Lost from None
            names.append(name)
            dot = _DOT.match(self._text, self._at)
            if dot is None:
                return names
            self._at = dot.end()

    def _note(self, path: KeyPath, at: int) -> None:
        """Note the line of what begins at a place, if it is the first time."""
        self.lines.setdefault(path, self.line(at))

    def line(self, at: int) -> int:
        """Give the line of a place."""
        return bisect_left(self._breaks, at) + 1

    def _skip(self, what: str) -> bool:
        """Pass over some characters, if they come next."""
        found = self._text.startswith(what, self._at)
        if found:
            self._at += len(what)
        return found

    def _take(self, pattern: re.Pattern[str]) -> str:
        """Pass over what a pattern matches."""
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _Lost
        self._at = found.end()
        return found[0]
