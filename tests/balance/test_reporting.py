"""What netsvc-balance tells of its pools and backends."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backend import Failure, HealthRules
from netsvc.balance.reporting import families, tables
from netsvc.daemon.report import STATE
from tests.balance.test_pool import make, two


class ReportingTests(SynchronousTestCase):
    """L{netsvc.balance.reporting}."""

    def test_tables(self) -> None:
        """Each pool and each backend has a row."""
        pool = two(",weight=2")
        pools, backends = tables([pool.status(10.0)])
        self.assertEqual(pools.rows[0][:4], ("web", "roundrobin", "2 of 2", 0))
        self.assertEqual(backends.total, 2)
        row = dict(zip(backends.columns, backends.rows[0], strict=True))
        self.assertEqual(
            [row[name] for name in ("Pool", "Backend", "State", "For (s)", "Weight")],
            ["web", "a", "up", 10.0, 2],
        )
        self.assertEqual((row["Last check"], row["Errors"]), ("-", "-"))

    def test_checks(self) -> None:
        """What the last check found is said, with how long a good one took."""
        pool = make(
            "10.0.0.1:80", "10.0.0.2:80,backup", rules=HealthRules(checked=True)
        )
        first, second = pool.backends
        first.check_passed(1.0, "status 200", 0.0125)
        second.check_failed(1.0, "", 2.0)
        _, backends = tables([pool.status(2.0)])
        checks = [row[backends.columns.index("Last check")] for row in backends.rows]
        self.assertEqual(checks, ["status 200, 12.5 ms", "failed"])
        self.assertEqual(backends.rows[1][1], "10.0.0.2:80 (backup)")

    def test_families(self) -> None:
        """Metrics are labelled by pool and backend."""
        pool = two()
        backend = pool.choose(b"", 0.0)
        assert backend is not None
        pool.begin(backend, 0.0)
        pool.failed(backend, 0.0, Failure.REFUSED)
        made = families([pool.status(1.0)], 4, 40)
        found = {
            (family.name, family.kind, *sorted(sample.labels.values())): sample.value
            for family in made
            for sample in family.samples
        }
        name = backend.name
        for key, value in (
            (("backend_up", STATE, name, "web"), 1),
            (("backend_sessions", "gauge", name, "web"), 0),
            (("backend_errors", "counter", name, "refused", "web"), 1),
            (("backend_bytes", "counter", name, "in", "web"), 0),
            (("pool_waiting", "gauge", "web"), 0),
            (("udp_sessions", "gauge"), 4),
            (("max_udp_sessions", "gauge"), 40),
        ):
            self.assertEqual(found.get(key), value, key)
