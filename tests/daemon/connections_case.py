"""Connections whose time and transports the test plays."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.connections import (
    Connections,
    ServiceFactory,
    ServiceProtocol,
    Timeouts,
)
from netsvc.daemon.limits import ConnectionLimits
from tests.daemon.service_fakes import Wire

#: Where clients are, in the tests.
HOST = "192.0.2.1"


class Counting(ServiceProtocol):
    """A protocol that counts what comes, as every service's does."""

    def dataReceived(self, data: bytes) -> None:
        """Count."""
        self.received += len(data)


class CountingFactory(ServiceFactory):
    """Makes L{Counting}, unless it is told to fail."""

    failure: Exception | None = None

    def make(self) -> ServiceProtocol:
        """Make a protocol, or fail."""
        if self.failure is not None:
            raise self.failure
        return Counting()


class ConnectionsCase(SynchronousTestCase):
    """Connections whose time and transports the test plays."""

    limits = ConnectionLimits(100)

    def setUp(self) -> None:
        """Make them, and start to sweep."""
        self.clock = Clock()
        self.events = self.enterContext(capturedLogs())
        self.watch(ConnectionLimits(100))

    def watch(self, limits: ConnectionLimits, **timeouts: float) -> None:
        """Begin anew with other limits and timeouts."""
        self.limits = limits
        self.connections = Connections(
            "netsvc-sample", limits, Timeouts(**timeouts), self.clock
        )
        self.connections.start()

    def ask(self, host: str | None = HOST, transport: str = "tcp") -> Any:
        """Ask for a protocol for a new connection."""
        address = UNIXAddress("") if host is None else IPv4Address("TCP", host, 5000)
        factory = CountingFactory(self.connections, transport)
        return factory.buildProtocol(address)

    def connect(self, host: str | None = HOST, transport: str = "tcp") -> Wire:
        """Make a connection."""
        wire = Wire(self.clock)
        wire.serve(self.ask(host, transport))
        return wire

    def wait(self, seconds: float, step: float = 0.05) -> None:
        """Let time pass."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)

    def ended(self) -> dict[str, int]:
        """Give what was ended, by reason."""
        return dict(self.connections.ended)
