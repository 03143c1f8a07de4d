"""A long stream through one connection, both ways at once."""

from __future__ import annotations

from benchmarks.peers import TCP_ECHO, UVLOOP
from benchmarks.programs import Server, Workshop
from benchmarks.row import Row, Sample, Target, measure_work, work_measures

BYTES = 1 << 30


def sample(workshop: Workshop, server: Server) -> Sample:
    """Send 1 GiB and take it back meanwhile."""
    return measure_work(workshop, server, "bulk", 1, bytes=BYTES)


ROW = Row(
    name="bulk",
    title="1 GiB echoed through one connection",
    peers=TCP_ECHO,
    sample=sample,
    measures=work_measures("MiB", "MiB", digits=0),
    targets=(Target(0.5, UVLOOP),),
)
