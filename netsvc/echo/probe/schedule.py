"""When packets are due: at start + n x interval, whatever happens to them.

The schedule is isochronous: neither a lost packet nor a slow answer moves the
next sending, so that a stall of the network is seen by every packet that was due
during it, not by one (no coordinated omission). A sender that wakes up late
sends what is due at once; how late it was is the schedule's timer error.
"""

from __future__ import annotations

from netsvc.echo.probe.quantity import NANOSECONDS_PER_SECOND
from netsvc.echo.probe.running import Running

__all__ = ["CATCH_UP_LIMIT", "Schedule"]

#: Sendings missed by more than this (after a suspended process, say) are skipped
#: and counted, not sent in a burst. Nanoseconds.
CATCH_UP_LIMIT = NANOSECONDS_PER_SECOND


class Schedule:
    """The times at which to send. All times are nanoseconds of one clock.

    @ivar timer_error: how much later than planned packets were sent.
    @ivar skipped: sendings left out because the sender was too late.
    """

    def __init__(
        self,
        start: int,
        interval: int,
        count: int | None = None,
        duration: int | None = None,
    ) -> None:
        """Plan C{count} sendings from C{start} on, as far as C{duration} allows.

        @param interval: more than 0.
        @param count: L{None} is no end.
        @param duration: the last sending is before start + duration.
        """
        if interval <= 0:
            raise ValueError("an interval is more than 0")
        self._start = start
        self._interval = interval
        self._left = count
        self._slot = 0
        self._slots = None if duration is None else -(-duration // interval)
        self.timer_error = Running()
        self.skipped = 0

    @property
    def next_time(self) -> int | None:
        """When the next packet is due; L{None} after the last one."""
        if self._left == 0 or (self._slots is not None and self._slot >= self._slots):
            return None
        return self._start + self._slot * self._interval

    def take(self, now: int) -> bool:
        """Say whether a packet is due, and if so take it off the schedule."""
        due = self.next_time
        if due is None or due > now:
            return False
        if now - due > CATCH_UP_LIMIT:
            # The newest sending that is due is kept: something is sent now.
            newest = (now - self._start) // self._interval
            if self._slots is not None:
                newest = min(newest, self._slots - 1)
            self.skipped += newest - self._slot
            self._slot = newest
            due = self._start + newest * self._interval
        self._slot += 1
        if self._left is not None:
            self._left -= 1
        self.timer_error.add(now - due)
        return True
