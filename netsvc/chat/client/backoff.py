"""How long to wait before the next attempt to connect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST: Final = 1.0
"""Seconds before the first new attempt."""

LONGEST: Final = 60.0
"""Seconds between attempts at the most."""

SPREAD: Final = 0.25
"""Part of the delay that chance adds or takes, so that not all come back at once."""


class Backoff:
    """Delays that double from L{FIRST} to L{LONGEST}."""

    def __init__(self, random: Callable[[], float]) -> None:
        """
        Begin with the shortest delay.

        @param random: Gives a number from 0 to below 1.
        """
        self._random = random
        self._delay = FIRST

    def next(self) -> float:
        """Give the seconds to wait this time; it will be longer the next time."""
        delay, self._delay = self._delay, min(self._delay * 2, LONGEST)
        return delay * (1 + SPREAD * (2 * self._random() - 1))

    def reset(self) -> None:
        """Take that all is well: begin with the shortest delay again."""
        self._delay = FIRST
