"""The line frontend's connections, on transports in memory."""

from __future__ import annotations

import socket
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import defer, error
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.line.frontend import LineFrontend
from netsvc.chat.line.options import LineOptions
from netsvc.chat.line.server import LineFactory, LineProtocol
from netsvc.daemon.connections import Connections, Timeouts
from netsvc.daemon.limits import ConnectionLimits, Rate
from tests.chat.line.kit import FakeAccounts, LineChat


class Transport(StringTransport):
    """
    A transport in memory.

    @ivar dataBuffer: What a test says that the peer does not take.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dataBuffer = b""
        self.paused = 0
        self.registered: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Remember the producer."""
        self.registered = producer

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self.registered = None

    def getHandle(self) -> Any:
        """Give the socket, if there is one."""
        return getattr(self, "socket", None)


class ServerTestCase(SynchronousTestCase):
    """A factory, and a clock."""

    def setUp(self) -> None:
        """Make a factory for TCP."""
        self.accounts = FakeAccounts(alice="right")
        self.chat = LineChat(accounts=self.accounts)
        self.make(LineOptions())

    def make(self, options: LineOptions, transport: str = "tcp") -> None:
        """Make a factory."""
        self.clock = Clock()
        self.chat.network.seconds = self.clock.seconds
        self.frontend = LineFrontend(self.chat.network, options)
        self.connections = Connections(
            "netsvc-chat", ConnectionLimits(0), Timeouts(idle=0), self.clock
        )
        self.factory = LineFactory(
            self.connections, transport, self.frontend, self.clock
        )

    def connect(self, transport: Transport | None = None) -> LineProtocol:
        """Connect a client."""
        address = IPv4Address("TCP", "192.0.2.1", 1234)
        protocol: Any = self.factory.buildProtocol(address)
        protocol.makeConnection(transport or Transport())
        return protocol  # type: ignore[no-any-return]

    def read(self, protocol: LineProtocol) -> list[str]:
        """Give the lines that were sent since the last time."""
        data: bytes = protocol.transport.value()
        protocol.transport.clear()
        return data.decode().splitlines()

    def lose(self, protocol: LineProtocol, why: Exception | None = None) -> None:
        """End a connection."""
        protocol.connectionLost(Failure(why or error.ConnectionDone()))


class ConnectionTests(ServerTestCase):
    """One connection after the other."""

    def test_talk(self) -> None:
        """What one client sends, the others get."""
        first, second = self.connect(), self.connect()
        self.assertIn("* guest1 has joined #lobby", self.read(first))
        self.read(second)
        first.dataReceived(b"hi\r\n")
        self.assertEqual(self.read(second), ["<guest1> hi"])
        self.assertEqual(first.received, 4)
        self.lose(first)
        self.assertEqual(self.read(second), ["* guest1 has quit (Connection closed)"])
        self.lose(second, error.ConnectionLost())
        self.assertEqual(self.connections.live, {})
        self.assertEqual(self.chat.hub.state.members, {})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lost(self) -> None:
        """A connection that broke is told as lost."""
        first, second = self.connect(), self.connect()
        self.lose(first, error.ConnectionLost())
        self.assertIn("* guest1 has quit (Connection lost)", self.read(second))

    def test_half_close(self) -> None:
        """Who has sent all is closed when that is answered."""
        first, second = self.connect(), self.connect()
        first.dataReceived(b"hi")
        first.readConnectionLost()
        first.writeConnectionLost()
        self.assertTrue(first.transport.disconnecting)
        self.assertIsNone(first.transport.registered)
        self.assertIn("<guest1> hi", self.read(second))

    def test_quiet(self) -> None:
        """A line without an end is one after a while."""
        first, second = self.connect(), self.connect()
        first.dataReceived(b"hi")
        self.clock.advance(0.3)
        self.assertIn("<guest1> hi", self.read(second))
        first.dataReceived(b"more")
        self.lose(first)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_flood(self) -> None:
        """Who sends too fast is not read for a while."""
        self.make(LineOptions(command_rate=Rate(1, 1)))
        protocol = self.connect()
        protocol.dataReceived(b"a\nb\n")
        self.assertEqual(protocol.transport.producerState, "paused")
        self.assertTrue(protocol.held)
        self.clock.pump([1, 1, 1])
        self.assertEqual(protocol.transport.producerState, "producing")
        self.assertFalse(protocol.held)
        protocol.dataReceived(b"a\nb\nc\n")
        protocol.readConnectionLost()
        self.clock.pump([1, 1, 1, 1])
        self.assertTrue(protocol.transport.disconnecting)
        self.assertEqual(protocol.transport.producerState, "paused")

    def test_send_queue(self) -> None:
        """Who does not read is cut, with the reason to the others."""
        first, second = self.connect(), self.connect()
        first.pauseProducing()
        first.resumeProducing()
        first.pauseProducing()
        first.transport.dataBuffer = b"x" * (2**20 + 1)
        second.dataReceived(b"hi\n")
        self.assertFalse(first.transport.disconnected)
        self.clock.advance(0)
        self.assertTrue(first.transport.disconnected)
        self.lose(first, error.ConnectionAborted())
        self.assertIn("* guest1 has quit (SendQ exceeded)", self.read(second))
        first.stopProducing()

    def test_closed_by_us(self) -> None:
        """Who is closed when the service is drained is told so."""
        first, second = self.connect(), self.connect()
        first.close()
        self.assertEqual(self.read(first)[-1], "! the server ends this connection")
        self.assertIn("* guest1 has quit", self.read(second)[-1])
        self.assertTrue(first.transport.disconnecting)
        first.close()
        self.connections.drain(10)
        self.clock.pump([0.5] * 8)
        self.assertTrue(second.transport.disconnecting)
        self.connections.stop()

    def test_tls(self) -> None:
        """Over TLS the greeting waits for the handshake."""
        self.make(LineOptions(), "tls")
        protocol = self.connect()
        self.assertEqual(self.read(protocol), [])
        protocol.pauseProducing()
        protocol.resumeProducing()
        protocol.handshakeCompleted()
        assert protocol.session is not None
        self.assertTrue(protocol.session.peer.secure)
        self.assertIn("* welcome", self.read(protocol)[0])

    def test_gone_before_the_handshake(self) -> None:
        """Who goes before the handshake is done was never there."""
        self.make(LineOptions(), "tls")
        protocol = self.connect()
        protocol.readConnectionLost()
        self.assertTrue(protocol.transport.disconnecting)
        self.lose(protocol)
        self.assertEqual(self.chat.hub.state.members, {})
        self.assertEqual(self.connections.live, {})


