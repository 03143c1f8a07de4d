"""
What was said, page by page.

A I{target} is a room with its era, or a pair of accounts: see
L{netsvc.chat.store.archive}. Its records are in the order of their times, and those of
equal times in the order in which they were stored. A place in it is a msgid, or a
time in ms; a place is never part of what is before, after or between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any, Final

from netsvc.chat.records import Record
from netsvc.chat.store import search
from netsvc.chat.store.errors import UnknownMessageError
from netsvc.chat.store.seam import Keeper

Ref = str | int
"""A place in a history: a msgid, or ms since the epoch."""

MAX_PAGE: Final = 1_000
"""The most records of one page."""

MAX_TARGETS: Final = 256
"""The most targets of one question."""

SEARCH_INDEX: Final = 1_000
"""Messages that a search makes findable first; more come when it is quiet."""

_COLUMNS: Final = "msgid, time, kind, account, text, body"
_LAST: Final = 2**63 - 1


class History:
    """The history of a store. Limits are cut to L{MAX_PAGE}."""

    def __init__(self, keeper: Keeper) -> None:
        """
        Read what a store keeps.

        @param keeper: The store.
        """
        self._keeper = keeper

    def latest(
        self,
        target: str,
        limit: int,
        after: Ref | None = None,
        *,
        messages_only: bool = True,
    ) -> Awaitable[list[Record]]:
        """
        Give the newest records, oldest first.

        @param after: Only those after this place.
        @param messages_only: Leave out all but what has a text that was said.
        @raise UnknownMessageError: There is no such place.
        """
        return self._keeper.read(
            partial(_newest, target, after, None, _cut(limit), messages_only)
        )

    def before(
        self, target: str, ref: Ref, limit: int, *, messages_only: bool = True
    ) -> Awaitable[list[Record]]:
        """Give the newest records before a place, as L{latest} does."""
        return self._keeper.read(
            partial(_newest, target, None, ref, _cut(limit), messages_only)
        )

    def after(
        self, target: str, ref: Ref, limit: int, *, messages_only: bool = True
    ) -> Awaitable[list[Record]]:
        """Give the oldest records after a place, as L{latest} does."""
        return self._keeper.read(
            partial(_oldest, target, ref, None, _cut(limit), messages_only)
        )

    def between(
        self,
        target: str,
        first: Ref,
        second: Ref,
        limit: int,
        *,
        messages_only: bool = True,
    ) -> Awaitable[list[Record]]:
        """
        Give the records between two places, as L{latest} does.

        Those nearest to the first place, when there are more than the limit; it may
        be the later one.
        """
        return self._keeper.read(
            partial(_between, target, first, second, _cut(limit), messages_only)
        )

    def around(
        self, target: str, ref: Ref, limit: int, *, messages_only: bool = True
    ) -> Awaitable[list[Record]]:
        """
        Give the records around a place, and what is at it, as L{latest} does.

        Half of the limit before it; from a side that has fewer, fewer.
        """
        return self._keeper.read(
            partial(_around, target, ref, _cut(limit), messages_only)
        )

    def last(self, target: str, limit: int) -> Awaitable[list[Record]]:
        """Give the newest messages, oldest first: for who comes into a room."""
        return self.latest(target, limit)

    def find(self, target: str, msgid: str) -> Awaitable[Record | None]:
        """Give one record, or C{None}."""
        return self._keeper.read(partial(_find, target, msgid))

    def targets(
        self,
        targets: Sequence[str],
        start: int,
        end: int,
        limit: int,
        *,
        account: str | None = None,
    ) -> Awaitable[list[tuple[str, int]]]:
        """
        Say in which targets the last message is between two times.

        @param targets: The rooms, up to L{MAX_TARGETS}.
        @param start: Ms, not part of it.
        @param end: Ms, not part of it; it may be before C{start}.
        @param limit: The most, those nearest to C{start}.
        @param account: Whose conversations to look at, too.
        @return: Targets and times in ms, the oldest first.
        """
        return self._keeper.read(
            partial(_targets, targets, start, end, _cut(limit), account)
        )

    async def search(
        self, targets: Sequence[str], words: str, limit: int
    ) -> list[Record]:
        """
        Find the newest messages that have all words, oldest first.

        Words are found whole, whatever their case and accents; with C{*} at their
        end, as beginnings; in Korean, Chinese and Japanese also inside others.

        @param targets: Where, up to L{MAX_TARGETS}.
        """
        await self._keeper.submit(partial(search.index, most=SEARCH_INDEX))
        return await self._keeper.read(partial(_search, targets, words, _cut(limit)))

    def redact(self, target: str, msgid: str) -> Awaitable[bool]:
        """Delete one record; say whether it was there."""
        return self._keeper.submit(partial(_redact, target, msgid))


def _cut(limit: int) -> int:
    return max(0, min(limit, MAX_PAGE))


def target_id(connection: sqlite3.Connection, target: str) -> int | None:
    """Give the number of a target, or C{None} when nothing is kept of it."""
    row = connection.execute(
        "select id from target where name = ?", (target,)
    ).fetchone()
    return None if row is None else int(row[0])


def _place(
    connection: sqlite3.Connection, number: int | None, ref: Ref, *, late: bool
) -> tuple[int, int]:
    """
    Give the time and the seq of a place.

    @param late: Whether a time stands for its end, or its beginning.
    """
    if isinstance(ref, int):
        return max(-_LAST, min(ref, _LAST)), _LAST if late else -1
    row = connection.execute(
        "select time, seq from message where target = ? and msgid = ?", (number, ref)
    ).fetchone()
    if row is None:
        raise UnknownMessageError(ref)
    return int(row[0]), int(row[1])


def _page(
    connection: sqlite3.Connection,
    target: str,
    number: int | None,
    after: tuple[int, int] | None,
    before: tuple[int, int] | None,
    limit: int,
    messages_only: bool,
    newest: bool,
) -> list[Record]:
    """Give records between two places, oldest first."""
    where = ["target = ?"]
    values: list[Any] = [number]
    if after is not None:
        where.append("(time, seq) > (?, ?)")
        values += after
    if before is not None:
        where.append("(time, seq) < (?, ?)")
        values += before
    if messages_only:
        where.append("text <> ''")
    order = "time desc, seq desc" if newest else "time, seq"
    rows = connection.execute(
        f"select {_COLUMNS} from message where {' and '.join(where)}"
        f" order by {order} limit ?",
        (*values, limit),
    ).fetchall()
    if newest:
        rows.reverse()
    return [Record(target, *row) for row in rows]


def _newest(
    target: str,
    after: Ref | None,
    before: Ref | None,
    limit: int,
    messages_only: bool,
    connection: sqlite3.Connection,
) -> list[Record]:
    number = target_id(connection, target)
    start = None if after is None else _place(connection, number, after, late=True)
    end = None if before is None else _place(connection, number, before, late=False)
    return _page(
        connection, target, number, start, end, limit, messages_only, newest=True
    )


def _oldest(
    target: str,
    after: Ref,
    before: Ref | None,
    limit: int,
    messages_only: bool,
    connection: sqlite3.Connection,
) -> list[Record]:
    number = target_id(connection, target)
    start = _place(connection, number, after, late=True)
    end = None if before is None else _place(connection, number, before, late=False)
    return _page(
        connection, target, number, start, end, limit, messages_only, newest=False
    )


def _between(
    target: str,
    first: Ref,
    second: Ref,
    limit: int,
    messages_only: bool,
    connection: sqlite3.Connection,
) -> list[Record]:
    number = target_id(connection, target)
    one = _place(connection, number, first, late=False)
    two = _place(connection, number, second, late=False)
    if one <= two:
        return _oldest(target, first, second, limit, messages_only, connection)
    return _newest(target, second, first, limit, messages_only, connection)


def _around(
    target: str,
    ref: Ref,
    limit: int,
    messages_only: bool,
    connection: sqlite3.Connection,
) -> list[Record]:
    number = target_id(connection, target)
    time, seq = _place(connection, number, ref, late=False)
    before = _page(
        connection,
        target,
        number,
        None,
        (time, seq),
        limit // 2,
        messages_only,
        newest=True,
    )
    rest = _page(
        connection,
        target,
        number,
        (time, seq - 1),
        None,
        limit - limit // 2,
        messages_only,
        newest=False,
    )
    return before + rest


def _find(target: str, msgid: str, connection: sqlite3.Connection) -> Record | None:
    row = connection.execute(
        f"select {_COLUMNS} from message where target = ? and msgid = ?",
        (target_id(connection, target), msgid),
    ).fetchone()
    return None if row is None else Record(target, *row)


def _targets(
    targets: Sequence[str],
    start: int,
    end: int,
    limit: int,
    account: str | None,
    connection: sqlite3.Connection,
) -> list[tuple[str, int]]:
    named = [
        (number, target)
        for target in targets[:MAX_TARGETS]
        if (number := target_id(connection, target)) is not None
    ]
    if account is not None:
        named += connection.execute(
            "select id, name from target where one = ?"
            " union select id, name from target where other = ? limit ?",
            (account, account, MAX_TARGETS),
        ).fetchall()
    found = []
    for number, target in named:
        row = connection.execute(
            "select time from message where target = ? and text <> ''"
            " order by time desc limit 1",
            (number,),
        ).fetchone()
        if row is not None and min(start, end) < row[0] < max(start, end):
            found.append((target, int(row[0])))
    found.sort(key=lambda each: (each[1], each[0]), reverse=start > end)
    return sorted(found[:limit], key=lambda each: (each[1], each[0]))


def _search(
    targets: Sequence[str], words: str, limit: int, connection: sqlite3.Connection
) -> list[Record]:
    names = {
        number: target
        for target in targets[:MAX_TARGETS]
        if (number := target_id(connection, target)) is not None
    }
    asked = search.query(words, names) if names else ""
    if not asked:
        return []
    rows = connection.execute(
        f"select target, seq, {_COLUMNS} from message join"
        " (select rowid as found from search where search match ?"
        " order by rowid desc limit ?) on seq = found",
        (asked, limit),
    ).fetchall()
    rows.sort(key=lambda row: (row[3], row[1]))
    return [Record(names[row[0]], *row[2:]) for row in rows]


def _redact(target: str, msgid: str, connection: sqlite3.Connection) -> bool:
    rows = connection.execute(
        "select seq from message where target = ? and msgid = ?",
        (target_id(connection, target), msgid),
    ).fetchall()
    return search.forget(connection, (seq for (seq,) in rows)) > 0
