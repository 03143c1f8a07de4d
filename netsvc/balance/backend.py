"""One backend: whether it can take sessions, and what has come of them.

What the operator says (L{AdminState}) and what its L{Health} says decide, each on
its own. Drain and maintenance keep the sessions there are and take no new ones;
in maintenance it is not checked either.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from netsvc.balance.backends import BackendKind, BackendSpec, Resolved
from netsvc.balance.health import Failure, Health, HealthRules
from netsvc.balance.rate import SessionRate
from netsvc.daemon.escape import escape

__all__ = (
    "MAX_DETAIL",
    "AdminState",
    "Backend",
    "CheckResult",
    "Failure",
    "HealthRules",
    "State",
)

MAX_DETAIL: Final = 120
"""How many characters of a check's detail are kept."""


class AdminState(StrEnum):
    """What the operator wants of a backend."""

    READY = "ready"
    DRAIN = "drain"
    MAINT = "maint"


_READY = AdminState.READY


class State(StrEnum):
    """What a backend is, in one word."""

    UP = "up"
    DOWN = "down"
    UNCHECKED = "unchecked"
    EJECTED = "ejected"
    DRAIN = "drain"
    MAINT = "maint"
    LEAVING = "leaving"


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one active check.

    @ivar passed: whether it was well.
    @ivar detail: what was found, escaped and short.
    @ivar time: when it ended.
    @ivar seconds: how long it took.
    """

    passed: bool
    detail: str
    time: float
    seconds: float


class Backend:
    """One backend of one pool, compared by identity.

    Only its pool and its checks change it.

    @ivar spec: the specification that it comes from.
    @ivar name: what people call it, unique within the pool.
    @ivar host: its address; C{port} beside it.
    @ivar weight: its weight; L{effective_weight} is what policies look at.
    @ivar max_connections: how many sessions at once; 0 means no limit.
    @ivar backup: used only when no other backend is left.
    @ivar admin: what the operator wants.
    @ivar leaving: no longer in the configuration or the DNS; it ends when its
        sessions have.
    @ivar health: what checks and sessions say.
    @ivar sessions: the sessions now, those that are connecting included.
    @ivar sessions_total: all that were begun.
    @ivar bytes_in: from clients to it.
    @ivar bytes_out: from it to clients.
    @ivar errors: failed sessions by kind.
    @ivar last_check: the newest result of an active check.
    @ivar checks_failed: how many have failed.
    """

    __slots__ = (
        "_rate",
        "_since",
        "admin",
        "backup",
        "bytes_in",
        "bytes_out",
        "checks_failed",
        "errors",
        "health",
        "host",
        "last_check",
        "leaving",
        "max_connections",
        "name",
        "port",
        "sessions",
        "sessions_total",
        "spec",
        "weight",
    )

    def __init__(
        self,
        spec: BackendSpec,
        resolved: Resolved | None = None,
        rules: HealthRules | None = None,
        now: float = 0.0,
    ) -> None:
        """Start without sessions: unchecked, or up if there are no checks.

        @param spec: what the configuration says.
        @param resolved: the address, unless the specification has one.
        @param rules: when it counts as well.
        @param now: the time in seconds.
        """
        self.spec = spec
        self.name = spec.name
        self.host, self.port = spec.host, spec.port
        self.weight, self.backup = spec.weight, spec.backup
        self.max_connections = spec.max_connections
        if resolved is not None:
            self.host, self.port = resolved.host, resolved.port
            self.name = f"{spec.name}/{self.address}"
            self.weight, self.backup = weight_and_backup(spec, resolved)
        self.admin = AdminState.READY
        self.leaving = False
        self.health = Health(HealthRules() if rules is None else rules, now)
        self.sessions = 0
        self.sessions_total = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.errors: Counter[Failure] = Counter()
        self.last_check: CheckResult | None = None
        self.checks_failed = 0
        self._rate = SessionRate()
        self._since = now

    @property
    def address(self) -> str:
        """The address and the port, as is usual."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def wants_checks(self) -> bool:
        """Whether active checks are of use now."""
        return self.admin is not AdminState.MAINT and not self.leaving

    @property
    def unchecked(self) -> bool:
        """Whether no check has ended yet since the start or maintenance."""
        return self.health.unchecked

    @property
    def ejections(self) -> int:
        """How often it was ejected."""
        return self.health.ejections

    @property
    def in_service(self) -> bool:
        """Whether it may take new sessions, room and an ejection aside."""
        return (
            self.health.up
            and self.admin is AdminState.READY
            and self.weight > 0
            and not self.leaving
        )

    def available(self, now: float) -> bool:
        """Say whether it may take new sessions, the room for them aside."""
        health = self.health
        # Asked of each backend for each session: without calls where they say nothing.
        return (
            health.up
            and self.admin is _READY
            and self.weight > 0
            and not self.leaving
            and not (health.ejections and health.is_ejected(now))
        )

    def has_room(self, now: float) -> bool:
        """Say whether its limit leaves room for one more session.

        The limit grows during the slow start, from 1 at least.
        """
        limit = self.max_connections
        return limit == 0 or self.sessions < max(1, limit * self.health.share(now))

    def effective_weight(self, now: float) -> float:
        """Give the weight that counts now: less of it during the slow start."""
        health = self.health
        if health.slow_since is None:
            return float(self.weight)
        return self.weight * health.share(now)

    def state(self, now: float) -> State:
        """Say in one word what it is."""
        if self.leaving:
            return State.LEAVING
        if self.admin is not AdminState.READY:
            return State(self.admin.value)
        if self.health.unchecked:
            return State.UNCHECKED
        if not self.health.up:
            return State.DOWN
        return State.EJECTED if self.health.is_ejected(now) else State.UP

    def since(self, now: float) -> float:
        """Give the seconds that it has been in its state."""
        since = self._since
        if self.state(now) not in (State.LEAVING, State.DRAIN, State.MAINT):
            since = max(since, self.health.since)
        return max(0.0, now - since)

    def rate(self, now: float) -> float:
        """Give the number of sessions begun in the last second."""
        return self._rate.per_second(now)

    def row(self, now: float) -> dict[str, object]:
        """Describe it for a status table, in values that JSON has."""
        check = self.last_check
        return {
            "name": self.name,
            "address": self.address,
            "state": self.state(now).value,
            "since": round(self.since(now), 3),
            "admin": self.admin.value,
            "weight": self.weight,
            "effective_weight": round(self.effective_weight(now), 3),
            "backup": self.backup,
            "sessions": self.sessions,
            "max_connections": self.max_connections,
            "sessions_total": self.sessions_total,
            "rate": round(self.rate(now), 1),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "errors": {kind.value: n for kind, n in sorted(self.errors.items())},
            "ejections": self.ejections,
            "checks_failed": self.checks_failed,
            "check": None
            if check is None
            else {
                "passed": check.passed,
                "detail": check.detail,
                "age": round(max(0.0, now - check.time), 3),
                "seconds": round(check.seconds, 6),
            },
        }

    def check_passed(self, now: float, detail: str = "", seconds: float = 0.0) -> bool:
        """Take the result of a check that was well.

        @param now: the time in seconds.
        @param detail: what was found, for people; it is cut and escaped.
        @param seconds: how long it took.
        @return: whether the backend has come up by it.
        """
        self._note_check(True, now, detail, seconds)
        return self.health.check_passed(now)

    def check_failed(self, now: float, detail: str = "", seconds: float = 0.0) -> bool:
        """Take the result of a check that was not well; see L{check_passed}.

        @return: whether the backend has gone down by it, or is found down by its
            first check.
        """
        self._note_check(False, now, detail, seconds)
        self.checks_failed += 1
        return self.health.check_failed(now)

    def _note_check(
        self, passed: bool, now: float, detail: str, seconds: float
    ) -> None:
        shown = escape(detail[:MAX_DETAIL])
        self.last_check = CheckResult(passed, shown, now, seconds)

    def set_admin(self, admin: AdminState, now: float) -> None:
        """Take what the operator wants.

        What leaves maintenance is unchecked until a check has passed.
        """
        if admin is self.admin:
            return
        if self.admin is AdminState.MAINT:
            self.health.start_slowly()
            self.health.reset(now)
        self.admin = admin
        self._since = now

    def respecify(self, spec: BackendSpec) -> None:
        """Take another specification of the same place, see L{BackendSpec.alike}."""
        self.name = spec.name
        if spec.kind is not BackendKind.ADDRESS:
            self.name = f"{spec.name}/{self.address}"
        # The targets of an SRV name have weights of their own.
        if spec.kind is not BackendKind.SRV:
            self.weight, self.backup = spec.weight, spec.backup
        self.max_connections = spec.max_connections
        self.spec = spec

    def leave(self, now: float) -> None:
        """Take no new sessions for good: it is no longer wanted."""
        self.leaving = True
        self._since = now

    def come_back(self, now: float) -> None:
        """Be wanted again after L{leave}: unchecked, as if it were new."""
        self.leaving = False
        self.health.start_slowly()
        self.health.reset(now)
        self._since = now

    def begin(self, now: float) -> None:
        """Count a session that begins."""
        self.sessions += 1
        self.sessions_total += 1
        self._rate.add(now)

    def session_failed(self, failure: Failure, now: float) -> bool:
        """Count an error.

        @return: whether it has had so many in a row that an ejection is due.
        """
        self.errors[failure] += 1
        return self.health.session_failed(failure, now)


def weight_and_backup(spec: BackendSpec, resolved: Resolved) -> tuple[int, bool]:
    """Give what an address says of itself, or else its specification."""
    return (
        spec.weight if resolved.weight is None else resolved.weight,
        spec.backup if resolved.backup is None else resolved.backup,
    )
