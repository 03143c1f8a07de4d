"""Tests of L{netsvc.balance.checks}."""

from __future__ import annotations

import socket
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.error import ConnectionLost, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backend import Backend
from netsvc.balance.backends import parse_backend
from netsvc.balance.checks import (
    MAX_ANSWER,
    StreamCheck,
    expect,
    http_question,
    http_status,
    udp_echo,
)
from tests.balance.session_fakes import Network, Wire


class ProbeCase(SynchronousTestCase):
    """A test with a backend that it plays."""

    def setUp(self) -> None:
        """Begin with nothing known."""
        self.network = Network()
        self.results: list[tuple[bool, str]] = []

    def probe(self, spec: str = "10.0.0.1:80", **how: Any) -> Any:
        """Begin a probe."""
        check = StreamCheck(None, connect=self.network, **how)
        backend = Backend(parse_backend(spec))
        return check(backend, lambda *result: self.results.append(result))

    def connect(self) -> Wire:
        """Connect the probe."""
        return self.network.attempts[-1].succeed()


class StreamTests(ProbeCase):
    """Probes over a connection."""

    def test_connected(self) -> None:
        """A connection is enough if nothing is asked; it is reset at once."""
        self.probe()
        wire = self.connect()
        self.assertEqual(self.results, [(True, "connected")])
        self.assertEqual(wire.events, ["abort"])

    def test_check_port(self) -> None:
        """Another port may be checked."""
        self.probe("10.0.0.1:80,check-port=81")
        self.assertEqual(self.network.attempts[0].address, ("10.0.0.1", 81))

    def test_refused(self) -> None:
        """A connection that cannot be made has failed."""
        self.probe()
        self.network.attempts[0].failed(ConnectionRefusedError(111, "Refused"))
        self.assertEqual(self.results, [(False, "connection refused")])

    def test_answer(self) -> None:
        """An answer may come in pieces."""
        self.probe(question=b"PING", judge=expect(b"PONG"))
        wire = self.connect()
        self.assertEqual(wire.written, b"PING")
        wire.protocol.dataReceived(b"+PO")
        self.assertEqual(self.results, [])
        wire.protocol.dataReceived(b"NG\r\n")
        wire.protocol.dataReceived(b"more")
        wire.end()
        self.assertEqual(self.results, [(True, "answered as expected")])

    def test_local_header(self) -> None:
        """A backend that wants a PROXY header gets one, which says LOCAL."""
        self.probe("10.0.0.1:80,send-proxy=v1", question=b"x", judge=expect(b"y"))
        self.assertEqual(self.connect().written, b"PROXY UNKNOWN\r\nx")

    def test_other_ends(self) -> None:
        """An end without the answer has failed, however it comes."""
        ends = (
            (lambda wire: wire.protocol.readConnectionLost(), "closed without"),
            (lambda wire: wire.end(), "closed without"),
            (lambda wire: wire.reset(), "non-clean"),
            (lambda wire: wire.protocol.dataReceived(bytes(MAX_ANSWER + 1)), "long"),
        )
        for end, words in ends:
            self.results.clear()
            self.probe(judge=expect(b"y"))
            wire = self.connect()
            end(wire)
            self.assertEqual(len(self.results), 1)
            self.assertFalse(self.results[0][0])
            self.assertIn(words, self.results[0][1])

    def test_cancelled(self) -> None:
        """A cancelled probe says nothing, even if it is connected later."""
        probe = self.probe()
        probe.cancel()
        self.assertTrue(self.network.attempts[0].cancelled)
        wire = self.connect()
        wire.protocol.handshakeCompleted()
        wire.reset()
        self.assertEqual((self.results, wire.events), ([], ["abort"]))

    def test_tls(self) -> None:
        """With TLS it begins after the handshake."""

        class Layers:
            def wrap(self, protocol: Any, preamble: bytes) -> Any:
                self.preamble = preamble
                return protocol

        layers = Layers()
        self.probe("10.0.0.1:80,tls,send-proxy=v1", tls=lambda backend: layers)
        wire = self.connect()
        self.assertEqual((wire.written, self.results), (b"", []))
        self.assertEqual(layers.preamble, b"PROXY UNKNOWN\r\n")
        wire.protocol.handshakeCompleted()
        self.assertEqual(self.results, [(True, "connected")])

    def test_tls_errors(self) -> None:
        """What is wrong with TLS is said in a few words."""
        for error, words in (
            (SSL.Error([("SSL", "", "certificate verify failed")]), "verify failed"),
            (SSL.Error(), "TLS failed"),
            (VerificationError([]), "another name"),
            (ConnectionLost(), "non-clean"),
            (OSError(113, "No route"), "no route"),
        ):
            self.results.clear()
            self.probe()
            protocol = self.network.attempts[-1].protocol
            protocol.connectionLost(Failure(error))
            self.assertIn(words, self.results[0][1])


