"""Tests of L{netsvc.chat.service}."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat import service as module
from netsvc.chat.service import ChatService
from netsvc.chat.settings import ChatSettings
from netsvc.daemon import listeners as listeners_module
from tests.daemon.service_fakes import FakeMultiplexer


class NameTests(SynchronousTestCase):
    """A chat that has a name of its own."""

    def test_called(self) -> None:
        """It is called by its name in the log, as in the metrics."""
        mux = FakeMultiplexer()
        self.patch(listeners_module, "multiplexed", lambda reactor: mux)
        self.patch(module, "connection_limit", lambda wanted, others: 7)
        service = ChatService(
            ChatSettings(store=Path(":memory:")), MemoryReactorClock()
        )
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
