"""What a row of the table is: some work, who does it, and the ratios to reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.errors import BenchError
from benchmarks.load import Load, LoadResult
from benchmarks.programs import (
    BackendKind,
    Command,
    Kind,
    Ready,
    Server,
    Workshop,
    answers,
)

#: How often work is repeated, as a rule.
ROUNDS = 5

#: The figures of one sample, by the key of their L{Measure}.
Sample = Mapping[str, float]


@dataclass(frozen=True)
class Measure:
    """A column of a row's table."""

    key: str
    title: str
    digits: int


@dataclass(frozen=True)
class Target:
    """A figure that netsvc has to reach: at most C{limit}.

    @ivar limit: times the peer's figure; or in the measure's own unit if no peer is
        named.
    @ivar peer: the peer to compare with, possibly netsvc itself in another row.
    @ivar row: the row in which that peer's figure stands; C{None} means the same one.
    @ivar measure: which figure of both.
    """

    limit: float
    peer: str | None = None
    row: str | None = None
    measure: str = "cpu"


@dataclass(frozen=True)
class Row:
    """One kind of work.

    @ivar name: what it is called on the command line.
    @ivar title: what it is called in the tables.
    @ivar peers: how each server is started, by name, in the order of the table.
    @ivar sample: does the work once against a running server.
    @ivar ready: says whether a server works; by default, whether it gives back what it
        is sent.
    @ivar behind: what runs behind the servers, if they are proxies.
    @ivar descriptors: open files that one process needs for it.
    @ivar usual: how often it is repeated if nobody says how often.
    @ivar rounds: do not repeat it more often than this, if given.
    """

    name: str
    title: str
    peers: Mapping[str, Command]
    sample: Callable[[Workshop, Server], Sample]
    measures: tuple[Measure, ...]
    targets: tuple[Target, ...]
    kind: Kind = "tcp"
    ready: Ready = answers
    behind: BackendKind | None = None
    descriptors: int = 1024
    usual: int = ROUNDS
    rounds: int | None = None

    def repeated(self, rounds: int | None) -> int:
        """Return how often it is repeated in a run of so many rounds.

        @param rounds: C{None} if nobody says how many.
        """
        wanted = rounds or self.usual
        return wanted if self.rounds is None else min(wanted, self.rounds)


def work_measures(
    unit: str, units: str | None = None, digits: int = 2
) -> tuple[Measure, ...]:
    """Return the columns of a row whose figure is CPU time per unit of work.

    @param units: the plural, if it is not made by an I{s}.
    """
    return (
        Measure("cpu", f"CPU µs per {unit}", digits),
        Measure("rate", f"{units or unit + 's'} per second", 0),
        Measure("busy", "server busy %", 0),
        Measure("load", "load busy %", 0),
    )


def figures(result: LoadResult, cpu: float, behind: float = 0.0) -> Sample:
    """Turn the counts of one run into figures.

    @param cpu: CPU seconds that the server used meanwhile.
    @param behind: those of its backend, which is a part of the load.
    @raise BenchError: if nothing was done, or anything went wrong.
    """
    if result.units == 0 or result.wall <= 0:
        raise BenchError("no unit of work was done")
    if result.errors:
        raise BenchError(f"{result.errors} errors in {result.units} units of work")
    return {
        "cpu": cpu / result.units * 1e6,
        "rate": result.units / result.wall,
        "busy": cpu / result.wall * 100,
        "load": (result.cpu + behind) / result.wall * 100,
        "resent": result.resent / result.units * 100,
    }


def measure_work(
    workshop: Workshop, server: Server, mode: str, clients: int, **options: float
) -> Sample:
    """Run the load generator once and return the figures.

    @param clients: how many of its clients must get an answer.
    """
    clocks: list[tuple[float, float]] = []
    load = Load(workshop, server, mode, options)
    result = load.run(lambda: clocks.append(server.clocks()))
    if result.served < clients:
        raise BenchError(f"only {result.served} of {clients} clients were answered")
    (cpu, behind), (cpu_after, behind_after) = clocks
    return figures(result, cpu_after - cpu, behind_after - behind)
