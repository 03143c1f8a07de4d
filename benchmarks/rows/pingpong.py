"""Small messages, one after the other, on a few connections."""

from __future__ import annotations

from benchmarks.peers import TCP_ECHO, TWISTED, UVLOOP, C
from benchmarks.programs import Server, Workshop
from benchmarks.row import Row, Sample, Target, measure_work, work_measures

CONNECTIONS = 50


def sample(workshop: Workshop, server: Server) -> Sample:
    """Let every connection send 64 B, wait for them, and send again."""
    return measure_work(
        workshop, server, "pingpong", CONNECTIONS, connections=CONNECTIONS, size=64
    )


ROW = Row(
    name="pingpong",
    title="64 B ping-pong, 50 connections",
    peers=TCP_ECHO,
    sample=sample,
    measures=work_measures("message"),
    targets=(Target(1.6, C), Target(1.15, UVLOOP), Target(0.45, TWISTED)),
)