class HTTPTests(ProbeCase):
    """HTTP."""

    def test_question(self) -> None:
        """The question is a request for the path."""
        question = http_question("a.test:80", "/health")
        self.assertTrue(
            question.startswith(b"GET /health HTTP/1.1\r\nHost: a.test:80\r\n")
        )

    def test_status(self) -> None:
        """The status decides, as soon as its line is there."""
        judge = http_status(range(200, 400))
        for answer, verdict in (
            (b"HTTP/1.1 200", None),
            (b"HTTP/1.1 200 OK\r\n", True),
            (b"HTTP/1.0 302\r\n", True),
            (b"HTTP/1.1 503 Busy\r\n", False),
            (b"220 smtp\r\n", False),
            (b"HTTP/1.1 100 Continue\r\n", None),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n", True),
        ):
            found = judge(answer)
            self.assertEqual(found if found is None else found[0], verdict, answer)


class FakeReactor(Clock):
    """Calls back a reader when the test says so."""

    def __init__(self) -> None:
        """Begin without one."""
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        """Take one."""
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """Drop it."""
        self.readers.remove(reader)


class DatagramTests(SynchronousTestCase):
    """A probe by UDP, on a socket that is played."""

    def setUp(self) -> None:
        """Play the socket."""
        self.reactor = FakeReactor()
        self.results: list[tuple[bool, str]] = []
        self.sockets: list[FakeSocket] = []
        self.patch(socket, "socket", self.make)

    def make(self, *how: Any) -> FakeSocket:
        """Make one."""
        self.sockets.append(FakeSocket())
        return self.sockets[-1]

    def probe(self, spec: str = "10.0.0.1:7") -> Any:
        """Begin."""
        check = udp_echo(self.reactor, lambda size: b"t" * size)
        backend = Backend(parse_backend(spec))
        return check(backend, lambda *result: self.results.append(result))

    def test_echo(self) -> None:
        """The same bytes have to come back; others are passed over."""
        self.probe()
        skt = self.sockets[0]
        self.assertEqual(skt.sent, [b"t" * 16])
        skt.answers = [b"other", BlockingIOError(), b"t" * 16]
        for _ in range(3):
            self.reactor.readers[0].doRead()
        self.assertEqual(self.results, [(True, "echoed")])
        self.assertEqual((self.reactor.readers, skt.closed), ([], True))

    def test_refused(self) -> None:
        """A closed port has failed."""
        self.probe("[::1]:7,send-proxy=v2")
        self.sockets[0].answers = [OSError(111, "Connection refused")]
        self.reactor.readers[0].doRead()
        self.assertEqual(self.results, [(False, "connection refused")])

    def test_no_route(self) -> None:
        """What cannot be sent is raised, and the socket closed."""
        self.patch(FakeSocket, "fails", OSError(101, "Network is unreachable"))
        self.assertRaises(OSError, self.probe)
        self.assertTrue(self.sockets[0].closed)

    def test_cancelled(self) -> None:
        """A cancelled probe says nothing; nor does the end of the reactor."""
        probe = self.probe()
        self.assertEqual(probe.logPrefix(), "check")
        probe.connectionLost(None)
        probe.cancel()
        self.assertEqual((self.results, self.reactor.readers), ([], []))


class FakeSocket:
    """A UDP socket whose peer is the test."""

    fails: OSError | None = None

    def __init__(self) -> None:
        """Begin."""
        self.sent: list[bytes] = []
        self.answers: list[Any] = []
        self.closed = False

    def setblocking(self, flag: bool) -> None:
        """Nothing here waits."""

    def connect(self, address: Any) -> None:
        """Take an address."""
        if self.fails is not None:
            raise self.fails

    def send(self, data: bytes) -> None:
        """Take a datagram."""
        self.sent.append(data)

    def recv(self, size: int) -> bytes:
        """Give the next answer."""
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, bytes)
        return answer

    def fileno(self) -> int:
        """Give no descriptor."""
        return -1

    def close(self) -> None:
        """Close."""
        self.closed = True