class WorkTests(ServerTestCase):
    """Commands that take time."""

    def setUp(self) -> None:
        """Have a login under way."""
        super().setUp()
        self.cancelled: list[Any] = []
        self.answer: defer.Deferred[None] = defer.Deferred(self.cancelled.append)
        self.accounts.wait = self.answer  # type: ignore[assignment]
        self.protocol = self.connect()
        self.read(self.protocol)
        self.protocol.dataReceived(b"/login alice right\n/who\n")

    def test_done(self) -> None:
        """The input is held until it is done."""
        self.assertTrue(self.protocol.held)
        self.answer.callback(None)
        self.assertFalse(self.protocol.held)
        self.assertIn("* logged in as alice", self.read(self.protocol))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_too_long(self) -> None:
        """What takes too long is given up."""
        self.clock.advance(10)
        self.assertEqual(
            self.read(self.protocol),
            ["! that took too long: try again later", "* in #lobby: @guest1"],
        )
        self.assertFalse(self.protocol.held)

    def test_gone(self) -> None:
        """Nobody waits for the answer to who is gone."""
        self.lose(self.protocol)
        self.assertEqual(len(self.cancelled), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_our_mistake(self) -> None:
        """A mistake of ours is logged, and the user told; the connection goes on."""
        self.answer.errback(ValueError("ours"))
        self.assertIn("something went wrong", self.read(self.protocol)[0])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_worse(self) -> None:
        """So is what is no ordinary exception."""
        self.answer.errback(GeneratorExit())
        self.assertIn("something went wrong", self.read(self.protocol)[0])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class SocketTests(ServerTestCase):
    """What the kernel is told."""

    def prepared(self, options: LineOptions) -> socket.socket:
        """Connect on a transport that has a socket."""
        self.make(options)
        transport: Any = Transport()
        transport.socket = socket.socket()
        self.addCleanup(transport.socket.close)
        self.connect(transport)
        return transport.socket  # type: ignore[no-any-return]

    def test_keepalive(self) -> None:
        """Hosts that are gone are found within the idle timeout."""
        handle = self.prepared(LineOptions(idle_timeout=80))
        tcp = socket.IPPROTO_TCP
        self.assertTrue(handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        self.assertTrue(handle.getsockopt(tcp, socket.TCP_NODELAY))
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            self.assertEqual(handle.getsockopt(tcp, socket.TCP_USER_TIMEOUT), 80_000)
            self.assertEqual(handle.getsockopt(tcp, socket.TCP_KEEPIDLE), 40)
            self.assertEqual(handle.getsockopt(tcp, socket.TCP_KEEPINTVL), 10)

    def test_no_timeout(self) -> None:
        """Without an idle timeout nobody is asked."""
        handle = self.prepared(LineOptions(idle_timeout=0))
        self.assertFalse(handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def test_gone_already(self) -> None:
        """A socket that is closed already is no trouble."""
        transport: Any = Transport()
        transport.socket = socket.socket()
        transport.socket.close()
        self.connect(transport)

    def test_unix(self) -> None:
        """A UNIX socket has nothing of that, and nobody can listen on it."""
        self.make(LineOptions(), "unix")
        protocol = self.connect()
        assert protocol.session is not None
        self.assertTrue(protocol.session.peer.secure)


class HostileTests(ServerTestCase):
    """Whatever strangers send."""

    @given(st.lists(st.binary(max_size=300), max_size=8), st.floats(0, 2))
    def test_anything(self, chunks: list[bytes], pause: float) -> None:
        """No bytes make a mistake of ours, or leave anything behind."""
        self.setUp()
        protocol, other = self.connect(), self.connect()
        for chunk in chunks:
            protocol.dataReceived(chunk)
            self.clock.advance(pause)
        protocol.readConnectionLost()
        self.clock.advance(60)
        self.lose(protocol)
        self.lose(other)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(self.chat.hub.state.members, {})
        self.assertEqual(self.clock.getDelayedCalls(), [])
