"""Snapshots as metrics, read by Prometheus's own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.metrics import exposition
from netsvc.daemon.report import Snapshot
from tests.daemon.report_samples import SNAPSHOT, second

Key = tuple[str, frozenset[tuple[str, str]]]


def samples(
    *snapshots: Snapshot,
) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Give each sample by its name and labels; no two have the same."""
    found: dict[Key, float] = {}
    for family in text_string_to_metric_families(exposition(snapshots).decode()):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, key
            found[key] = sample.value
    return found


def key(name: str, **labels: str) -> Key:
    """Give the key of a sample."""
    return name, frozenset(labels.items())


class ExpositionTests(SynchronousTestCase):
    """L{exposition}."""

    def test_refused(self) -> None:
        """What the admin pages refused is among them, by reason."""
        text = exposition([SNAPSHOT], {"status-401": 3, "full": 1}).decode()
        lines = [line for line in text.splitlines() if "admin_refused_total{" in line]
        self.assertEqual(
            lines,
            [
                'netsvc_admin_refused_total{reason="full"} 1.0',
                'netsvc_admin_refused_total{reason="status-401"} 3.0',
            ],
        )

    def test_values(self) -> None:
        """The metrics have the names, labels and values that are documented."""
        found = samples(SNAPSHOT)
        echo = {"service": "netsvc-echo"}
        backend = {"service": "netsvc-balance/web", "pool": "web", "backend": "a"}
        for expected, value in (
            (key("netsvc_connections", **echo), 3),
            (key("netsvc_max_connections", **echo), 10_000),
            (key("netsvc_connections_total", result="accepted", **echo), 7),
            (key("netsvc_bytes_total", direction="in", **echo), 3000),
            (key("netsvc_rejected_total", reason="max-connections", **echo), 2),
            (key("netsvc_send_queue_bytes", **echo), 30),
            (key("netsvc_backend_up", **backend), 1),
            (key("netsvc_events_total", event="connections", **echo), 7),
            (key("netsvc_reactor_lag_seconds_bucket", le="0.001"), 5),
            (key("netsvc_reactor_lag_seconds_bucket", le="0.01"), 6),
            (key("netsvc_reactor_lag_seconds_bucket", le="+Inf"), 8),
            (key("netsvc_reactor_lag_seconds_count"), 8),
            (key("netsvc_reactor_lag_seconds_sum"), 0.5),
            (key("netsvc_ready"), 1),
            (key("netsvc_workers"), 1),
            (key("netsvc_reloads_total", result="failed"), 2),
            (key("netsvc_log_write_errors_total"), 4),
            (key("netsvc_log_suppressed_total"), 6),
            (key("netsvc_memory_bytes"), 1 << 20),
            (key("process_cpu_seconds_total"), 1.5),
            (key("process_resident_memory_bytes"), 2 << 20),
            (key("process_open_fds"), 20),
            (key("process_max_fds"), 1024),
            (key("process_start_time_seconds"), 1000),
        ):
            self.assertEqual(found.get(expected), value, expected)
        self.assertIn('version="1.2.3"', exposition([SNAPSHOT]).decode())

    def test_workers(self) -> None:
        """Several workers have the series of one, added up."""
        one, two = samples(SNAPSHOT), samples(SNAPSHOT, second(state="draining"))
        self.assertEqual(set(one), set(two))
        cpu = key("process_cpu_seconds_total")
        accepted = key(
            "netsvc_connections_total", service="netsvc-echo", result="accepted"
        )
        self.assertEqual((two[cpu], two[accepted]), (3.0, 14))
        self.assertEqual(two[key("netsvc_ready")], 0)
        up = {"service": "netsvc-balance/web", "pool": "web", "backend": "a"}
        self.assertEqual(two[key("netsvc_backend_up", **up)], 1)

    def test_no_strangers(self) -> None:
        """No label holds a peer or a user."""
        text = exposition([SNAPSHOT]).decode()
        for stranger in ("192.0.2", "2001:db8", "ann", "alert"):
            self.assertNotIn(stranger, text)
