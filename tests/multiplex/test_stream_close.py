"""Tests of how streams of L{netsvc.multiplex.stream} end, by halves and at once."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableDescriptor,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols import tls
from zope.interface.verify import verifyObject

from netsvc.multiplex import pending
from tests.multiplex.fakes import (
    HalfRecorder,
    MultiplexTestCase,
    Producer,
    ServerContext,
    ended,
    receive,
)


class LoseConnectionTests(MultiplexTestCase):
    """Tests of C{loseConnection}."""

    def test_flushes(self) -> None:
        """What was written before is delivered before the end."""
        protocol, transport, far = self.connect()
        written = self.fill(transport)
        transport.loseConnection()
        received = b""
        while protocol.reason is None:
            received += receive(far)
            self.reactor.settle()
        received += receive(far)
        self.assertEqual(received, written)
        self.assertTrue(ended(far))
        self.assertTrue(protocol.reason.check(ConnectionDone))

    def test_in_a_batch(self) -> None:
        """An answer and the end that follows it leave in the same wake-up."""
        protocol, transport, far = self.connect()

        def answer(data: bytes) -> None:
            transport.write(b"bye")
            transport.loseConnection()

        protocol.on_data = answer
        far.send(b"x")
        self.reactor.wake()
        self.assertEqual(receive(far), b"bye")
        self.assertTrue(ended(far))

    def test_twice(self) -> None:
        """To lose a connection again, or one that is lost, changes nothing."""
        protocol, transport, _ = self.connect()
        transport.loseConnection()
        transport.loseConnection()
        self.reactor.settle()
        transport.loseConnection()
        self.assertTrue(protocol.reason.check(ConnectionDone))

    def test_waits_for_producer(self) -> None:
        """With a paused producer the end comes after what that one still writes."""
        protocol, transport, far = self.connect()
        producer = Producer()

        def produce() -> None:
            transport.write(b"the rest")
            transport.unregisterProducer()

        producer.on_resume = produce
        transport.registerProducer(producer, True)
        written = self.fill(transport)
        transport.loseConnection()
        received = b""
        while protocol.reason is None:
            received += receive(far)
            self.reactor.settle()
        self.assertEqual(received + receive(far), written + b"the rest")

    def test_connection_lost_twice(self) -> None:
        """The protocol is told of the end once."""
        protocol, transport, _ = self.connect()
        transport.connectionLost(connectionDone)
        transport.connectionLost(connectionDone)
        self.assertTrue(protocol.reason.check(ConnectionDone))


class HalfCloseTests(MultiplexTestCase):
    """Tests of the two halves of a connection."""

    def test_write_half(self) -> None:
        """The peer sees the end after all data, and can still be heard."""
        protocol, transport, far = self.connect(HalfRecorder())
        written = self.fill(transport)
        transport.loseWriteConnection()
        received = b""
        while not protocol.halves:
            received += receive(far)
            self.reactor.settle()
        self.assertEqual(received + receive(far), written)
        self.assertTrue(ended(far))
        transport.write(b"too late")
        far.send(b"answer")
        self.reactor.settle()
        self.assertEqual((protocol.data, protocol.halves), (b"answer", ["write"]))
        far.close()
        self.reactor.settle()
        self.assertEqual(protocol.halves, ["write", "read"])
        transport.loseConnection()
        self.assertTrue(protocol.reason.check(ConnectionDone))

    def test_read_half(self) -> None:
        """After the peer's end there is still time to answer."""
        protocol, transport, far = self.connect(HalfRecorder())
        far.send(b"question")
        far.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        self.assertEqual((protocol.data, protocol.halves), (b"question", ["read"]))
        transport.write(b"answer")
        self.assertEqual(receive(far), b"answer")
        transport.loseConnection()
        self.reactor.settle()
        self.assertTrue(ended(far))

    def test_unaware_protocol(self) -> None:
        """A protocol that knows no halves is told of the end of the connection."""
        protocol, transport, far = self.connect()
        transport.loseWriteConnection()
        self.reactor.settle()
        self.assertTrue(ended(far))
        self.assertIsNone(protocol.reason)
        far.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        self.assertTrue(protocol.reason.check(ConnectionDone))

    def test_write_half_once(self) -> None:
        """The writing half ends once, however often the rest is written."""
        protocol, transport, _ = self.connect(HalfRecorder())
        transport.loseWriteConnection()
        transport.loseWriteConnection()
        self.reactor.settle()
        transport.startWriting()
        self.reactor.settle()
        self.assertEqual(protocol.halves, ["write"])

    def test_in_a_batch(self) -> None:
        """A peer that sends and ends gets its echo and then the end."""
        protocol, transport, far = self.connect(HalfRecorder())
        protocol.on_data = transport.write
        protocol.readConnectionLost = transport.loseWriteConnection
        far.send(b"echo")
        far.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        self.assertEqual(receive(far), b"echo")
        self.assertTrue(ended(far))

    def test_answer_and_end_in_a_batch(self) -> None:
        """An answer and the end of the output leave in the same wake-up."""
        protocol, transport, far = self.connect(HalfRecorder())

        def answer(data: bytes) -> None:
            transport.write(b"answer")
            transport.loseWriteConnection()

        protocol.on_data = answer
        far.send(b"question")
        self.reactor.wake()
        self.assertEqual(receive(far), b"answer")
        self.assertTrue(ended(far))
        self.assertEqual(protocol.halves, ["write"])


