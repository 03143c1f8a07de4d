"""One message to everyone in a chat room, by IRC."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.chats import servers, speaks
from benchmarks.peers import NGIRCD, WORDS
from benchmarks.programs import Server, Workshop
from benchmarks.row import Row, Sample, Target, measure_work, work_measures

CLIENTS = 100

#: Seconds before the measurement: until a new file has the size that it keeps. The
#: first messages are dearer by what the file system does while it grows.
WARMUP = 1.5


def sampler(inflight: int) -> Callable[[Workshop, Server], Sample]:
    """Return what lets one client say 64 B, and again when all the others have it.

    The load generator never sleeps here: to wake it up for each delivery would be
    charged to the server, although nobody wakes a client on another machine.

    @param inflight: how many such messages are on the way at once.
    """

    def sample(workshop: Workshop, server: Server) -> Sample:
        return measure_work(
            workshop,
            server,
            "chat",
            CLIENTS - 1,
            connections=CLIENTS,
            size=64,
            inflight=inflight,
            spin=1,
            warmup=WARMUP,
        )

    return sample


def row(name: str, title: str, inflight: int, *targets: Target) -> Row:
    """Return the row with so many messages on the way at once."""
    return Row(
        name=name,
        title=title,
        peers=servers(),
        sample=sampler(inflight),
        measures=work_measures("delivery", "deliveries"),
        targets=targets,
        ready=speaks,
    )


ROWS = (
    row(
        "chat-w1",
        "64 B to a chat room of 100, one message at a time",
        1,
        Target(4.0),
        Target(1.3, NGIRCD),
        Target(0.3, WORDS),
    ),
    row(
        "chat-w64",
        "64 B to a chat room of 100, up to 64 messages at a time",
        64,
        Target(1.0),
    ),
)
