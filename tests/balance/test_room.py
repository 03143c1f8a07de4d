"""Tests of L{netsvc.balance.room}."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.room import Room, find_room
from netsvc.balance.settings import BalanceSettings


class RoomTests(SynchronousTestCase):
    """Descriptors are shared."""

    def room(self, descriptors: int, *listen: str) -> Room:
        """Find the room for sessions in so many descriptors."""
        values: dict[str, Any] = {"listen": listen, "backend": ("10.0.0.1:80",)}
        settings = BalanceSettings(**values)
        return find_room(settings, lambda wanted: min(wanted, descriptors))

    def test_enough(self) -> None:
        """With enough of them there is all that was asked for."""
        for listen in (["tcp:1"], ["udp:1"], ["tcp:1", "udp:1", "udp:2"]):
            self.assertEqual(self.room(40_000, *listen), Room(10_000, 10_000))

    def test_streams(self) -> None:
        """A client takes two."""
        self.assertEqual(self.room(5000, "tcp:1").connections, 2500)

    def test_datagrams(self) -> None:
        """A UDP session takes one, at each port."""
        self.assertEqual(self.room(5000, "udp:1").udp_sessions, 5000)
        self.assertEqual(self.room(5000, "udp:1", "udp:2").udp_sessions, 2500)

    def test_both(self) -> None:
        """Neither kind takes what the other needs; each gets one at least."""
        self.assertEqual(self.room(4032, "tcp:1", "udp:1"), Room(1344, 1344))
        self.assertEqual(self.room(1, "tcp:1", "udp:1"), Room(1, 1))
