"""
Lines out of a stream of bytes, also from clients that never end one.

A L{LineReader} gives each line as soon as it has ended. A client that people write in
a lesson may C{send(b"hi")} and nothing else; so whoever feeds the reader calls
L{LineReader.flush} when nothing has come for a short while, and what is there is a
line, too. That is not for clients that are known to end their lines
(L{LineReader.ends_lines}): a person may think in the middle of one.
"""

from __future__ import annotations

import codecs
from typing import Final

from netsvc.chat.charset import CP949, UTF8, Encoding

LINE_LIMIT: Final = 2048
"""Bytes in a line, without its end, unless told otherwise."""

TOO_LONG: Final = None
"""Stands for a line that was longer than the limit, and was dropped."""


class LineReader:
    """
    Splits what one connection sends, at LF. Empty lines are left out.

    L{netsvc.chat.line.telnet.TelnetFilter} makes every end of a line LF.

    @ivar limit: The most bytes of a line.
    @ivar ends_lines: Whether any LF has come.
    @ivar too_long: How many lines were dropped.
    """

    __slots__ = ("_buffer", "_dropping", "_held", "ends_lines", "limit", "too_long")

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        """
        @param limit: The most bytes of a line.
        """
        self.limit = limit
        self.ends_lines = False
        self.too_long = 0
        self._buffer = b""
        self._dropping = False
        self._held = False

    @property
    def pending(self) -> bool:
        """Whether L{flush} has something to do."""
        return bool(self._buffer) or self._dropping

    def feed(self, data: bytes) -> list[bytes | None]:
        """
        Take text, and give the lines that ended, without their LF.

        A line beyond the limit is L{TOO_LONG}, once, as soon as that is known; the
        rest of it up to its LF is dropped. However the bytes are split, the results
        joined are the same.
        """
        if not data:
            return []
        self._held = False
        *ended, rest = data.split(b"\n")
        lines: list[bytes | None] = []
        for piece in ended:
            if piece:
                self._add(piece, lines)
            if self._buffer:
                lines.append(self._buffer)
                self._buffer = b""
            self._dropping = False
            self.ends_lines = True
        self._add(rest, lines)
        return lines

    def flush(self, encoding: Encoding = UTF8) -> bytes | None:
        """
        Give what is there as a line, after nothing has come for a while.

        When its last character is not whole yet, it waits: then nothing is given, the
        first time. After a line that was too long, a new one begins.

        @param encoding: What the connection is read with first.
        """
        self._dropping = False
        if not self._buffer:
            return None
        if not self._held and _ends_within(self._buffer, encoding):
            self._held = True
            return None
        return self.finish()

    def finish(self) -> bytes | None:
        """Give the last line, which had no LF, when the stream has ended."""
        line = self._buffer
        self._buffer = b""
        self._held = self._dropping = False
        return line or None

    def _add(self, piece: bytes, lines: list[bytes | None]) -> None:
        """Add to the line that is being read, as long as it is within the limit."""
        if self._dropping:
            return
        if len(self._buffer) + len(piece) > self.limit:
            self._buffer = b""
            self._dropping = True
            self.too_long += 1
            lines.append(TOO_LONG)
        else:
            self._buffer += piece


def _ends_within(data: bytes, encoding: Encoding) -> bool:
    """Whether text ends in the middle of a character, in the first fitting encoding."""
    for name in (encoding, CP949 if encoding == UTF8 else UTF8):
        decoder = codecs.getincrementaldecoder(name)()
        try:
            decoder.decode(data)
        except UnicodeDecodeError:
            continue
        return bool(decoder.getstate()[0])
    return False
