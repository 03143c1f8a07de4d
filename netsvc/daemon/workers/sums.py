"""
What a worker and its dead predecessors have counted, in sum.

Counters must not fall when a worker is replaced: who watches would see a negative
rate, or a restart of the whole daemon. Gauges and lists are the living worker's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from netsvc.daemon.report import (
    COUNTER,
    Family,
    Histogram,
    Sample,
    ServiceReport,
    Snapshot,
)


def add(before: Snapshot, now: Snapshot) -> Snapshot:
    """
    Add what was counted before to a snapshot.

    @param before: The sum of the dead.
    @param now: The living one's; what it does not run any more is left out.
    """
    past = {(each.service, each.name): each for each in before.services}
    services = tuple(
        _service(past.get((each.service, each.name)), each) for each in now.services
    )
    return replace(
        now,
        services=services,
        lag=_histogram(before.lag, now.lag),
        cpu=before.cpu + now.cpu,
        reloads=_counters(before.reloads, now.reloads),
        log_write_errors=before.log_write_errors + now.log_write_errors,
    )


def ended(snapshot: Snapshot, state: str) -> Snapshot:
    """Give what is left of a worker that is gone: what it has counted."""
    services = tuple(
        ServiceReport(
            each.service,
            each.name,
            counters=each.counters,
            families=tuple(one for one in each.families if one.kind == COUNTER),
        )
        for each in snapshot.services
    )
    return replace(
        snapshot,
        pid=0,
        state=state,
        services=services,
        memory=0,
        descriptors=0,
        resident=0,
    )


def _service(before: ServiceReport | None, now: ServiceReport) -> ServiceReport:
    if before is None:
        return now
    return replace(
        now,
        counters=_counters(before.counters, now.counters),
        families=_families(before.families, now.families),
    )


def _counters(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """Add, also what is counted no more."""
    return {name: before.get(name, 0) + now.get(name, 0) for name in {**before, **now}}


def _families(
    before: tuple[Family, ...], now: tuple[Family, ...]
) -> tuple[Family, ...]:
    """Add the counters among metrics; those that are not there now come last."""
    past = {each.name: each for each in before if each.kind == COUNTER}
    found = []
    for family in now:
        earlier = past.pop(family.name, None)
        if earlier is not None and family.kind == COUNTER:
            family = replace(family, samples=_samples(earlier, family))
        found.append(family)
    return (*found, *past.values())


def _samples(before: Family, now: Family) -> tuple[Sample, ...]:
    summed: dict[tuple[tuple[str, str], ...], Sample] = {}
    for sample in (*before.samples, *now.samples):
        key = tuple(sorted(sample.labels.items()))
        so_far = summed[key].value if key in summed else 0
        summed[key] = Sample(so_far + sample.value, sample.labels)
    return tuple(summed.values())


def _histogram(before: Histogram, now: Histogram) -> Histogram:
    """Add, unless another version of netsvc had other buckets."""
    if before.bounds != now.bounds:
        return now
    counts = zip(before.counts, now.counts, strict=True)
    return Histogram(now.bounds, tuple(map(sum, counts)), before.sum + now.sum)
