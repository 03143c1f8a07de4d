"""Somebody in a chat room does not read: how long the others wait."""

from __future__ import annotations

from benchmarks.chats import servers, speaks
from benchmarks.errors import BenchError
from benchmarks.load import Load
from benchmarks.peers import WORDS
from benchmarks.programs import Server, Workshop
from benchmarks.row import Measure, Row, Sample, Target, figures

CLIENTS = 100

#: Seconds within which the slow reader should be cut: about 4 MiB must come together,
#: with what the kernel takes.
PATIENCE = 15.0


def sample(workshop: Workshop, server: Server) -> Sample:
    """Let one client say 400 B every ms, until the one that does not read is cut."""
    clocks: list[float] = []
    options = {"connections": CLIENTS, "size": 400, "seconds": PATIENCE}
    load = Load(workshop, server, "chat-slow", options)
    result = load.run(lambda: clocks.append(server.clocks()[0]))
    if not result.cut:
        raise BenchError("the one that does not read is not cut")
    return {
        **figures(result, clocks[1] - clocks[0]),
        "p99": result.p99,
        "median": result.median,
        "worst": result.worst,
        "wall": result.wall,
    }


ROW = Row(
    name="chat-slow",
    title="a chat room of 100, in which one does not read",
    # twisted.words never cuts anybody, and takes more time than there is.
    peers=servers(WORDS),
    sample=sample,
    measures=(
        Measure("p99", "ms, 99th percentile", 1),
        Measure("median", "ms, median", 1),
        Measure("worst", "ms, worst", 1),
        Measure("wall", "seconds until it is cut", 1),
        Measure("busy", "server busy %", 0),
        Measure("load", "load busy %", 0),
    ),
    targets=(Target(50.0, measure="p99"),),
    ready=speaks,
    usual=2,
)
