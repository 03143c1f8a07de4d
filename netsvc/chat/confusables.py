"""
Names that look alike (UTS 39).

The hub refuses a nick that looks like one that is taken. Two ASCII nicks never are a
case of that: C{bob1} and C{bobl} are both honest, and people know that 1 and l look
alike. So whoever keeps a table of the nicks in use has the L{key} of each there, and
refuses a nick that is L{confusable} with one of equal key.

The data are of Unicode 15.0 (C{confusables.dat}, made by C{scripts/make-confusables}),
and are loaded when they are first needed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

_DATA = Path(__file__).with_name("confusables.dat")

_SYLLABLES = re.compile("([\uac00-\ud7a3]+)")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


class _Tables(NamedTuple):
    """
    The data.

    @ivar prototypes: What each character looks like; C{None} for those that are not
        seen at all.
    @ivar ignorable: The latter.
    """

    prototypes: dict[int, str | None]
    ignorable: dict[int, str | None]


def skeleton(text: str) -> str:
    """
    Give what a text looks like: texts of equal skeletons look alike.

    UTS 39 section 4, skeleton(X): NFD, without default-ignorable code points, each
    character replaced by its prototype, NFD. It is for comparing, never for showing.
    """
    decomposed = unicodedata.normalize("NFD", text)
    mapped = decomposed.translate(_tables().prototypes)
    return unicodedata.normalize("NFD", mapped)


def key(name: str) -> str:
    """
    Give the key of a name: equal for names that look alike or differ in case only.

    It is the skeleton, case folded, and the skeleton of that, with i as l: as Ivan is
    ivan to IRC, and is confusable with a name that begins with a Cyrillic letter,
    that one must not stand beside ivan either. Two things differ from UTS 39.
    Full-width forms are ASCII (confusables.txt has some of them only); and composed
    syllables of Hangul stay what they are, because there the skeletons of C{아까} and
    C{악가} are equal, and nobody who reads Hangul takes one for the other.
    """
    seen = name.translate(_tables().ignorable)
    parts = _SYLLABLES.split(unicodedata.normalize("NFC", seen.translate(_FULL_WIDTH)))
    parts[::2] = map(_letters, parts[::2])
    return "".join(parts)


def _letters(text: str) -> str:
    """The key of a part of a name without syllables of Hangul."""
    return skeleton(skeleton(text).casefold()).replace("i", "l")


def confusable(one: str, other: str) -> bool:
    """
    Say whether two names look so alike that only one of them may be in use.

    They are if their keys are equal, unless both are ASCII. A name with anything else
    in it is confusable with itself.
    """
    if one.isascii() and other.isascii():
        return False
    return key(one) == key(other)


@cache
def _tables() -> _Tables:
    """Read the data file, whose format its first lines tell."""
    prototypes: dict[int, str | None] = {}
    ignorable: dict[int, str | None] = {}
    section = ""
    for line in _DATA.read_text("utf-8").splitlines():
        if line.startswith(("#", "%")):
            section = line
            continue
        name, _, points = line.partition(":")
        if section == "%prototypes":
            prototype = "".join(chr(int(code, 16)) for code in name.split())
            for first, last in _ranges(points):
                prototypes.update(dict.fromkeys(range(first, last + 1), prototype))
        else:
            for first, last in _ranges(points):
                ignorable.update(dict.fromkeys(range(first, last + 1)))
    return _Tables(prototypes | ignorable, ignorable)


def _ranges(points: str) -> Iterator[tuple[int, int]]:
    """The first and last code point of each range in a line."""
    for each in points.split(","):
        first, _, last = each.partition("-")
        yield int(first, 16), int(last or first, 16)
