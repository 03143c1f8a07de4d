"""A connection to the forwarder."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener
from twisted.python.failure import Failure

from netsvc.daemon.connections import Connections, Timeouts
from netsvc.daemon.limits import ConnectionLimits
from netsvc.dns.forwarder.streams import ForwarderFactory
from tests.daemon.service_fakes import Wire
from tests.dns.forwarder.case import CLIENT, ForwarderCase

GONE = Failure(ConnectionDone())


class StreamCase(ForwarderCase):
    """A connection, and what is sent over it."""

    factory_class: type[ForwarderFactory] = ForwarderFactory
    transport = "tcp"

    def setUp(self) -> None:
        super().setUp()
        self.connections = Connections(
            "netsvc-dns", ConnectionLimits(10), Timeouts(), self.clock
        )
        self.factory = self.factory_class(
            self.connections, self.transport, self.forwarder
        )
        self.connect()

    def connect(self, host: str = CLIENT) -> None:
        """Have a new connection."""
        peer = IPv4Address("TCP", host, 5000)
        protocol: Any = self.factory.buildProtocol(peer)
        self.protocol = protocol
        self.wire = Wire(self.clock, peer)
        self.wire.serve(protocol)
        if self.transport == "tls":
            assert IHandshakeListener.providedBy(protocol)

    def taken(self) -> bytes:
        """Give what was sent since the last time."""
        data: bytes = self.wire.value()
        self.wire.clear()
        return data
