"""
The character set of one connection, or of one UDP peer: UTF-8, or CP949 where found.

People on a Korean terminal may send and expect CP949 (also called UHC and MS949), and
nothing in a plain connection says so. A L{Charset} reads strictly: the first line that
only the other encoding can read switches the connection, input and output. UTF-8 is
tried first because little CP949 happens to be UTF-8: 9 % of the words of one syllable,
0.9 % of those of two, 0.07 % of those of three.
"""

from __future__ import annotations

import unicodedata
from typing import Final, Literal, NamedTuple

Encoding = Literal["utf-8", "cp949"]
"""The encodings that there are. Not euc_kr: it lacks 8,822 of 11,172 syllables."""

UTF8: Final = "utf-8"
CP949: Final = "cp949"

_NAMES: dict[str, Encoding] = {
    "utf8": UTF8,
    "cp949": CP949,
    "949": CP949,
    "uhc": CP949,
    "ms949": CP949,
    "windows949": CP949,
    "euckr": CP949,  # of which CP949 is a superset
    "ksc5601": CP949,
}


class Decoded(NamedTuple):
    """
    A line that was read.

    @ivar text: The text.
    @ivar switched: What the connection was switched to by this line, if it was.
    """

    text: str
    switched: Encoding | None


def encoding_of(name: str) -> Encoding | None:
    """Give the encoding that people call so, in any case and with any hyphens."""
    if not name.isascii():
        return None
    return _NAMES.get("".join(filter(str.isalnum, name)).lower())


class Charset:
    """
    The reader and writer of one connection.

    @ivar encoding: What is tried first, and what output is written in.
    @ivar pinned: Whether its user chose it, so that no line switches it.
    @ivar decided: Whether a line or its user decided it. Until then, a greeting had
        better be ASCII.
    @ivar unreadable: How many lines no encoding could read.
    """

    __slots__ = ("decided", "encoding", "pinned", "unreadable")

    def __init__(self) -> None:
        """Start with UTF-8, undecided."""
        self.encoding: Encoding = UTF8
        self.pinned = False
        self.decided = False
        self.unreadable = 0

    def pin(self, encoding: Encoding) -> None:
        """Read and write one encoding from now on, whatever comes."""
        self.encoding = encoding
        self.pinned = self.decided = True

    def auto(self) -> None:
        """Let what comes decide again, beginning with what is used now."""
        self.pinned = False

    def decode(self, line: bytes) -> Decoded:
        """
        Read a line. ASCII decides nothing.

        What cannot be read becomes U+FFFD, and the line is counted.
        """
        if line.isascii():
            return Decoded(line.decode("ascii"), None)
        text = _read(line, self.encoding)
        if text is not None:
            self.decided = True
            return Decoded(text, None)
        if not self.pinned:
            other: Encoding = CP949 if self.encoding == UTF8 else UTF8
            text = _read(line, other)
            if text is not None:
                self.encoding = other
                self.decided = True
                return Decoded(text, other)
        self.unreadable += 1
        return Decoded(line.decode(self.encoding, "replace"), None)

    def encode(self, text: str) -> bytes:
        """
        Write text; what the encoding lacks becomes C{?}.

        For CP949, decomposed Hangul (as macOS writes it) is composed first.
        """
        return encode(text, self.encoding)


def encode(text: str, encoding: Encoding) -> bytes:
    """Write text as L{Charset.encode} does: for what many connections share."""
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        if encoding == CP949:
            text = unicodedata.normalize("NFC", text)
        return text.encode(encoding, "replace")


def _read(line: bytes, encoding: Encoding) -> str | None:
    """Decode strictly, or give nothing."""
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None
