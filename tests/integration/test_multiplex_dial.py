"""Tests of L{netsvc.multiplex.dial} with real sockets on loopback."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.error import ConnectError, ConnectionRefusedError, UserError
from twisted.internet.interfaces import IReadWriteDescriptor, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netsvc.multiplex import reactor as reactor_module
from netsvc.multiplex.dial import dial
from tests.integration.test_multiplex_tcp import TCPTestCase
from tests.multiplex.fakes import Recorder


class DialTests(TCPTestCase):
    """Tests of attempts through the multiplexer."""

    def setUp(self) -> None:
        """Begin with no failure."""
        super().setUp()
        self.failures: list[Exception] = []

    def dial(self, host: str, port: int) -> tuple[Any, Recorder]:
        """Return an attempt, and the protocol that it is for."""
        protocol = Recorder()
        attempt = dial(self.mux, host, port, protocol, self.failures.append)
        self.addCleanup(self.reactor.settle)
        self.addCleanup(attempt.cancel)
        self.addCleanup(self.drop, protocol)
        return attempt, protocol

    def drop(self, protocol: Recorder) -> None:
        """End a connection, if there is one."""
        if protocol.connected:
            protocol.transport.abortConnection()

    def unused(self, host: str = "127.0.0.1") -> int:
        """Return a port on which nobody listens."""
        taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        taken.bind((host, 0))
        self.addCleanup(taken.close)
        return int(taken.getsockname()[1])

    def check(self, host: str) -> None:
        """Connect to an address, and be connected."""
        server = Recorder()
        port = self.listen(lambda: server, interface=host)
        attempt, client = self.dial(host, port.getHost().port)
        self.until(lambda: client.connected)
        transport = client.transport
        self.assertTrue(verifyObject(ITCPTransport, transport))
        self.assertEqual(transport.getPeer(), port.getHost())
        self.assertTrue(transport.getTcpNoDelay())
        transport.write(b"hello")
        self.until(lambda: server.data == b"hello")
        transport.pauseProducing()
        server.transport.write(b"answer")
        transport.resumeProducing()
        self.until(lambda: client.data == b"answer")
        attempt.cancel()  # too late: nothing happens
        self.assertTrue(client.connected)
        server.transport.loseConnection()
        self.until(lambda: client.reason)
        self.assertEqual(self.failures, [])

    def test_ipv4(self) -> None:
        """A protocol is connected to an IPv4 address."""
        self.check("127.0.0.1")

    def test_ipv6(self) -> None:
        """A protocol is connected to an IPv6 address."""
        self.check("::1")

    def in_a_batch(self, host: str, port: int) -> tuple[Any, Recorder]:
        """Begin an attempt while events are dispatched, and end the batch."""
        self.mux.dispatching = True
        try:
            attempt, client = self.dial(host, port)
            self.assertFalse(client.connected, "not before dial has returned")
            self.mux._write_late()
        finally:
            self.mux.dispatching = False
        return attempt, client

    def test_at_once(self) -> None:
        """On the same machine there is a connection at the end of the batch."""
        server = Recorder()
        port = self.listen(lambda: server, interface="127.0.0.1")
        _, client = self.in_a_batch("127.0.0.1", port.getHost().port)
        self.assertTrue(client.connected)
        client.transport.write(b"hello")
        self.until(lambda: server.data == b"hello")
        server.transport.loseConnection()
        self.until(lambda: client.reason)

    def test_not_at_once(self) -> None:
        """Elsewhere it is waited for: here the other side takes no one more."""
        full = socket.socket()
        self.addCleanup(full.close)
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            filler = socket.socket()
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        attempt, client = self.in_a_batch(*full.getsockname())
        self.assertFalse(client.connected)
        self.assertIn(attempt, self.mux.getWriters())
        attempt.cancel()
        self.assertEqual((self.mux.getWriters(), self.failures), ([], []))

    def test_cancelled_in_a_batch(self) -> None:
        """What was given up by the end of the batch is not connected."""
        server = Recorder()
        port = self.listen(lambda: server, interface="127.0.0.1")
        self.mux.dispatching = True
        attempt, client = self.dial("127.0.0.1", port.getHost().port)
        attempt.cancel()
        self.mux._write_late()
        self.mux.dispatching = False
        self.assertFalse(client.connected)
        self.until(lambda: server.reason)

    def test_refused(self) -> None:
        """Where nobody listens the caller is told, later."""
        for host in ("127.0.0.1", "::1"):
            attempt, client = self.dial(host, self.unused(host))
            self.assertTrue(verifyObject(IReadWriteDescriptor, attempt))
            self.assertEqual(attempt.logPrefix(), "dial")
            self.assertEqual(self.failures, [])
            self.until(lambda: self.failures)
            self.assertIsInstance(self.failures.pop(), ConnectionRefusedError)
            self.assertFalse(client.connected)

    def test_hopeless(self) -> None:
        """What the system refuses at once is told later, too."""
        attempt, _ = self.dial("255.255.255.255", 9)
        self.assertEqual(self.failures, [])
        self.reactor.settle()
        (failure,) = self.failures
        self.assertIsInstance(failure, (OSError, ConnectError))
        attempt.cancel()
        again, _ = self.dial("no address", 9)
        again.cancel()
        self.reactor.settle()
        self.assertEqual(len(self.failures), 1)

    def test_cancelled(self) -> None:
        """Of an attempt that was given up nothing is heard."""
        attempt, client = self.dial("127.0.0.1", self.unused())
        attempt.cancel()
        attempt.cancel()
        self.assertEqual(self.mux.getWriters(), [])
        self.assertIsNone(attempt.doWrite())
        self.reactor.settle()
        self.assertEqual((self.failures, client.connected), ([], 0))

    def test_faulty_protocol(self) -> None:
        """A protocol that fails to start is logged, and its connection ends."""
        server = Recorder()
        port = self.listen(lambda: server)

        class Faulty(Recorder):
            def connectionMade(self) -> None:
                raise ZeroDivisionError

        client = Faulty()
        where = port.getHost()
        attempt = dial(self.mux, where.host, where.port, client, self.failures.append)
        self.addCleanup(attempt.cancel)
        self.until(lambda: server.reason and client.reason)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.failures, [])
        self.assertNotIn(client.transport, self.mux.getReaders())

    def test_shutdown(self) -> None:
        """The end of the reactor is the end of an attempt, which is told once."""
        attempt, _ = self.dial("127.0.0.1", self.unused())
        self.mux.connectionLost(connectionDone)
        attempt.connectionLost(connectionDone)
        (failure,) = self.failures
        self.assertIsInstance(failure, ConnectError)


class PlainReactorTests(SynchronousTestCase):
    """Tests of attempts where the system has no epoll."""

    def setUp(self) -> None:
        """Dial on a reactor without a multiplexer."""

        class NoSelect:
            """A select module without epoll."""

        self.patch(reactor_module, "select", NoSelect)
        self.reactor = MemoryReactorClock()
        self.failures: list[Exception] = []
        self.protocol = Recorder()
        self.attempt = dial(
            self.reactor, "192.0.2.1", 7, self.protocol, self.failures.append
        )
        host, port, self.factory, *_ = self.reactor.tcpClients[0]
        self.assertEqual((host, port), ("192.0.2.1", 7))

    def test_connected(self) -> None:
        """The protocol is the factory's; then it is too late to give up."""
        factory: Any = self.factory
        self.assertIs(factory.buildProtocol(None), self.protocol)
        self.attempt.cancel()
        factory.clientConnectionFailed(None, Failure(UserError()))
        self.assertEqual(self.failures, [])

    def test_failed(self) -> None:
        """The caller is told why, once."""
        factory: Any = self.factory
        for _ in range(2):
            factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
        (failure,) = self.failures
        self.assertIsInstance(failure, ConnectionRefusedError)

    def test_cancelled(self) -> None:
        """To give up stops the attempt, and nothing is heard of it."""
        factory: Any = self.factory
        stopped: list[int] = []
        self.attempt.connector.stopConnecting = lambda: stopped.append(1)
        self.attempt.cancel()
        self.attempt.cancel()
        factory.clientConnectionFailed(None, Failure(UserError()))
        self.assertEqual((stopped, self.failures), ([1], []))
