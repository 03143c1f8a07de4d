"""
What was sent lately, so that a host that sends it back is not taken for a person.

One forged datagram can make an echo service a peer; without this, two of them in one
room would keep each other busy for ever.
"""

from __future__ import annotations

from typing import Final

#: How many of the last datagrams are remembered.
REMEMBERED: Final = 256

#: How often a peer may send back what it was sent before it is put out.
PATIENCE: Final = 8

_ENDS: Final = b"\r\n"


class Echoes:
    """The last datagrams, without their line ends."""

    __slots__ = ("_sent",)

    def __init__(self) -> None:
        """Start with none."""
        self._sent: dict[bytes, None] = {}

    def sent(self, data: bytes) -> None:
        """A datagram goes out."""
        sent = self._sent
        sent[data.rstrip(_ENDS)] = None
        if len(sent) > REMEMBERED:
            del sent[next(iter(sent))]

    def has(self, data: bytes) -> bool:
        """Say whether a datagram that comes in went out lately."""
        return data.rstrip(_ENDS) in self._sent
