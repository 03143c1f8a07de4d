"""Tests of L{netsvc.dns.forwarder.datagrams}."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import MessageLengthError

from netsvc.daemon.limits import Rate
from netsvc.dns.codes import REFUSED, TC
from netsvc.dns.forwarder.datagrams import ForwarderDatagrams
from netsvc.dns.names import from_text
from netsvc.dns.wire import parse
from tests.dns.forwarder.case import CLIENT, ForwarderCase, address, query

PEER = (CLIENT, 5000)
LOCALHOST = query(from_text("localhost"))


class Port:
    """
    A port of Twisted's.

    @ivar written: The datagrams that were sent, with their destinations.
    @ivar trouble: What it raises instead.
    """

    def __init__(self) -> None:
        self.written: list[tuple[bytes, Any]] = []
        self.trouble: Exception | None = None

    def write(self, data: bytes, to: Any) -> None:
        """Send."""
        if self.trouble is not None:
            raise self.trouble
        self.written.append((data, to))


class MultiplexedPort(Port):
    """A port of the multiplexer's."""

    to_group = False
    kernel_drops = 3

    def origin(self) -> str:
        """Say where the datagram came from that is being dispatched."""
        return "origin"

    def answer(self, data: bytes, origin: str) -> bool:
        """Answer it."""
        self.written.append((data, origin))
        return self.trouble is None


class DatagramTests(ForwarderCase):
    """A UDP port."""

    port: Any

    def setUp(self) -> None:
        super().setUp()
        self.use(MultiplexedPort())

    def use(self, port: Port) -> None:
        """Have a port."""
        self.port = port
        self.protocol = ForwarderDatagrams(self.forwarder)
        self.protocol.transport = port

    def receive(self, data: bytes, peer: tuple[str, int] = PEER) -> None:
        """Let a datagram come."""
        self.protocol.datagramReceived(data, peer)

    def test_cached(self) -> None:
        """What is in the cache is sent at once to who has asked."""
        self.receive(query())
        self.upstream.answer(address())
        self.receive(query())
        self.assertEqual([to for _, to in self.port.written], ["origin", PEER])
        self.assertEqual(self.port.written[0][0], self.port.written[1][0])
        self.assertEqual(self.cache.counts["misses"], 1)

    def test_plain_port(self) -> None:
        """A port of Twisted's own will do."""
        self.use(Port())
        self.receive(query())
        self.upstream.answer(address())
        self.assertEqual(self.port.written[0][1], PEER)

    def test_closed(self) -> None:
        """An answer that comes when the port is closed is dropped."""
        for port in (Port(), MultiplexedPort()):
            self.use(port)
            self.receive(query(from_text(type(port).__name__)))
            self.protocol.transport = None
            self.upstream.answer()
            self.assertEqual(self.protocol.failed, 1)

    def test_not_sent(self) -> None:
        """What the network refuses to take is counted."""
        for trouble in (OSError(), MessageLengthError()):
            self.use(Port())
            self.port.trouble = trouble
            self.receive(LOCALHOST)
            self.assertEqual(self.protocol.failed, 1)

    def test_prohibited(self) -> None:
        """Others than those we serve are refused."""
        self.receive(LOCALHOST, ("8.8.8.8", 5000))
        ((reply, to),) = self.port.written
        self.assertEqual((parse(reply).rcode, to), (REFUSED, ("8.8.8.8", 5000)))

    def test_garbage(self) -> None:
        """What is no query gets no answer."""
        for data in (b"", b"hello", bytes(11), query(flags=0x8000)):
            self.receive(data)
        self.assertEqual(self.port.written, [])

    def test_reflectors(self) -> None:
        """A service that would answer our answer gets none, nor does a group."""
        self.receive(LOCALHOST, (CLIENT, 7))
        self.port.to_group = True
        self.receive(LOCALHOST)
        self.assertEqual(self.port.written, [])

    def test_tally(self) -> None:
        """What the kernel has dropped is counted, where it is asked."""
        self.protocol.tally()
        self.assertEqual(self.protocol.dropped, 3)
        self.use(Port())
        self.protocol.tally()
        self.assertEqual((self.protocol.dropped, self.protocol.received), (0, 0))


class RateTests(DatagramTests):
    """A UDP port with a rate that none of the other tests reaches."""

    rate = Rate(1, 4)

    def test_rate(self) -> None:
        """What is above the rate is dropped, or told to use TCP."""
        for _ in range(6):
            self.receive(LOCALHOST)
        flags = [parse(data).flags & TC for data, _ in self.port.written]
        self.assertEqual(flags, [0, 0, 0, 0, TC])
        self.receive(LOCALHOST, ("192.168.1.10", 5000))
        self.assertEqual(len(self.port.written), 6)
