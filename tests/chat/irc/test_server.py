"""Tests of L{netsvc.chat.irc.server}, on transports that the test plays."""

from __future__ import annotations

import hashlib
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IOpenSSLClientConnectionCreator,
    IPushProducer,
)
from twisted.internet.protocol import Factory
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import Clock
from twisted.internet.testing import AccumulatingProtocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from netsvc.chat.irc import commands
from netsvc.chat.irc.commands import COMMANDS, Command
from netsvc.chat.irc.config import IrcConfig
from netsvc.chat.irc.frontend import IrcFrontend
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.server import IrcFactory, IrcProtocol
from netsvc.chat.irc.session import IrcSession
from netsvc.daemon.connections import Connections, Timeouts
from netsvc.daemon.limits import ConnectionLimits, Rate
from netsvc.multiplex import fan_out
from tests.chat.irc.kit import Chat
from tests.daemon.service_fakes import Wire, server_tls

PEER = IPv4Address("TCP", "192.0.2.1", 5000)


class ServerCase(SynchronousTestCase):
    """A factory whose time and transports the test plays."""

    def setUp(self) -> None:
        """Make it."""
        self.clock = Clock()
        self.limits = ConnectionLimits(10)
        self.connections = Connections(
            "netsvc-chat", self.limits, Timeouts(0, 10, 10), self.clock
        )
        self.use()

    def use(self, transport: str = "tcp", **settings: Any) -> None:
        """Make the factory, with settings."""
        self.network = Chat().network
        self.network.seconds = self.clock.seconds
        settings.setdefault("command_rate", None)
        self.frontend = IrcFrontend(
            self.network,
            IrcConfig(**settings),
            nonce=lambda: "servernonce",
            fan_out=fan_out,
        )
        self.factory = IrcFactory(
            self.connections, transport, self.frontend, self.clock
        )

    def connect(self, peer: Any = PEER) -> Wire:
        """Make a connection."""
        wire = Wire(self.clock, peer)
        wire.serve(self.factory.buildProtocol(peer))
        return wire

    def client(self, nick: str) -> Wire:
        """Make a connection that is registered."""
        wire = self.connect()
        wire.protocol.dataReceived(f"NICK {nick}\r\nUSER u 0 * :R\r\n".encode())
        self.assertIn(b" 001 ", wire.value())
        wire.clear()
        return wire


class LifeTests(ServerCase):
    """Tests of how connections begin and end."""

    def test_interfaces(self) -> None:
        """A protocol is a producer, and may be closed by halves."""
        protocol = IrcProtocol()
        verifyObject(IPushProducer, protocol)
        verifyObject(IHalfCloseableProtocol, protocol)

    def test_served(self) -> None:
        """What comes is counted and answered; the address is the peer's."""
        wire = self.connect()
        wire.protocol.dataReceived(b"PING x\r\n")
        self.assertIn(b" PONG ", wire.value())
        self.assertEqual(wire.protocol.received, 8)
        self.assertEqual(wire.protocol.session.peer.address, "192.0.2.1")
        self.assertIsNone(self.connect(UNIXAddress("")).protocol.session.peer.address)

    def test_quit(self) -> None:
        """QUIT ends the connection when the good-bye is sent."""
        wire = self.client("ann")
        wire.protocol.dataReceived(b"QUIT\r\nPING x\r\n")
        self.assertTrue(wire.value().startswith(b"ERROR "))
        self.assertTrue(wire.disconnecting)
        self.assertIsNone(wire.producer)
        self.clock.advance(0)
        self.assertEqual((self.limits.live, self.network.hub.state.members), (0, {}))

    def test_lost(self) -> None:
        """A connection that ends makes its user leave, with the sort of end."""
        for reason, said in (
            (None, "Connection closed"),
            (Failure(ConnectionLost()), "Connection lost"),
        ):
            ann, bob = self.client("ann"), self.client("bob")
            for wire in (bob, ann):
                wire.protocol.dataReceived(b"JOIN #x\r\n")
            bob.clear()
            ann.protocol.connectionLost(reason)
            self.assertIn(f" QUIT :{said}\r\n".encode(), bob.value())
            bob.end()

    def test_half_closed(self) -> None:
        """When the client has sent all, it is answered, then closed."""
        wire = self.client("ann")
        wire.protocol.dataReceived(b"PING x\r\n")
        wire.protocol.readConnectionLost()
        wire.protocol.writeConnectionLost()
        self.assertIn(b" PONG ", wire.value())
        self.assertTrue(wire.disconnecting)

    def test_closed_by_the_service(self) -> None:
        """Who is closed by a drain is told so."""
        wire = self.client("ann")
        wire.protocol.close()
        wire.protocol.close()
        self.assertIn(b"ERROR ", wire.value())
        self.assertTrue(wire.disconnecting)

    def test_deadline(self) -> None:
        """Deadlines go by the reactor's clock."""
        wire = self.connect()
        self.clock.advance(30)
        self.frontend.tick()
        self.assertIn(b"(Registration timed out)", wire.value())


