"""Deadlines that are all equally long, with one delayed call for all of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Deadlines(Generic[T]):
    """
    Things that must be done within the same number of seconds each.

    To set and to clear a deadline costs an entry in a dict: who sets one for
    each connection does not want to pay for a delayed call.
    """

    def __init__(
        self, seconds: float, expired: Callable[[T], object], clock: Any
    ) -> None:
        """
        @param seconds: How long each may take.
        @param expired: Called with what took longer; it must not raise.
        @param clock: The reactor (L{twisted.internet.interfaces.IReactorTime}).
        """
        self._seconds = seconds
        self._expired = expired
        self._clock = clock
        self._now: Callable[[], float] = clock.seconds
        # In the order in which they end, as all are equally long.
        self._ends: dict[T, float] = {}
        self._call: Any = None

    def __len__(self) -> int:
        """Give how many are set."""
        return len(self._ends)

    def __contains__(self, what: T) -> bool:
        """Tell whether something has a deadline."""
        return what in self._ends

    def __iter__(self) -> Any:
        """Give what has a deadline, the nearest first."""
        return iter(list(self._ends))

    def change(self, seconds: float) -> None:
        """
        Take another time from now on.

        What is set already has no more than that left, either.
        """
        self._seconds = seconds
        latest = self._now() + seconds
        for what, end in self._ends.items():
            self._ends[what] = min(end, latest)
        if self._call is not None and self._call.getTime() > latest:
            self._call.reset(seconds)

    def set(self, what: T) -> None:
        """Begin: C{what} has so many seconds from now on."""
        self._ends.pop(what, None)
        self._ends[what] = self._now() + self._seconds
        if self._call is None:
            self._call = self._clock.callLater(self._seconds, self._look)

    def clear(self, what: T) -> None:
        """It is done, or given up; harmless if it has no deadline."""
        self._ends.pop(what, None)

    def stop(self) -> None:
        """Clear all."""
        self._ends.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        """Expire what is due, and look again when the next one is."""
        self._call = None
        now = self._now()
        due = []
        for what, end in self._ends.items():
            if end > now:
                break
            due.append(what)
        for what in due:
            if self._ends.pop(what, None) is not None:
                self._expired(what)
        if self._ends and self._call is None:
            first = next(iter(self._ends.values()))
            wait = max(0.0, first - self._now())
            self._call = self._clock.callLater(wait, self._look)
