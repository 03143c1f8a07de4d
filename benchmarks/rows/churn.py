"""Short connections."""

from __future__ import annotations

from benchmarks.peers import TCP_ECHO, TWISTED
from benchmarks.programs import Server, Workshop
from benchmarks.row import Row, Sample, Target, measure_work, work_measures

CLIENTS = 50


def sample(workshop: Workshop, server: Server) -> Sample:
    """Let 50 clients connect, get one echo and close, over and over."""
    return measure_work(
        workshop, server, "churn", CLIENTS, connections=CLIENTS, size=64
    )


ROW = Row(
    name="churn",
    title="connect, one 64 B echo, close",
    peers=TCP_ECHO,
    sample=sample,
    measures=work_measures("connection", digits=1),
    targets=(Target(0.6, TWISTED),),
)
