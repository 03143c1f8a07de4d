"""Connections that say nothing: what they cost in memory, and in CPU time."""

from __future__ import annotations

import time

from benchmarks import machine
from benchmarks.errors import BenchError
from benchmarks.load import Load
from benchmarks.peers import TCP_ECHO
from benchmarks.programs import Server, Workshop
from benchmarks.row import Measure, Row, Sample, Target

CONNECTIONS = 5000

#: Seconds of silence over which the CPU time is taken.
SILENCE = 10.0

MEASURES = (
    Measure("memory", "anonymous KiB per connection", 2),
    Measure("idle", "CPU % while idle", 2),
)


def look_on(
    workshop: Workshop, server: Server, connections: int, mode: str = "idle"
) -> Sample:
    """Open connections, one echo each, and look on for a while.

    @param mode: another mode of the load generator, which says something else at first.
    """
    found: dict[str, float] = {}

    def memory() -> int:
        return sum(map(machine.anonymous_kib, server.processes()))

    before = memory()

    def at_mark() -> None:
        if found:
            return
        found["memory"] = (memory() - before) / connections
        (cpu, _), start = server.clocks(), time.monotonic()
        time.sleep(SILENCE)
        cpu = server.clocks()[0] - cpu
        found["idle"] = cpu / (time.monotonic() - start) * 100

    load = Load(workshop, server, mode, {"connections": connections, "size": 64})
    result = load.run(at_mark)
    if result.errors:
        raise BenchError(f"{result.errors} of {connections} idle connections were cut")
    return found


def sample(workshop: Workshop, server: Server) -> Sample:
    """Open 5,000 connections."""
    return look_on(workshop, server, CONNECTIONS)


ROW = Row(
    name="idle",
    title="5,000 idle connections",
    peers=TCP_ECHO,
    sample=sample,
    measures=MEASURES,
    targets=(Target(2.0, measure="memory"), Target(1.0, measure="idle")),
    descriptors=CONNECTIONS + 200,
    rounds=1,
)
