"""Tests of L{netsvc.relay.fan_out} and L{netsvc.relay.routes}."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from netsvc.multiplex.batch import Batch, Destination
from netsvc.relay import routes
from netsvc.relay.routes import plain, route_to, source_for
from tests.relay.relay_case import ANN, BOB, CAT, FakePort, FakeSocket, RelayCase

HERE = ("198.51.100.1", 7075)


class FakeBatch:
    """
    Sends to many at once, on a socket that the test looks into.

    @ivar calls: How many were sent to in each call.
    """

    def __init__(self, skt: FakeSocket) -> None:
        self._skt = skt
        self.calls: list[int] = []

    def destination(self, address: tuple[str, int]) -> Destination:
        """Make an address ready."""
        names = tuple(f"{address[0]} {address[1]} {n}".encode() for n in range(3))
        return Destination(None, names)

    def send(
        self,
        versions: Sequence[bytes],
        headers: Sequence[bytes],
        failed: Callable[[int, OSError], object],
    ) -> None:
        """Send to all."""
        self.calls.append(len(headers))
        for number, header in enumerate(headers):
            host, port, version = header.decode().split()
            try:
                self._skt.sendto(versions[int(version)], (host, int(port)))
            except OSError as error:
                failed(number, error)


class BatchCase(RelayCase):
    """A relay whose port sends to many at once."""

    def make(self, **settings: Any) -> None:
        """Make it."""
        super().make(**settings)
        self.batch = FakeBatch(self.skt)
        self.port.batch = self.relay.batch = cast(Batch, self.batch)
        self.relay.mixed = False


class BatchTests(BatchCase):
    """Fan-outs in few calls."""

    def test_all_at_once(self) -> None:
        """A line goes to all in one call, in the form that each uses."""
        self.enter(ANN, BOB, CAT)
        self.say(BOB, b"/who\n")
        self.say(CAT, b"/who\r\n")
        self.skt.sent.clear()
        self.batch.calls.clear()
        self.say(ANN, b"hello")
        self.assertEqual(self.batch.calls, [2])
        self.assertEqual(self.got(BOB), [b"<ann> hello\n"])
        self.assertEqual(self.got(CAT), [b"<ann> hello\r\n"])

    def test_errors(self) -> None:
        """What fails for one is counted for that one."""
        self.enter(ANN, BOB, CAT)
        self.skt.broken = {BOB: errno.EPERM}
        for _ in range(8):
            self.say(ANN, b"hello")
        self.clock.advance(0)
        self.assertEqual(len(self.got(CAT)), 9)
        self.assertIsNone(self.relay.peers.get((1, BOB)))
        self.assertIsNotNone(self.relay.peers.get((1, CAT)))

    def test_several_ports(self) -> None:
        """Peers of several ports are sent to by their own port each."""
        other = self.bind(self.make_port(), ("198.51.100.2", 7076))
        other_batch = FakeBatch(other.transport.skt)
        other.batch = cast(Batch, other_batch)
        self.relay.mixed = True
        self.enter(ANN, BOB)
        other.datagramReceived(b"hello from there", CAT)
        other.transport.skt.sent.clear()
        self.assertIn(b"<guest3> hello from there", self.got(ANN))
        self.batch.calls.clear()
        self.say(ANN, b"hello")
        self.assertEqual(self.got(BOB)[-1], b"<ann> hello")
        self.assertEqual(other.transport.skt.sent[CAT], [b"<ann> hello"])
        self.assertEqual((self.batch.calls, other_batch.calls[-1]), ([1], 1))

    def make_port(self) -> Any:
        """Make what serves another port."""
        self.service.admissions.append("auto")
        return self.service._port()

    def test_moved(self) -> None:
        """Who goes on from another address is sent to there."""
        self.enter(ANN, BOB)
        (answer,) = self.say(BOB, b"/token")
        self.say((BOB[0], 5), b"/resume " + answer.rpartition(b" ")[2])
        self.skt.sent.clear()
        self.say(ANN, b"hello")
        self.assertEqual(self.got((BOB[0], 5)), [b"<ann> hello"])


class SenderTests(RelayCase):
    """What sends to one address, later too."""

    def test_origin(self) -> None:
        """It sends from the address that was asked, where the transport knows that."""
        transport: Any = self.port.transport
        transport.origin = lambda: ("asked", ANN)
        answered: list[tuple[bytes, Any]] = []
        results = [True, False]

        def answer(data: bytes, origin: Any) -> bool:
            answered.append((data, origin))
            return results.pop(0)

        transport.answer = answer
        send = self.port.sender(ANN)
        transport.origin = lambda: ("another", BOB)
        send(b"one")
        self.assertEqual(self.count("send-failed"), 0)
        send(b"two")
        self.assertEqual(self.count("send-failed"), 1)
        expected = [(b"one", ("asked", ANN)), (b"two", ("asked", ANN))]
        self.assertEqual(answered, expected)

    def test_plain(self) -> None:
        """Where it does not, that is all there is to know."""
        self.port.sender(ANN)(b"hello")
        self.assertEqual(self.got(ANN), [b"hello"])


class RoutePort(FakePort):
    """A transport on all addresses."""

    def __init__(self, asked: str, control: list[Any]) -> None:
        super().__init__("0.0.0.0", 7075)
        self._asked, self._control = asked, control

    def asked(self) -> str:
        """Give the address that a datagram was sent to."""
        return self._asked

    def origin(self) -> tuple[list[Any], Any]:
        """Give what an answer needs."""
        return self._control, ANN


class RouteTests(SynchronousTestCase):
    """From which address a peer is sent to."""

    def setUp(self) -> None:
        """Have a system that sends from one address."""
        self.patch(routes, "source_for", lambda family, to: "198.51.100.1")
        self.batch = cast(Batch, object())

    def test_own(self) -> None:
        """Where the system takes the right address by itself, the socket sends."""
        port = RoutePort("198.51.100.1", ["control"])
        self.assertEqual(
            route_to(port, ANN, self.batch), (port.skt.sendto, ANN, self.batch)
        )
        port = RoutePort("198.51.100.2", [])
        self.assertIs(route_to(port, ANN, self.batch)[2], self.batch)

    def test_other(self) -> None:
        """Where it would take another one, each datagram says which is to be."""
        port = RoutePort("198.51.100.2", ["control"])
        sent: list[tuple[Any, ...]] = []
        self.patch(FakeSocket, "sendmsg", lambda skt, *args: sent.append(args))
        sendto, to, batch = route_to(port, ANN, self.batch)
        self.assertIsNone(batch)
        sendto(b"hello", to)
        self.assertEqual(sent, [((b"hello",), ["control"], 0, ANN)])

    def test_plain(self) -> None:
        """IPv4 on an IPv6 socket is IPv4."""
        self.assertEqual(plain(("::ffff:192.0.2.1", 5)), ("192.0.2.1", 5))
        self.assertEqual(plain(("2001:db8::1", 5)), ("2001:db8::1", 5))


class SourceTests(SynchronousTestCase):
    """What the system would take."""

    def test_source(self) -> None:
        """It is asked by a socket that sends nothing."""

        class Probe:
            def __init__(self, family: int, kind: int) -> None:
                self.to: Any = None

            def __enter__(self) -> Probe:
                return self

            def __exit__(self, *args: object) -> None:
                pass

            def connect(self, to: Any) -> None:
                if to == BOB:
                    raise OSError(errno.ENETUNREACH, "")

            def getsockname(self) -> tuple[str, int]:
                return HERE

        self.patch(socket, "socket", Probe)
        self.assertEqual(source_for(socket.AF_INET, ANN), HERE[0])
        self.assertIsNone(source_for(socket.AF_INET, BOB))
