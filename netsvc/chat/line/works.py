"""The slow commands of one session: coroutines that may take so long, and no longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.python.failure import Failure

from netsvc.chat.line.link import Work


class Works:
    """Runs what a session wants done, until it is done or nobody waits for it."""

    __slots__ = ("_reactor", "_running")

    def __init__(self, reactor: Any) -> None:
        """
        Start with none.

        @param reactor: Gives the time (L{IReactorTime}).
        """
        self._reactor = reactor
        self._running: tuple[defer.Deferred[None], ...] = ()

    def run(
        self, work: Work, seconds: float, done: Callable[[Exception | None], None]
    ) -> None:
        """
        Do some work; say when it is done, perhaps at once.

        @param seconds: How long it may take; then it is cancelled.
        @param done: Is told what went wrong; L{TimeoutError} is that it was too long.
        """
        deferred = defer.Deferred.fromCoroutine(work)
        self._running = (*self._running, deferred)
        expired: list[bool] = []

        def expire() -> None:
            expired.append(True)
            deferred.cancel()

        timer = self._reactor.callLater(seconds, expire)

        def finished(result: Any) -> None:
            if timer.active():
                timer.cancel()
            self._running = tuple(
                each for each in self._running if each is not deferred
            )
            problem: Exception | None = None
            if isinstance(result, Failure):
                cancelled = result.check(defer.CancelledError) is not None
                if cancelled and expired:
                    problem = TimeoutError()
                elif not cancelled:
                    problem = _exception(result)
            done(problem)

        deferred.addBoth(finished)

    def cancel(self) -> None:
        """Nobody waits for any of it."""
        for deferred in self._running:
            deferred.cancel()


def _exception(failure: Failure) -> Exception:
    """Give what went wrong."""
    value = failure.value
    return value if isinstance(value, Exception) else RuntimeError(repr(value))
