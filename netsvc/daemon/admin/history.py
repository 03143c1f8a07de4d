"""
What the figures were in the last minutes, and the small charts of them. Pure.

The rates are what has been added between two looks. A counter that went down (a worker
has been replaced) counts as one that stayed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from netsvc.daemon import totals
from netsvc.daemon.figures import format_bytes, format_number
from netsvc.daemon.report import Snapshot

#: Seconds that the charts show.
SPAN: Final = 300.0

#: Looks that are kept at the most, and the seconds between two of them at the least:
#: many readers make them no shorter, and two looks at the same figures no rate of 0.
MAX_LOOKS: Final = 300
SPACING: Final = SPAN / MAX_LOOKS

#: Width and height of a chart, in its own units.
WIDTH: Final = 240
HEIGHT: Final = 60

_MILLISECOND: Final = 0.001


@dataclass(frozen=True, slots=True)
class Look:
    """
    The figures at one time.

    @ivar time: When, in seconds of a clock that goes forwards.
    @ivar live: Connections.
    @ivar accepted: Connections that were admitted so far.
    @ivar moved: Bytes in and out so far.
    @ivar cpu: Seconds of CPU time so far.
    @ivar late: How often the reactor was how late so far.
    """

    time: float
    live: int
    accepted: int
    moved: int
    cpu: float
    late: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """
    A chart.

    @ivar id: Its name in the page.
    @ivar title: Its heading.
    @ivar now: The last value, with its unit.
    @ivar top: What its upper edge stands for.
    @ivar points: The line, as in SVG's C{points}, in L{WIDTH} x L{HEIGHT} units.
    """

    id: str
    title: str
    now: str
    top: str
    points: str


def look_at(snapshots: Sequence[Snapshot], time: float) -> Look:
    """Take the figures of all processes."""
    live = accepted = moved = 0
    for snapshot in snapshots:
        for report in snapshot.services:
            live += report.live
            for family in report.families:
                for sample in family.samples:
                    if sample.labels.get("result") == "accepted":
                        accepted += int(sample.value)
                    elif family.name == "bytes":
                        moved += int(sample.value)
    cpu = sum(snapshot.cpu for snapshot in snapshots)
    return Look(time, live, accepted, moved, cpu, totals.lag_of(snapshots).counts)


class History:
    """The looks of the last minutes."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """
        @param bounds: Upper bounds of the buckets of L{Look.late}.
        """
        self._bounds = bounds
        self._looks: deque[Look] = deque(maxlen=MAX_LOOKS)

    def __len__(self) -> int:
        """Count the looks."""
        return len(self._looks)

    def add(self, look: Look) -> None:
        """Keep a look, unless there was one just now; forget those that are too old."""
        looks = self._looks
        if looks and look.time - looks[-1].time < SPACING:
            return
        looks.append(look)
        while look.time - looks[0].time > SPAN:
            looks.popleft()

    def charts(self) -> tuple[Chart, ...]:
        """Draw the charts."""
        pairs = list(pairwise(self._looks))

        def rates(values: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
            return [
                (after.time, max(0.0, new - old) / (after.time - before.time))
                for (before, after), (old, new) in zip(pairs, values, strict=True)
            ]

        accepted = rates((a.accepted, b.accepted) for a, b in pairs)
        moved = rates((a.moved, b.moved) for a, b in pairs)
        cpu = [(t, 100 * value) for t, value in rates((a.cpu, b.cpu) for a, b in pairs)]
        late = [(b.time, self._worst(a, b)) for a, b in pairs]
        live = [(look.time, float(look.live)) for look in self._looks]
        return (
            self._chart("live", "Connections", live, format_number),
            self._chart("accepted", "New a second", accepted, format_number),
            self._chart("moved", "Bytes a second", moved, format_bytes),
            self._chart("cpu", "CPU", cpu, lambda value: f"{value:.1f} %", least=100.0),
            self._chart("late", "Reactor lag", late, _milliseconds, least=10.0),
        )

    def _worst(self, before: Look, after: Look) -> float:
        """Give the bound of the worst lag between two looks, in milliseconds."""
        if len(before.late) != len(after.late):
            return 0.0
        bounds = (*self._bounds, 2 * self._bounds[-1])
        for bound, old, new in reversed(
            list(zip(bounds, before.late, after.late, strict=False))
        ):
            if new > old:
                return bound / _MILLISECOND
        return 0.0

    def _chart(
        self,
        id: str,
        title: str,
        values: list[tuple[float, float]],
        shown: object,
        least: float = 1.0,
    ) -> Chart:
        """
        Draw one.

        @param values: Times and values.
        @param shown: Writes a value.
        @param least: The least that the upper edge stands for.
        """
        assert callable(shown)
        if not values:
            return Chart(id, title, "-", "", "")
        top = max(least, *(value for _, value in values))
        end = values[-1][0]
        points = " ".join(
            f"{WIDTH * (1 - (end - time) / SPAN):.1f}"
            f",{HEIGHT - (HEIGHT - 2) * value / top - 1:.1f}"
            for time, value in values
        )
        return Chart(id, title, shown(values[-1][1]), shown(top), points)


def _milliseconds(value: float) -> str:
    return f"≤ {value:g} ms" if value else "-"
