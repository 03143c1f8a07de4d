"""Tests of L{netsvc.balance.checker}."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backend import AdminState, Backend, HealthRules
from netsvc.balance.backends import parse_backend
from netsvc.balance.checker import Checker
from netsvc.balance.pool_log import PoolLog


class Probe:
    """A probe that the test ends."""

    def __init__(self, done: Any) -> None:
        """Begin."""
        self.done = done
        self.cancelled = False

    def cancel(self) -> None:
        """End it."""
        self.cancelled = True


class CheckerTests(SynchronousTestCase):
    """A backend is checked again and again."""

    def setUp(self) -> None:
        """Begin with a backend."""
        self.clock = Clock()
        self.probes: list[Probe] = []
        self.changes: list[str] = []
        self.backend = Backend(
            parse_backend("10.0.0.1:80"), None, HealthRules(rise=1, fall=2)
        )
        self.raises: Exception | None = None
        self.at_once: bool | None = None
        self.checker = Checker(
            self.backend,
            self.check,
            log=PoolLog(lambda: "netsvc-balance", self.clock.seconds),
            interval=10,
            timeout=4,
            clock=self.clock,
            random=lambda: 0.5,
            changed=lambda backend: self.changes.append(backend.state(0).value),
        )

    def check(self, backend: Backend, done: Any) -> Any:
        """Begin a probe."""
        if self.raises is not None:
            raise self.raises
        self.probes.append(Probe(done))
        if self.at_once is not None:
            done(self.at_once, "at once")
        return self.probes[-1]

    def test_at_once_and_at_intervals(self) -> None:
        """The first check is made at once, the next ones at intervals."""
        self.checker.start()
        self.checker.start()
        self.probes[0].done(True, "fine")
        self.assertEqual((self.changes, len(self.probes)), (["up"], 1))
        self.assertTrue(self.probes[0].cancelled)
        self.clock.advance(9.9)
        self.assertEqual(len(self.probes), 1)
        self.clock.advance(0.2)
        self.assertEqual(len(self.probes), 2)

    def test_jitter(self) -> None:
        """Intervals vary."""
        self.checker._random = lambda: 1.0
        self.checker.start()
        self.probes[0].done(True, "")
        self.clock.advance(10.9)
        self.assertEqual(len(self.probes), 1)
        self.clock.advance(0.2)
        self.assertEqual(len(self.probes), 2)

    def test_timeout(self) -> None:
        """One that takes too long has failed, and is cancelled."""
        self.checker.start()
        self.clock.advance(4)
        self.assertTrue(self.probes[0].cancelled)
        self.assertEqual(self.changes, ["down"])
        assert self.backend.last_check is not None
        self.assertIn("4 s", self.backend.last_check.detail)

    def test_still_running(self) -> None:
        """While one is running no other begins; the one that was due comes next."""
        self.checker._timeout = 15
        self.checker.start()
        self.clock.advance(10)
        self.assertEqual(len(self.probes), 1)
        self.clock.advance(5)
        self.assertTrue(self.probes[0].cancelled)
        self.clock.advance(0)
        self.assertEqual(len(self.probes), 2)

    def test_fall(self) -> None:
        """A backend goes down after so many failures."""
        self.checker.start()
        self.probes[0].done(True, "")
        for _ in range(2):
            self.clock.advance(10)
            self.probes[-1].done(False, "refused")
        self.assertEqual(self.changes, ["up", "down"])

    def test_raises(self) -> None:
        """A check that cannot even begin has failed; others follow."""
        self.raises = OSError(24, "Too many open files")
        self.checker.start()
        assert self.backend.last_check is not None
        self.assertEqual(self.backend.last_check.detail, "too many open files")
        self.raises = None
        self.clock.advance(10)
        self.assertEqual(len(self.probes), 1)

    def test_at_once(self) -> None:
        """One may be over before it has begun."""
        self.at_once = True
        self.checker.start()
        self.assertEqual(self.changes, ["up"])
        self.clock.advance(5)
        assert self.backend.last_check is not None
        self.assertTrue(self.backend.last_check.passed)

    def test_soon(self) -> None:
        """A check can be asked for earlier than planned, but not later."""
        self.checker.soon()
        self.checker.start()
        self.checker.soon()
        self.probes[0].done(True, "")
        self.checker.soon(1)
        self.checker.soon(5)
        self.clock.advance(1)
        self.assertEqual(len(self.probes), 2)

    def test_maintenance(self) -> None:
        """In maintenance nothing is asked."""
        self.backend.set_admin(AdminState.MAINT, 0)
        self.checker.start()
        self.assertEqual(self.probes, [])
        self.backend.set_admin(AdminState.READY, 0)
        self.clock.advance(10)
        self.assertEqual(len(self.probes), 1)

    def test_stop(self) -> None:
        """After a stop nothing is left."""
        self.checker.start()
        self.checker.stop()
        self.assertTrue(self.probes[0].cancelled)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.checker.stop()
