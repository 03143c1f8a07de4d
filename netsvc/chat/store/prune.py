"""
Deleting what is too old, too much, or of an account that is gone: in small steps.

Each step is one write of the store, short enough that no message waits long behind it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Final

from netsvc.chat.store.search import forget

STEP_ROWS: Final = 100
"""Messages deleted in one step."""

STEP_TARGETS: Final = 20
"""Targets looked at in one step."""

STEP_SCAN: Final = 2_000
"""Messages looked at in one step for an account's."""

_ABANDONED: Final = "- "


def abandon(connection: sqlite3.Connection, targets: Iterable[int]) -> None:
    """
    Take histories away from whoever could read them; L{prune} deletes them.

    @param targets: Numbers of targets. They get names that no room, and no pair of
        accounts, can have.
    """
    connection.executemany(
        f"update target set name = '{_ABANDONED}' || id, one = null, other = null"
        " where id = ?",
        [(number,) for number in targets],
    )


def prune(
    cutoff: int | None, keep: int | None, after: int, connection: sqlite3.Connection
) -> int | None:
    """
    Do one step through all targets.

    @param cutoff: What is older is deleted: ms since the epoch.
    @param keep: How many records a target may have.
    @param after: 0, then what the last step gave.
    @return: Where to go on, or C{None} at the end.
    """
    targets = connection.execute(
        "select id, name from target where id > ? order by id limit ?",
        (after, STEP_TARGETS),
    ).fetchall()
    left = STEP_ROWS
    for number, name in targets:
        if name.startswith(_ABANDONED):
            left -= forget(connection, _first(connection, number, left))
        if cutoff is not None and left:
            left -= forget(connection, _first(connection, number, left, (cutoff, -1)))
        if keep is not None and left:
            row = connection.execute(
                "select time, seq from message where target = ?"
                " order by time desc, seq desc limit 1 offset ?",
                (number, max(1, keep) - 1),
            ).fetchone()
            if row is not None:
                left -= forget(connection, _first(connection, number, left, row))
        if not left:
            return int(number) - 1
        connection.execute(
            "delete from target where id = ? and not exists"
            " (select 1 from message where target = id)",
            (number,),
        )
        after = number
    return after if len(targets) == STEP_TARGETS else None


def _first(
    connection: sqlite3.Connection,
    target: int,
    most: int,
    before: tuple[int, int] | None = None,
) -> list[int]:
    """Give the seqs of the oldest records of a target."""
    bound = "" if before is None else "and (time, seq) < (?, ?)"
    rows = connection.execute(
        f"select seq from message where target = ? {bound} order by time, seq limit ?",
        (target, *(before or ()), most),
    ).fetchall()
    return [seq for (seq,) in rows]


def leave(account: str, connection: sqlite3.Connection) -> None:
    """Take all conversations of an account away from both sides: whoever gets its
    name later must not read them."""
    rows = connection.execute(
        "select id from target where one = ? union"
        " select id from target where other = ?",
        (account, account),
    ).fetchall()
    abandon(connection, (number for (number,) in rows))


def anonymise(
    account: str, name: str | None, after: int, connection: sqlite3.Connection
) -> int | None:
    """
    Do one step through all records for those of an account.

    @param account: The account, as records have it.
    @param name: Whom they are said by from now on; C{None} deletes them.
    @param after: 0, then what the last step gave.
    @return: Where to go on, or C{None} at the end.
    """
    (last,) = connection.execute("select max(seq) from message").fetchone()
    if last is None or after >= last:
        return None
    end = after + STEP_SCAN
    rows = connection.execute(
        "select seq, body from message where seq > ? and seq <= ? and account = ?"
        " order by seq limit ?",
        (after, end, account, STEP_ROWS),
    ).fetchall()
    if name is None:
        forget(connection, [seq for seq, _ in rows])
    else:
        connection.executemany(
            "update message set account = null, body = ? where seq = ?",
            [(_without(body, name), seq) for seq, body in rows],
        )
    if len(rows) == STEP_ROWS:
        return int(rows[-1][0])
    return end


def _without(body: str, name: str) -> str:
    """Put another name for whoever caused an event."""
    event = json.loads(body)
    event["source"] = {
        **event["source"],
        "nick": name,
        "user": name,
        "host": name,
        "account": None,
        "realname": "",
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))
