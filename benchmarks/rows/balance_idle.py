"""Proxied connections that say nothing."""

from __future__ import annotations

from benchmarks import proxies
from benchmarks.errors import BenchError
from benchmarks.peers import HAPROXY, NETSVC, NGINX
from benchmarks.programs import Server, Workshop
from benchmarks.row import Measure, Row, Sample, Target
from benchmarks.rows import idle

#: Fewer say too little.
LEAST = 1000


def sample(workshop: Workshop, server: Server) -> Sample:
    """Open 10,000 connections, or as many as the limit on open files allows.

    Each takes two descriptors of the proxy.
    """
    connections = proxies.connections()
    if connections < LEAST:
        raise BenchError(f"the limit on open files allows {connections} connections")
    found = idle.look_on(workshop, server, connections)
    return {**found, "connections": connections}


ROW = Row(
    name="balance-idle",
    title="10,000 idle proxied connections",
    peers=proxies.tcp(NETSVC, HAPROXY, NGINX),
    sample=sample,
    measures=(*idle.MEASURES, Measure("connections", "connections", 0)),
    targets=(Target(5.0, measure="memory"),),
    behind="tcp",
    rounds=1,
)
