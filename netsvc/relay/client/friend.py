"""What a client knows of one person to whom there may be a direct path. Pure."""

from __future__ import annotations

from netsvc.relay.direct import DirectPath
from netsvc.relay.introducer import show


class Friend:
    """
    Somebody to whom this user writes, or who asks for a direct path.

    @ivar nick: Who.
    @ivar path: The direct path, or the attempt; C{None} for none.
    @ivar why: Why there is none.
    @ivar wrote: Whether this user has written to them.
    @ivar insists: Whether this user has asked for a direct path by hand.
    @ivar told: Whether this user has been told that the path is open.
    @ivar worked: Whether a path to them has ever worked.
    @ivar asked_at: When it was asked for last; C{None} when nothing has to come of
        that any more.
    @ivar ask_at: When it may be asked for again.
    @ivar failures: How often that has led to nothing.
    """

    def __init__(self, nick: str) -> None:
        """Know only who."""
        self.nick = nick
        self.path: DirectPath | None = None
        self.why = "not asked for yet"
        self.wrote = self.insists = self.told = self.worked = False
        self.asked_at: float | None = None
        self.ask_at = 0.0
        self.failures = 0

    def words(self, now: float, is_symmetric: bool) -> str:
        """
        Say which way goes what is said to them, and why.

        @param is_symmetric: Whether the own NAT is known to be.
        """
        path = self.path
        start = f"* path to {self.nick}: "
        if path is not None and path.is_open:
            assert path.address is not None and path.confirmed_at is not None
            trip = path.round_trip
            took = "" if trip is None else f", round trip {trip * 1000:.1f} ms"
            since = f"{max(now - path.confirmed_at, 0.0):.0f} s ago"
            return f"{start}direct to {show(path.address)}, confirmed {since}{took}"
        why = self.why
        if path is not None:
            why = f"punching a hole, {path.punches} tries so far"
        nat = "; your NAT is symmetric" * is_symmetric
        return f"{start}relay: {why}{nat}"
