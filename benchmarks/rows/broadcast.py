"""One message to everyone, as in a chat room."""

from __future__ import annotations

from benchmarks.peers import FAN_OUT, TWISTED, UVLOOP
from benchmarks.programs import Server, Workshop
from benchmarks.row import Row, Sample, Target, measure_work, work_measures

CONNECTIONS = 200


def sample(workshop: Workshop, server: Server) -> Sample:
    """Let one client send 80 B, wait until all have it, and send again."""
    return measure_work(
        workshop, server, "broadcast", CONNECTIONS, connections=CONNECTIONS, size=80
    )


ROW = Row(
    name="broadcast",
    title="80 B broadcast to 200 connections",
    peers=FAN_OUT,
    sample=sample,
    measures=work_measures("delivery", "deliveries"),
    targets=(Target(1.1, UVLOOP), Target(0.4, TWISTED)),
)
