"""
Bulk input: a name on each line, perhaps with a type after it.

C{#} begins a comment, empty lines mean nothing. What cannot be read is said and
passed over, whatever it is.
"""

from __future__ import annotations

from typing import NamedTuple

#: Bytes of a line. A name of 255 bytes needs at most 1016 where all is escaped.
MAX_LINE = 2048

#: Words of a line.
_MOST_WORDS = 2


class BrokenLineError(ValueError):
    """A line is no question; says why."""


class Job(NamedTuple):
    """
    One line that was read.

    @ivar number: Its number, from 1.
    @ivar line: Its bytes without the line feed; cut to L{MAX_LINE} and one more.
    """

    number: int
    line: bytes


class Splitter:
    """Splits bytes into lines; keeps at most one line in part, and no long one."""

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0

    def feed(self, data: bytes) -> list[Job]:
        """Take bytes as they come; give the lines that are whole."""
        *lines, rest = (self._rest + data).split(b"\n")
        # What is beyond the limit is not kept: the line is too long already.
        self._rest = rest[: MAX_LINE + 1]
        return [self._job(line) for line in lines]

    def end(self) -> list[Job]:
        """Give the last line, if it has no line feed."""
        rest, self._rest = self._rest, b""
        return [self._job(rest)] if rest else []

    def _job(self, line: bytes) -> Job:
        self._number += 1
        return Job(self._number, line[: MAX_LINE + 1])


def line_words(line: bytes) -> tuple[str, str] | None:
    """
    Read a line.

    @return: The name, and the type or an empty text; L{None} if it says nothing.
    @raise BrokenLineError: It is no question.
    """
    if len(line) > MAX_LINE:
        raise BrokenLineError(f"a line of more than {MAX_LINE} bytes")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BrokenLineError("not UTF-8") from None
    words = text.partition("#")[0].split()
    if not words:
        return None
    if len(words) > _MOST_WORDS:
        raise BrokenLineError("a line is NAME or NAME TYPE")
    return words[0], words[1] if len(words) == _MOST_WORDS else ""


def shown(line: bytes) -> str:
    """Give the text of a line for an error record: what is no UTF-8 is replaced."""
    return line[:MAX_LINE].decode("utf-8", "replace")
