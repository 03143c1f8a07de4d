"""
A pool at work: its waiting clients are served, its changes are logged.

L{netsvc.balance.pool} decides; here are the clock, the log and the limits of
one entrance around it. Sessions take backends from an L{Upstream} and give
them back to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.error import (
    ConnectBindError,
    ConnectionRefusedError,
    NoRouteError,
    TCPTimedOutError,
    TimeoutError,
    UserError,
)

from netsvc.balance.backend import Backend, Failure
from netsvc.balance.pool import Pool, Refusal
from netsvc.balance.pool_log import PoolLog

#: Seconds between two looks at a waiting line whose deadline has passed.
_LEAST_WAIT = 0.01

#: What happened, by what was raised; the first that fits.
_KINDS: tuple[tuple[type[BaseException], Failure], ...] = (
    (ConnectionRefusedError, Failure.REFUSED),
    (TimeoutError, Failure.TIMEOUT),
    (TCPTimedOutError, Failure.TIMEOUT),
    (NoRouteError, Failure.UNREACHABLE),
    (ConnectBindError, Failure.LOCAL),
    (UserError, Failure.LOCAL),
)


def kind_of(error: BaseException) -> Failure:
    """
    Say how an attempt to connect has failed.

    An C{OSError} is this machine's: it could not even try.
    """
    for kind, failure in _KINDS:
        if isinstance(error, kind):
            return failure
    return Failure.LOCAL if isinstance(error, OSError) else Failure.OTHER


class Upstream:
    """
    Gives sessions their backends.

    @ivar pool: The backends, and who gets which.
    @ivar log: Tells operators what becomes of them.
    @ivar suspect: Called with a backend to which a connection has failed, so
        that it is checked soon.
    """

    def __init__(self, pool: Pool, service: Callable[[], str], reactor: Any) -> None:
        """
        @param pool: The backends.
        @param service: Gives what the balancer is called.
        @param reactor: Has the time.
        """
        self.pool = pool
        self.log = PoolLog(service, reactor.seconds, pool.name)
        self._reactor = reactor
        self._now = reactor.seconds
        self._call: Any = None
        self.suspect: Callable[[Backend], object] = lambda backend: None

    def choose(self, key: bytes, tried: Collection[Backend] = ()) -> Backend | None:
        """
        Give a backend with a slot taken, or L{None}.

        @param key: The client's address.
        @param tried: The backends that have failed this client.
        """
        now = self._now()
        backend = self.pool.choose(key, now, tried)
        if backend is not None:
            self.pool.begin(backend, now)
        return backend

    def has_other(self, key: bytes) -> bool:
        """Tell whether any backend could be tried at all, now."""
        return self.pool.choose(key, self._now()) is not None

    def wait(
        self,
        done: Callable[[Backend | Refusal], None],
        key: bytes,
        tried: Collection[Backend] = (),
    ) -> Any:
        """
        Wait for a slot; see L{Pool.enqueue}.

        @return: What L{forget} takes, or the L{Refusal}.
        """
        waiting = self.pool.enqueue(done, key, self._now(), tried)
        self._watch()
        return waiting

    def forget(self, waiting: Any) -> None:
        """The client does not wait any more."""
        self.pool.cancel(waiting)

    def connected(self, backend: Backend) -> None:
        """A connection to a backend is there."""
        self.pool.connected(backend, self._now())

    def failed(self, backend: Backend, failure: Failure) -> None:
        """A connection to a backend could not be made: give its slot back."""
        now = self._now()
        if self.pool.failed(backend, now, failure):
            self.log.ejected(backend, failure)
        if failure is not Failure.LOCAL:
            self.suspect(backend)
        self.release()

    def ended(self, backend: Backend, *, answered: bool, reset: bool) -> None:
        """
        A session has ended: give its slot back.

        @param answered: Whether the backend has sent anything.
        @param reset: Whether the backend has ended it by an error.
        """
        if self.pool.ended(backend, self._now(), answered=answered, reset=reset):
            self.log.ejected(backend, Failure.EARLY_RESET)
        if self.pool.waiting:
            self.release()

    def release(self) -> None:
        """Serve those who wait, as far as there is room now."""
        self.pool.release(self._now())
        self._watch()

    def _watch(self) -> None:
        """Look again when the first deadline of the queue has come."""
        deadline = self.pool.next_deadline
        if deadline is not None and self._call is None:
            wait = max(_LEAST_WAIT, deadline - self._now())
            self._call = self._reactor.callLater(wait, self._due)

    def _due(self) -> None:
        self._call = None
        self.release()

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
