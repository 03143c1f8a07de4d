"""Tests of L{netsvc.balance.tls}: two layers, one wire that the test plays."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netsvc.balance.backend_tls import backend_layers
from netsvc.balance.backends import parse_backend
from netsvc.balance.certificates import certificates
from netsvc.balance.tls import TLSLayer, layers
from netsvc.daemon.listen import parse_listen
from tests.balance.session_fakes import Wire
from tests.integration.balance_certificates import Authority


@implementer(IHandshakeListener)
class Recorder:
    """A protocol above TLS.

    @ivar events: what happened, in order.
    """

    def __init__(self) -> None:
        """Begin."""
        self.received = b""
        self.events: list[str] = []
        self.lost: Any = None
        self.transport: Any = None

    def makeConnection(self, transport: Any) -> None:
        """Take the layer as the transport."""
        self.transport = transport

    def handshakeCompleted(self) -> None:
        """The handshake is done."""
        self.events.append("handshake")

    def dataReceived(self, data: bytes) -> None:
        """Keep data."""
        self.received += data

    def readConnectionLost(self) -> None:
        """The peer has sent all."""
        self.events.append("end")

    def connectionLost(self, reason: Any) -> None:
        """The connection is gone."""
        self.lost = reason


class TLSLayerTests(SynchronousTestCase):
    """A client's layer and a server's."""

    def setUp(self) -> None:
        """Make both."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        authority = Authority(Path(folder.name))
        path = authority.issue("one.test")
        clock = Clock()
        listen = parse_listen(f"ssl:0:privateKey={path}:certKey={path}")
        creator = certificates(listen, [b"h2"], clock.seconds, lambda: "netsvc")
        server = layers(creator, False, clock)
        spec = parse_backend("10.0.0.1:443,tls,tls-name=one.test")
        client = backend_layers([spec], authority.file, clock)[spec]
        self.here, self.there = Recorder(), Recorder()
        self.near = Wire(client.wrap(self.here, b"preamble"))
        self.assertEqual(self.near.written[:8], b"preamble")
        self.near.written = self.near.written[8:]
        self.far = Wire(server.wrap(self.there))

    def pump(self) -> None:
        """Carry bytes to and fro until there are none."""
        while self.near.written or self.far.written:
            up, self.near.written = self.near.written, b""
            down, self.far.written = self.far.written, b""
            if up:
                self.far.protocol.dataReceived(up)
            if down:
                self.near.protocol.dataReceived(down)

    def test_both_ways(self) -> None:
        """Data flows both ways after the handshake."""
        self.pump()
        self.here.transport.write(b"question")
        self.there.transport.write(b"answer" * 10_000)
        self.pump()
        self.assertEqual(self.there.received, b"question")
        self.assertEqual(self.here.received, b"answer" * 10_000)
        self.assertEqual(self.here.events, ["handshake"])

    def test_half_close(self) -> None:
        """After one side's end the other one goes on; then all is closed."""
        self.pump()
        self.here.transport.write(b"question")
        self.here.transport.loseWriteConnection()
        self.here.transport.loseWriteConnection()
        self.pump()
        self.assertEqual(self.there.received, b"question")
        self.assertEqual(self.there.events[-1], "end")
        self.there.transport.write(b"late")
        self.there.transport.loseWriteConnection()
        self.pump()
        self.assertEqual(self.here.received, b"late")
        self.assertEqual((self.near.events, self.far.events), (["close"], ["close"]))

    def test_close(self) -> None:
        """Closing reads on until the peer has ended, too."""
        self.pump()
        self.here.transport.pauseProducing()
        self.here.transport.loseConnection()
        self.assertTrue(self.near.reading)
        self.assertEqual(self.near.events, [])
        self.pump()
        self.there.transport.loseConnection()
        self.pump()
        self.assertEqual(self.near.events, ["close"])

    def test_truncated(self) -> None:
        """An end of TCP alone is an error."""
        self.pump()
        self.far.protocol.readConnectionLost()
        self.assertEqual(
            (self.far.events, self.there.events), (["abort"], ["handshake"])
        )
        self.far.end()
        self.assertTrue(self.there.lost.check(ConnectionLost))

    def test_end_after_ours(self) -> None:
        """After our own end it is none."""
        self.pump()
        self.here.transport.loseWriteConnection()
        self.near.protocol.readConnectionLost()
        self.near.protocol.writeConnectionLost()
        self.assertEqual(self.here.events[-1], "end")
        self.assertEqual(self.near.events[-1], "close")

    def test_end_after_theirs(self) -> None:
        """After the peer's it says nothing new."""
        self.pump()
        self.here.transport.loseWriteConnection()
        self.pump()
        self.far.protocol.readConnectionLost()
        self.assertEqual((self.far.events, self.there.events.count("end")), ([], 1))

    def test_abort_twice(self) -> None:
        """What is gone can be aborted again."""
        self.pump()
        self.near.reset()
        self.here.transport.abortConnection()
        self.here.transport.loseWriteConnection()
        self.assertTrue(self.here.lost.check(ConnectionLost))

    def test_garbage(self) -> None:
        """What is no TLS ends the connection."""
        self.far.protocol.dataReceived(b"GET / HTTP/1.0\r\n\r\n")
        self.assertIn("close", self.far.events)
        self.far.end()
        self.assertIsNotNone(self.there.lost)

    def test_garbage_later(self) -> None:
        """So does what comes after the handshake and cannot be decrypted."""
        self.pump()
        self.far.protocol.dataReceived(b"\x17\x03\x03\x00\x20" + bytes(32))
        self.assertIn("close", self.far.events)

    def test_aborted(self) -> None:
        """After an abort nothing more is delivered."""
        self.pump()
        self.here.transport.write(b"late")
        self.here.transport.loseWriteConnection()
        self.there.transport.abortConnection()
        self.pump()
        self.assertEqual((self.there.received, self.there.events), (b"", ["handshake"]))

    def test_end_waits_for_what_was_written(self) -> None:
        """The end comes after what OpenSSL would not take at once."""
        self.pump()
        layer = self.near.protocol
        assert isinstance(layer, TLSLayer)
        layer._appSendBuffer.append(b"waits")
        self.here.transport.loseWriteConnection()
        self.assertEqual(self.near.written, b"")
        layer._unbufferPendingWrites()
        self.pump()
        self.assertEqual(self.there.received, b"waits")
        self.assertEqual(self.there.events[-1], "end")

    def test_verification_failed(self) -> None:
        """A certificate for another name is refused."""
        spec = parse_backend("10.0.0.1:443,tls,tls-name=two.test")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        authority = Authority(Path(folder.name))
        client = backend_layers([spec], authority.file, Clock())[spec]
        self.here = Recorder()
        self.near = Wire(client.wrap(self.here))
        self.pump()
        self.assertNotIn("handshake", self.here.events)
        self.near.protocol.connectionLost(Failure(ConnectionLost()))
