"""The TCP link against a transport that is not there."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netsvc.echo.probe import stream_link
from netsvc.echo.probe.events import Connected
from netsvc.echo.probe.stream_link import (
    CLOSE_TIMEOUT,
    HANDSHAKE_TIMEOUT,
    RECONNECT_DELAY,
    HandshakeTimeoutError,
    StreamLink,
)
from netsvc.echo.probe.wire import Codec
from tests.echo.probe_fakes import MILLISECOND, FakeReceiver, ProbeClock

DONE = Failure(error.ConnectionDone())


class Transport(StringTransport):
    """A transport that knows how it was treated."""

    no_delay = False
    aborted = False
    lost = False

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def abortConnection(self) -> None:
        self.aborted = True

    def loseConnection(self) -> None:
        self.lost = True

    def getHandle(self) -> Transport:
        return self

    def get_protocol_version_name(self) -> str:
        return "TLSv1.3"


@implementer(IStreamClientEndpoint)
class Endpoint:
    """An endpoint whose attempts a test decides."""

    def __init__(self) -> None:
        self.attempts: list[tuple[Any, Deferred[Any]]] = []
        self.cancelled = 0

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        attempt: Deferred[Any] = Deferred(self._cancel)
        self.attempts.append((protocolFactory, attempt))
        return attempt

    def _cancel(self, attempt: Deferred[Any]) -> None:
        self.cancelled += 1

    def succeed(self) -> tuple[Any, Transport]:
        factory, attempt = self.attempts.pop()
        protocol = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 7))
        transport = Transport()
        protocol.makeConnection(transport)
        attempt.callback(protocol)
        return protocol, transport

    def fail(self, reason: Exception) -> None:
        self.attempts.pop()[1].errback(reason)


class Bench(SynchronousTestCase):
    """A link, and what is around it."""

    def setUp(self) -> None:
        """Make a link that is not connected."""
        self.clock = ProbeClock()
        self.endpoint = Endpoint()
        self.receiver = FakeReceiver()
        self.codec = Codec(1, (64,))
        self.link = StreamLink(
            self.clock, self.endpoint, self.codec, self.clock.now, self.receiver
        )

    def connect(self) -> tuple[Any, Transport]:
        self.connected = self.link.connect()
        self.clock.elapse(3 * MILLISECOND)
        return self.endpoint.succeed()


class ConnectionTests(Bench):
    """The first connection, and those after it."""

    def test_first(self) -> None:
        """The first connection is timed, and sends small messages at once."""
        _, transport = self.connect()
        self.assertIsNone(self.successResultOf(self.connected))
        self.assertEqual(self.receiver.connections, [Connected(3 * MILLISECOND)])
        self.assertTrue(transport.no_delay)

    def test_first_fails(self) -> None:
        """If it fails, the caller has the reason and nothing is tried again."""
        connected = self.link.connect()
        self.endpoint.fail(error.ConnectionRefusedError())
        self.failureResultOf(connected, error.ConnectionRefusedError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.receiver.losses, [])

    def test_lost_and_made_again(self) -> None:
        """A lost connection is reported and made again after a while."""
        protocol, _ = self.connect()
        protocol.connectionLost(DONE)
        self.assertEqual(self.receiver.losses, ["closed by the other side"])
        self.assertRaises(OSError, self.link.send, 1, b"x")
        self.assertEqual(self.endpoint.attempts, [])
        self.clock.advance(RECONNECT_DELAY)
        self.endpoint.fail(error.ConnectionRefusedError())
        self.assertEqual(len(self.receiver.losses), 2)
        self.clock.advance(RECONNECT_DELAY)
        _, transport = self.endpoint.succeed()
        self.link.send(1, b"x")
        self.assertEqual(transport.value(), b"x")
        self.assertEqual(len(self.receiver.connections), 2)


class MessageTests(Bench):
    """Messages out, answers in."""

    def test_answers(self) -> None:
        """Answers come with their numbers, in whatever pieces."""
        protocol, transport = self.connect()
        for sequence in (1, 2):
            self.link.send(sequence, self.codec.payload(sequence, 0, 64))
        data = transport.value()
        protocol.dataReceived(data[:70])
        protocol.dataReceived(data[70:])
        self.assertEqual(self.receiver.messages, [(1, data[:64]), (2, data[64:])])

    def test_greeting(self) -> None:
        """Bytes that belong to no message are reported."""
        protocol, _ = self.connect()
        protocol.dataReceived(b"hello\r\n")
        self.assertEqual(self.receiver.unexpected_bytes, 7)

    def test_blocked(self) -> None:
        """Nothing is sent while the other side does not read."""
        protocol, transport = self.connect()
        protocol.pauseProducing()
        self.assertRaises(BlockingIOError, self.link.send, 1, b"x")
        protocol.resumeProducing()
        self.link.send(2, b"x")
        self.assertEqual(transport.value(), b"x")
        protocol.stopProducing()
        self.assertRaises(BlockingIOError, self.link.send, 3, b"x")

    def test_bounded(self) -> None:
        """The messages under way on a connection are bounded."""
        self.patch(stream_link, "MAX_OUTSTANDING", 2)
        self.connect()
        self.link.send(1, b"x")
        self.link.send(2, b"x")
        self.assertRaises(BlockingIOError, self.link.send, 3, b"x")


class CloseTests(Bench):
    """Closing, in each state."""

    def test_connected(self) -> None:
        """A connection is closed in order, and nothing is tried again."""
        protocol, transport = self.connect()
        closed = self.link.close()
        self.assertIs(self.link.close(), closed)
        self.assertTrue(transport.lost)
        self.assertNoResult(closed)
        protocol.connectionLost(DONE)
        self.successResultOf(closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.receiver.losses, [])

    def test_stuck(self) -> None:
        """A connection that does not close is cut."""
        _, transport = self.connect()
        self.link.close()
        self.clock.advance(CLOSE_TIMEOUT)
        self.assertTrue(transport.aborted)

    def test_connecting(self) -> None:
        """An attempt is given up."""
        self.link.connect()
        self.successResultOf(self.link.close())
        self.assertEqual(self.endpoint.cancelled, 1)

    def test_between(self) -> None:
        """So is waiting for the next attempt."""
        protocol, _ = self.connect()
        protocol.connectionLost(DONE)
        self.successResultOf(self.link.close())
        self.assertEqual(self.clock.getDelayedCalls(), [])


class HandshakeTests(Bench):
    """TLS handshakes, with the TLS layer left out."""

    def setUp(self) -> None:
        """Make a link that believes it is secure."""
        super().setUp()

        def plain(tls: object, client: bool, factory: object, clock: object) -> object:
            return factory

        self.patch(stream_link, "TLSMemoryBIOFactory", plain)
        tls: Any = object()
        self.link = StreamLink(
            self.clock, self.endpoint, self.codec, self.clock.now, self.receiver, tls
        )

    def test_times(self) -> None:
        """Connection and handshake are timed apart; messages wait for both."""
        protocol, _ = self.connect()
        self.assertNoResult(self.connected)
        self.assertRaises(OSError, self.link.send, 1, b"x")
        self.clock.elapse(7 * MILLISECOND)
        protocol.handshakeCompleted()
        self.successResultOf(self.connected)
        expected = Connected(3 * MILLISECOND, 7 * MILLISECOND, "TLSv1.3")
        self.assertEqual(self.receiver.connections, [expected])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_failure(self) -> None:
        """A failed handshake is a failed connection."""
        protocol, _ = self.connect()
        protocol.connectionLost(Failure(SSL.Error([("", "", "bad")])))
        self.failureResultOf(self.connected, SSL.Error)

    def test_too_slow(self) -> None:
        """A handshake that does not end is cut, and said to be the reason."""
        protocol, transport = self.connect()
        self.clock.advance(HANDSHAKE_TIMEOUT)
        self.assertTrue(transport.aborted)
        protocol.connectionLost(Failure(error.ConnectionAborted()))
        self.failureResultOf(self.connected, HandshakeTimeoutError)

    def test_closed_during_handshake(self) -> None:
        """A handshake under way does not keep the link open."""
        protocol, transport = self.connect()
        self.link.close()
        self.assertTrue(transport.lost)
        protocol.connectionLost(DONE)
        self.assertEqual(self.clock.getDelayedCalls(), [])