class AbortTests(MultiplexTestCase):
    """Tests of C{abortConnection}."""

    def test_drops_pending_data(self) -> None:
        """What is pending is dropped; the protocol is told in the next turn."""
        protocol, transport, far = self.connect()
        self.fill(transport)
        transport.abortConnection()
        self.assertIsNone(protocol.reason)
        receive(far)
        self.reactor.settle()
        self.assertTrue(protocol.reason.check(ConnectionAborted))
        self.assertEqual(receive(far), b"")

    def test_no_more_data(self) -> None:
        """After an abort nothing is received, and nothing is sent."""
        protocol, transport, far = self.connect()
        far.send(b"unread")
        transport.abortConnection()
        transport.write(b"unsent")
        transport.abortConnection()
        transport.loseConnection()
        self.assertEqual(receive(far), b"")
        self.reactor.settle()
        self.assertEqual(protocol.data, b"")
        self.assertTrue(protocol.reason.check(ConnectionAborted))

    def test_in_a_batch(self) -> None:
        """What was written in the batch of an abort is dropped, too."""
        protocol, transport, far = self.connect()

        def give_up(data: bytes) -> None:
            transport.write(b"before")
            transport.abortConnection()
            transport.write(b"after")

        protocol.on_data = give_up
        far.send(b"x")
        self.reactor.settle()
        self.assertEqual(receive(far), b"")
        self.assertTrue(protocol.reason.check(ConnectionAborted))


class InterfaceTests(MultiplexTestCase):
    """Tests of what else a transport is."""

    def test_interfaces(self) -> None:
        """A stream provides what Twisted's TCP transports provide."""
        _, transport, _ = self.connect()
        for interface in (
            ITCPTransport,
            IHalfCloseableDescriptor,
            IPushProducer,
            IConsumer,
        ):
            self.assertTrue(verifyObject(interface, transport))

    def test_begins_paused(self) -> None:
        """A protocol can ask not to be read for before it resumes."""
        protocol: Any = HalfRecorder()
        protocol.begins_paused = True
        _, transport, far = self.connect(protocol)
        far.send(b"early")
        self.assertEqual(self.reactor.settle(), 0)
        self.assertEqual(protocol.data, b"")
        transport.resumeProducing()
        self.reactor.settle()
        self.assertEqual(protocol.data, b"early")

    def test_texts(self) -> None:
        """The texts for logs name the protocol and the peer, also after the end."""
        _, transport, _ = self.connect()
        self.assertEqual(transport.logPrefix(), "Recorder,0,192.0.2.1")
        self.assertEqual(repr(transport), "<Recorder #0 on None>")
        transport.connectionLost(connectionDone)
        self.assertIn("#0", repr(transport))
        self.assertIn("192.0.2.1", transport.logPrefix())

    def test_pending(self) -> None:
        """What a transport holds is told, with what lies below TLS."""
        _, transport, _ = self.connect()
        self.assertEqual(pending(transport), 0)
        written = self.fill(transport)
        held = pending(transport)
        self.assertTrue(0 < held <= len(written))
        transport.write(b"12345")
        self.assertEqual(pending(transport), held + 5)

        class Wrapper:
            """A transport on top of another."""

            def __init__(self) -> None:
                """Wrap the one above."""
                self.transport = transport

        self.assertEqual(pending(Wrapper()), held + 5)
        self.assertEqual(pending(object()), 0)


