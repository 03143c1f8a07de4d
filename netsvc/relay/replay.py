"""Which numbered datagrams have come already: a sliding window (RFC 4303, 3.4.3)."""

from __future__ import annotations

from typing import Final

WIDTH: Final = 128
"""How many numbers behind the highest one are told apart; older ones are refused."""


class ReplayWindow:
    """
    Remembers numbers.

    @ivar highest: The highest number so far; -1 before the first.
    """

    __slots__ = ("_seen", "highest")

    def __init__(self) -> None:
        """Begin with none."""
        self.highest = -1
        self._seen = 0

    def is_new(self, number: int) -> bool:
        """Say whether a number has not come yet, as far as that is remembered."""
        behind = self.highest - number
        return behind < 0 or (behind < WIDTH and not self._seen >> behind & 1)

    def add(self, number: int) -> None:
        """Take that a number has come, once its datagram has proved to be real."""
        behind = self.highest - number
        if behind < 0:
            self._seen = (self._seen << min(-behind, WIDTH) | 1) & (1 << WIDTH) - 1
            self.highest = number
        else:
            self._seen |= 1 << behind
