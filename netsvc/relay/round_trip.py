"""How long a round trip takes, and so how long to wait for an answer (RFC 6298)."""

from __future__ import annotations

from typing import Final

MAX_BACKOFF: Final = 64
"""By how much patience grows at most while nothing is answered."""


class RoundTrip:
    """
    Measures.

    @ivar seconds: What a round trip takes, smoothed; C{None} while it is not known.
    """

    __slots__ = ("_backoff", "_variation", "seconds")

    def __init__(self) -> None:
        """Know nothing."""
        self._backoff = 1
        self._variation = 0.0
        self.seconds: float | None = None

    def measured(self, seconds: float) -> None:
        """Take a round trip (section 2); a clock that has gone backwards says 0."""
        seconds = max(seconds, 0.0)
        if self.seconds is None:
            self.seconds, self._variation = seconds, seconds / 2
            return
        error = seconds - self.seconds
        self._variation += (abs(error) - self._variation) / 4
        self.seconds += error / 8

    def answered(self) -> None:
        """Take that something was answered: be as patient as at first."""
        self._backoff = 1

    def unanswered(self) -> None:
        """Take that patience has run out: wait twice as long the next time."""
        self._backoff = min(self._backoff * 2, MAX_BACKOFF)

    def patience(self, first: float, least: float, most: float) -> float:
        """
        Give the seconds until something is sent again.

        @param first: While no round trip is known.
        @param least: The shortest time.
        @param most: The longest.
        """
        wait = first
        if self.seconds is not None:
            wait = max(self.seconds + 4 * self._variation, least)
        return min(wait * self._backoff, most)
