"""Tests of L{netsvc.balance.backend}."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backend import (
    MAX_DETAIL,
    AdminState,
    Backend,
    Failure,
    HealthRules,
    State,
)
from netsvc.balance.backends import Resolved, parse_backend


def make(text: str = "10.0.0.1:80", **rules: Any) -> Backend:
    """A backend of this specification, started at time 0."""
    return Backend(parse_backend(text), None, HealthRules(**rules))


def up(text: str = "10.0.0.1:80", **rules: Any) -> Backend:
    """A backend that has passed its first check, at time 0."""
    backend = make(text, **rules)
    backend.check_passed(0.0)
    return backend


class MakeTests(SynchronousTestCase):
    """Tests of what a backend is made of."""

    def test_address(self) -> None:
        """A backend has the address and the figures of its specification."""
        backend = make("[::1]:80,weight=3,max=7,backup,name=a")
        self.assertEqual((backend.host, backend.port), ("::1", 80))
        self.assertEqual((backend.name, backend.address), ("a", "[::1]:80"))
        self.assertEqual((backend.weight, backend.max_connections), (3, 7))
        self.assertTrue(backend.backup)

    def test_resolved(self) -> None:
        """A backend of a name has the address that the name has, and says so."""
        spec = parse_backend("web:80,weight=3,backup")
        backend = Backend(spec, Resolved("10.0.0.1", 80))
        self.assertEqual(backend.name, "web:80/10.0.0.1:80")
        self.assertEqual(backend.address, "10.0.0.1:80")
        self.assertEqual((backend.weight, backend.backup), (3, True))
        self.assertTrue(backend.unchecked)  # the usual rules

    def test_resolved_figures(self) -> None:
        """What an SRV record says takes precedence, 0 and no included."""
        spec = parse_backend("srv:_a._tcp.b,weight=3,backup")
        backend = Backend(spec, Resolved("10.0.0.1", 80, weight=9, backup=False))
        self.assertEqual((backend.weight, backend.backup), (9, False))

    def test_identity(self) -> None:
        """Two backends are different, however alike."""
        self.assertEqual(len({make(), make()}), 2)


class StateTests(SynchronousTestCase):
    """Tests of the state of a backend."""

    def test_unchecked(self) -> None:
        """A backend takes nothing before a check has passed."""
        backend = make()
        self.assertEqual(backend.state(1.0), State.UNCHECKED)
        self.assertFalse(backend.available(1.0))
        self.assertTrue(backend.check_passed(2.0))
        self.assertEqual(backend.state(2.0), State.UP)
        self.assertTrue(backend.available(2.0))
        self.assertEqual(backend.since(5.0), 3.0)

    def test_down(self) -> None:
        """A backend that is down takes nothing."""
        backend = up(fall=1)
        self.assertTrue(backend.check_failed(2.0))
        self.assertEqual(backend.state(3.0), State.DOWN)
        self.assertFalse(backend.available(3.0))
        self.assertEqual(backend.since(3.0), 1.0)
        self.assertEqual(backend.checks_failed, 1)

    def test_drain(self) -> None:
        """A backend that drains keeps its sessions, is checked, takes nothing new."""
        backend = up(fall=1)
        backend.begin(0.5)
        backend.set_admin(AdminState.DRAIN, 1.0)
        self.assertEqual(backend.state(1.0), State.DRAIN)
        self.assertFalse(backend.available(1.0))
        self.assertTrue(backend.wants_checks)
        self.assertEqual(backend.sessions, 1)
        backend.check_failed(2.0)
        self.assertEqual(backend.state(3.0), State.DRAIN)
        self.assertEqual(backend.since(3.0), 2.0)
        backend.set_admin(AdminState.READY, 4.0)
        self.assertEqual(backend.state(5.0), State.DOWN)
        self.assertEqual(backend.since(5.0), 1.0)

    def test_maintenance(self) -> None:
        """After maintenance, in which it is not checked, a backend is unchecked."""
        backend = up(slow_start=10)
        backend.set_admin(AdminState.MAINT, 1.0)
        self.assertEqual(backend.state(1.0), State.MAINT)
        self.assertFalse(backend.wants_checks)
        self.assertFalse(backend.available(1.0))
        backend.set_admin(AdminState.READY, 5.0)
        self.assertTrue(backend.wants_checks)
        self.assertEqual(backend.state(5.0), State.UNCHECKED)
        backend.check_passed(6.0)
        self.assertTrue(backend.available(6.0))
        self.assertEqual(backend.effective_weight(11.0), 0.5)

    def test_same_again(self) -> None:
        """To want what is wanted already changes nothing."""
        backend = up()
        backend.set_admin(AdminState.MAINT, 1.0)
        backend.set_admin(AdminState.MAINT, 5.0)
        self.assertEqual(backend.since(6.0), 5.0)

    def test_ejected(self) -> None:
        """An ejected backend takes nothing, and is up again when it is over."""
        backend = up(ejection_time=10)
        backend.health.eject(1.0)
        self.assertEqual(backend.state(2.0), State.EJECTED)
        self.assertEqual(backend.since(2.0), 1.0)
        self.assertFalse(backend.available(2.0))
        self.assertTrue(backend.in_service)
        self.assertEqual(backend.state(12.0), State.UP)
        self.assertEqual(backend.since(12.0), 1.0)
        self.assertEqual(backend.ejections, 1)

    def test_weight_nought(self) -> None:
        """A backend of weight 0 is up and takes nothing."""
        backend = up("10.0.0.1:80,weight=0")
        self.assertEqual(backend.state(1.0), State.UP)
        self.assertFalse(backend.available(1.0))

    def test_leaving(self) -> None:
        """One that leaves takes nothing; if it comes back it is as new."""
        backend = up()
        backend.leave(1.0)
        self.assertEqual(backend.state(3.0), State.LEAVING)
        self.assertEqual(backend.since(3.0), 2.0)
        self.assertFalse(backend.available(3.0))
        self.assertFalse(backend.wants_checks)
        backend.come_back(4.0)
        self.assertEqual(backend.state(6.0), State.UNCHECKED)
        self.assertEqual(backend.since(6.0), 2.0)
        self.assertTrue(backend.wants_checks)

    def test_clock(self) -> None:
        """No time is negative, though a clock be set back."""
        backend = up()
        backend.check_passed(10.0)
        row = backend.row(-5.0)
        self.assertEqual(row["since"], 0.0)
        check = row["check"]
        assert isinstance(check, dict)
        self.assertEqual(check["age"], 0.0)


class RoomTests(SynchronousTestCase):
    """Tests of the limit of sessions."""

    def room(self, backend: Backend, now: float) -> int:
        """Begin sessions while there is room; give how many there are."""
        while backend.has_room(now) and backend.sessions < 100:
            backend.begin(now)
        return backend.sessions

    def test_limit(self) -> None:
        """There is room up to the limit."""
        self.assertEqual(self.room(up("10.0.0.1:80,max=7"), 0.0), 7)

    def test_no_limit(self) -> None:
        """Without a limit there is always room."""
        self.assertEqual(self.room(up(), 0.0), 100)

    def test_slow_start(self) -> None:
        """The limit grows during the slow start, from one session at least."""
        backend = up("10.0.0.1:80,max=8", slow_start=10, rise=1, fall=1)
        backend.check_failed(0.0)
        backend.check_passed(0.0)
        rooms = [self.room(backend, now) for now in (0.0, 5.0, 10.0)]
        self.assertEqual(rooms, [1, 4, 8])


class CountTests(SynchronousTestCase):
    """Tests of counters and of the row that shows them."""

    def test_errors(self) -> None:
        """Errors are counted by kind; enough of them make an ejection due."""
        backend = up(eject_after=2)
        kinds = (Failure.REFUSED, Failure.LOCAL, Failure.RESET, Failure.REFUSED)
        due = [backend.session_failed(kind, 1.0) for kind in kinds]
        self.assertEqual(due, [False, False, False, True])
        self.assertEqual(
            backend.row(1.0)["errors"], {"local": 1, "refused": 2, "reset": 1}
        )

    def test_row(self) -> None:
        """A row shows everything, in values that JSON has."""
        backend = up("10.0.0.1:80,weight=3,max=7,backup,name=a")
        backend.check_passed(1.0, "200 OK", 0.00123)
        backend.begin(2.0)
        row = backend.row(2.5)
        self.assertEqual(json.loads(json.dumps(row)), row)
        self.assertEqual(
            row,
            {
                "name": "a",
                "address": "10.0.0.1:80",
                "state": "up",
                "since": 2.5,
                "admin": "ready",
                "weight": 3,
                "effective_weight": 3.0,
                "backup": True,
                "sessions": 1,
                "max_connections": 7,
                "sessions_total": 1,
                "rate": 1,
                "bytes_in": 0,
                "bytes_out": 0,
                "errors": {},
                "ejections": 0,
                "checks_failed": 0,
                "check": {
                    "passed": True,
                    "detail": "200 OK",
                    "age": 1.5,
                    "seconds": 0.00123,
                },
            },
        )
        self.assertIs(make().row(0.0)["check"], None)

    @given(st.text(max_size=300))
    def test_detail(self, detail: str) -> None:
        """The detail of a check is short and harmless, whatever a backend sends."""
        backend = make()
        backend.check_failed(1.0, detail)
        result = backend.last_check
        assert result is not None
        self.assertFalse(result.passed)
        self.assertLessEqual(len(result.detail), MAX_DETAIL * len(r"\uffff"))
        self.assertNotIn("\x1b", result.detail)
        self.assertNotIn("\n", result.detail)
