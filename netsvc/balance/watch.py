"""What happens around a pool by itself: names are looked up, backends checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import random
from typing import Any

from twisted.internet import defer

from netsvc.balance.backend import Backend
from netsvc.balance.backends import BackendSpec, Resolved
from netsvc.balance.checker import Checker
from netsvc.balance.checks import Check
from netsvc.balance.members import Update
from netsvc.balance.resolving import Lookup, Resolving
from netsvc.balance.upstream import Upstream


class Watch:
    """
    Watches the backends of one pool.

    @ivar upstream: The pool at work.
    @ivar ready: Fires when each backend has been looked up and checked once.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        check: Check | None,
        interval: float,
        timeout: float,
        lookup: Lookup,
        clock: Any,
        random: Callable[[], float] = random,
        went_down: Callable[[Backend], object] = lambda backend: None,
    ) -> None:
        """
        @param upstream: The pool at work.
        @param check: What is asked of the backends; L{None} if nothing is.
        @param interval: Seconds from one check to the next.
        @param timeout: Seconds after which one has failed.
        @param lookup: The resolver.
        @param clock: The reactor.
        @param random: Gives a number from 0 to 1.
        @param went_down: Called with a backend that has gone down.
        """
        self.upstream = upstream
        self._check = check
        self._interval = interval
        self._timeout = timeout
        self._clock = clock
        self._random = random
        self._went_down = went_down
        self._checkers: dict[Backend, Checker] = {}
        self._lookup = lookup
        self._resolvings = [
            Resolving(spec, lookup, self._found, upstream.log, clock)
            for spec in upstream.pool.unresolved
        ]
        self._unresolved = set(upstream.pool.unresolved)
        self.ready: defer.Deferred[None] = defer.Deferred()
        upstream.suspect = self.soon

    def start(self) -> None:
        """Look up and check, from now on."""
        self._add(self.upstream.pool.backends)
        for resolving in self._resolvings:
            resolving.start()
        self._see_if_ready()

    def change(
        self,
        update: Update,
        *,
        check: Check | None,
        interval: float,
        timeout: float,
    ) -> None:
        """
        Go on with other backends in the pool, or with other checks.

        @param update: Which backends have come and gone.
        @param check: As for a new one; so are the others.
        """
        times = (interval, timeout)
        again = check is not self._check or times != (self._interval, self._timeout)
        self._check, self._interval, self._timeout = check, interval, timeout
        self._remove(list(self._checkers) if again else update.removed)
        self._add(self.upstream.pool.backends if again else update.added)
        self._look_up()
        self.upstream.release()

    def _look_up(self) -> None:
        """Look up the names that are there now; go on with those that stay."""
        wanted = self.upstream.pool.unresolved
        before = {id(each.spec): each for each in self._resolvings}
        self._resolvings = []
        for spec in wanted:
            known = before.pop(id(spec), None)
            resolving = known or Resolving(
                spec, self._lookup, self._found, self.upstream.log, self._clock
            )
            self._resolvings.append(resolving)
            if known is None:
                resolving.start()
        for gone in before.values():
            gone.stop()

    def stop(self) -> None:
        """Do nothing more."""
        for resolving in self._resolvings:
            resolving.stop()
        self._remove(list(self._checkers))

    def soon(self, backend: Backend, seconds: float | None = None) -> None:
        """
        Check a backend earlier than planned.

        @param seconds: Within so many seconds.
        """
        checker = self._checkers.get(backend)
        if checker is not None:
            if seconds is None:
                checker.soon()
            else:
                checker.soon(seconds)

    def _add(self, backends: Iterable[Backend]) -> None:
        """Begin to check backends."""
        if self._check is None:
            return
        for backend in backends:
            checker = Checker(
                backend,
                self._check,
                log=self.upstream.log,
                interval=self._interval,
                timeout=self._timeout,
                clock=self._clock,
                random=self._random,
                changed=self._changed,
            )
            self._checkers[backend] = checker
            checker.start()

    def _remove(self, backends: Iterable[Backend]) -> None:
        """Check them no more."""
        for backend in backends:
            checker = self._checkers.pop(backend, None)
            if checker is not None:
                checker.stop()

    def _found(
        self, spec: BackendSpec, resolved: list[Resolved], left_out: int = 0
    ) -> None:
        """A name has been looked up."""
        self._unresolved.discard(spec)
        now = self._clock.seconds()
        update = self.upstream.pool.update(spec, resolved, now, left_out)
        if update.added or update.removed:
            number = len(self.upstream.pool.find(spec.name))
            self.upstream.log.addresses(spec.name, number, update)
        self._add(update.added)
        self._remove(update.removed)
        self.upstream.release()
        self._see_if_ready()

    def _changed(self, backend: Backend) -> None:
        """A backend has come up or gone down."""
        if not backend.available(self._clock.seconds()):
            self._went_down(backend)
        self.upstream.release()
        self._see_if_ready()

    def _see_if_ready(self) -> None:
        if self.ready.called or self._unresolved:
            return
        if not any(backend.unchecked for backend in self._checkers):
            self.ready.callback(None)
