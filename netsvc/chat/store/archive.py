"""
Under which names history is kept, and who may not read it.

A room's history is that of its I{era}. A room that is private when it ends (invited
people only, a key, or secret) is sealed: who opens it again is in a new era, and does
not read what others said. After a crash the same holds for all rooms that were
private then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from netsvc.chat.store.prune import abandon
from netsvc.chat.store.seam import Keeper

MAX_ERAS: Final = 20_000
"""Rooms of which it is known that they are, or were, private. Beyond that the oldest
of those in which nobody is are forgotten, with all that was said there."""


def room_target(room: str, era: int) -> str:
    """
    Give the history's name for a room.

    @param room: The room's key: it has no space in it.
    """
    return f"{room} {era}"


def dm_target(first: str, second: str) -> str:
    """Give the history's name for what two accounts say to each other, by their
    keys."""
    return f"{first} {second}" if first < second else f"{second} {first}"


class Archive:
    """
    The eras of rooms, in memory; the store has what a restart needs.

    @ivar alive: Whether anybody is in a room, by its key: then it is not forgotten,
        or strangers could have it forgotten by making rooms, and could read later
        what was to be sealed.
    @ivar forgotten: Rooms forgotten because L{MAX_ERAS} had others.
    """

    def __init__(self, keeper: Keeper, most: int = MAX_ERAS) -> None:
        """
        Start without rooms: see L{load}.

        @param keeper: The store.
        @param most: The most rooms it knows.
        """
        self._keeper = keeper
        self._most = most
        # Era, and whether it is private now; the room that changed last is the last.
        self._eras: dict[str, tuple[int, bool]] = {}
        self.alive: Callable[[str], bool] = lambda room: False
        self.forgotten = 0

    def load(self, connection: sqlite3.Connection) -> None:
        """Read what a former process left, and seal what was private then."""
        connection.execute(
            "update era set number = number + 1, private = 0 where private"
        )
        rows = connection.execute("select room, number from era").fetchall()
        self._eras = {room: (number, False) for room, number in rows}

    def era(self, room: str) -> int:
        """Give the era of a room, by its key."""
        known = self._eras.get(room)
        return 0 if known is None else known[0]

    def room_target(self, room: str) -> str:
        """Give the history's name for a room, by its key."""
        known = self._eras.get(room)
        return f"{room} 0" if known is None else f"{room} {known[0]}"

    def direct_target(self, first: str, second: str) -> str:
        """Give the history's name for what two accounts say to each other, by their
        keys."""
        return dm_target(first, second)

    def private(self, room: str, private: bool) -> None:
        """A room is private from now on, or no more."""
        number, known = self._eras.get(room, (0, False))
        if known != private:
            self._note(room, number, private)

    def ended(self, room: str) -> None:
        """A room has ended: if it was private it is sealed."""
        number, private = self._eras.get(room, (0, False))
        if private:
            self._note(room, number + 1, False)

    def resave(self) -> None:
        """
        Write all again that a store may have missed while it could not write.

        For L{netsvc.chat.store.store.Store.on_recovered}.
        """
        rows = [(room, *known) for room, known in self._eras.items()]
        self._keeper.post(partial(_write, rows))

    def _note(self, room: str, number: int, private: bool) -> None:
        """Keep the state of a room; forget another if there are too many."""
        self._eras.pop(room, None)
        self._eras[room] = (number, private)
        self._keeper.post(partial(_write, [(room, number, private)]))
        if len(self._eras) > self._most:
            dead = (each for each in self._eras if not self.alive(each))
            oldest = next(dead, None)
            if oldest is not None:
                del self._eras[oldest]
                self.forgotten += 1
                self._keeper.post(partial(_forget, oldest))


def _write(
    rows: Sequence[tuple[str, int, bool]], connection: sqlite3.Connection
) -> None:
    connection.executemany(
        "insert into era (room, number, private) values (?, ?, ?)"
        " on conflict (room) do update set number = excluded.number,"
        " private = excluded.private",
        rows,
    )


def _forget(room: str, connection: sqlite3.Connection) -> None:
    """Forget a room's eras, and give up their histories."""
    connection.execute("delete from era where room = ?", (room,))
    rows = connection.execute(
        "select id from target where name >= ? and name < ?", (f"{room} ", f"{room}!")
    ).fetchall()
    abandon(connection, (number for (number,) in rows))
