"""Tests of the multiplexer's TCP transports with real sockets on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import ClientFactory, Factory
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from netsvc.multiplex import Multiplexer, forward, join
from netsvc.multiplex.stream import ClientConnection, ServerConnection
from tests.multiplex.fakes import HalfRecorder, MultiplexTestCase, Recorder, receive

#: Seconds that something which must happen may take.
PATIENCE = 60.0


class TCPTestCase(MultiplexTestCase):
    """A test with real TCP sockets and a reactor that is turned by hand."""

    def until(self, condition: Callable[[], object]) -> None:
        """Turn the reactor until something is true."""
        end = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end, "it takes too long")
            self.reactor.settle()

    def listen(self, build: Callable[[], Any], interface: str = "127.0.0.1") -> Any:
        """Return a port of the multiplexer."""
        factory: Any = Factory()
        factory.noisy = False
        factory.buildProtocol = lambda addr: build()
        port = self.mux.listenTCP(0, factory, interface=interface)
        self.addCleanup(self.stop, port)
        return port

    def stop(self, port: Any) -> None:
        """Stop a port."""
        port.stopListening()
        self.reactor.settle()

    def client(self, port: Any) -> socket.socket:
        """Return a connected socket."""
        address = port.getHost()
        client = socket.create_connection((address.host, address.port), PATIENCE)
        client.setblocking(False)
        self.addCleanup(client.close)
        return client

    def serve(self, protocol: Any) -> tuple[Any, Any]:
        """Return the transport of a protocol that is connected, and its client."""
        port = self.listen(lambda: protocol)
        client = self.client(port)
        self.until(lambda: protocol.connected)
        self._transports.append(protocol.transport)
        return protocol.transport, client


class HangUpTests(TCPTestCase):
    """Tests of the end of a TCP connection whose data have not been read."""

    def test_while_paused(self) -> None:
        """Nothing is cut off if both sides have ended while reading is paused."""
        protocol = HalfRecorder()
        transport, client = self.serve(protocol)
        transport.pauseProducing()
        data = bytes(range(256)) * 200
        self.assertEqual(client.send(data), len(data))
        transport.loseWriteConnection()
        self.until(lambda: protocol.halves == ["write"])
        client.shutdown(socket.SHUT_WR)
        # Now the kernel reports a hang-up, whether it is asked to or not.
        poll = select.poll()
        poll.register(transport.fileno(), 0)
        self.until(lambda: poll.poll(0))
        self.assertEqual(self.reactor.settle(), 0)
        self.assertIsNone(protocol.reason)
        transport.resumeProducing()
        self.until(lambda: protocol.halves == ["write", "read"])
        self.assertEqual(protocol.data, data)

    def test_reset(self) -> None:
        """A connection that is reset is lost, not done."""
        protocol = Recorder()
        transport, client = self.serve(protocol)
        transport.write(b"unread")
        self.until(lambda: select.select([client], [], [], 0)[0])
        client.close()
        self.until(lambda: protocol.reason)
        assert protocol.reason is not None
        self.assertTrue(protocol.reason.check(ConnectionLost))

    def test_abort_resets(self) -> None:
        """An aborted connection is reset: the peer sees an error and no end."""
        protocol = Recorder()
        transport, client = self.serve(protocol)
        transport.abortConnection()
        self.until(lambda: protocol.reason)
        self.until(lambda: select.select([client], [], [], 0)[0])
        self.assertRaises(ConnectionResetError, client.recv, 1)


class ClientTests(TCPTestCase):
    """Tests of the client's end."""

    def dial(self, port: Any, protocol: Any) -> Any:
        """Return a connector to a port."""
        factory: Any = ClientFactory()
        factory.noisy = False
        factory.buildProtocol = lambda addr: protocol
        connector = self.mux.connectTCP("127.0.0.1", port.getHost().port, factory)
        self.addCleanup(self.reactor.settle)
        self.addCleanup(connector.disconnect)
        return connector

    def test_connect(self) -> None:
        """A client speaks first, and is answered."""
        server, client = Recorder(), Recorder()
        server.on_data = lambda data: server.transport.write(data.upper())
        port = self.listen(lambda: server)
        self.dial(port, client)
        self.until(lambda: client.connected)
        self.assertIsInstance(client.transport, ClientConnection)
        client.transport.write(b"hello")
        self.until(lambda: client.data == b"HELLO")
        self.assertEqual(client.transport.getHost(), server.transport.getPeer())
        self.assertEqual(client.transport.getPeer(), server.transport.getHost())
        for transport in (client.transport, server.transport):
            self.assertTrue(transport.getTcpNoDelay())
            transport.setTcpKeepAlive(True)
            self.assertTrue(transport.getTcpKeepAlive())
        client.transport.loseConnection()
        self.until(lambda: server.reason and client.reason)

    def test_server_speaks_first(self) -> None:
        """What comes with the connection is not missed."""

        class Greeter(Recorder):
            """Greets and ends."""

            def connectionMade(self) -> None:
                """Do so."""
                self.transport.write(b"hello")
                self.transport.loseConnection()

        client = Recorder()
        port = self.listen(Greeter)
        self.dial(port, client)
        self.until(lambda: client.reason)
        self.assertEqual(client.data, b"hello")
        assert client.reason is not None
        self.assertTrue(client.reason.check(ConnectionDone))

    def test_faulty_protocol(self) -> None:
        """A flow ends even if the client's protocol cannot bear its end."""
        client: Any = HalfRecorder()
        port = self.listen(HalfRecorder)
        self.dial(port, client)
        self.until(lambda: client.connected)
        protocol, sink, _ = self.connect()
        forward(client.transport, sink)

        def fault(reason: Any) -> None:
            raise ValueError("in connectionLost")

        client.connectionLost = fault
        client.transport.abortConnection()
        self.assertRaises(ValueError, self.reactor.settle)
        self.until(lambda: protocol.reason)
        self.assertTrue(protocol.reason.check(ConnectionAborted))