class FlowTests(ServerCase):
    """Tests of reading and writing at the pace of both sides."""

    def test_slow_reader(self) -> None:
        """Who does not take what is sent is cut at the cap; others lose nothing."""
        self.use(send_queue=1000)
        ann, bob, cat = (self.client(nick) for nick in ("ann", "bob", "cat"))
        for wire in (ann, bob, cat):
            wire.protocol.dataReceived(b"JOIN #x\r\n")
        for wire in (ann, cat):
            wire.clear()
        bob.producer.pauseProducing()
        bob.fill(b"x" * 1000)
        ann.protocol.dataReceived(b"PRIVMSG #x :one\r\n")
        self.clock.advance(0)
        self.assertEqual(bob.aborted, 0)
        bob.fill(b"x")
        ann.protocol.dataReceived(b"PRIVMSG #x :two\r\n")
        self.clock.advance(0)
        self.assertEqual(bob.aborted, 1)
        heard = cat.value()
        self.assertEqual(heard.count(b"PRIVMSG"), 2)
        self.assertIn(b"QUIT :SendQ exceeded\r\n", heard)

    def test_paused(self) -> None:
        """Who does not take what is sent is not read from meanwhile."""
        wire = self.client("ann")
        wire.producer.pauseProducing()
        self.assertEqual(wire.producerState, "paused")
        self.assertIn(wire.protocol.session, self.frontend.paused)
        wire.producer.resumeProducing()
        self.assertEqual(wire.producerState, "producing")
        self.assertEqual(self.frontend.paused, set())
        wire.producer.stopProducing()

    def test_rate(self) -> None:
        """Who sends too fast is read from later, and loses nothing."""
        self.use(command_rate=Rate(10.0, 20))
        wire = self.client("ann")
        self.clock.advance(10)
        wire.protocol.dataReceived(b"PING x\r\n" * 30)
        self.assertEqual(wire.value().count(b"PONG"), 20)
        self.assertEqual((wire.producerState, wire.protocol.held), ("paused", True))
        wire.producer.resumeProducing()
        self.assertEqual(wire.producerState, "paused")
        for _ in range(11):
            self.clock.advance(0.1)
        self.assertEqual(wire.value().count(b"PONG"), 30)
        self.assertEqual((wire.producerState, wire.protocol.held), ("producing", False))

    def test_lost_while_waiting(self) -> None:
        """What waits for the rate is forgotten with the connection."""
        self.use(command_rate=Rate(10.0, 5))
        wire = self.client("ann")
        wire.protocol.dataReceived(b"PING x\r\n" * 30)
        wire.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class WorkTests(ServerCase):
    """Tests of commands that wait for a Deferred."""

    def setUp(self) -> None:
        """Add one."""
        super().setUp()
        self.waits: list[Deferred[None]] = []

        async def slow(session: IrcSession, message: Message) -> None:
            waiting: Deferred[None] = Deferred()
            self.waits.append(waiting)
            await waiting
            session.note("SLOW", "DONE", text="done")

        async def quick(session: IrcSession, message: Message) -> None:
            session.note("QUICK", "DONE", text="done")

        commands.load()
        for verb, call in (("SLOW", slow), ("QUICK", quick)):
            COMMANDS[verb] = Command(verb, call, 0, True)
            self.addCleanup(COMMANDS.pop, verb)
        self.wire = self.client("ann")

    def told(self) -> list[bytes]:
        """Give the commands of what came since the last look."""
        data = self.wire.value()
        self.wire.clear()
        return [line.split(b" ")[1] for line in data.split(b"\r\n")[:-1]]

    def test_done(self) -> None:
        """The input rests until the work is done, if that is not at once."""
        self.wire.protocol.dataReceived(b"QUICK\r\nSLOW\r\nPING x\r\n")
        self.assertEqual(self.told(), [b"NOTE"])
        self.assertEqual(self.wire.producerState, "paused")
        self.waits[0].callback(None)
        self.assertEqual(self.told(), [b"NOTE", b"PONG"])
        self.assertEqual(self.wire.producerState, "producing")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_too_long(self) -> None:
        """What takes too long is given up."""
        self.wire.protocol.dataReceived(b"SLOW\r\nPING x\r\n")
        self.clock.advance(10)
        self.assertEqual(self.told(), [b"400", b"PONG"])

    def test_lost(self) -> None:
        """What waits when the connection is lost is given up."""
        self.wire.protocol.dataReceived(b"SLOW\r\n")
        self.wire.end()
        self.assertTrue(self.waits[0].called)
        self.assertEqual(self.told(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_mistake(self) -> None:
        """A mistake of ours is logged and answered."""
        self.wire.protocol.dataReceived(b"SLOW\r\n")
        self.waits[0].errback(ZeroDivisionError())
        self.assertEqual(self.told(), [b"400"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_no_exception(self) -> None:
        """So is what is raised and is no mere exception."""
        self.wire.protocol.dataReceived(b"SLOW\r\n")
        self.waits[0].errback(SystemExit(1))
        self.assertEqual(self.told(), [b"400"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class TlsTests(ServerCase):
    """Tests with real TLS in memory."""

    def setUp(self) -> None:
        """Make a server with TLS."""
        super().setUp()
        self.use("tls", sts_duration=60, sts_names=frozenset({"irc.example.net"}))
        self.tls = TLSMemoryBIOFactory(server_tls(), False, self.factory, self.clock)

    def serve(self, options: Any) -> tuple[IrcProtocol, Any, IOPump]:
        """Connect a client with TLS options; give both sides."""
        factory: Any = Factory()
        factory.protocol = AccumulatingProtocol
        factory.protocolConnectionMade = None
        above = TLSMemoryBIOFactory(options, True, factory, self.clock)
        client: Any = above.buildProtocol(PEER)
        server: Any = self.tls.buildProtocol(PEER)
        below, under = FakeTransport(client, False), FakeTransport(server, True)
        server.makeConnection(under)
        client.makeConnection(below)
        pump = IOPump(client, server, below, under, False, self.clock)
        pump.flush()
        return server.wrappedProtocol, client.wrappedProtocol, pump

    def test_certificate(self) -> None:
        """The client's certificate, whoever made it, gives its fingerprint."""
        own = server_tls()
        server, client, pump = self.serve(
            CertificateOptions(privateKey=own.privateKey, certificate=own.certificate)
        )
        assert server.session is not None
        certificate: Any = own.certificate
        der = crypto.dump_certificate(
            crypto.FILETYPE_ASN1, crypto.X509.from_cryptography(certificate)
        )
        self.assertEqual(
            server.session.peer.fingerprint, hashlib.sha256(der).hexdigest()
        )
        client.transport.write(b"PING x\r\n")
        pump.flush()
        self.assertIn(b"PONG", client.data)

    def test_name(self) -> None:
        """Only who connects to a name that is listed is told of STS."""
        for name, sts in (("irc.example.net", True), ("other.example.net", False)):
            server, client, pump = self.serve(_Unchecked(name))
            assert server.session is not None
            self.assertEqual(
                (server.session.peer.sts, server.session.peer.secure), (sts, True)
            )
            client.transport.write(b"CAP LS 302\r\n")
            pump.flush()
            self.assertEqual(b"sts=duration=60" in client.data, sts)

    def test_nothing_before_the_handshake(self) -> None:
        """A connection that ends, or is closed, before is nobody's."""
        for end in ("readConnectionLost", "close", "pauseProducing"):
            protocol = self.factory.buildProtocol(PEER)
            assert isinstance(protocol, IrcProtocol)
            wire = Wire(self.clock, PEER)
            wire.getHandle = lambda: _NoHandle()  # type: ignore[attr-defined]
            wire.serve(protocol)
            protocol.dataReceived(b"x")
            getattr(protocol, end)()
            protocol.resumeProducing()
            wire.end()
        self.assertEqual(self.frontend.sessions, {})


class _NoHandle:
    """A TLS connection that is only begun."""

    def set_verify(self, mode: int, callback: object) -> None:
        """Take it."""


@implementer(IOpenSSLClientConnectionCreator)
class _Unchecked:
    """TLS options of a client that names the server, and does not check it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def clientConnectionForTLS(self, protocol: Any) -> Any:
        """Make the connection."""
        connection = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        connection.set_tlsext_host_name(self._name.encode())
        return connection
