"""
Several processes as one: counters are added up, states are taken at their worst.

Pure: snapshots in, the same shapes out. Which worker something belongs to is no label:
the number of time series does not depend on how many workers there are.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from netsvc.daemon.report import (
    MAX_CONNECTIONS,
    MAX_ROWS,
    STATE,
    Connected,
    Family,
    Histogram,
    Sample,
    ServiceReport,
    Snapshot,
    Table,
)

#: States of processes, the worst first: that one counts for all.
STATES: Final = ("draining", "starting", "ready")

Labels = tuple[tuple[str, str], ...]


def state_of(snapshots: Sequence[Snapshot]) -> str:
    """Give the state of all: C{starting} where there is none yet."""
    found = {each.state for each in snapshots}
    return next((each for each in STATES if each in found), "starting")


def services_of(snapshots: Sequence[Snapshot]) -> list[ServiceReport]:
    """
    Put together what several processes tell of the same service.

    Tables get a first column with the number of the worker if several have rows.
    """
    by_service: dict[tuple[str, str], list[tuple[int, ServiceReport]]] = {}
    for snapshot in snapshots:
        for report in snapshot.services:
            key = report.service, report.name
            by_service.setdefault(key, []).append((snapshot.worker, report))
    return [_together(several) for several in by_service.values()]


def _together(several: list[tuple[int, ServiceReport]]) -> ServiceReport:
    """Put together the reports of one service."""
    first = several[0][1]
    if len(several) == 1:
        return first
    reports = [report for _, report in several]
    counters: Counter[str] = Counter()
    for report in reports:
        counters.update(report.counters)
    newest = heapq.merge(*(each.connections for each in reports), key=_age)
    listening = dict.fromkeys(each for report in reports for each in report.listening)
    return replace(
        first,
        listening=tuple(listening),
        live=sum(report.live for report in reports),
        max_connections=sum(report.max_connections for report in reports),
        connections=tuple(islice(newest, MAX_CONNECTIONS)),
        counters=dict(counters),
        families=tuple(_families(reports)),
        tables=tuple(_tables(several)),
    )


def _age(connection: Connected) -> float:
    return connection.age


def _families(reports: Iterable[ServiceReport]) -> Iterable[Family]:
    by_name: dict[tuple[str, str], list[Family]] = {}
    for report in reports:
        for family in report.families:
            by_name.setdefault((family.name, family.kind), []).append(family)
    for families in by_name.values():
        yield replace(families[0], samples=summed(families))


def summed(families: Iterable[Family]) -> tuple[Sample, ...]:
    """Add up the samples that have the same labels; states are not added."""
    values: dict[Labels, float] = {}
    for family in families:
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            before = values.get(labels)
            if before is None:
                values[labels] = sample.value
            elif family.kind == STATE:
                values[labels] = min(before, sample.value)
            else:
                values[labels] = before + sample.value
    return tuple(Sample(value, dict(labels)) for labels, value in values.items())


def _tables(several: list[tuple[int, ServiceReport]]) -> Iterable[Table]:
    by_title: dict[str, list[tuple[int, Table]]] = {}
    for worker, report in several:
        for table in report.tables:
            by_title.setdefault(table.title, []).append((worker, table))
    for tables in by_title.values():
        first = tables[0][1]
        filled = [each for each in tables if each[1].rows]
        if len(filled) < 2:
            yield filled[0][1] if filled else first
            continue
        rows = ((worker, *row) for worker, table in filled for row in table.rows)
        yield Table(
            first.title,
            ("Worker", *first.columns),
            tuple(islice(rows, MAX_ROWS)),
            sum(table.total for _, table in filled),
        )


def lag_of(snapshots: Sequence[Snapshot]) -> Histogram:
    """Add up how late the reactors were; those with other buckets are left out."""
    bounds = snapshots[0].lag.bounds if snapshots else ()
    same = [each.lag for each in snapshots if each.lag.bounds == bounds]
    counts = tuple(map(sum, zip(*(lag.counts for lag in same), strict=True)))
    return Histogram(bounds, counts or (0,), sum(lag.sum for lag in same))


def reloads_of(snapshots: Iterable[Snapshot]) -> dict[str, int]:
    """Add up the reloads, by result."""
    reloads: Counter[str] = Counter({"ok": 0, "failed": 0})
    for snapshot in snapshots:
        reloads.update(snapshot.reloads)
    return dict(reloads)


def label(report: ServiceReport) -> str:
    """Give a service's name as it stands in labels: with which one it is, if any."""
    return f"{report.service}/{report.name}" if report.name else report.service
