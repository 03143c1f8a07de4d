"""
Many deadlines with one delayed call.

A lookup has one from its beginning to its end, and most end long before: to set and
to clear it has to cost less than a delayed call does.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Protocol

#: Seconds by which a deadline may be late.
RESOLUTION = 0.01


class Timed(Protocol):
    """
    Something with a deadline.

    @ivar slot: The wheel's; 0 while there is no deadline.
    """

    slot: int

    def due(self, now: float) -> None:
        """The deadline has come. Must not raise."""


class Wheel:
    """Deadlines in slots of L{RESOLUTION} seconds."""

    def __init__(self, clock: Any, failed: Callable[[Exception], object]) -> None:
        """
        @param clock: Has C{seconds} and C{callLater} (C{IReactorTime}).
        @param failed: Told of an exception that C{due} has raised all the same.
        """
        self._clock = clock
        self._failed = failed
        self._slots: dict[int, dict[Timed, None]] = {}
        self._heap: list[int] = []
        self._call: Any = None
        self._next = 0

    def __len__(self) -> int:
        """Give how many deadlines are set."""
        return sum(map(len, self._slots.values()))

    def set(self, what: Timed, when: float) -> None:
        """Set something's deadline, in place of what it had."""
        if what.slot:
            self.clear(what)
        slot = what.slot = int(when / RESOLUTION) + 1
        found = self._slots.get(slot)
        if found is None:
            self._slots[slot] = {what: None}
            heappush(self._heap, slot)
            if self._call is None or slot < self._next:
                self._schedule()
        else:
            found[what] = None

    def clear(self, what: Timed) -> None:
        """Forget something's deadline; harmless if it has none."""
        found = self._slots.get(what.slot)
        if found is not None:
            found.pop(what, None)
        what.slot = 0

    def stop(self) -> None:
        """Forget all."""
        for found in self._slots.values():
            for what in found:
                what.slot = 0
        self._slots.clear()
        self._heap.clear()
        self._schedule()

    def _schedule(self) -> None:
        """Be called when the first slot with something in it is due."""
        heap, slots = self._heap, self._slots
        while heap and not slots[heap[0]]:
            del slots[heappop(heap)]
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        if heap:
            self._next = heap[0]
            wait = max(0.0, heap[0] * RESOLUTION - self._clock.seconds())
            self._call = self._clock.callLater(wait, self._fire)

    def _fire(self) -> None:
        """Tell those whose deadline has come."""
        now = self._clock.seconds()
        while self._heap and self._heap[0] * RESOLUTION <= now:
            found = self._slots.pop(heappop(self._heap))
            # What is set while this runs is later, or due in another round.
            while found:
                what, _ = found.popitem()
                what.slot = 0
                try:
                    what.due(now)
                except Exception as error:
                    self._failed(error)
        self._call = None
        self._schedule()
