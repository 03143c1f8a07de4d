"""How many events there were in the last second, from three numbers."""

from __future__ import annotations


class SessionRate:
    """Counts events in a window of one second that slides.

    The count of the second before is weighed by how much of it the window still
    covers, as in HAProxy's frequency counters.
    """

    __slots__ = ("_before", "_count", "_second")

    def __init__(self) -> None:
        """Start with no event."""
        self._second = 0
        self._count = 0
        self._before = 0

    def add(self, now: float) -> None:
        """Count one event.

        @param now: the time in seconds.
        """
        second = int(now)
        if second != self._second:
            self._turn(second)
        self._count += 1

    def per_second(self, now: float) -> float:
        """Give the number of events in the last second.

        @param now: the time in seconds.
        """
        second = int(now)
        if second != self._second:
            self._turn(second)
        return self._count + self._before * (1 - (now - self._second))

    def _turn(self, second: int) -> None:
        self._before = self._count if second == self._second + 1 else 0
        self._second = second
        self._count = 0
