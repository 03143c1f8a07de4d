"""Tests of what workers and their dead predecessors have counted, in sum."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.report import (
    COUNTER,
    GAUGE,
    Family,
    Histogram,
    Sample,
    ServiceReport,
    Snapshot,
)
from netsvc.daemon.workers.sums import add, ended

EMPTY = Snapshot(
    worker=1,
    pid=10,
    version="1",
    started=0.0,
    time=0.0,
    state="ready",
    services=(),
    lag=Histogram((0.1,), (0, 0), 0.0),
    cpu=0.0,
    memory=5,
    descriptors=6,
    reloads={},
    log_write_errors=0,
)


def family(name: str, kind: str, **values: float) -> Family:
    """Make a metric with a label C{to}."""
    samples = (Sample(value, {"to": label}) for label, value in values.items())
    return Family(name, kind, "", tuple(samples))


def snapshot(*services: ServiceReport) -> Snapshot:
    """Make a snapshot of a worker."""
    return replace(EMPTY, services=services)


class AddTests(SynchronousTestCase):
    """L{add} and L{ended}."""

    def test_counters(self) -> None:
        """Counters add up by name, those of the dead too; what is live does not."""
        before = snapshot(ServiceReport("echo", live=3, counters={"a": 1, "b": 2}))
        now = snapshot(ServiceReport("echo", live=4, counters={"b": 3, "c": 0}))
        (service,) = add(before, now).services
        self.assertEqual(service.counters, {"a": 1, "b": 5, "c": 0})
        self.assertEqual(service.live, 4)

    def test_families(self) -> None:
        """Metrics that count add up by label, gauges are the living one's."""
        before = snapshot(
            ServiceReport(
                "echo",
                families=(
                    family("sent", COUNTER, x=1, y=2),
                    family("up", GAUGE, x=1),
                    family("gone", COUNTER, z=9),
                ),
            )
        )
        now = snapshot(
            ServiceReport(
                "echo",
                families=(family("sent", COUNTER, y=5), family("up", GAUGE, x=0)),
            )
        )
        (service,) = add(before, now).services
        self.assertEqual(
            service.families,
            (
                family("sent", COUNTER, x=1, y=7),
                family("up", GAUGE, x=0),
                family("gone", COUNTER, z=9),
            ),
        )

    def test_other_services(self) -> None:
        """Services are told apart by name; one that runs no more is left out."""
        before = snapshot(ServiceReport("echo", "a", counters={"n": 1}))
        now = snapshot(ServiceReport("echo", "b", counters={"n": 2}))
        self.assertEqual(add(before, now).services, now.services)

    def test_process(self) -> None:
        """CPU time, lag, reloads and lost lines add up; memory does not."""
        lag = Histogram((0.1,), (1, 2), 3.0)
        one = replace(EMPTY, cpu=1.5, lag=lag, reloads={"ok": 1}, log_write_errors=2)
        summed = add(one, one)
        self.assertEqual(summed.cpu, 3)
        self.assertEqual(summed.lag, Histogram((0.1,), (2, 4), 6.0))
        self.assertEqual(summed.reloads, {"ok": 2})
        self.assertEqual(summed.log_write_errors, 4)
        self.assertEqual(summed.memory, 5)

    def test_other_buckets(self) -> None:
        """A histogram with other buckets is not added to."""
        other = replace(EMPTY, lag=Histogram((0.2,), (1, 1), 1.0))
        self.assertEqual(add(other, EMPTY).lag, EMPTY.lag)

    def test_ended(self) -> None:
        """Of a dead worker only what it has counted is left."""
        dead = ended(
            snapshot(
                ServiceReport(
                    "echo",
                    live=3,
                    counters={"a": 1},
                    families=(family("up", GAUGE, x=1), family("n", COUNTER, x=1)),
                )
            ),
            "starting",
        )
        self.assertEqual((dead.pid, dead.state, dead.memory), (0, "starting", 0))
        (service,) = dead.services
        self.assertEqual((service.live, service.counters), (0, {"a": 1}))
        self.assertEqual(service.families, (family("n", COUNTER, x=1),))

    @given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 99))))
    def test_never_falls(self, lives: list[dict[str, int]]) -> None:
        """Over any lives the sum is what all have counted, and never less."""
        past = snapshot(ServiceReport("echo"))
        for counted in lives:
            now = add(past, snapshot(ServiceReport("echo", counters=counted)))
            before = past.services[0].counters
            for name, value in now.services[0].counters.items():
                self.assertEqual(value, before.get(name, 0) + counted.get(name, 0))
            past = ended(now, "starting")
