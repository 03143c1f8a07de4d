"""Tests of the multiplexer's UDP ports with real sockets on loopback."""

from __future__ import annotations

import gc
import socket
import time
from typing import Any

from twisted.internet.error import CannotListenError, MessageLengthError
from twisted.internet.protocol import DatagramProtocol

from netsvc.multiplex.datagram import DRAIN
from tests.integration.balance_peers import free_ports
from tests.multiplex.fakes import MultiplexTestCase

#: The largest payload of an IPv4 datagram: 65535 less 20 (IP) and 8 (UDP) bytes.
LARGEST = 65_507

#: Seconds that a datagram may take over loopback.
PATIENCE = 60.0


class Echo(DatagramProtocol):
    """
    Answers each datagram with itself.

    @ivar received: What came, with its senders.
    """

    transport: Any

    def __init__(self) -> None:
        """Start with nothing received."""
        self.received: list[tuple[bytes, Any]] = []

    def datagramReceived(self, data: bytes, addr: Any) -> None:
        """Answer."""
        self.received.append((data, addr))
        self.transport.write(data, addr)


class UDPTestCase(MultiplexTestCase):
    """A test with real UDP sockets and a reactor that is turned by hand."""

    def listen(self, interface: str = "127.0.0.1", protocol: Any = None) -> Any:
        """Return a port of the multiplexer."""
        port = self.mux.listenUDP(0, protocol or Echo(), interface=interface)
        self.addCleanup(self.stop, port)
        return port

    def stop(self, port: Any) -> None:
        """Stop a port, if it has not been stopped."""
        if port.connected:
            port.stopListening()
        self.reactor.advance(0)

    def client(self, host: str, port: int) -> socket.socket:
        """Return a socket that hears answers from one address only."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        client = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.setblocking(False)
        client.connect((host, port))
        return client

    def answer(self, client: socket.socket) -> bytes:
        """Return the next answer."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.reactor.settle()
            try:
                return client.recv(65_536)
            except BlockingIOError:
                pass
        raise AssertionError("no answer")


