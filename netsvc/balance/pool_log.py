"""
What operators are told about a pool and its backends.

Several balancers may run in one process, each with several pools, and backends of the
same name in all of them: every line says whose it is, by the names that metrics have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from netsvc.balance.backend import Backend, Failure
from netsvc.balance.members import Update
from netsvc.daemon.escape import escape
from netsvc.daemon.logs import OncePer

#: Seconds between two lines about clients that got no backend.
LOG_INTERVAL: Final = 1.0

#: The pool of clients for which there is none.
NO_POOL: Final = "-"

#: Characters of an error that are shown.
_MAX_ERROR: Final = 200


class PoolLog:
    """Logs what becomes of one pool."""

    _log = Logger()

    def __init__(
        self,
        service: Callable[[], str],
        now: Callable[[], float],
        pool: str = NO_POOL,
    ) -> None:
        """
        @param service: Gives what the balancer is called
            (L{netsvc.daemon.service.label_of}): it gets its name after it is made.
        @param now: Gives the time in seconds.
        @param pool: The pool's name.
        """
        self._service = service
        self._pool = pool
        self._unserved = OncePer(LOG_INTERVAL, now)

    def checked(self, backend: Backend, passed: bool) -> None:
        """A check has found that a backend works, or that it does not."""
        self._log.info(
            "{service}: backend {backend} (pool {pool}) is {state}: {detail}",
            service=self._service(),
            pool=self._pool,
            backend=backend.name,
            state="up" if passed else "down",
            detail=backend.last_check.detail if backend.last_check else "",
            event="backend-up" if passed else "backend-down",
        )

    def ejected(self, backend: Backend, failure: Failure) -> None:
        """A backend is left out for a while, as connections to it fail."""
        self._log.warn(
            "{service}: backend {backend} (pool {pool}) is ejected for a while:"
            " {failure}",
            service=self._service(),
            pool=self._pool,
            backend=backend.name,
            failure=failure.value,
            event="backend-ejected",
        )

    def addresses(self, backend: str, number: int, update: Update) -> None:
        """A backend by name has other addresses: so many, after a change."""
        self._log.info(
            "{service}: backend {backend} (pool {pool}): addresses now {number},"
            " {added} more, {removed} less",
            service=self._service(),
            pool=self._pool,
            backend=backend,
            number=number,
            added=len(update.added),
            removed=len(update.removed),
            event="backend-addresses",
        )

    def lookup_failed(self, backend: str, problem: str, error: BaseException) -> None:
        """The name of a backend cannot be looked up, or not all behind it."""
        self._log.warn(
            "{service}: backend {backend} (pool {pool}) {problem}: {error}",
            service=self._service(),
            pool=self._pool,
            backend=backend,
            problem=problem,
            error=escape(str(error)[:_MAX_ERROR]) or type(error).__name__,
            event="backend-lookup-failed",
        )

    def found(self, backend: str) -> None:
        """The name of a backend can be looked up again."""
        self._log.info(
            "{service}: backend {backend} (pool {pool}) is found again",
            service=self._service(),
            pool=self._pool,
            backend=backend,
            event="backend-found",
        )

    def unserved(self, reason: str) -> None:
        """A client got no backend; it is told once a second."""
        ready, suppressed = self._unserved.ready()
        if ready:
            self._log.warn(
                "{service}: a client got no backend (pool {pool}): {reason}"
                " ({suppressed} more since the last such line)",
                service=self._service(),
                pool=self._pool,
                reason=reason,
                suppressed=suppressed,
                event="no-backend",
            )
