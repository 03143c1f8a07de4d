"""How often each server is asked: so many lookups a second, evenly."""

from __future__ import annotations

import math
from collections.abc import Sequence

from netsvc.dns.servers import Server

#: Seconds of lookups that may be begun at once after a pause.
BURST = 0.1


class Pace:
    """
    Chooses the server for the next lookup, so that none is asked too often.

    What is counted is lookups: a query that is sent again because it was lost, or
    over TCP because the answer was truncated, is not.
    """

    def __init__(self, servers: Sequence[Server], rate: float) -> None:
        """
        @param servers: The servers.
        @param rate: Lookups a second for each of them, above zero.
        """
        self._step = 1 / rate
        self._slack = max(BURST - self._step, 0.0)
        self._free_at = dict.fromkeys(servers, -math.inf)

    def take(self, now: float, servers: Sequence[Server]) -> Server | None:
        """
        Choose the server that has rested longest, and count a lookup for it.

        @param now: The time in seconds.
        @param servers: Those that come into question.
        @return: L{None} if all of them have to be left alone for now.
        """
        free_at = self._free_at
        server = min(servers, key=free_at.__getitem__)
        when = free_at[server]
        if when > now:
            return None
        free_at[server] = max(when, now - self._slack) + self._step
        return server

    def wait(self, now: float, servers: Sequence[Server]) -> float:
        """Give the seconds until one of some servers is free."""
        return max(min(self._free_at[server] for server in servers) - now, 0.0)
