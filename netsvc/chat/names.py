"""
Names of people, rooms and accounts: which are valid, and which are the same.

Two names are the same when they fold alike, and C{ascii} folding is what clients are
told (C{CASEMAPPING=ascii}): only A to Z fold. C{str.lower} would change the length of
some names and equate what clients keep apart.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

NICK_LENGTH: Final = 32
"""Code points in a nick."""

USER_LENGTH: Final = 20
"""Code points in a user name."""

ROOM_LENGTH: Final = 64
"""Code points in a room's name, with its C{#}."""

KEY_LENGTH: Final = 32
"""Code points in a room's key."""

_WORDS = "character direct in logged path there topic welcome what you your"
WORDS: Final = frozenset(_WORDS.split(" "))
"""Words with which lines of the server begin: as nicks they could forge such lines."""

_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FOLD = str.maketrans(_UPPER, _UPPER.lower())
_ASCII_NICK = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789[]{}^_-\\|`"
)
_NOT_FIRST = frozenset("0123456789-")
_NAME_CATEGORIES = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd"})

MARKS: Final = 4
"""Combining marks that may follow each other in a name: enough for every script."""

# Letters and marks by category that nobody sees: fillers, variation selectors, the
# vowels and final consonants of decomposed Hangul (shown above what is before them).
_UNSEEN = "\u034f\u115f-\u11ff\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ud7b0-\ud7ff"
_NOT_IN_ROOM_TEXT = re.compile(f"[{_UNSEEN}\u2800]")
# Full-width and half-width forms are other ways to write letters that there are.
_NOT_IN_NICK = re.compile(f"[{_UNSEEN}\ufe00-\ufe0f\uff01-\uffef\U000e0100-\U000e01ef]")
_NOT_IN_ROOM = frozenset(" ,\x07:")


def fold(name: str) -> str:
    """Give the key of a name: names of the same key are the same."""
    return name.translate(_FOLD)


def valid_nick(nick: str, *, unicode: bool = True, length: int = NICK_LENGTH) -> bool:
    """
    Say whether a nick may be used.

    Letters, digits (not first) and C{[]{}^_-\\|`}; with C{unicode} also letters,
    marks and digits of other scripts, composed (NFC), for people who write them.
    Never C{ ,*?!@.} nor anything else that IRC gives a meaning.

    @param length: The most code points.
    """
    if not nick or len(nick) > length or nick[0] in _NOT_FIRST:
        return False
    if _ASCII_NICK.issuperset(nick):
        return True
    if not unicode or unicodedata.normalize("NFC", nick) != nick:
        return False
    if _NOT_IN_NICK.search(nick) or _marks(nick) > MARKS:
        return False
    if unicodedata.category(nick[0]) in ("Mn", "Mc", "Nd"):
        return False
    return all(
        char in _ASCII_NICK
        or (ord(char) > 0x7F and unicodedata.category(char) in _NAME_CATEGORIES)
        for char in nick
    )


def valid_room(name: str, *, length: int = ROOM_LENGTH) -> bool:
    """
    Say whether a room may be called so: C{#}, then anything printable but space,
    comma and colon.

    @param length: The most code points.
    """
    return (
        1 < len(name) <= length
        and name[0] == "#"
        and _NOT_IN_ROOM.isdisjoint(name)
        and not _NOT_IN_ROOM_TEXT.search(name)
        and _marks(name) <= MARKS
        and all(unicodedata.category(char)[0] not in "CZ" for char in name)
    )


def valid_account(name: str, *, length: int = NICK_LENGTH) -> bool:
    """Say whether an account may be called so: as a nick may."""
    return valid_nick(name, length=length)


def valid_key(key: str, *, length: int = KEY_LENGTH) -> bool:
    """Say whether a room's key may be that: no space, comma or colon in front."""
    return (
        0 < len(key) <= length
        and key[0] != ":"
        and "," not in key
        and all(char > " " and char != "\x7f" for char in key)
    )


def party(nick: str, account: str | None) -> str:
    """
    Give under what key somebody's private conversations are kept: their account, or
    C{!nick} for a guest, which no account can be called.
    """
    return "!" + fold(nick) if account is None else fold(account)


def is_room(name: str) -> bool:
    """Say whether a target is meant as a room."""
    return name.startswith("#")


def _marks(name: str) -> int:
    """The length of the longest run of combining marks."""
    longest = run = 0
    for char in name:
        run = run + 1 if unicodedata.category(char)[0] == "M" else 0
        longest = max(longest, run)
    return longest
