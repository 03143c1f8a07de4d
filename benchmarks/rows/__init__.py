"""The rows of the table, one module for each kind of work.

To add one: a module here that defines C{ROW}, and its name in L{ALL}.
"""

from __future__ import annotations

from benchmarks.row import Row
from benchmarks.rows import active, broadcast, bulk, churn, idle, pingpong, udp

#: All rows, in the order of the table.
ALL: tuple[Row, ...] = (
    pingpong.ROW,
    active.ROW,
    broadcast.ROW,
    bulk.ROW,
    udp.ROW,
    churn.ROW,
    idle.ROW,
)
