"""
How fast one connection may go on: a budget, and patience with who is over it. Pure.

The budget is one number, the time at which it is full again (GCRA). Whoever is over it
waits; who has been so for long, without half of the burst ever being there, is cut.
"""

from __future__ import annotations

from typing import Final

from netsvc.daemon.limits import Rate

#: A part of a token that may be missing: rounding may take it.
_ROUNDING: Final = 2**-10


class Pace:
    """
    The budget of one connection. Times are in seconds; its rate may change.

    @ivar flooding: Since when it is over its budget, or C{None}.
    """

    __slots__ = ("_full_at", "flooding")

    def __init__(self) -> None:
        """Start with a full budget."""
        self._full_at = 0.0
        self.flooding: float | None = None

    def charge(self, tokens: float, rate: Rate, now: float) -> None:
        """Take from the budget, whether so much is there or not."""
        self._full_at = max(self._full_at, now) + tokens / rate.per_second

    def bound(self, bursts: float, rate: Rate, now: float) -> None:
        """Forgive what is missing beyond so many bursts."""
        self._full_at = min(self._full_at, now + bursts * rate.burst / rate.per_second)

    def wait(self, tokens: float, rate: Rate, now: float) -> float:
        """Give the seconds until so many tokens are there; 0 if they are."""
        missing = max(0.0, self._full_at - now) * rate.per_second
        # Beside the one that is wanted; who goes on too fast never has that.
        if missing <= (rate.burst - 1 + _ROUNDING) / 2:
            self.flooding = None
        short = missing + tokens - rate.burst
        if short <= _ROUNDING:
            return 0.0
        # After that time it is there, whatever rounding does.
        return (short - _ROUNDING / 2) / rate.per_second

    def begins(self, now: float) -> bool:
        """Note that it has to wait; say whether it had not before."""
        if self.flooding is not None:
            return False
        self.flooding = now
        return True

    def too_long(self, patience: float, now: float) -> bool:
        """Say whether it has been over its budget for longer than that; 0 is never."""
        return (
            bool(patience)
            and self.flooding is not None
            and now - self.flooding >= patience
        )
