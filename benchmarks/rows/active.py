"""The same small messages beside thousands of connections that say nothing."""

from __future__ import annotations

from benchmarks.peers import NETSVC, TCP_ECHO
from benchmarks.programs import Server, Workshop
from benchmarks.row import Row, Sample, Target, measure_work, work_measures
from benchmarks.rows import pingpong

CONNECTIONS = 5000


def sample(workshop: Workshop, server: Server) -> Sample:
    """Do the work of the ping-pong row with as many active ones, among 5,000."""
    return measure_work(
        workshop,
        server,
        "pingpong",
        pingpong.CONNECTIONS,
        connections=CONNECTIONS,
        active=pingpong.CONNECTIONS,
        size=64,
    )


ROW = Row(
    name="active",
    title="64 B ping-pong, 5,000 connections, 50 active",
    peers=TCP_ECHO,
    sample=sample,
    measures=work_measures("message"),
    targets=(Target(1.2, NETSVC, row=pingpong.ROW.name),),
    descriptors=CONNECTIONS + 200,
)
