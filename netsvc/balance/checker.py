"""Has a backend checked at jittered intervals; says when it comes up or goes down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netsvc.balance.backend import Backend
from netsvc.balance.checks import Check, Probe, words
from netsvc.balance.pool_log import PoolLog

#: The share of an interval by which it varies, to either side.
JITTER = 0.1

#: Seconds after which a backend is checked that has failed a client.
SUSPICION = 0.05

#: The part of the interval after which one is checked again that has failed a check
#: but is still in service.
AFTER_FAILURE = 0.5


class Checker:
    """Has one backend checked, from L{start} to L{stop}."""

    def __init__(
        self,
        backend: Backend,
        check: Check,
        *,
        log: PoolLog,
        interval: float,
        timeout: float,
        clock: Any,
        random: Callable[[], float],
        changed: Callable[[Backend], object],
    ) -> None:
        """
        @param backend: The backend.
        @param check: What is asked.
        @param log: Tells operators.
        @param interval: Seconds from one check to the next, on average.
        @param timeout: Seconds after which one has failed.
        @param clock: The reactor (L{twisted.internet.interfaces.IReactorTime}).
        @param random: Gives a number from 0 to 1, for the jitter.
        @param changed: Called with the backend when it has come up or gone down.
        """
        self.backend = backend
        self._check = check
        self._pool_log = log
        self._interval = interval
        self._timeout = timeout
        self._clock = clock
        self._random = random
        self._changed = changed
        self._next: Any = None
        self._limit: Any = None
        self._probe: Probe | None = None
        self._began = 0.0
        self._running = False
        self._overdue = False

    def start(self) -> None:
        """Check at once, and then at intervals."""
        if not self._running:
            self._running = True
            self._go()

    def stop(self) -> None:
        """Check no more."""
        self._running = False
        self._drop()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def soon(self, seconds: float = SUSPICION) -> None:
        """Check earlier than planned, if nothing is going on."""
        if self._next is not None and self._probe is None:
            left = self._next.getTime() - self._clock.seconds()
            if left > seconds:
                self._next.reset(seconds)

    def _go(self) -> None:
        """Begin a check, and plan the next one."""
        jitter = 1 + JITTER * (2 * self._random() - 1)
        self._next = self._clock.callLater(self._interval * jitter, self._go)
        if self._probe is not None:
            # With the next one left out, what hangs would be found out late.
            self._overdue = True
            return
        if not self.backend.wants_checks:
            return
        self._began = self._clock.seconds()
        self._limit = self._clock.callLater(self._timeout, self._timed_out)
        try:
            probe = self._check(self.backend, self._judged)
        except Exception as error:
            # Of this check alone: others follow.
            self._judged(False, words(error))
            return
        if self._limit is None:
            return  # it has been judged already
        self._probe = probe

    def _timed_out(self) -> None:
        self._limit = None
        self._judged(False, f"no answer within {self._timeout:g} s")

    def _drop(self) -> None:
        """End a probe, if there is one."""
        probe, self._probe = self._probe, None
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.cancel()
        if probe is not None:
            probe.cancel()

    def _judged(self, passed: bool, detail: str) -> None:
        """A check has ended."""
        self._drop()
        now = self._clock.seconds()
        backend = self.backend
        first = backend.unchecked
        take = backend.check_passed if passed else backend.check_failed
        if take(now, detail, now - self._began) or (first and not passed):
            self._pool_log.checked(backend, passed)
            self._changed(backend)
        if self._overdue:
            self._overdue = False
            self.soon(0.0)
        elif not passed and backend.in_service:
            # Its next sessions are at stake: find out sooner.
            self.soon(self._interval * AFTER_FAILURE)
