"""What C{netsvc balance} may ask for, done to the pools of a running balancer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netsvc.balance.backend import AdminState, Backend
from netsvc.balance.control_wire import ControlError
from netsvc.balance.watch import Watch
from netsvc.daemon.kinds import found


class ControlledPools:
    """The commands' meaning (L{Controlled<netsvc.balance.control.Controlled>})."""

    def __init__(
        self,
        watches: Sequence[Watch],
        now: Callable[[], float],
        count: Callable[[], object] = lambda: None,
    ) -> None:
        """
        @param watches: The pools with their checks.
        @param now: Gives the time in seconds.
        @param count: Counts what live sessions have moved, before it is shown.
        """
        self._watches = watches
        self._now = now
        self._count = count

    def status(self) -> list[dict[str, Any]]:
        """Give each pool's figures and backends."""
        self._count()
        now = self._now()
        return [watch.upstream.pool.status(now) for watch in self._watches]

    def drain(self, name: str) -> None:
        """Send it no new session; let those that it has finish."""
        self._admin(name, AdminState.DRAIN)

    def enable(self, name: str) -> None:
        """Use it again."""
        self._admin(name, AdminState.READY)

    def maint(self, name: str) -> None:
        """Send it no new session, and no check either."""
        self._admin(name, AdminState.MAINT)

    def weight(self, name: str, n: int) -> None:
        """Change its weight."""
        watch, _ = self._find(name)
        try:
            watch.upstream.pool.set_weight(name, n, self._now())
        except ValueError as error:
            raise ControlError(str(error)) from None
        watch.upstream.release()

    def check(self, name: str) -> None:
        """Check it now."""
        watch, backends = self._find(name)
        for backend in backends:
            watch.soon(backend, 0.0)

    def _admin(self, name: str, state: AdminState) -> None:
        """Take what the operator wants of a backend."""
        watch, backends = self._find(name)
        watch.upstream.pool.set_admin(name, state, self._now())
        for backend in backends:
            watch.soon(backend, 0.0)
        watch.upstream.release()

    def _find(self, name: str) -> tuple[Watch, list[Backend]]:
        """
        Find the backends of a name, with their pool.

        @raise ControlError: There is none.
        """
        for watch in self._watches:
            pool = watch.upstream.pool
            backends = pool.find(name)
            if backends or any(spec.name == name for spec in pool.unresolved):
                return watch, backends
        raise ControlError(f"there is no backend {found(name)}")
