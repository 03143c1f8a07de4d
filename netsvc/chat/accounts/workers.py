"""Threads for what is slow on purpose, and a bound on what waits for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.threadpool import ThreadPool

from netsvc.chat.accounts.errors import BusyError

#: Threads: each holds the memory of one Argon2 hash while it works.
THREADS: Final = 2

#: How much may run or wait: at some 25 ms each, a wait of about three seconds.
MAX_PENDING: Final = 256

_T = TypeVar("_T")


class Workers:
    """
    A few threads of their own, so that passwords hold up nothing else.

    @ivar pending: How much runs or waits.
    @ivar refused: How often too much did.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        threads: int = THREADS,
        max_pending: int = MAX_PENDING,
        pool: Any = None,
    ) -> None:
        """
        @param reactor: The reactor.
        @param threads: How many work at a time.
        @param max_pending: See L{MAX_PENDING}.
        @param pool: The threads, or C{None} for a L{ThreadPool} of its own.
        """
        self._reactor = reactor
        self._max_pending = max_pending
        self._pool = pool or ThreadPool(0, threads, "passwords")
        self._running = False
        self.pending = 0
        self.refused = 0

    def start(self) -> None:
        """Take work from now on. No thread runs until there is some."""
        self._pool.start()
        self._running = True

    def stop(self) -> None:
        """Take no more work, and wait for what runs: L{MAX_PENDING} bounds it."""
        if self._running:
            self._running = False
            self._pool.stop()

    def run(self, work: Callable[[], _T]) -> Deferred[_T]:
        """
        Run a function in a thread.

        @raise BusyError: By the Deferred, if too much waits or it is not running.
        """
        if not self._running or self.pending >= self._max_pending:
            self.refused += 1
            refused: Deferred[_T] = Deferred()
            refused.errback(BusyError())
            return refused
        self.pending += 1
        done: Deferred[_T] = Deferred()

        def finished(success: bool, result: Any) -> None:
            """In the thread."""
            self._reactor.callFromThread(self._finish, done, success, result)

        self._pool.callInThreadWithCallback(finished, work)
        return done

    def _finish(self, done: Deferred[_T], success: bool, result: Any) -> None:
        """Counted only now: what nobody waits for any more runs all the same."""
        self.pending -= 1
        if success:
            done.callback(result)
        else:
            done.errback(result)
