"""
How late the reactor is: what everything in the process waits for.

A call that is due every L{INTERVAL} seconds notes how much later it comes. Whatever
blocks the reactor for longer than that is seen at least once.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final

from netsvc.daemon.report import Histogram

#: Seconds between two looks.
INTERVAL: Final = 0.1

#: Upper bounds of the histogram's buckets, in seconds.
BOUNDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


class ReactorLag:
    """Measures, from L{start} on."""

    def __init__(self, reactor: Any, interval: float = INTERVAL) -> None:
        """
        @param reactor: What is measured, by its own clock (L{IReactorTime}).
        @param interval: Seconds between two looks.
        """
        self._reactor = reactor
        self._interval = interval
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0
        self._due = 0.0
        self._call: Any = None

    def start(self) -> None:
        """Measure from now on."""
        if self._call is None:
            self._wait(self._reactor.seconds())

    def stop(self) -> None:
        """Measure no more; what was measured stays."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _wait(self, now: float) -> None:
        self._due = now + self._interval
        self._call = self._reactor.callLater(self._interval, self._look)

    def _look(self) -> None:
        now = self._reactor.seconds()
        late = max(0.0, now - self._due)
        self._counts[bisect_left(BOUNDS, late)] += 1
        self._sum += late
        self._wait(now)

    def histogram(self) -> Histogram:
        """Give what was measured so far."""
        return Histogram(BOUNDS, tuple(self._counts), self._sum)
