"""Snapshots as processes might tell them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netsvc.daemon.report import (
    COUNTER,
    GAUGE,
    STATE,
    Connected,
    Family,
    Histogram,
    Listening,
    Sample,
    ServiceReport,
    Snapshot,
    Table,
)

#: What a stranger might call himself.
HOSTILE = 'eve<script>alert(1)</script>"\x1b[2J\u202e'

CONNECTION = Connected(
    "tcp", "127.0.0.1:7007", "192.0.2.1:5000", "open", 61.0, 2.0, 2048, 10, "irc ann"
)

ECHO = ServiceReport(
    service="netsvc-echo",
    listening=(Listening("tcp:7007", "0.0.0.0:7007", "tcp"),),
    live=3,
    max_connections=10_000,
    connections=(
        CONNECTION,
        replace(CONNECTION, peer="[2001:db8::1]:5001", state="closing", what=HOSTILE),
        replace(CONNECTION, transport="tls", peer="192.0.2.7:5002", what=""),
    ),
    counters={"connections": 7, "refused-max-connections": 2, "limit-rooms": 0},
    families=(
        Family(
            "connections",
            COUNTER,
            "Connections.",
            (Sample(7, {"result": "accepted"}), Sample(2, {"result": "rejected"})),
        ),
        Family(
            "rejected", COUNTER, "Refused.", (Sample(2, {"reason": "max-connections"}),)
        ),
        Family(
            "bytes",
            COUNTER,
            "Bytes.",
            (Sample(3000, {"direction": "in"}), Sample(1000, {"direction": "out"})),
        ),
        Family("send_queue_bytes", GAUGE, "Waiting.", (Sample(30),)),
    ),
)

BALANCE = ServiceReport(
    service="netsvc-balance",
    name="web",
    live=0,
    families=(
        Family(
            "backend_up",
            STATE,
            "1 if it is up.",
            (
                Sample(1, {"pool": "web", "backend": "a"}),
                Sample(0, {"pool": "web", "backend": "b"}),
            ),
        ),
    ),
    tables=(
        Table(
            "Backends",
            ("Backend", "State", "For (s)", "In (B)", "RTT (ms)", "Sessions"),
            (("a", "up", 75.0, 2048, 1.25, 4), ("b", "down", 1.0, 0, "-", 0)),
            2,
        ),
    ),
)

SNAPSHOT = Snapshot(
    worker=0,
    pid=100,
    version="1.2.3",
    started=1000.0,
    time=1100.0,
    state="ready",
    services=(ECHO, BALANCE),
    lag=Histogram((0.001, 0.01), (5, 1, 2), 0.5),
    cpu=1.5,
    memory=1 << 20,
    descriptors=20,
    reloads={"ok": 1, "failed": 2},
    log_write_errors=4,
    resident=2 << 20,
    max_descriptors=1024,
    log_suppressed=6,
)


def second(**changes: Any) -> Snapshot:
    """Give the snapshot of a second worker."""
    return replace(SNAPSHOT, **{"worker": 1, "pid": 101, "started": 1001.0, **changes})
