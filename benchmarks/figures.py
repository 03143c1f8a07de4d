"""From samples to medians, ratios and verdicts."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.peers import NETSVC
from benchmarks.row import Measure, Row, Target
from benchmarks.suite import Results


@dataclass(frozen=True)
class Summary:
    """The figure of several rounds: its median, and how far the rounds lie apart."""

    median: float
    low: float
    high: float


def summarize(values: Sequence[float]) -> Summary | None:
    """Return the summary of some values, C{None} if there are none."""
    if not values:
        return None
    return Summary(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Verdict:
    """A target beside what was reached.

    @ivar figure: the ratio to the peer, or netsvc's own figure if the target names no
        peer; C{None} if a side of the comparison is missing.
    """

    row: Row
    target: Target
    figure: float | None

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; C{None} if that is unknown."""
        return None if self.figure is None else self.figure <= self.target.limit

    @property
    def wanted(self) -> str:
        """What was to be reached, in words."""
        target = self.target
        if target.peer is None:
            return f"≤ {target.limit:g} {measure_of(self.row, target.measure).title}"
        where = f", {target.row} row" if target.row else ""
        return f"≤ {target.limit:g} x {target.peer}{where}"


def measure_of(row: Row, key: str) -> Measure:
    """Return a row's measure by its key.

    @raise KeyError: if the row has no such measure.
    """
    for measure in row.measures:
        if measure.key == key:
            return measure
    raise KeyError(key)


def judge(row: Row, target: Target, results: Results) -> Verdict:
    """Hold netsvc's figure in a row against a target."""
    own = summarize(results.values(row.name, NETSVC, target.measure))
    if own is None:
        return Verdict(row, target, None)
    if target.peer is None:
        return Verdict(row, target, own.median)
    other = summarize(
        results.values(target.row or row.name, target.peer, target.measure)
    )
    if other is None or other.median <= 0:
        return Verdict(row, target, None)
    return Verdict(row, target, own.median / other.median)


def verdicts(rows: Sequence[Row], results: Results) -> list[Verdict]:
    """Return the verdict on every target of some rows."""
    return [judge(row, target, results) for row in rows for target in row.targets]
