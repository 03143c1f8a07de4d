"""One datagram to everyone in a room, by UDP."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.peers import NETSVC, TWISTED, C
from benchmarks.programs import Server, Workshop
from benchmarks.relays import RELAYS, knows
from benchmarks.row import Measure, Row, Sample, Target, measure_work, work_measures

#: Who hears what one says.
HEARERS = 50

#: On the way at once, of what one says. They must fit into the receive buffers.
IN_FLIGHT = 8

#: Peers in other rooms, of 20 each.
OTHERS = 9980


def sampler(others: int) -> Callable[[Workshop, Server], Sample]:
    """Return what lets one peer say 64 B, and again when the others have it.

    The load generator never sleeps, as in the rows about chat.

    @param others: how many peers in other rooms the server knows meanwhile.
    """

    def sample(workshop: Workshop, server: Server) -> Sample:
        return measure_work(
            workshop,
            server,
            "relay",
            HEARERS,
            connections=HEARERS + 1,
            inflight=IN_FLIGHT,
            others=others,
            size=64,
            spin=1,
        )

    return sample


_MEASURES = (
    *work_measures("datagram"),
    Measure("resent", "lost %", 2),
)

ROWS = (
    Row(
        name="relay",
        title="64 B by UDP, 1 datagram in and 50 out",
        peers=RELAYS,
        sample=sampler(0),
        measures=_MEASURES,
        targets=(
            Target(1.7, C),
            Target(0.7, TWISTED),
        ),
        kind="udp",
        ready=knows,
    ),
    Row(
        name="relay-many",
        title="the same, with 10 000 known peers in 500 rooms",
        peers={NETSVC: RELAYS[NETSVC]},
        sample=sampler(OTHERS),
        measures=_MEASURES,
        targets=(Target(1.3, NETSVC, "relay"),),
        kind="udp",
        ready=knows,
        descriptors=2 * OTHERS,
    ),
)
