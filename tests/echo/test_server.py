"""Tests of L{netsvc.echo.server}, without TLS."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import MessageLengthError
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.task import Clock
from twisted.internet.testing import FakeDatagramTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netsvc.daemon.connections import Connections, Timeouts
from netsvc.daemon.limits import ConnectionLimits
from netsvc.echo import server as module
from netsvc.echo.guard import Guard
from netsvc.echo.server import SEND_FAILED, Echo, EchoDatagrams, EchoFactory
from tests.daemon.service_fakes import FakePort, Wire

PEER = IPv4Address("TCP", "192.0.2.1", 5000)


class FakeJournal:
    """A journal that keeps what it is given.

    @ivar records: peer, transport and data of each.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.records: list[tuple[str, str, bytes]] = []

    def record(self, peer: str, transport: str, data: bytes) -> bool:
        """Keep a record."""
        self.records.append((peer, transport, data))
        return True


class FakeFlow:
    """A flow of the multiplexer: the producer of its transport.

    @ivar moved: the bytes that it has moved.
    """

    def __init__(self, transport: Any) -> None:
        """Take the place of the protocol."""
        self.moved = 0
        transport.registerProducer(self, True)


class StreamCase(SynchronousTestCase):
    """Stream connections on transports that the test plays."""

    def setUp(self) -> None:
        """Make what watches them."""
        self.clock = Clock()
        self.connections = Connections(
            "netsvc-echo", ConnectionLimits(0), Timeouts(), self.clock
        )
        self.factory = EchoFactory(self.connections, "tcp")

    def use(self, transport: str = "tcp", **options: Any) -> None:
        """Make the factory with options."""
        self.factory = EchoFactory(self.connections, transport, **options)

    def connect(self, peer: Any = PEER) -> Wire:
        """Make a connection."""
        wire = Wire(self.clock, peer)
        wire.serve(self.factory.buildProtocol(peer))
        return wire


class EchoTests(StreamCase):
    """Tests of what comes back."""

    @given(st.lists(st.binary(), max_size=10))
    def test_bytes(self, pieces: list[bytes]) -> None:
        """Whatever comes, in whatever pieces, is sent back byte for byte."""
        wire = self.connect()
        for piece in pieces:
            wire.protocol.dataReceived(piece)
        self.assertEqual(wire.value(), b"".join(pieces))
        self.assertEqual(wire.protocol.received, len(wire.value()))
        wire.end()

    def test_half_close(self) -> None:
        """A client that has sent all gets all, and then the end."""
        wire = self.connect()
        self.assertTrue(verifyObject(IHalfCloseableProtocol, wire.protocol))
        wire.protocol.dataReceived(b"last words")
        wire.fill(wire.value())
        wire.protocol.readConnectionLost()
        self.assertTrue(wire.connected)
        wire.take(10)
        self.assertFalse(wire.connected)
        self.assertEqual((wire.value(), wire.aborted), (b"last words", 0))

    def test_half_close_never_read(self) -> None:
        """A client that has sent all and takes nothing is cut in the end."""
        self.connections.start()
        wire = self.connect()
        wire.fill(b"x")
        wire.protocol.readConnectionLost()
        for _ in range(25):
            self.clock.advance(0.5)
        self.assertFalse(wire.connected)
        self.assertEqual(self.connections.ended, {"close-timeout": 1})

    def test_own_half(self) -> None:
        """That our half is closed is no news."""
        wire = self.connect()
        wire.protocol.writeConnectionLost()
        self.assertTrue(wire.connected)

    def test_greeting(self) -> None:
        """The greeting is sent first."""
        self.use(greeting=b"Hello.\r\n")
        wire = self.connect()
        self.assertEqual(wire.value(), b"Hello.\r\n")
        wire.protocol.dataReceived(b"Hello, Server.")
        self.assertEqual(wire.value(), b"Hello.\r\nHello, Server.")
        self.assertEqual(wire.protocol.received, 14)

    def test_counted(self) -> None:
        """The factory sums up what ended connections have sent."""
        wires = [self.connect(), self.connect()]
        for wire in wires:
            wire.protocol.dataReceived(b"12345")
        self.assertEqual(self.factory.received, 0)
        for wire in wires:
            wire.end()
        self.assertEqual(self.factory.received, 10)
        self.assertEqual(list(self.connections.live), [])

    def test_close_lets_go(self) -> None:
        """A close lets the transport end: with a producer it would not."""
        wire = self.connect()
        self.assertIs(wire.producer, wire.protocol)
        wire.protocol.close()
        self.assertIsNone(wire.producer)
        wire.protocol.close()
        self.clock.advance(0)
        self.assertFalse(wire.connected)


