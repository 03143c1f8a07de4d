"""A program looks names up, many at once."""

from __future__ import annotations

from benchmarks.errors import BenchError
from benchmarks.names import CLIENTS, UPSTREAM, connect, nsd
from benchmarks.peers import AIODNS, DNSPYTHON, TWISTED_NAMES
from benchmarks.programs import Server, Workshop
from benchmarks.row import Measure, Row, Sample, Target

IN_FLIGHT = 100


def sample(workshop: Workshop, server: Server) -> Sample:
    """Keep 100 lookups of addresses on the way."""
    with nsd(workshop, server.port), connect(server.port) as control:
        order = f"{UPSTREAM} {server.port} {workshop.seconds} {IN_FLIGHT}"
        control.sendall(order.encode())
        if control.recv(100) != b"warm\n":
            raise BenchError(f"the client fails: {server.last_word()}")
        cpu = server.clocks()[0]
        control.sendall(b"go\n")
        said = control.recv(100).split()
        cpu = server.clocks()[0] - cpu
    if len(said) != 2:
        raise BenchError(f"the client fails: {server.last_word()}")
    right, wrong = map(int, said)
    if wrong or not right:
        raise BenchError(f"{wrong} of {right + wrong} answers are wrong")
    return {
        "cpu": cpu / right * 1e6,
        "rate": right / workshop.seconds,
        "busy": cpu / workshop.seconds * 100,
    }


ROW = Row(
    name="dns-lookups",
    title="looking up addresses, 100 at once, over UDP",
    peers=CLIENTS,
    sample=sample,
    measures=(
        Measure("cpu", "CPU µs per lookup", 2),
        Measure("rate", "lookups per second", 0),
        Measure("busy", "client busy %", 0),
    ),
    targets=(
        Target(0.25, TWISTED_NAMES),
        Target(0.83, AIODNS),
        Target(0.166, DNSPYTHON),
    ),
)
