"""Completion of commands, nicks and rooms: each Tab gives the next that fits."""

from __future__ import annotations

from netsvc.chat.client.commands import ALIASES, COMMANDS
from netsvc.chat.client.people import People
from netsvc.chat.names import fold

CHARSETS = ("cp949", "utf-8")


def candidates(before: str, people: People) -> tuple[int, list[str]]:
    """
    Find what the word at the end of a text may become.

    Nicks come in the order in which people last spoke. A nick that begins a line
    speaks to somebody: a colon follows it.

    @param before: The line up to the cursor.
    @return: where the word begins, and what may stand in its place, with what
        follows it.
    """
    start = before.rfind(" ") + 1
    word = before[start:]
    if word.startswith("/") and not before[:start].strip():
        return start, _fitting(word, [f"/{name}" for name in sorted(COMMANDS)])
    if word.startswith("#"):
        return start, _fitting(word, people.known_rooms)
    words = before[:start].split()
    if words and words[0].startswith("/") and len(words) == 1:
        return start, _fitting(word, _arguments(words[0][1:].lower(), people))
    if not word:
        return start, []
    return start, _fitting(word, people.nicks, " " if words else ": ")


def _arguments(name: str, people: People) -> list[str]:
    match COMMANDS.get(ALIASES.get(name, name), "any"):
        case "nick" | "any":
            return people.nicks
        case "room":
            return people.known_rooms
        case "command":
            return sorted(COMMANDS)
        case "charset":
            return list(CHARSETS)
        case _:
            return []


def _fitting(word: str, names: list[str], end: str = " ") -> list[str]:
    key = fold(word)
    return [name + end for name in names if fold(name).startswith(key)]


class Completer:
    """Steps through what fits, as long as nothing else is typed between."""

    def __init__(self, people: People) -> None:
        """Complete from what C{people} know."""
        self._people = people
        self._given: str | None = None
        self._start = 0
        self._found: list[str] = []
        self._index = 0

    def step(self, before: str, direction: int = 1) -> str:
        """
        Complete, or go on to the next.

        @param before: The line up to the cursor.
        @param direction: 1 for the next, -1 for the one before.
        @return: what the line up to the cursor becomes; the same when nothing fits.
        """
        if before != self._given or not self._found:
            self._start, self._found = candidates(before, self._people)
            self._index = 0 if direction > 0 else -1
        else:
            self._index += direction
        if not self._found:
            self._given = None
            return before
        self._index %= len(self._found)
        self._given = before[: self._start] + self._found[self._index]
        return self._given