class EchoTests(UDPTestCase):
    """Tests of datagrams there and back."""

    def test_sizes(self) -> None:
        """Datagrams of every size arrive whole."""
        for interface, host in (
            ("127.0.0.1", "127.0.0.1"),
            ("", "127.0.0.1"),
            ("::1", "::1"),
            ("::", "::1"),
        ):
            number = self.listen(interface).getHost().port
            client = self.client(host, number)
            for size in (0, 1, 8192, 8193, LARGEST):
                data = bytes(range(256)) * (size // 256 + 1)
                client.send(data[:size])
                self.assertEqual(self.answer(client), data[:size], (host, size))

    def test_too_long(self) -> None:
        """One byte more than a datagram can have is the caller's mistake."""
        port = self.listen()
        self.assertTrue(port.write(bytes(LARGEST), ("127.0.0.1", 9)))
        self.assertRaises(
            MessageLengthError, port.write, bytes(LARGEST + 1), ("127.0.0.1", 9)
        )

    def test_drain(self) -> None:
        """A wake-up reads a bounded number of datagrams; none is lost."""
        port = self.listen()
        client = self.client("127.0.0.1", port.getHost().port)
        total = 3 * DRAIN + 1
        for number in range(total):
            client.send(b"%d" % number)
        received = port.protocol.received
        while len(received) < total:
            before = len(received)
            self.assertTrue(self.reactor.wake())
            self.assertTrue(0 < len(received) - before <= DRAIN)
        self.assertEqual(
            [data for data, _ in received], [b"%d" % n for n in range(total)]
        )

    def test_port_in_use(self) -> None:
        """A port that is taken cannot be listened on."""
        number = self.listen().getHost().port
        error = self.assertRaises(
            CannotListenError, self.mux.listenUDP, number, Echo(), "127.0.0.1"
        )
        self.assertEqual(error.port, number)
        # The exception holds the socket that Twisted could not bind.
        del error
        gc.collect()
        self.flushWarnings()

    def test_stop(self) -> None:
        """A port that is stopped leaves the multiplexer, and its number is free."""
        port = self.listen()
        number = port.getHost().port
        port.stopListening()
        self.reactor.advance(0)
        self.assertEqual(self.reactor.readers, [])
        again = self.mux.listenUDP(number, Echo(), interface="127.0.0.1")
        self.stop(again)

    def test_log_prefix(self) -> None:
        """Log lines about a port name its protocol."""
        self.assertEqual(self.listen().logPrefix(), "Echo (UDP)")


class OriginTests(UDPTestCase):
    """Tests of the address from which answers leave on a wildcard port."""

    def test_ipv4(self) -> None:
        """An answer comes from the address that was asked, whichever it is."""
        number = self.listen("").getHost().port
        for host in ("127.0.0.1", "127.0.0.2", "127.1.2.3"):
            client = self.client(host, number)
            client.send(host.encode())
            self.assertEqual(self.answer(client), host.encode())

    def test_ipv6(self) -> None:
        """The same over IPv6, and over IPv4 where the port takes that, too."""
        number = self.listen("::").getHost().port
        for host in ("::1", "127.0.0.1", "127.0.0.2"):
            client = self.client(host, number)
            client.send(host.encode())
            self.assertEqual(self.answer(client), host.encode())

    def test_not_an_answer(self) -> None:
        """What is not an answer is sent all the same."""
        port = self.listen("")
        client = self.client("127.0.0.1", port.getHost().port)
        self.assertTrue(port.write(b"hello", client.getsockname()))
        self.assertEqual(self.answer(client), b"hello")


class FailureTests(UDPTestCase):
    """Tests of destinations and buffers that do not take a datagram."""

    def test_destinations(self) -> None:
        """What is wrong with one destination is counted, and the next is served."""
        port = self.listen()
        client = self.client("127.0.0.1", port.getHost().port)
        self.assertFalse(port.write(b"x", ("127.0.0.1", 0)))
        self.assertFalse(port.write(b"x", ("255.255.255.255", 9)))  # SO_BROADCAST
        self.assertEqual(port.failed, {"EINVAL": 1, "EACCES": 1})
        self.assertTrue(port.write(b"x", client.getsockname()))
        self.assertEqual(self.answer(client), b"x")

    def test_nobody_listens(self) -> None:
        """A peer that is not there is no error of the port."""
        port = self.listen()
        gone = self.client("127.0.0.1", port.getHost().port)
        address = gone.getsockname()
        gone.close()
        self.assertTrue(port.write(b"x", address))
        self.reactor.settle()
        client = self.client("127.0.0.1", port.getHost().port)
        client.send(b"still there?")
        self.assertEqual(self.answer(client), b"still there?")

    def test_connected(self) -> None:
        """A connected port hears that its peer is not there, and goes on."""

        class Client(DatagramProtocol):
            """Counts refusals."""

            transport: Any
            refusals = 0

            def connectionRefused(self) -> None:
                """Count."""
                self.refusals += 1

        (number,) = free_ports(1)
        protocol = Client()
        port = self.listen(protocol=protocol)
        protocol.transport.connect("127.0.0.1", number)
        self.assertTrue(port.write(b"x"))
        self.reactor.settle()
        self.assertEqual(protocol.refusals, 1)
        port.write(b"y")
        self.reactor.settle()
        self.assertEqual(protocol.refusals, 2)

    def test_kernel_drops(self) -> None:
        """Datagrams for which the kernel has no room are counted."""
        port = self.listen()
        port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client = self.client("127.0.0.1", port.getHost().port)
        self.assertEqual(port.kernel_drops, 0)
        for _ in range(100):
            client.send(bytes(1000))
        dropped = port.kernel_drops
        self.assertGreater(dropped, 0)
        self.reactor.settle()
        self.assertEqual(len(port.protocol.received) + dropped, 100)

    def test_receive_buffer(self) -> None:
        """The buffer is larger than the system's default."""
        plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(plain.close)
        option = (socket.SOL_SOCKET, socket.SO_RCVBUF)
        port = self.listen()
        self.assertGreaterEqual(
            port.socket.getsockopt(*option), plain.getsockopt(*option)
        )


class AdoptionTests(UDPTestCase):
    """Tests of sockets that were opened by somebody else."""

    def test_adopted(self) -> None:
        """An inherited socket is served, with answers from the right address."""
        for family, interface, host in (
            (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
            (socket.AF_INET, "0.0.0.0", "127.0.0.2"),
            (socket.AF_INET6, "::1", "::1"),
        ):
            inherited = socket.socket(family, socket.SOCK_DGRAM)
            inherited.bind((interface, 0))
            port = self.mux.adoptDatagramPort(inherited.fileno(), family, Echo())
            self.addCleanup(self.stop, port)
            number = inherited.getsockname()[1]
            inherited.close()
            self.assertEqual(port.getHost().port, number)
            client = self.client(host, number)
            data = bytes(LARGEST)
            client.send(data)
            self.assertEqual(self.answer(client), data)
