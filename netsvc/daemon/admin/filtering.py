"""
The filter of the connection table. Pure.

All words have to fit: a part of any column, or of one (C{state:closing}); with a minus
before it, it must not. Letters may be large or small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: The most characters of a filter, and the most words; the rest is not looked at.
MAX_LENGTH: Final = 200
MAX_WORDS: Final = 10

#: The columns that a word can name.
KEYS: Final = ("service", "transport", "peer", "local", "state", "about")


@dataclass(frozen=True)
class Word:
    """
    One word of a filter.

    @ivar key: The column that it is about; empty for all.
    @ivar text: What to find, in small letters.
    @ivar negated: Whether it must not be there.
    """

    key: str
    text: str
    negated: bool

    def fits(self, row: Mapping[str, str]) -> bool:
        """Tell whether a row is wanted."""
        if self.key:
            found = self.text in row[self.key].lower()
        else:
            found = any(self.text in value.lower() for value in row.values())
        return found is not self.negated


def parse_filter(text: str) -> tuple[Word, ...]:
    """Read a filter. There is none that is wrong: what names no column is text."""
    words = []
    for word in text[:MAX_LENGTH].split()[:MAX_WORDS]:
        rest = word.removeprefix("-").lower()
        key, colon, value = rest.partition(":")
        if not (colon and value and key in KEYS):
            key, value = "", rest
        if value:
            words.append(Word(key, value, word.startswith("-")))
    return tuple(words)


def fits(words: tuple[Word, ...], row: Mapping[str, str]) -> bool:
    """Tell whether all words fit a row."""
    return all(word.fits(row) for word in words)
