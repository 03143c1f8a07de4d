"""How long to wait until a worker that has died is replaced."""

from __future__ import annotations

from typing import Final

#: Seconds of the first waits, and of every further one.
WAITS: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
LONGEST: Final = 30.0

#: Seconds that a worker has to live for its death to count as the first one again.
STABLE: Final = 60.0


class Backoff:
    """
    The waits of one worker's place.

    @ivar deaths: How many deaths there were since the last stable life.
    """

    def __init__(self) -> None:
        """Begin with no death."""
        self.deaths = 0

    def next(self, lived: float) -> float:
        """
        Count a death.

        @param lived: Seconds that the worker has served.
        @return: Seconds to wait until it is replaced.
        """
        if lived >= STABLE:
            self.deaths = 0
        wait = WAITS[self.deaths] if self.deaths < len(WAITS) else LONGEST
        self.deaths += 1
        return wait
