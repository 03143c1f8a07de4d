"""A forwarder keeps 100,000 names."""

from __future__ import annotations

from benchmarks import machine
from benchmarks.names import FORWARDERS, NAMES, dnsperf, nsd, resolves
from benchmarks.programs import Server, Workshop
from benchmarks.row import Measure, Row, Sample, Target

IN_FLIGHT = 50


def sample(workshop: Workshop, server: Server) -> Sample:
    """Ask for 100,000 names."""

    def memory() -> float:
        return sum(map(machine.anonymous_kib, server.processes())) / 1024

    before = memory()
    cpu = server.clocks()[0]
    with nsd(workshop, server.port):
        found = dnsperf(workshop, server.port, NAMES, "-n", "1", "-q", str(IN_FLIGHT))
    cpu = server.clocks()[0] - cpu
    return {"memory": memory() - before, "cpu": cpu / found.queries * 1e6}


ROW = Row(
    name="dns-memory",
    title="100,000 DNS names in the cache, each asked upstream once",
    peers=FORWARDERS,
    sample=sample,
    measures=(
        Measure("memory", "more anonymous MiB", 1),
        Measure("cpu", "CPU µs per name", 1),
    ),
    targets=(Target(60.0, measure="memory"),),
    kind="udp",
    ready=resolves,
    rounds=1,
)
