"""Bans from the whole network (K-lines), as the store keeps them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import partial
from typing import Final

from netsvc.chat.store.errors import StoreBusyError
from netsvc.chat.store.seam import Keeper

MAX_BANS: Final = 10_000
"""Bans that a store keeps."""


@dataclass(frozen=True, slots=True)
class Ban:
    """
    One ban.

    @ivar mask: Whom: C{user@host}, or an address or network.
    @ivar reason: Why.
    @ivar setter: The operator who did it.
    @ivar created: When, in ms since the epoch.
    @ivar expires: Until when, in ms since the epoch; C{None} for ever.
    """

    mask: str
    reason: str
    setter: str
    created: int
    expires: int | None


class Bans:
    """All bans, in memory; what changes is written to the store."""

    def __init__(self, keeper: Keeper, most: int = MAX_BANS) -> None:
        """
        Start without bans: see L{load}.

        @param keeper: The store.
        @param most: The most bans.
        """
        self._keeper = keeper
        self._most = most
        self._bans: dict[str, Ban] = {}

    def __len__(self) -> int:
        """Count them, also those that have expired since the last C{expire}."""
        return len(self._bans)

    def __iter__(self) -> Iterator[Ban]:
        """Give them, the oldest first."""
        return iter(tuple(self._bans.values()))

    def load(self, connection: sqlite3.Connection) -> None:
        """Read what a former process left."""
        rows = connection.execute(
            "select mask, reason, setter, created, expires from ban"
            " order by created, mask limit ?",
            (self._most,),
        )
        self._bans = {row[0]: Ban(*row) for row in rows}

    def get(self, mask: str) -> Ban | None:
        """Give the ban of exactly this mask, or C{None}."""
        return self._bans.get(mask)

    def add(self, ban: Ban) -> None:
        """
        Keep a ban, instead of one with the same mask.

        @raise StoreBusyError: There are too many.
        """
        if self._bans.pop(ban.mask, None) is None and len(self._bans) >= self._most:
            raise StoreBusyError(f"there are {self._most} bans already")
        self._bans[ban.mask] = ban
        self._keeper.post(partial(_add, [ban]))

    def remove(self, mask: str) -> bool:
        """Forget a ban; say whether it was there."""
        if self._bans.pop(mask, None) is None:
            return False
        self._keeper.post(partial(_remove, [mask]))
        return True

    def expire(self, now: int) -> list[Ban]:
        """
        Forget what has expired, and give it.

        @param now: Ms since the epoch.
        """
        gone = [
            ban
            for ban in self._bans.values()
            if ban.expires is not None and ban.expires <= now
        ]
        for ban in gone:
            del self._bans[ban.mask]
        if gone:
            self._keeper.post(partial(_remove, [ban.mask for ban in gone]))
        return gone

    def resave(self) -> None:
        """
        Write all again that a store may have missed while it could not write.

        For L{netsvc.chat.store.store.Store.on_recovered}.
        """
        self._keeper.post(partial(_replace, list(self._bans.values())))


def _add(bans: list[Ban], connection: sqlite3.Connection) -> None:
    connection.executemany(
        "insert or replace into ban (mask, reason, setter, created, expires)"
        " values (?, ?, ?, ?, ?)",
        map(astuple, bans),
    )


def _remove(masks: list[str], connection: sqlite3.Connection) -> None:
    connection.executemany(
        "delete from ban where mask = ?", [(mask,) for mask in masks]
    )


def _replace(bans: list[Ban], connection: sqlite3.Connection) -> None:
    connection.execute("delete from ban")
    _add(bans, connection)
