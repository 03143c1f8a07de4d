"""
What foreign text becomes before it reaches a terminal, and what IRC puts into text.

L{clean} is for what the line and UDP frontends and every text log show. IRC clients
among themselves get the text as it was sent: formatting means something to them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_MARKS: Final = 8
"""Combining marks that may follow each other; the rest of a run is dropped."""

MAX_CLUSTER: Final = 32
"""Code points that L{cut} steps back at most to find the end of a grapheme."""

_ZWNJ = "\u200c"
_ZWJ = "\u200d"
_REPLACEMENT = "\ufffd"

# Text of nothing but these needs no look at each character: all are printable, and
# none is a mark. Most lines of most people are such.
_UNUSUAL = re.compile(
    "[^\t -~"
    "\xa0-\u02ff"  # Latin
    "\u0370-\u0482\u048a-\u0590"  # Greek, Cyrillic, Armenian
    "\u1e00-\u1fff"  # more Latin and Greek
    "\u2000-\u200a\u2010-\u2027\u202f-\u205f\u2070-\u20cf\u2100-\u2bff"  # signs
    "\u3000-\u3029\u3030-\u3098\u309b-\u33ff"  # kana, Hangul letters
    "\u3400-\ua48f"  # ideographs
    "\uac00-\ud7a3"  # Hangul syllables
    "\uff01-\uffdc"  # full width and half width
    "\U0001f300-\U0001f64f\U0001f680-\U0001faff"  # emoji
    "]"
)

_FORMATTING = (
    "[\x02\x0f\x11\x16\x1d\x1e\x1f]"
    "|\x03(?:[0-9]{1,2}(?:,[0-9]{1,2})?)?"
    "|\x04(?:[0-9A-Fa-f]{6}(?:,[0-9A-Fa-f]{6})?)?"
)

_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    chr(plane + 0xFFFE) + chr(plane + 0xFFFF) for plane in range(0, 0x110000, 0x10000)
)

_UNSAFE = (
    "(?P<control>[\x00\x01\x05-\x08\x0a-\x0e\x10\x12-\x15\x17-\x1c\x7f])"
    "|(?P<space>[\x85\u2028\u2029])"
    "|(?P<lone>[\ud800-\udfff])"
    "|[\x80-\x9f"  # C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi controls
    "\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff0-\ufffb"  # what is not seen
    f"\U000e0000-\U000e007f{_NONCHARACTERS}]"
)

_STRIP_FORMATTING = re.compile(f"{_FORMATTING}|{_UNSAFE}")
_KEEP_FORMATTING = re.compile(_UNSAFE)

_ACTION = re.compile("\x01ACTION(?: ([^\x01]*))?\x01?", re.DOTALL)


def clean(text: str, *, keep_format: bool = False) -> str:
    """
    Make text safe to show on a terminal, on one line.

    C0 controls but TAB, and DEL, are shown as C{^[}; C1 controls, bidi controls,
    invisible characters, tag characters and noncharacters are dropped; other line
    ends become a space, a lone surrogate U+FFFD. Of a run of combining marks
    L{MAX_MARKS} stay; ZWJ and ZWNJ, which emoji and several scripts need, count as
    marks, and so do the vowels and final consonants of decomposed Hangul, which are
    as wide as marks: not at all.

    @param keep_format: Keep IRC formatting, which is stripped otherwise.
    """
    if not _UNUSUAL.search(text):
        return text
    unsafe = _KEEP_FORMATTING if keep_format else _STRIP_FORMATTING
    text = unsafe.sub(_safe, text)
    return text if text.isascii() else _fewer_marks(text)


def cut(text: str, max_utf8_bytes: int) -> str:
    """
    Give the longest beginning of a text that fits into so many bytes of UTF-8.

    It ends where a grapheme does: marks, variation selectors, skin tones and ZWJ
    sequences stay with their base (in essence UAX #29 section 3.1.1), unless a single
    one is longer than L{MAX_CLUSTER} or does not fit at all; then at a code point.
    """
    if len(text) * 4 <= max_utf8_bytes:
        return text
    max_utf8_bytes = max(max_utf8_bytes, 0)
    if text.isascii():
        return text[:max_utf8_bytes]
    # A lone surrogate cannot be encoded; whoever writes it makes it a "?".
    data = text.encode("utf-8", "replace")
    if len(data) <= max_utf8_bytes:
        return text
    end = len(data[:max_utf8_bytes].decode("utf-8", "ignore"))
    for boundary in range(end, max(end - MAX_CLUSTER, 0), -1):
        if not _belongs(text, boundary):
            return text[:boundary]
    return text[:end]


def is_ctcp(text: str) -> bool:
    """Say whether a message is CTCP: a request to the client, no text for people."""
    return text.startswith("\x01")


def action(text: str) -> str | None:
    """
    Give what somebody does (C{/me}), or C{None} when the message is no action.

    The end of the CTCP message may be missing, as clients cut long lines.
    """
    if not text.startswith("\x01ACTION"):
        return None
    match = _ACTION.fullmatch(text)
    return (match[1] or "") if match else None


def _safe(match: re.Match[str]) -> str:
    """What becomes of an unsafe character, or of a formatting code."""
    kind = match.lastgroup
    if kind == "control":
        return "^" + chr(ord(match[0]) ^ 0x40)
    if kind == "space":
        return " "
    return _REPLACEMENT if kind == "lone" else ""


def _behind(char: str) -> bool:
    """Whether a character is shown in the space of the one before it."""
    return char > "\u02ff" and (
        unicodedata.category(char)[0] == "M"
        or char in (_ZWJ, _ZWNJ)
        or "\u1160" <= char <= "\u11ff"
        or "\ud7b0" <= char <= "\ud7ff"
    )


def _fewer_marks(text: str) -> str:
    """Drop what is beyond L{MAX_MARKS} in each run of marks."""
    kept = []
    run = 0
    for char in text:
        run = run + 1 if _behind(char) else 0
        if run <= MAX_MARKS:
            kept.append(char)
    return "".join(kept)


def _belongs(text: str, index: int) -> bool:
    """Whether the character at an index is part of the grapheme that is before it."""
    char = text[index]
    if (
        _behind(char)
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= char <= "\U000e007f"  # tags, in flags of regions
    ):
        return True
    before = text[index - 1]
    if before == _ZWJ:
        return not char.isascii()
    if not _is_regional(char) or not _is_regional(before):
        return False
    # A flag is two of these: what counts is how many there are in front.
    first = index
    while first > 0 and _is_regional(text[first - 1]) and index - first < MAX_CLUSTER:
        first -= 1
    return (index - first) % 2 == 1


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
