"""One run: every server does every kind of work, several times, turn by turn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.errors import BenchError
from benchmarks.programs import Command, Server, Workshop
from benchmarks.row import Row, Sample

#: Row and peer, by name.
Place = tuple[str, str]


@dataclass
class Results:
    """What came out of a run.

    @ivar samples: the figures of each row and peer, one entry a round.
    @ivar failures: why a peer did not do a row's work.
    """

    samples: dict[Place, list[Sample]] = field(default_factory=dict)
    failures: dict[Place, str] = field(default_factory=dict)

    def values(self, row: str, peer: str, measure: str) -> list[float]:
        """Return one figure of every round, an empty list if there is none."""
        return [sample[measure] for sample in self.samples.get((row, peer), [])]


@dataclass(frozen=True)
class Task:
    """One peer's turn at one row."""

    row: Row
    peer: str
    command: Command

    @property
    def place(self) -> Place:
        """Where its figures go."""
        return self.row.name, self.peer


def tasks(
    rows: Sequence[Row], known: Mapping[str, Row], chosen: Collection[str]
) -> list[Task]:
    """Return the turns of one round.

    A target may name a peer in another row. That turn is taken, too, for only figures
    of the same run can be compared.

    @param rows: the rows that are wanted.
    @param known: all rows by name.
    @param chosen: the peers that are wanted.
    """
    places = {(row.name, peer) for row in rows for peer in row.peers}
    for row in rows:
        for target in row.targets:
            if target.row is not None and target.peer is not None:
                places.add((target.row, target.peer))
    return [
        Task(row, peer, command)
        for row in known.values()
        for peer, command in row.peers.items()
        if peer in chosen and (row.name, peer) in places
    ]


def rotated(turns: Sequence[Task], number: int) -> Iterator[Task]:
    """Return a round's turns, with another peer first in each row.

    So no peer always works right after the same other one.
    """
    by_row: dict[str, list[Task]] = {}
    for task in turns:
        by_row.setdefault(task.row.name, []).append(task)
    for group in by_row.values():
        first = number % len(group)
        yield from group[first:] + group[:first]


def run(
    workshop: Workshop,
    turns: Sequence[Task],
    rounds: int | None,
    progress: Callable[[str], None],
) -> Results:
    """Take all turns in every round.

    A peer that fails in a row is left out of that row from then on; the others go on.

    @param rounds: how many; C{None} leaves it to the rows.
    """
    results = Results()
    last = max((task.row.repeated(rounds) for task in turns), default=0)
    for number in range(last):
        for task in rotated(turns, number):
            row = task.row
            if task.place in results.failures or number >= row.repeated(rounds):
                continue
            try:
                with Server(
                    workshop, task.command, row.kind, row.ready, row.behind
                ) as server:
                    sample = row.sample(workshop, server)
            except BenchError as error:
                results.failures[task.place] = str(error)
                results.samples.pop(task.place, None)
                said = f"failed: {error}"
            else:
                results.samples.setdefault(task.place, []).append(sample)
                said = ", ".join(
                    f"{sample[measure.key]:.{measure.digits}f} {measure.title}"
                    for measure in row.measures
                )
            progress(f"round {number + 1}/{last} {row.name:16} {task.peer:17} {said}")
    return results
