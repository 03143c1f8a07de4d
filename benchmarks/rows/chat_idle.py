"""Chat clients that have registered and say nothing: their memory and CPU time."""

from __future__ import annotations

from benchmarks.chats import servers, speaks
from benchmarks.programs import Server, Workshop
from benchmarks.row import Row, Sample, Target
from benchmarks.rows.idle import MEASURES, look_on

CLIENTS = 2000


def sample(workshop: Workshop, server: Server) -> Sample:
    """Register 2,000 clients."""
    return look_on(workshop, server, CLIENTS, "chat-idle")


ROW = Row(
    name="chat-idle",
    title="2,000 idle chat clients",
    peers=servers(),
    sample=sample,
    measures=MEASURES,
    targets=(Target(4.0, measure="memory"),),
    ready=speaks,
    descriptors=CLIENTS + 200,
    rounds=1,
)
