"""A long stream through a proxy, one way and then the other."""

from __future__ import annotations

from benchmarks import proxies
from benchmarks.peers import HAPROXY, HAPROXY_SPLICE, NETSVC, NGINX
from benchmarks.programs import Server, Workshop, transfers
from benchmarks.row import Row, Sample, Target, measure_work, work_measures
from benchmarks.rows.balance_pingpong import USUAL
from benchmarks.rows.bulk import BYTES


def sample(workshop: Workshop, server: Server) -> Sample:
    """Send 512 MiB, end that side, and take 512 MiB."""
    return measure_work(workshop, server, "transfer", 1, connections=1, bytes=BYTES)


ROW = Row(
    name="balance-bulk",
    title="1 GiB through one proxied connection",
    peers=proxies.tcp(NETSVC, HAPROXY, HAPROXY_SPLICE, NGINX),
    sample=sample,
    measures=work_measures("MiB", "MiB", digits=0),
    targets=(Target(1.2, HAPROXY_SPLICE), Target(0.5, HAPROXY)),
    ready=transfers,
    behind="transfer",
    usual=USUAL,
)
