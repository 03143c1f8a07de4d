"""The rows of the table, one module for each kind of work.

To add one: a module here that defines C{ROW}, and its name in L{ALL}.
"""

from __future__ import annotations

from benchmarks.row import Row
from benchmarks.rows import (
    active,
    balance_bulk,
    balance_churn,
    balance_idle,
    balance_pingpong,
    balance_udp,
    broadcast,
    bulk,
    chat,
    chat_idle,
    chat_join,
    chat_slow,
    churn,
    dns_cache,
    dns_lookups,
    dns_memory,
    fairness,
    idle,
    pingpong,
    relay,
    udp,
)

#: All rows, in the order of the table.
ALL: tuple[Row, ...] = (
    pingpong.ROW,
    active.ROW,
    broadcast.ROW,
    bulk.ROW,
    udp.ROW,
    churn.ROW,
    idle.ROW,
    balance_pingpong.ROW,
    balance_churn.ROW,
    balance_bulk.ROW,
    balance_udp.ROW,
    balance_idle.ROW,
    *fairness.ROWS,
    *chat.ROWS,
    chat_idle.ROW,
    chat_join.ROW,
    chat_slow.ROW,
    *relay.ROWS,
    dns_lookups.ROW,
    dns_cache.ROW,
    dns_memory.ROW,
)
