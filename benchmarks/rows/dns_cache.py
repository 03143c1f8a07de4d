"""A forwarder answers from its cache."""

from __future__ import annotations

from benchmarks.names import FORWARDERS, dnsperf, nsd, resolves
from benchmarks.programs import Server, Workshop
from benchmarks.row import Measure, Row, Sample, Target

NAMES = 10_000
IN_FLIGHT = 100


def sample(workshop: Workshop, server: Server) -> Sample:
    """Ask for 10,000 names once, and then again and again."""
    with nsd(workshop, server.port):
        dnsperf(workshop, server.port, NAMES, "-n", "1", "-q", str(IN_FLIGHT))
    cpu = server.clocks()[0]
    seconds = max(1, round(workshop.seconds))
    found = dnsperf(
        workshop, server.port, NAMES, "-l", str(seconds), "-q", str(IN_FLIGHT)
    )
    cpu = server.clocks()[0] - cpu
    return {
        "cpu": cpu / found.queries * 1e6,
        "rate": found.queries / found.seconds,
        "busy": cpu / found.seconds * 100,
    }


ROW = Row(
    name="dns-cache",
    title="DNS queries answered from the cache, over UDP",
    peers=FORWARDERS,
    sample=sample,
    measures=(
        Measure("cpu", "CPU µs per query", 2),
        Measure("rate", "queries per second", 0),
        Measure("busy", "server busy %", 0),
    ),
    targets=(Target(40.0),),
    kind="udp",
    ready=resolves,
    usual=3,
)