class FlowTests(StreamCase):
    """Tests of connections whose bytes the multiplexer moves."""

    def setUp(self) -> None:
        """Put a flow in place."""
        super().setUp()
        self.asked: list[tuple[Any, Any]] = []
        self.patch(module, "forward", self.forward)

    def forward(self, source: Any, sink: Any) -> FakeFlow:
        """Make a flow."""
        self.asked.append((source, sink))
        return FakeFlow(source)

    def test_flow(self) -> None:
        """A connection is one flow from itself to itself, after the greeting."""
        self.use(greeting=b"Hello.\r\n")
        wire = self.connect()
        self.assertEqual(self.asked, [(wire, wire)])
        self.assertIsInstance(wire.producer, FakeFlow)
        self.assertEqual(wire.value(), b"Hello.\r\n")

    def test_counted(self) -> None:
        """What the flow has moved counts as received."""
        wire = self.connect()
        before = wire.protocol.progress()
        wire.producer.moved = 1000
        self.assertNotEqual(wire.protocol.progress(), before)
        self.assertEqual(wire.protocol.received, 1000)
        wire.producer.moved = 1500
        wire.end()
        self.assertEqual(self.factory.received, 1500)

    def test_close(self) -> None:
        """A close takes the flow's place as producer away, too."""
        wire = self.connect()
        wire.protocol.close()
        self.assertIsNone(wire.producer)
        self.assertTrue(wire.disconnecting)

    def test_journal(self) -> None:
        """With a journal there is no flow: it has to see the bytes."""
        self.use(journal=FakeJournal())
        wire = self.connect()
        self.assertEqual(self.asked, [])
        self.assertIs(wire.producer, wire.protocol)


class PauseTests(StreamCase):
    """Tests of when a connection is not read from."""

    def test_output(self) -> None:
        """While the peer does not take what is sent, nothing more is read."""
        wire = self.connect()
        self.assertTrue(verifyObject(IPushProducer, wire.protocol))
        self.assertTrue(wire.streaming)
        wire.producer.pauseProducing()
        self.assertEqual(wire.producerState, "paused")
        wire.producer.resumeProducing()
        self.assertEqual(wire.producerState, "producing")

    def test_end(self) -> None:
        """That the transport is gone is told by C{connectionLost}."""
        wire = self.connect()
        wire.producer.stopProducing()
        self.assertTrue(wire.connected)

    def test_held_from_the_start(self) -> None:
        """A connection that comes while the disk does not keep up waits, too."""
        self.use(journal=FakeJournal())
        self.factory.held = True
        wire = self.connect()
        self.assertEqual(wire.producerState, "paused")
        wire.protocol.release()
        self.assertEqual(wire.producerState, "producing")

    def test_held(self) -> None:
        """That the disk does not keep up is no silence of the peer's; that the peer
        does not take what is sent is."""
        self.use(journal=FakeJournal())
        wire = self.connect()
        wire.producer.pauseProducing()
        self.assertFalse(wire.protocol.held)
        wire.protocol.hold()
        wire.producer.resumeProducing()
        self.assertTrue(wire.protocol.held)
        wire.protocol.release()
        self.assertFalse(wire.protocol.held)

    @given(st.lists(st.sampled_from(["pause", "resume", "hold", "release"])))
    def test_both_reasons(self, steps: list[str]) -> None:
        """It is read from when neither the peer nor the disk is behind."""
        self.use(journal=FakeJournal())
        wire = self.connect()
        behind = {"output": False, "disk": False}
        for step in steps:
            if step in ("pause", "resume"):
                getattr(wire.protocol, f"{step}Producing")()
                behind["output"] = step == "pause"
            else:
                getattr(wire.protocol, step)()
                behind["disk"] = step == "hold"
            self.assertEqual(wire.producerState == "paused", any(behind.values()))


class JournalTests(StreamCase):
    """Tests of what the journal is told."""

    def test_record(self) -> None:
        """What comes is recorded with its peer and transport, and sent back."""
        journal = FakeJournal()
        self.use("tls", journal=journal)
        wire = self.connect()
        wire.protocol.dataReceived(b"secret")
        self.assertEqual(journal.records, [("192.0.2.1:5000", "tls", b"secret")])
        self.assertEqual(wire.value(), b"secret")

    def test_peers(self) -> None:
        """A peer is shown as is usual; one on a UNIX socket has no name."""
        journal = FakeJournal()
        self.use("unix", journal=journal)
        for peer in (IPv6Address("TCP", "2001:db8::1", 7), UNIXAddress("")):
            self.connect(peer).protocol.dataReceived(b"x")
        self.assertEqual(
            [record[0] for record in journal.records], ["[2001:db8::1]:7", "unix"]
        )


