"""Tests of L{netsvc.echo.server} and of the connections' watch, with real TLS."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import Clock
from twisted.internet.testing import AccumulatingProtocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.test.iosim import FakeTransport, IOPump
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.connections import Connections, Timeouts
from netsvc.daemon.limits import ConnectionLimits
from netsvc.echo.server import EchoFactory
from tests.daemon.service_fakes import server_tls
from tests.echo.test_server import FakeJournal

ADDRESS = IPv4Address("TCP", "192.0.2.1", 5000)


class Lower(FakeTransport):
    """The transport below TLS, which an abort ends at the next turn.

    @ivar aborted: whether it was aborted.
    @ivar paused: whether it is not read from.
    """

    aborted = False
    paused = False

    def __init__(self, protocol: Any, is_server: bool, clock: Clock) -> None:
        """Be connected."""
        super().__init__(protocol, is_server, peerAddress=ADDRESS)
        self._clock = clock

    def bufferReceived(self, buf: Any) -> None:
        """Drop what comes after the end."""
        if not self.disconnected:
            super().bufferReceived(buf)

    def pauseProducing(self) -> None:
        """Remember it."""
        self.paused = True

    def resumeProducing(self) -> None:
        """Remember it."""
        self.paused = False

    def abortConnection(self) -> None:
        """Remember it."""
        super().abortConnection()
        if not self.aborted:
            self.aborted = self.disconnected = True
            self._clock.callLater(0, self.reportDisconnect)


class Pair:
    """A client and the echo, each below its own TLS.

    @ivar client: the client's protocol, above its TLS.
    @ivar hello: what the client's TLS has sent first.
    """

    def __init__(self, factory: TLSMemoryBIOFactory, clock: Clock) -> None:
        """Connect, without moving a byte yet."""
        client: Any = Factory()
        client.protocol = AccumulatingProtocol
        client.protocolConnectionMade = None
        above = TLSMemoryBIOFactory(CertificateOptions(), True, client, clock)
        self.client_side = above.buildProtocol(ADDRESS)
        self.server_side = factory.buildProtocol(ADDRESS)
        assert self.client_side is not None
        assert self.server_side is not None
        self.client_io = Lower(self.client_side, False, clock)
        self.server_io = Lower(self.server_side, True, clock)
        self.server_side.makeConnection(self.server_io)
        self.client_side.makeConnection(self.client_io)
        self.client: Any = self.client_side.wrappedProtocol
        self.pump = IOPump(
            self.client_side,
            self.server_side,
            self.client_io,
            self.server_io,
            False,
            clock,
        )


class TLSCase(SynchronousTestCase):
    """An echo behind TLS in memory."""

    def setUp(self) -> None:
        """Make it."""
        self.clock = Clock()
        self.limits = ConnectionLimits(2)
        self.connections = Connections(
            "netsvc-echo", self.limits, Timeouts(300, 10, 10), self.clock
        )
        self.connections.start()
        self.echo = EchoFactory(self.connections, "tls", b"Hello.\r\n")
        self.tls = TLSMemoryBIOFactory(server_tls(), False, self.echo, self.clock)

    def connect(self) -> Pair:
        """Make a connection whose handshake is done."""
        pair = Pair(self.tls, self.clock)
        pair.pump.flush()
        return pair

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / 0.25)):
            self.clock.advance(0.25)


class EchoTests(TLSCase):
    """Tests of what comes back through TLS."""

    def test_bytes(self) -> None:
        """The greeting comes first, and then what was sent."""
        pair = self.connect()
        self.assertEqual(pair.client.data, b"Hello.\r\n")
        data = bytes(range(256)) * 300
        pair.client.transport.write(data)
        pair.pump.flush()
        self.assertEqual(pair.client.data, b"Hello.\r\n" + data)

    def test_close_notify(self) -> None:
        """A client that ends TLS right after its last words gets them, and then
        the end of TLS."""
        pair = self.connect()
        pair.client.transport.write(b"last words")
        pair.client.transport.loseConnection()
        pair.pump.flush()
        self.assertEqual(pair.client.data, b"Hello.\r\nlast words")
        self.assertTrue(pair.client.closed)
        self.assertFalse(pair.server_io.aborted)
        self.assertEqual((len(self.connections.live), self.limits.live), (0, 0))
        self.assertEqual(self.echo.received, 10)

    def test_close_notify_while_stalled(self) -> None:
        """A client that ends TLS before it has taken all gets the end after that:
        the echo closes when it would read again."""
        pair = self.connect()
        producer: Any = pair.server_io.producer
        producer.pauseProducing()
        pair.server_io.disconnecting = True
        producer.resumeProducing()
        self.assertIsNone(pair.server_io.producer)
        pair.pump.flush()
        self.assertEqual(len(self.connections.live), 0)

    def test_close(self) -> None:
        """An idle client is sent the end of TLS, and is not cut."""
        pair = self.connect()
        self.wait(301)
        pair.pump.flush()
        self.assertTrue(pair.client.closed)
        pair.client.closedReason.trap(ConnectionDone)
        self.assertFalse(pair.server_io.aborted)
        self.assertEqual(self.connections.ended, {"idle-timeout": 1})

    def test_drain(self) -> None:
        """A quiet client is sent the end of TLS by a drain, and is not cut."""
        pair = self.connect()
        drained = self.connections.drain(30)
        self.wait(2)
        pair.pump.flush()
        self.successResultOf(drained)
        self.assertFalse(pair.server_io.aborted)
        self.assertEqual(self.connections.ended, {})

    def test_unanswered_close(self) -> None:
        """A client that does not answer the end of TLS is cut."""
        pair = self.connect()
        drained = self.connections.drain(30)
        self.wait(2)
        self.assertFalse(pair.server_io.aborted)
        self.wait(11)
        self.assertTrue(pair.server_io.aborted)
        self.assertEqual(self.connections.ended, {"close-timeout": 1})
        self.successResultOf(drained)


class HandshakeTests(TLSCase):
    """Tests of clients that do not get through their handshake."""

    def test_done(self) -> None:
        """A handshake that is done has no deadline any more."""
        pair = self.connect()
        self.wait(100)
        self.assertFalse(pair.server_io.disconnecting)

    def test_silent(self) -> None:
        """A client that says nothing is cut after 10 seconds."""
        pair = Pair(self.tls, self.clock)
        self.wait(9.5)
        self.assertFalse(pair.server_io.aborted)
        self.wait(1)
        self.assertTrue(pair.server_io.aborted)
        self.assertEqual(self.connections.ended, {"handshake-timeout": 1})

    def test_trickled(self) -> None:
        """A client that sends its first message byte by byte is cut as soon."""
        pair = Pair(self.tls, self.clock)
        hello = pair.client_io.getOutBuffer()
        assert isinstance(hello, bytes)
        self.assertGreater(len(hello), 100)
        sent = 0
        while not pair.server_io.aborted and sent < len(hello):
            pair.server_io.bufferReceived(hello[sent : sent + 1])
            sent += 1
            self.clock.advance(0.25)
        self.assertEqual(sent, 10 / 0.25)
        self.assertEqual(self.connections.ended, {"handshake-timeout": 1})

    def test_garbage(self) -> None:
        """A client that does not speak TLS is disconnected without a traceback."""
        pair = Pair(self.tls, self.clock)
        pair.server_side.dataReceived(b"GET / HTTP/1.0\r\n\r\n")
        self.assertTrue(pair.server_io.disconnecting)
        pair.server_io.reportDisconnect()
        self.assertEqual((len(self.connections.live), self.limits.live), (0, 0))


class HeldTests(TLSCase):
    """Tests of clients that come while the disk does not keep up."""

    def setUp(self) -> None:
        """Have a journal, which does not keep up."""
        super().setUp()
        journal: Any = FakeJournal()
        self.echo = EchoFactory(self.connections, "tls", b"Hello.\r\n", journal)
        self.echo.held = True
        self.tls = TLSMemoryBIOFactory(server_tls(), False, self.echo, self.clock)

    def live(self) -> Any:
        """Give the one connection."""
        (connection,) = self.connections.live
        return connection

    def test_from_the_start(self) -> None:
        """Its handshake is completed, it gets the greeting, what it sends is read
        when the disk has caught up, and no timeout ends it until then."""
        pair = self.connect()
        self.assertEqual(pair.client.data, b"Hello.\r\n")
        self.assertTrue(pair.server_io.paused)
        self.wait(400)
        self.assertEqual(self.connections.ended, {})
        self.live().release()
        self.assertFalse(pair.server_io.paused)
        pair.client.transport.write(b"hello")
        pair.pump.flush()
        self.assertEqual(pair.client.data, b"Hello.\r\nhello")

    def test_in_its_handshake(self) -> None:
        """The same holds for one that is in its handshake when the disk falls back,
        and one whose handshake lasts until it has caught up is served as ever."""
        for catches_up in (False, True):
            self.echo.held = False
            pair = Pair(self.tls, self.clock)
            self.live().hold()
            if catches_up:
                self.live().release()
            pair.pump.flush()
            self.assertEqual(pair.client.data, b"Hello.\r\n")
            self.assertEqual(pair.server_io.paused, not catches_up)
            self.live().release()
            pair.client.transport.write(b"hello")
            pair.pump.flush()
            self.assertEqual(pair.client.data, b"Hello.\r\nhello")
            pair.client.transport.loseConnection()
            pair.pump.flush()

    def test_silent(self) -> None:
        """One that does not get through its handshake is cut as ever."""
        pair = Pair(self.tls, self.clock)
        self.wait(11)
        self.assertTrue(pair.server_io.aborted)
        self.assertEqual(self.connections.ended, {"handshake-timeout": 1})


class RefuseTests(TLSCase):
    """Tests of clients that are not admitted."""

    def test_refused(self) -> None:
        """Beyond the limit a client is cut before TLS says anything."""
        admitted = [self.connect(), self.connect()]
        pair = Pair(self.tls, self.clock)
        self.assertTrue(pair.server_io.aborted)
        self.assertEqual(self.limits.refused, {"max-connections": 1})
        pair.pump.flush()
        self.assertEqual(pair.client.data, b"")
        self.assertEqual(len(self.connections.live), 2)
        admitted[0].client.transport.loseConnection()
        admitted[0].pump.flush()
        self.assertEqual(self.connect().client.data, b"Hello.\r\n")
