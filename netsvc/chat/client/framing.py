"""Bytes to lines of text and back, in the character set of the connection."""

from __future__ import annotations

import re
from typing import Final

from netsvc.chat.charset import Encoding, encode

MAX_LINE: Final = 65_536
"""Bytes of one line of the server that are kept; what is beyond is left out."""

# Telnet commands: 255 is in no text of these character sets. A server that speaks
# telnet may greet with some.
_TELNET = re.compile(rb"\xff(?:[\xfb-\xfe].|\xfa.*?\xff\xf0|.)?", re.DOTALL)


class Framing:
    """
    The lines of one connection.

    @ivar cut: Lines of the server that were longer than L{MAX_LINE}.
    """

    def __init__(self, encoding: Encoding = "utf-8") -> None:
        """Read and write in an encoding."""
        self._encoding = encoding
        self._held = bytearray()
        self._is_cut = False
        self.cut = 0

    def feed(self, data: bytes) -> list[str]:
        """Take bytes of the server, and give the lines that they complete."""
        lines = []
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._hold(part)
            lines.append(self._take())
        self._hold(rest)
        return lines

    def end(self) -> list[str]:
        """Take that there is no more: a line that was not ended is one too."""
        return [self._take()] if self._held else []

    def encode(self, line: str) -> bytes:
        """Give the bytes of a line: C{?} for what the character set lacks."""
        return encode(line, self._encoding) + b"\r\n"

    def _hold(self, part: bytes) -> None:
        space = MAX_LINE - len(self._held)
        self._held += part[:space]
        if len(part) > space and not self._is_cut:
            self._is_cut = True
            self.cut += 1

    def _take(self) -> str:
        line = _TELNET.sub(b"", bytes(self._held).rstrip(b"\r"))
        text = line.decode(self._encoding, "replace") + (" ..." if self._is_cut else "")
        self._held.clear()
        self._is_cut = False
        return text
