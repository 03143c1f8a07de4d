"""A crowd comes into one chat room."""

from __future__ import annotations

from benchmarks.chats import servers, speaks
from benchmarks.load import Load
from benchmarks.programs import Server, Workshop
from benchmarks.row import Measure, Row, Sample, Target

CLIENTS = 1000


def sample(workshop: Workshop, server: Server) -> Sample:
    """Let 1,000 clients connect, then register, then join one room.

    All of them are told of everybody who comes after them.
    """
    clocks: list[float] = []
    load = Load(workshop, server, "chat-join", {"connections": CLIENTS})
    result = load.run(lambda: clocks.append(server.clocks()[0]))
    return {"cpu": clocks[1] - clocks[0], "wall": result.wall}


ROW = Row(
    name="chat-join",
    title="1,000 chat clients connect, register and join one room",
    peers=servers(),
    sample=sample,
    measures=(Measure("cpu", "CPU s", 2), Measure("wall", "seconds", 2)),
    targets=(Target(2.0),),
    ready=speaks,
    descriptors=CLIENTS + 200,
    usual=3,
)