class JoinTests(TCPTestCase):
    """Tests of joined TCP connections."""

    def relay(self) -> tuple[socket.socket, socket.socket]:
        """Return two sockets with a relay between them."""
        near, far = HalfRecorder(), HalfRecorder()
        a_transport, a = self.serve(near)
        b_transport, b = self.serve(far)
        self.assertIsNotNone(join(a_transport, b_transport))
        return a, b

    def carry(self, a: socket.socket, b: socket.socket, data: bytes) -> bytes:
        """Send all of C{data} from one to the other; return what arrives."""
        view, received = memoryview(data), b""
        while len(received) < len(data):
            with contextlib.suppress(BlockingIOError):
                view = view[a.send(view[:300_000]) :]
            self.reactor.settle()
            received += receive(b)
        return received

    def test_bulk_and_late_answer(self) -> None:
        """Megabytes go one way, an end, and then megabytes the other way."""
        a, b = self.relay()
        question = hashlib.sha256(b"question").digest() * 100_000
        answer = hashlib.sha256(b"answer").digest() * 100_000
        self.assertEqual(self.carry(a, b, question), question)
        a.shutdown(socket.SHUT_WR)
        self.until(lambda: select.select([b], [], [], 0)[0])
        self.assertEqual(b.recv(1), b"")
        self.assertEqual(self.carry(b, a, answer), answer)
        b.close()
        self.until(lambda: select.select([a], [], [], 0)[0])
        self.assertEqual(a.recv(1), b"")

    def test_reset_is_passed_on(self) -> None:
        """A reset on one side is a reset on the other."""
        a, b = self.relay()
        linger = b"\x01\0\0\0\0\0\0\0"
        a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        a.close()
        self.until(lambda: select.select([b], [], [], 0)[0])
        self.assertRaises(ConnectionResetError, b.recv, 1)


class Echo(Recorder):
    """Echoes, on whatever transport."""

    def dataReceived(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)


class EndpointTests(TestCase):
    """Tests of C{mux:} in endpoint strings, under the running reactor."""

    async def check(self, server: str, client: str) -> None:
        """Listen and connect as two strings say, and see that all is ours."""
        from twisted.internet import reactor
        from twisted.internet.defer import Deferred

        served: list[Any] = []

        def build(addr: Any) -> Any:
            served.append(Echo())
            return served[-1]

        factory: Any = Factory()
        factory.noisy = False
        factory.buildProtocol = build
        port = await serverFromString(reactor, server).listen(factory)
        self.assertTrue(verifyObject(IListeningPort, port))
        self.assertIsInstance(port.reactor, Multiplexer)
        answered: Deferred[None] = Deferred()
        lost: Deferred[None] = Deferred()

        class Client(Recorder):
            """Tells when it is answered and when it is lost."""

            def dataReceived(self, data: bytes) -> None:
                """Fire when all has come."""
                super().dataReceived(data)
                if self.data == b"hello":
                    answered.callback(None)

            def connectionLost(self, reason: Any = None) -> None:
                """Fire."""
                lost.callback(None)

        endpoint = clientFromString(
            reactor, client.replace("PORT", str(port.getHost().port))
        )
        connected: Any = await endpoint.connect(Factory.forProtocol(Client))
        self.assertIsInstance(connected.transport, ClientConnection)
        connected.transport.write(b"hello")
        await answered
        self.assertIsInstance(served[0].transport, ServerConnection)
        here, there = connected.transport.getHost(), served[0].transport.getPeer()
        self.assertEqual(here.port, there.port)
        served[0].transport.loseConnection()
        await lost
        await port.stopListening()

    async def test_ipv4(self) -> None:
        """Both ends, with addresses of the old kind."""
        await self.check("mux:0:interface=127.0.0.1", "mux:127.0.0.1:PORT:timeout=60")

    async def test_ipv6(self) -> None:
        """Both ends, with addresses of the new kind."""
        await self.check(
            r"mux:0:interface=\:\:1:backlog=10", r"mux:\:\:1:PORT:bindAddress=\:\:1"
        )

    async def test_name(self) -> None:
        """A client may be given a name, whose addresses are tried."""
        await self.check("mux:0:interface=127.0.0.1", "mux:localhost:PORT")

    async def test_dual_stack(self) -> None:
        """A port on all IPv6 addresses takes IPv4 connections, too."""
        await self.check(r"mux:0:interface=\:\:", "mux:127.0.0.1:PORT")

    async def test_refused(self) -> None:
        """A port on which nobody listens refuses."""
        from twisted.internet import reactor
        from twisted.internet.error import ConnectionRefusedError

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            endpoint = clientFromString(
                reactor, f"mux:127.0.0.1:{taken.getsockname()[1]}"
            )
            with self.assertRaises(ConnectionRefusedError):
                await endpoint.connect(Factory.forProtocol(Echo))