class FailingTransport(FakePort):
    """A UDP port whose writes fail as the test says."""

    outcome: Any = False

    def write(self, datagram: bytes, address: Any) -> bool:
        """Fail."""
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return bool(self.outcome)


class DatagramTests(SynchronousTestCase):
    """Tests of L{EchoDatagrams}."""

    address = ("192.0.2.1", 5000)

    def make(self, transport: Any = None, journal: Any = None) -> EchoDatagrams:
        """Make a protocol on a port."""
        protocol = EchoDatagrams(Guard(None), Clock().seconds, journal)
        protocol.makeConnection(transport or FakeDatagramTransport())
        return protocol

    @given(st.binary())
    def test_bytes(self, data: bytes) -> None:
        """A datagram is sent back byte for byte, the empty one too."""
        protocol = self.make()
        protocol.datagramReceived(data, self.address)
        self.assertEqual(protocol.transport.written, [(data, self.address)])

    def test_largest(self) -> None:
        """The largest datagram that can be comes back whole, in one piece."""
        protocol = self.make()
        protocol.datagramReceived(bytes(65507), self.address)
        self.assertEqual(protocol.transport.written, [(bytes(65507), self.address)])

    def test_same_address(self) -> None:
        """The port gets the very address that it gave: it knows that one."""
        protocol = self.make()
        protocol.datagramReceived(b"x", self.address)
        self.assertIs(protocol.transport.written[0][1], self.address)

    def test_refused(self) -> None:
        """What the guard refuses is not answered and counted by reason."""
        journal = FakeJournal()
        protocol = self.make(journal=journal)
        for port in (7, 53, 1000, 5000):
            protocol.datagramReceived(b"x", ("192.0.2.1", port))
        self.assertEqual(protocol.received, 4)
        self.assertEqual(protocol.refused, {"reflector": 2, "privileged-port": 1})
        self.assertEqual(len(protocol.transport.written), 1)
        self.assertEqual(journal.records, [("192.0.2.1:5000", "udp", b"x")])

    def test_group(self) -> None:
        """What was sent to many hosts at once is not answered, and counted."""
        port: Any = FakePort(None)
        protocol = self.make(port)
        for port.to_group in (True, False, True):
            protocol.datagramReceived(b"x", self.address)
        self.assertEqual(protocol.refused, {"group": 2})
        self.assertEqual(len(port.written), 1)

    def test_send_failed(self) -> None:
        """An answer that the network refuses, in any way, is counted."""
        port = FailingTransport(None)
        protocol = self.make(port)
        for outcome in (False, PermissionError(1, "x"), MessageLengthError()):
            port.outcome = outcome
            protocol.datagramReceived(b"x", self.address)
        self.assertEqual(protocol.refused, {SEND_FAILED: 3})
        port.outcome = True
        protocol.datagramReceived(b"", self.address)
        self.assertEqual(protocol.refused, {SEND_FAILED: 3})

    def test_journal(self) -> None:
        """An IPv6 peer is recorded with its address in brackets."""
        journal = FakeJournal()
        protocol = self.make(journal=journal)
        protocol.datagramReceived(b"x", ("::1", 5000))
        self.assertEqual(journal.records, [("[::1]:5000", "udp", b"x")])

    def test_hold(self) -> None:
        """While the disk does not keep up, what comes is left to the kernel."""
        port = FakePort(None)
        protocol = self.make(port)
        protocol.hold()
        self.assertFalse(port.reading)
        protocol.release()
        self.assertTrue(port.reading)

    def test_hold_unbound(self) -> None:
        """A port that is not bound yet, or not any more, has nothing to hold."""
        protocol = EchoDatagrams(Guard(None), Clock().seconds)
        protocol.hold()
        protocol.release()


class FactoryTests(SynchronousTestCase):
    """Tests of L{EchoFactory}."""

    def test_make(self) -> None:
        """A protocol knows its factory."""
        connections = Connections("s", ConnectionLimits(0), Timeouts(), Clock())
        factory = EchoFactory(connections, "unix")
        self.assertIsInstance(factory.make(), Echo)
        self.assertIs(factory.make().factory, factory)
        self.assertFalse(factory.secure)
        self.assertTrue(EchoFactory(connections, "tls").secure)
