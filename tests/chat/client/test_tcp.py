"""The TCP link."""

from __future__ import annotations

import socket
from typing import Any, cast
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netsvc.chat.client import tcp
from netsvc.chat.client.target import ClientSettings
from netsvc.chat.client.tcp import (
    CLOSE_TIMEOUT,
    CONNECT_TIMEOUT,
    TCPLink,
    tcp_link,
)
from netsvc.daemon.client_tls import creator_for
from netsvc.daemon.targets import TLSSettings


class Recorder:
    """A receiver that remembers."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def opened(self) -> None:
        self.told.append("opened")

    def received(self, text: str) -> None:
        self.told.append(text)

    def held(self, is_held: bool) -> None:
        self.told.append(is_held)

    def closed(self, reason: str, in_order: bool) -> None:
        self.told.append((reason, in_order))


class Transport(StringTransport):
    """A transport with the options of a TCP socket, and an abort."""

    aborted = False
    no_delay = keepalive = False
    socket: socket.socket | None = None

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.keepalive = enabled

    def abortConnection(self) -> None:
        self.aborted = True


@implementer(IStreamClientEndpoint)
class Endpoint:
    """An endpoint that a test connects."""

    def __init__(self) -> None:
        self.attempts: list[tuple[Any, Deferred[Any]]] = []

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        attempt: Deferred[Any] = Deferred()
        self.attempts.append((protocolFactory, attempt))
        return attempt

    def succeed(self, transport: Transport) -> Any:
        """Connect the last attempt; gives its protocol."""
        factory, attempt = self.attempts[-1]
        protocol = factory.buildProtocol(None)
        protocol.makeConnection(transport)
        attempt.callback(protocol)
        return protocol


class LinkTests(SynchronousTestCase):
    """Connections of a link."""

    def setUp(self) -> None:
        """Begin to connect."""
        self.clock = Clock()
        self.endpoint = Endpoint()
        self.receiver = Recorder()
        self.transport = Transport()
        self.link = self.make()
        self.link.open()

    def make(self, is_secure: bool = False) -> TCPLink:
        return TCPLink(
            self.clock,
            cast(IStreamClientEndpoint, self.endpoint),
            self.receiver,
            is_secure=is_secure,
        )

    def open_secure(self) -> None:
        self.link.close()
        self.take()
        self.link = self.make(is_secure=True)
        self.link.open()

    def take(self) -> list[object]:
        told, self.receiver.told = self.receiver.told, []
        return told

    def test_lines(self) -> None:
        """Lines go both ways, the last one without an end too."""
        self.link.send("early")
        protocol = self.endpoint.succeed(self.transport)
        self.link.send("안녕")
        self.assertEqual(self.transport.value(), "안녕\r\n".encode())
        protocol.dataReceived(b"* a\r\n<b> ")
        protocol.dataReceived(b"c\nd")
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(
            self.take(),
            [
                "opened",
                "* a",
                "<b> c",
                "d",
                ("the server has closed the connection", True),
            ],
        )
        self.link.send("late")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertTrue(self.transport.no_delay and self.transport.keepalive)

    def test_keepalive(self) -> None:
        """A silent server is asked soon whether it is there."""
        with socket.socket() as handle:
            self.transport.socket = handle
            self.endpoint.succeed(self.transport)
            for name, value in tcp.KEEPALIVE.items():
                option = getattr(socket, name)
                self.assertEqual(handle.getsockopt(socket.IPPROTO_TCP, option), value)

    def test_lost(self) -> None:
        """A loss is no end in order."""
        protocol = self.endpoint.succeed(self.transport)
        protocol.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.take()[-1], ("the connection was lost", False))

    def test_refused(self) -> None:
        """An attempt that fails ends it."""
        self.endpoint.attempts[0][1].errback(ConnectionRefusedError())
        ((reason, in_order),) = cast(list[tuple[str, bool]], self.take())
        self.assertIn("refused", reason)
        self.assertFalse(in_order)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_slow(self) -> None:
        """An attempt without an end is given up."""
        self.clock.advance(CONNECT_TIMEOUT)
        self.assertEqual(self.take(), [("no answer within 20 s", False)])
        self.link.open()
        self.endpoint.succeed(self.transport)
        self.assertEqual(self.take(), ["opened"])

    def test_slow_handshake(self) -> None:
        """A handshake without an end is cut."""
        self.open_secure()
        protocol = self.endpoint.succeed(self.transport)
        self.link.send("early")
        self.assertEqual((self.take(), self.transport.value()), ([], b""))
        self.clock.advance(CONNECT_TIMEOUT)
        self.assertTrue(self.transport.aborted)
        protocol.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.take(), [("no answer within 20 s", False)])

    def test_handshake(self) -> None:
        """After a handshake lines can be sent."""
        self.open_secure()
        protocol = self.endpoint.succeed(self.transport)
        protocol.handshakeCompleted()
        self.link.send("x")
        self.assertEqual((self.take(), self.transport.value()), (["opened"], b"x\r\n"))

    def test_held(self) -> None:
        """The receiver is told when the server does not read."""
        protocol = self.endpoint.succeed(self.transport)
        self.assertIs(self.transport.producer, protocol)
        protocol.pauseProducing()
        protocol.resumeProducing()
        protocol.stopProducing()
        self.assertEqual(self.take(), ["opened", True, False])

    def test_close(self) -> None:
        """Closing is in order, but not for long."""
        protocol = self.endpoint.succeed(self.transport)
        self.link.close()
        self.assertTrue(self.transport.disconnecting)
        self.assertFalse(self.transport.aborted)
        self.clock.advance(CLOSE_TIMEOUT)
        self.assertTrue(self.transport.aborted)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(
            self.take()[-1], ("the server has closed the connection", False)
        )

    def test_close_quickly(self) -> None:
        """What has closed is not cut."""
        protocol = self.endpoint.succeed(self.transport)
        self.link.close()
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_close_attempt(self) -> None:
        """An attempt is ended at once, and so is a handshake."""
        self.link.close()
        self.assertEqual(len(self.take()), 1)
        self.link.close()
        self.open_secure()
        self.endpoint.succeed(self.transport)
        self.link.close()
        self.assertTrue(self.transport.aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class MakeTests(SynchronousTestCase):
    """Links that the settings ask for."""

    def test_plain(self) -> None:
        """Without TLS it is a connection to host and port."""
        reactor = MemoryReactorClock()
        link = tcp_link(reactor, ClientSettings("127.0.0.1", 7), Recorder())
        self.assertFalse(link.is_secure)
        link.open()
        self.assertEqual(reactor.tcpClients[0][:2], ("127.0.0.1", 7))

    def test_tls(self) -> None:
        """With TLS the handshake names the host."""
        reactor = MemoryReactorClock()
        settings = ClientSettings("127.0.0.1", 7, TLSSettings(server_name="a.example"))
        with mock.patch.object(tcp, "creator_for", wraps=creator_for) as make:
            link = tcp_link(reactor, settings, Recorder())
        self.assertTrue(link.is_secure)
        make.assert_called_once_with(settings.tls, "127.0.0.1")
