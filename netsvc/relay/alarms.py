"""When to look at which of many things next: pure, and cheap to change."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final, Generic, TypeVar

GRAIN: Final = 0.02
"""Seconds by which an alarm may be late."""

T = TypeVar("T")


class Alarms(Generic[T]):
    """
    One time for each thing, which may be changed any number of times.

    Times are kept in buckets of L{GRAIN}, so what is held is bounded by the number of
    things, and by the buckets between now and the latest time.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._buckets: dict[int, dict[T, None]] = {}
        self._order: list[int] = []
        self._of: dict[T, int] = {}

    def __len__(self) -> int:
        """Give how many things have a time."""
        return len(self._of)

    def set(self, thing: T, when: float) -> None:
        """Have a thing looked at then, and not before; never, for infinity."""
        bucket = None if when == float("inf") else int(when / GRAIN) + 1
        old = self._of.get(thing)
        if old == bucket:
            return
        if old is not None:
            del self._buckets[old][thing]
            del self._of[thing]
        if bucket is not None:
            self._of[thing] = bucket
            things = self._buckets.get(bucket)
            if things is None:
                things = self._buckets[bucket] = {}
                heappush(self._order, bucket)
            things[thing] = None

    def discard(self, thing: T) -> None:
        """Do not look at a thing any more."""
        self.set(thing, float("inf"))

    def next(self) -> float:
        """Give when L{due} is to be called next; infinity for never."""
        order, buckets = self._order, self._buckets
        while order and not buckets[order[0]]:
            del buckets[heappop(order)]
        return order[0] * GRAIN if order else float("inf")

    def due(self, now: float) -> list[T]:
        """Give the things whose time has come; they have none any more."""
        order = self._order
        found: list[T] = []
        while order and order[0] * GRAIN <= now:
            things = self._buckets.pop(heappop(order))
            for thing in things:
                del self._of[thing]
            found += things
        return found
