"""Connections that say nothing: what they cost in memory, and in CPU time."""

from __future__ import annotations

import time

from benchmarks import machine
from benchmarks.errors import BenchError
from benchmarks.peers import TCP_ECHO
from benchmarks.programs import Load, Server, Workshop
from benchmarks.row import Measure, Row, Sample, Target

CONNECTIONS = 5000

#: Seconds of silence over which the CPU time is taken.
SILENCE = 10.0


def sample(workshop: Workshop, server: Server) -> Sample:
    """Open 5,000 connections, one echo each, and look on for a while."""
    found: dict[str, float] = {}
    before = machine.anonymous_kib(server.pid)

    def at_mark() -> None:
        if found:
            return
        memory = machine.anonymous_kib(server.pid) - before
        cpu, start = machine.cpu_seconds([server.pid]), time.monotonic()
        time.sleep(SILENCE)
        cpu = machine.cpu_seconds([server.pid]) - cpu
        found["memory"] = memory / CONNECTIONS
        found["idle"] = cpu / (time.monotonic() - start) * 100

    load = Load(workshop, server, "idle", {"connections": CONNECTIONS, "size": 64})
    result = load.run(at_mark)
    if result.errors:
        raise BenchError(f"{result.errors} of {CONNECTIONS} idle connections were cut")
    return found


ROW = Row(
    name="idle",
    title="5,000 idle connections",
    peers=TCP_ECHO,
    sample=sample,
    measures=(
        Measure("memory", "anonymous KiB per connection", 2),
        Measure("idle", "CPU % while idle", 2),
    ),
    targets=(Target(2.0, measure="memory"), Target(1.0, measure="idle")),
    descriptors=CONNECTIONS + 200,
    rounds=1,
)
