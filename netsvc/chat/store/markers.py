"""
How far people have read: one time for each account and target.

A marker only grows. An account has up to L{MAX_MARKERS}; beyond that the one that was
moved longest ago is dropped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable
from functools import partial
from typing import Final

from netsvc.chat.store.seam import Keeper

MAX_MARKERS: Final = 1_000
"""Markers of one account."""


class Markers:
    """The read markers of a store."""

    def __init__(self, keeper: Keeper, most: int = MAX_MARKERS) -> None:
        """
        Keep markers in a store.

        @param most: Markers of one account.
        """
        self._keeper = keeper
        self._most = most

    def get(self, account: str, target: str) -> Awaitable[int | None]:
        """Give a marker in ms, or C{None}. Account and target are keys."""
        return self._keeper.read(partial(_get, account, target))

    def move(self, account: str, target: str, time: int) -> Awaitable[int]:
        """
        Move a marker, unless it is later already.

        @param time: Ms since the epoch.
        @return: Where it is now.
        @raise StoreError: There is no such account, or it could not be written.
        """
        return self._keeper.submit(partial(_move, account, target, time, self._most))

    def all(self, account: str) -> Awaitable[dict[str, int]]:
        """Give all markers of an account."""
        return self._keeper.read(partial(_all, account))


def _get(account: str, target: str, connection: sqlite3.Connection) -> int | None:
    row = connection.execute(
        "select time from marker where account = ? and target = ?", (account, target)
    ).fetchone()
    return None if row is None else int(row[0])


def _move(
    account: str, target: str, time: int, most: int, connection: sqlite3.Connection
) -> int:
    known = _get(account, target, connection)
    if known is not None and known >= time:
        return known
    connection.execute(
        "insert into marker (account, target, time, moved) values (?, ?, ?,"
        " (select coalesce(max(moved), 0) + 1 from marker where account = ?))"
        " on conflict (account, target) do update set time = excluded.time,"
        " moved = excluded.moved",
        (account, target, time, account),
    )
    if known is None:
        connection.execute(
            "delete from marker where account = ? and target in (select target from"
            " marker where account = ? order by moved desc limit -1 offset ?)",
            (account, account, most),
        )
    return time


def _all(account: str, connection: sqlite3.Connection) -> dict[str, int]:
    rows = connection.execute(
        "select target, time from marker where account = ?", (account,)
    )
    return dict(rows.fetchall())
