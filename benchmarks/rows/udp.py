"""Small datagrams."""

from __future__ import annotations

from benchmarks.peers import TWISTED, UDP_ECHO
from benchmarks.programs import Server, Workshop
from benchmarks.row import Measure, Row, Sample, Target, measure_work, work_measures

SOCKETS = 50

#: On the way at once, of each socket. All together must fit into the receive buffer
#: that a server gets by default (208 KiB, some 145 datagrams), or they are lost.
IN_FLIGHT = 2


def sample(workshop: Workshop, server: Server) -> Sample:
    """Keep 100 datagrams of 64 B on the way, from 50 addresses."""
    return measure_work(
        workshop,
        server,
        "udp",
        SOCKETS,
        connections=SOCKETS,
        inflight=IN_FLIGHT,
        per_source=1,
        size=64,
    )


ROW = Row(
    name="udp",
    title="64 B UDP echo, 50 sockets",
    peers=UDP_ECHO,
    sample=sample,
    measures=(*work_measures("datagram"), Measure("resent", "lost, resent %", 2)),
    targets=(Target(0.6, TWISTED),),
    kind="udp",
)
