"""The event loop of the C{netsvc ping} process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.selectreactor import SelectReactor

__all__ = ["ProbeReactor"]


class ProbeReactor(SelectReactor):
    """A reactor for a process that does nothing but probe.

    C{select} waits to the microsecond, where C{epoll} and C{poll} round up to the
    next millisecond; a probe has no more than a handful of descriptors. Time is
    the system's monotonic clock, so that a step of the time of day neither holds
    up the schedule nor makes it jump.
    """

    def __init__(self) -> None:
        super().__init__()
        self._interrupt: Callable[[], None] = self.stop

    def seconds(self) -> float:
        """The time on the monotonic clock."""
        return time.monotonic()

    def on_interrupt(self, interrupt: Callable[[], None]) -> None:
        """Call C{interrupt} at each SIGINT and SIGTERM, not L{stop}."""
        self._interrupt = interrupt

    def sigInt(self, number: int, frame: Any = None) -> None:  # noqa: N802  inherited
        """Take SIGINT."""
        self.callFromThread(self._interrupt)

    def sigTerm(self, number: int, frame: Any = None) -> None:  # noqa: N802  inherited
        """Take SIGTERM."""
        self.callFromThread(self._interrupt)
