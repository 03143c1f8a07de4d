"""Tests of L{netsvc.chat.service}."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.rooms import Room
from netsvc.chat.service import ChatService
from netsvc.chat.settings import ChatSettings
from netsvc.daemon import descriptors
from netsvc.daemon import listeners as listeners_module
from tests.daemon.service_fakes import FakeMultiplexer


class NameTests(SynchronousTestCase):
    """A chat that has a name of its own."""

    def test_called(self) -> None:
        """It is called by its name in the log, as in the metrics."""
        mux = FakeMultiplexer()
        self.patch(listeners_module, "multiplexed", lambda reactor: mux)
        self.patch(descriptors, "system_limit", lambda needed: 0)
        settings = ChatSettings(store=Path(":memory:"), max_connections=7)
        service = ChatService(settings, MemoryReactorClock())
        for each in ("open", "start", "stop"):
            self.patch(service.host, each, lambda: None)
        service.setName("chat.office")
        with capturedLogs() as logged:
            service.startService()
            service.host._degraded("full")
            service.host._recovered()
            self.successResultOf(service.stopService())
        called = [each["service"] for each in logged if "service" in each]
        # Two listeners, too few descriptors, the store, the end.
        self.assertEqual(called, ["netsvc-chat/office"] * 6)
        self.assertEqual(service.connections.service, "netsvc-chat/office")


class HostTests(SynchronousTestCase):
    """What the host of a hub wires together."""

    def test_archive(self) -> None:
        """What is known of the history of a room with people in it is kept."""
        settings = ChatSettings(store=Path(":memory:"))
        host = ChatService(settings, MemoryReactorClock()).host
        rooms = host.network.hub.state.rooms
        self.assertFalse(host._archive.alive("#a"))
        rooms["#a"] = Room("#a", 0)
        self.assertTrue(host._archive.alive("#a"))
