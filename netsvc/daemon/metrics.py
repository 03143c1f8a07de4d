"""
Snapshots as metrics for Prometheus (text exposition format 0.0.4).

This imports prometheus-client: whoever serves no metrics does not import this.

Labels come from the code and from the configuration. There is none for a peer, a user
or a room, so that the number of time series is bounded whatever strangers do.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from netsvc.daemon import totals
from netsvc.daemon.report import COUNTER, Family, Histogram, Snapshot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

#: The largest bucket's bound in the exposition format.
_INFINITE: Final = "+Inf"


def exposition(
    snapshots: Sequence[Snapshot], refused: Mapping[str, int] | None = None
) -> bytes:
    """
    Write the metrics of a daemon.

    @param snapshots: One of each process, at least one.
    @param refused: How often the admin pages were refused, by reason.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Metrics(snapshots, refused or {}))
    return generate_latest(registry)


class _Metrics(Collector):
    """Gives all metrics once."""

    def __init__(
        self, snapshots: Sequence[Snapshot], refused: Mapping[str, int]
    ) -> None:
        self._snapshots = snapshots
        self._refused = refused

    def describe(self) -> Iterable[Metric]:
        """Name none beforehand: a counter and a gauge may have the same name."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Give them."""
        snapshots = self._snapshots
        yield from _services(snapshots)
        yield _lag(totals.lag_of(snapshots))
        yield from _process(snapshots)
        pages = CounterMetricFamily(
            "netsvc_admin_refused",
            "Requests to the admin pages that were refused, and readers that were cut.",
            labels=["reason"],
        )
        for reason, number in sorted(self._refused.items()):
            pages.add_metric([reason], number)
        yield pages


def _services(snapshots: Sequence[Snapshot]) -> Iterable[Metric]:
    """Give what the services tell; each family once, with all services in it."""
    live = GaugeMetricFamily(
        "netsvc_connections", "Connections that there are.", labels=["service"]
    )
    most = GaugeMetricFamily(
        "netsvc_max_connections",
        "Connections that there may be: as many as were asked for, or as there are"
        " descriptors for.",
        labels=["service"],
    )
    events = CounterMetricFamily(
        "netsvc_events",
        "Whatever else a service counts, by the name that it has in the log.",
        labels=["service", "event"],
    )
    families: dict[tuple[str, str], list[tuple[str, Family]]] = {}
    for report in totals.services_of(snapshots):
        name = totals.label(report)
        live.add_metric([name], report.live)
        if report.max_connections:
            most.add_metric([name], report.max_connections)
        for event, number in sorted(report.counters.items()):
            events.add_metric([name, event], number)
        for family in report.families:
            key = family.name, family.kind
            families.setdefault(key, []).append((name, family))
    yield live
    yield most
    for several in families.values():
        yield _family(several)
    yield events


def _family(several: list[tuple[str, Family]]) -> Metric:
    """Make one metric of what several services have under its name."""
    first = several[0][1]
    names = sorted(
        {key for _, family in several for s in family.samples for key in s.labels}
    )
    make: Any = CounterMetricFamily if first.kind == COUNTER else GaugeMetricFamily
    metric: Metric = make(
        f"netsvc_{first.name}", first.help, labels=["service", *names]
    )
    for service, family in several:
        for sample in totals.summed([family]):
            values = [service, *(sample.labels.get(name, "") for name in names)]
            metric.add_metric(values, sample.value)  # type: ignore[attr-defined]
    return metric


def _lag(lag: Histogram) -> Metric:
    """Give how late the reactor was."""
    metric = HistogramMetricFamily(
        "netsvc_reactor_lag_seconds",
        "How much later than it was due a timer came: everything waits so long.",
    )
    buckets = []
    seen = 0
    for bound, count in zip((*lag.bounds, None), lag.counts, strict=True):
        seen += count
        buckets.append((_INFINITE if bound is None else repr(float(bound)), seen))
    metric.add_metric([], buckets, lag.sum)
    return metric


def _process(snapshots: Sequence[Snapshot]) -> Iterable[Metric]:
    """Give what is known of the processes, all together."""
    yield GaugeMetricFamily(
        "netsvc_ready",
        "1 if clients are served: not while it starts or drains.",
        float(totals.state_of(snapshots) == "ready"),
    )
    build = GaugeMetricFamily(
        "netsvc_build_info",
        "1; which versions run.",
        labels=["version", "python", "twisted"],
    )
    build.add_metric(
        [snapshots[0].version, platform.python_version(), version("twisted")], 1
    )
    yield build
    yield GaugeMetricFamily("netsvc_workers", "Processes.", len(snapshots))
    reloads = CounterMetricFamily(
        "netsvc_reloads",
        "How often the configuration was read again.",
        labels=["result"],
    )
    for result, number in totals.reloads_of(snapshots).items():
        reloads.add_metric([result], number)
    yield reloads
    yield CounterMetricFamily(
        "netsvc_log_write_errors",
        "Lines of the log that could not be written.",
        sum(each.log_write_errors for each in snapshots),
    )
    yield CounterMetricFamily(
        "netsvc_log_suppressed",
        "Lines of the log that were left out because they repeat.",
        sum(each.log_suppressed for each in snapshots),
    )
    yield GaugeMetricFamily(
        "netsvc_memory_bytes",
        "Memory of its own (RssAnon), without what files and processes share.",
        sum(each.memory for each in snapshots),
    )
    yield CounterMetricFamily(
        "process_cpu_seconds",
        "CPU time used, user and system.",
        sum(each.cpu for each in snapshots),
    )
    yield GaugeMetricFamily(
        "process_resident_memory_bytes",
        "Memory (VmRSS).",
        sum(each.resident for each in snapshots),
    )
    yield GaugeMetricFamily(
        "process_open_fds",
        "Open file descriptors.",
        sum(each.descriptors for each in snapshots),
    )
    yield GaugeMetricFamily(
        "process_max_fds",
        "How many there may be.",
        sum(each.max_descriptors for each in snapshots),
    )
    yield GaugeMetricFamily(
        "process_start_time_seconds",
        "When the oldest process started, in seconds since the epoch.",
        min(each.started for each in snapshots),
    )