class TLSTests(MultiplexTestCase):
    """Tests of C{startTLS}."""

    def setUp(self) -> None:
        """Have Twisted's TLS use the test's reactor: it sends small writes later."""
        super().setUp()
        self.patch(tls, "_get_default_clock", lambda: self.reactor)

    def secure(self, protocol: Any = None) -> tuple[Any, Any, ssl.SSLSocket]:
        """Return a connection that has TLS, and its peer's socket."""
        protocol, transport, far = self.connect(protocol)
        transport.startTLS(ServerContext())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        peer = context.wrap_socket(far, do_handshake_on_connect=False)
        self.addCleanup(peer.close)
        for _ in range(10):
            try:
                peer.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.reactor.settle()
        self.reactor.settle()
        return protocol, transport, peer

    def read(self, peer: ssl.SSLSocket) -> bytes:
        """Return all that a TLS peer has received by now."""
        data = b""
        while True:
            self.reactor.settle()
            try:
                piece = peer.recv(1 << 16)
            except ssl.SSLWantReadError:
                return data
            if not piece:
                return data
            data += piece

    def test_write(self) -> None:
        """What is written after the start of TLS goes through it."""
        protocol, transport, peer = self.secure()
        self.assertTrue(verifyObject(ISSLTransport, transport))
        self.assertIsNone(transport.getPeerCertificate())
        transport.write(b"secret")
        transport.writeSequence([b" and", b" more"])
        self.assertEqual(self.read(peer), b"secret and more")
        peer.send(b"answer")
        self.reactor.settle()
        self.assertEqual(protocol.data, b"answer")

    def test_coalesced(self) -> None:
        """TLS records written in one batch leave in one send."""
        protocol, transport, peer = self.secure()
        counting = self.counting(transport)

        def answer(data: bytes) -> None:
            for _ in range(5):
                transport.write(data)

        protocol.on_data = answer
        peer.send(b"x")
        self.assertEqual(self.read(peer), b"xxxxx")
        self.assertEqual(len(counting.sizes), 1)

    def test_lose_connection(self) -> None:
        """TLS is closed before the connection, after everything was sent."""
        protocol, transport, peer = self.secure()
        data = bytes(range(256)) * 4000
        transport.write(data)
        transport.loseConnection()
        self.assertEqual(self.read(peer), data)
        peer.unwrap().close()
        self.reactor.settle()
        self.assertTrue(protocol.reason.check(ConnectionDone))
        transport.write(b"too late")

    def test_producer(self) -> None:
        """A push producer is paused and resumed through TLS."""
        _, transport, peer = self.secure()
        producer = Producer()
        transport.registerProducer(producer, True)
        sent = 0
        while "pause" not in producer.calls:
            transport.write(bytes(100_000))
            sent += 100_000
        received = 0
        while "resume" not in producer.calls:
            received += len(self.read(peer))
        self.assertEqual(received + len(self.read(peer)), sent)

    def test_cut(self) -> None:
        """A peer that goes without a word ends the connection with a loss."""
        protocol, _, peer = self.secure()
        peer.close()
        self.reactor.settle()
        self.assertTrue(protocol.reason.check(ConnectionLost))

    def test_abort(self) -> None:
        """A TLS connection can be aborted."""
        protocol, transport, _ = self.secure()
        transport.abortConnection()
        self.reactor.settle()
        self.assertTrue(protocol.reason.check(ConnectionAborted, ConnectionLost))
