"""Whether a backend is well: what active checks and its own sessions say.

 - Active checks: C{rise} passes in a row bring a backend up, C{fall} failures
   down. It starts unchecked, which counts as down; the first pass brings it up.
 - Its sessions: C{eject_after} connect errors or early resets in a row, and it is
   due to be ejected for a while, longer each time (outlier detection).
 - What comes back from down or from an ejection gets a growing share of its
   weight and of its connections during C{slow_start}.

Times are arguments, in seconds of a clock that counts forwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LEAST_SHARE: Final = 0.1
"""The share at which a slow start begins."""


class Failure(StrEnum):
    """How a session failed; the labels of the error counters.

    C{LOCAL} is our own fault, of no descriptor left for instance, and never held
    against the backend. A C{RESET} has come after bytes of the backend, an
    C{EARLY_RESET} before any.
    """

    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    OTHER = "other"
    LOCAL = "local"
    EARLY_RESET = "early-reset"
    RESET = "reset"


@dataclass(frozen=True, kw_only=True)
class HealthRules:
    """When a backend counts as well; times are in seconds.

    @ivar checked: whether there are active checks.
    @ivar rise: passed checks in a row that bring it up, at least 1.
    @ivar fall: failed checks in a row that bring it down, at least 1.
    @ivar slow_start: how long it takes to its full share; 0 is no slow start.
    @ivar eject_after: errors in a row after which it may be ejected; 0: never.
    @ivar ejection_time: how long the first ejection lasts, more than 0; errors
        further apart than this are not in a row.
    @ivar max_ejection_time: how long the next ones last at most.
    """

    checked: bool = True
    rise: int = 2
    fall: int = 3
    slow_start: float = 0.0
    eject_after: int = 5
    ejection_time: float = 30.0
    max_ejection_time: float = 300.0

    def __post_init__(self) -> None:
        """Refuse rules that could not be followed.

        @raise ValueError: if a figure is too small.
        """
        if self.rise < 1 or self.fall < 1:
            raise ValueError("rise and fall must be at least 1")
        if not self.ejection_time > 0:
            raise ValueError("an ejection must last more than 0 seconds")


class Health:
    """The health of one backend.

    @ivar up: whether it is up, by its checks; without checks it always is.
    @ivar unchecked: no check has ended since the start or L{reset}.
    @ivar since: when C{up}, C{unchecked} or the ejection last changed.
    @ivar ejections: how often it was ejected.
    @ivar slow_since: when its slow start began; L{None} outside of one.
    """

    __slots__ = (
        "_connect_errors",
        "_early_resets",
        "_ejected_until",
        "_in_row",
        "_last_error",
        "_level",
        "_returned",
        "_rules",
        "_slow_when_up",
        "ejections",
        "since",
        "slow_since",
        "unchecked",
        "up",
    )

    def __init__(self, rules: HealthRules, now: float) -> None:
        """Start unchecked, or up if there are no checks."""
        self._rules = rules
        self._slow_when_up = False
        self.slow_since: float | None = None
        self.ejections = 0
        self.reset(now)

    def reset(self, now: float) -> None:
        """Forget what checks and sessions have said, as at the start."""
        self.unchecked = self._rules.checked
        self.up = not self.unchecked
        self.since = self._returned = self._last_error = now
        self._ejected_until: float | None = None
        self._in_row = self._level = 0
        self._connect_errors = self._early_resets = 0
        if self.up and self._slow_when_up:
            self.slow_since = now

    def change(self, rules: HealthRules) -> None:
        """Go by other rules from now on; without checks it is up."""
        self._rules = rules
        if not rules.checked:
            self.up = True
            self.unchecked = False

    def start_slowly(self) -> None:
        """Start slowly the next time it comes up, though it be the first."""
        self._slow_when_up = True

    # Active checks

    def check_passed(self, now: float) -> bool:
        """Take a check that was well.

        @return: whether the backend has come up by it.
        """
        if self.up:
            self._in_row = 0
            return False
        self._in_row += 1
        if self._in_row < self._rules.rise and not self.unchecked:
            return False
        # It may have been restarted: its earlier errors are no guide.
        self._ejected_until = None
        self._level = self._connect_errors = self._early_resets = 0
        slowly = self._slow_when_up
        self._turn(True, now)
        if slowly:
            self.slow_since = now
        return True

    def check_failed(self, now: float) -> bool:
        """Take a check that was not well.

        @return: whether the backend is down by it, and was not before; the first
            check counts as such a change.
        """
        if not self.up and not self.unchecked:
            self._in_row = 0
            return False
        self._in_row += 1
        if self._in_row < self._rules.fall and not self.unchecked:
            return False
        self._turn(False, now)
        return True

    def _turn(self, up: bool, now: float) -> None:
        self.up = up
        self.unchecked = False
        self.since = now
        self._in_row = 0
        # The first start is at full speed, for all others start too.
        self._slow_when_up = True

    # Sessions

    def connected(self) -> None:
        """Take note of a connection that was made."""
        self._connect_errors = 0

    def answered(self) -> None:
        """Take note of a session in which bytes have come back."""
        self._connect_errors = self._early_resets = 0

    def session_failed(self, failure: Failure, now: float) -> bool:
        """Take note of a session that failed.

        @return: whether there were so many in a row that an ejection is due.
        """
        if failure in (Failure.LOCAL, Failure.RESET):
            return False
        if now - self._last_error > self._rules.ejection_time:
            self._connect_errors = self._early_resets = 0
        self._last_error = now
        if failure is Failure.EARLY_RESET:
            self._early_resets += 1
        else:
            self._connect_errors += 1
        worst = max(self._early_resets, self._connect_errors)
        return 0 < self._rules.eject_after <= worst

    def eject(self, now: float) -> None:
        """Keep the backend out for a while.

        Each ejection lasts C{ejection_time} longer than the one before; for each
        C{ejection_time} in service since then, one is forgotten.
        """
        rules = self._rules
        well = int((now - self._returned) / rules.ejection_time)
        self._level = max(0, self._level - well) + 1
        lasts = min(rules.ejection_time * self._level, rules.max_ejection_time)
        self._ejected_until = now + lasts
        self._connect_errors = self._early_resets = 0
        self.since = now
        self.ejections += 1

    def is_ejected(self, now: float) -> bool:
        """Say whether its errors keep it out."""
        until = self._ejected_until
        if until is None:
            return False
        if now < until:
            return True
        self._ejected_until = None
        self._returned = self.slow_since = self.since = until
        return False

    # Slow start

    def share(self, now: float) -> float:
        """Give the share of its weight that it should get, above 0 up to 1."""
        since = self.slow_since
        if since is None:
            return 1.0
        passed = now - since
        if passed >= self._rules.slow_start:
            self.slow_since = None
            return 1.0
        return max(LEAST_SHARE, passed / self._rules.slow_start)
