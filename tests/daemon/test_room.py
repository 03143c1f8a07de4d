"""Tests of L{netsvc.daemon.room}."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon import descriptors
from netsvc.daemon.limits import ConnectionLimits
from netsvc.daemon.room import Room
from netsvc.daemon.service_settings import ServiceSettings


class RoomTests(SynchronousTestCase):
    """Services in a process with room for 10,000 connections."""

    def setUp(self) -> None:
        """Have that room."""
        self.reactor = Clock()
        kept = descriptors.RESERVED_DESCRIPTORS
        self.patch(
            descriptors, "system_limit", lambda needed: min(needed, 10_000 + kept)
        )

    def make(self, **settings: Any) -> Room:
        """Make one more service's room."""
        self.limits = ConnectionLimits(0)
        room = Room(self.limits, self.reactor)
        room.use(ServiceSettings(**settings))
        return room

    def told(self, *rooms: Room) -> list[str]:
        """Give what is told of them."""
        with capturedLogs() as logged:
            for room in rooms:
                room.tell("netsvc-fake")
        return [str(formatEvent(each)) for each in logged]

    def test_default(self) -> None:
        """A default that does not fit adapts, and nobody is warned."""
        one, one_limits = self.make(), self.limits
        two = self.make()
        self.assertEqual(one_limits.max_connections, 5000)
        self.assertEqual(self.limits.max_connections, 5000)
        self.assertEqual(self.told(one, two), [])
        two.release()
        self.assertEqual(one_limits.max_connections, 10_000)

    def test_given(self) -> None:
        """A limit that is set and does not fit is told: once, until it is another."""
        room = self.make(max_connections=20_000)
        line = (
            "netsvc-fake takes 10000, and not max_connections = 20000: the system"
            " allows no more open files (ulimit -Hn)"
        )
        self.assertEqual(self.told(room), [line])
        room.use(ServiceSettings(max_connections=20_000))
        self.assertEqual(self.told(room), [])
        room.use(ServiceSettings(max_connections=30_000))
        self.assertEqual(len(self.told(room)), 1)
        room.use(ServiceSettings(max_connections=9000))
        self.assertEqual(self.told(room), [])
        self.assertEqual(self.limits.max_connections, 9000)
        room.use(ServiceSettings(max_connections=20_000))
        self.assertEqual(self.told(room), [line])

    def test_other_limits(self) -> None:
        """What else is limited stays when others come and go."""
        room = self.make(max_connections_per_source=1, connection_rate="1/s:5")
        limits = self.limits
        self.assertIsNone(limits.acquire("192.0.2.1", 0.0))
        self.make()
        self.assertEqual(limits.acquire("192.0.2.1", 0.0), "max-connections-per-source")
        self.assertEqual(room.granted, (5000,))
