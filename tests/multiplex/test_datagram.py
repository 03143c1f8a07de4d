"""Tests of how L{netsvc.multiplex.datagram} reads, answers and counts."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from errno import (
    EAGAIN,
    ECONNREFUSED,
    EINVAL,
    EMSGSIZE,
    ENETUNREACH,
    ENOBUFS,
    ENOTCONN,
    EPERM,
)
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from twisted.internet.error import InvalidAddressError, MessageLengthError
from twisted.internet.interfaces import IListeningPort, IUDPTransport
from twisted.internet.protocol import DatagramProtocol
from zope.interface.verify import verifyObject

from netsvc.multiplex import datagram
from netsvc.multiplex.datagram import CHECKED, DRAIN, MAX_DATAGRAM, DatagramPort
from tests.multiplex.fakes import MultiplexTestCase

CLIENT = ("192.0.2.1", 50_000)
CLIENT6 = ("2001:db8::1", 50_000, 0, 0)


def asked4(address: str, index: int = 1) -> tuple[int, int, bytes]:
    """Return what the kernel says of a datagram to an IPv4 address."""
    local = IPv4Address(address).packed
    return (socket.IPPROTO_IP, 8, struct.pack("I4s4s", index, local, local))


def asked6(address: str, index: int = 3) -> tuple[int, int, bytes]:
    """Return what the kernel says of a datagram to an IPv6 address."""
    info = struct.pack("16sI", IPv6Address(address).packed, index)
    return (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)


class DatagramSocket:
    """
    A UDP socket without a network.

    @ivar inbox: What arrives: data, sender and where it was sent to, or an error.
    @ivar sent: What was sent: data, address, control messages.
    @ivar errors: What the next sends raise; after them they succeed.
    @ivar options: The options that were set.
    """

    def __init__(self) -> None:
        """Start with nothing in it."""
        self.inbox: list[Any] = []
        self.sent: list[tuple[bytes, Any, Any]] = []
        self.errors: list[OSError | None] = []
        self.options: list[tuple[int, ...]] = []
        self.name: tuple[Any, ...] = ("127.0.0.1", 7007)
        self.reads = 0

    def _next(self) -> Any:
        self.reads += 1
        if not self.inbox:
            raise BlockingIOError(EAGAIN, "")
        item = self.inbox.pop(0)
        if isinstance(item, OSError):
            raise item
        return item

    def recvfrom(self, size: int) -> tuple[bytes, Any]:
        """Receive."""
        data, addr, _ = self._next()
        return data[:size], addr

    def recvmsg(self, size: int, ancillary: int) -> tuple[bytes, Any, int, Any]:
        """Receive, with control messages."""
        data, addr, control = self._next()
        return data[:size], control, 0, addr

    def _keep(self, data: bytes, addr: Any, control: Any) -> int:
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.sent.append((data, addr, control))
        return len(data)

    def sendto(self, data: bytes, addr: Any) -> int:
        """Send."""
        return self._keep(data, addr, None)

    def send(self, data: bytes) -> int:
        """Send to the connected peer."""
        return self._keep(data, None, None)

    def sendmsg(self, pieces: Any, control: Any, flags: int, addr: Any) -> int:
        """Send with control messages."""
        return self._keep(b"".join(pieces), addr, control)

    def setsockopt(self, *option: Any) -> None:
        """Set an option."""
        if option[1] == 33 and "force" in self.name:
            raise OSError(EPERM, "")
        self.options.append(option)

    def getsockopt(self, *option: int) -> bytes:
        """Say how many datagrams were dropped."""
        raise OSError(ENOTCONN, "")

    def getsockname(self) -> tuple[Any, ...]:
        """Return the local address."""
        return self.name


class Peer(DatagramProtocol):
    """
    A protocol that writes down what it receives.

    @ivar received: The datagrams and their senders.
    @ivar refusals: How often a connected peer refused.
    @ivar on_datagram: Called with each.
    """

    transport: Any

    def __init__(self) -> None:
        """Start with none."""
        self.received: list[tuple[bytes, Any]] = []
        self.refusals = 0
        self.on_datagram: Callable[[bytes, Any], object] = lambda data, addr: None

    def datagramReceived(self, data: bytes, addr: Any) -> None:
        """Keep it."""
        self.received.append((data, addr))
        self.on_datagram(data, addr)

    def connectionRefused(self) -> None:
        """Count it."""
        self.refusals += 1


class DatagramTestCase(MultiplexTestCase):
    """
    A test with ports that have no network.

    @ivar socket: The socket of the last port.
    @ivar peer: The protocol of the last port.
    """

    def port(self, interface: str = "127.0.0.1") -> Any:
        """Return a bound port."""
        self.socket = DatagramSocket()
        self.peer = Peer()
        port: Any = DatagramPort(7007, self.peer, interface, MAX_DATAGRAM, self.mux)
        port.socket = self.socket
        port.connected = True
        port._pktinfo = interface in ("", "0.0.0.0", "::")
        self.peer.transport = port
        return port

    def echo(self) -> None:
        """Have the protocol answer each datagram with itself."""
        self.peer.on_datagram = self.peer.transport.write


class ReadTests(DatagramTestCase):
    """Tests of C{doRead}."""

    def test_interfaces(self) -> None:
        """The port is one of Twisted's."""
        port = self.port()
        self.assertTrue(verifyObject(IListeningPort, port))
        self.assertTrue(verifyObject(IUDPTransport, port))

    def test_bounded(self) -> None:
        """However many have arrived, a bounded number is read in one event."""
        for interface in ("127.0.0.1", "0.0.0.0"):
            port = self.port(interface)
            self.socket.inbox = [(b"%d" % n, CLIENT, []) for n in range(DRAIN + 5)]
            port.doRead()
            self.assertEqual(len(self.peer.received), DRAIN)
            port.doRead()
            self.assertEqual(
                [data for data, _ in self.peer.received],
                [b"%d" % n for n in range(DRAIN + 5)],
            )
            self.assertEqual(port.failed, {})

    def test_addresses(self) -> None:
        """A sender is a host and a port, in IPv6 too."""
        for interface, sender in (
            ("127.0.0.1", CLIENT),
            ("0.0.0.0", CLIENT),
            ("::1", CLIENT6),
            ("::", CLIENT6),
        ):
            port = self.port(interface)
            self.socket.inbox = [(b"x", sender, [])]
            port.doRead()
            self.assertEqual(self.peer.received, [(b"x", sender[:2])])

    def test_faulty_protocol(self) -> None:
        """A protocol that raises is logged; the next datagram is read."""
        for interface in ("127.0.0.1", "0.0.0.0"):
            port = self.port(interface)
            self.socket.inbox = [(b"1", CLIENT, []), (b"2", CLIENT, [])]

            def fault(data: bytes, addr: Any) -> None:
                raise ValueError(data)

            self.peer.on_datagram = fault
            port.doRead()
            self.assertEqual(len(self.peer.received), 2)
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_errors(self) -> None:
        """An error of the socket is counted, and is not the end of the port."""
        for interface in ("127.0.0.1", "0.0.0.0"):
            port = self.port(interface)
            self.socket.inbox = [
                OSError(ECONNREFUSED, ""),
                OSError("what"),
                (b"x", CLIENT, []),
            ]
            for _ in range(3):
                port.doRead()
            self.assertEqual(port.failed, {"ECONNREFUSED": 1, "?": 1})
            self.assertEqual(len(self.peer.received), 1)
            self.assertEqual(self.peer.refusals, 0)

    def test_refused(self) -> None:
        """A connected port's protocol is told that its peer refuses."""
        port = self.port()
        port._connectedAddr = CLIENT
        self.socket.inbox = [OSError(ECONNREFUSED, "")]
        port.doRead()
        self.assertEqual((self.peer.refusals, port.failed), (1, {}))


class OriginTests(DatagramTestCase):
    """Tests of where an answer leaves from on a wildcard address."""

    def test_ipv4(self) -> None:
        """An answer leaves from the address that was asked."""
        port = self.port("0.0.0.0")
        self.echo()
        for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
            self.socket.inbox.append((b"x", CLIENT, [asked4(address)]))
        port.doRead()
        origins = [
            struct.unpack("I4s4s", control[0][2])[:2]
            for _, _, control in self.socket.sent
        ]
        self.assertEqual(
            origins,
            [(0, bytes([127, 0, 0, last])) for last in (1, 2, 1)],
        )

    def test_ipv6(self) -> None:
        """The same in IPv6; only a link-local answer is bound to its interface."""
        port = self.port("::")
        self.echo()
        for address in ("2001:db8::7", "fe80::7", "ff02::1"):
            self.socket.inbox.append((b"x", CLIENT6, [asked6(address)]))
        port.doRead()
        self.assertEqual(
            [
                struct.unpack("16sI", control[0][2])
                for _, _, control in self.socket.sent
            ],
            [
                (IPv6Address("2001:db8::7").packed, 0),
                (IPv6Address("fe80::7").packed, 3),
                (bytes(16), 0),
            ],
        )

    def test_scope(self) -> None:
        """An answer goes back to the scope from which it was asked."""
        for interface in ("::", "::1"):
            port = self.port(interface)
            self.echo()
            sender = ("fe80::9", 50_000, 0, 3)
            self.socket.inbox = [(b"x", sender, [])]
            port.doRead()
            self.assertEqual(self.socket.sent[0][1], sender)

    def test_without_origin(self) -> None:
        """An answer to a datagram without that information leaves as ever."""
        port = self.port("0.0.0.0")
        self.echo()
        self.socket.inbox = [
            (b"1", CLIENT, [asked4("127.0.0.2")]),
            (b"2", CLIENT, []),
        ]
        port.doRead()
        self.assertEqual([bool(one[2]) for one in self.socket.sent], [True, False])

    def test_not_an_answer(self) -> None:
        """What is sent to another, or later, leaves from where the system likes."""
        port = self.port("0.0.0.0")
        other = ("192.0.2.2", 9)
        self.peer.on_datagram = lambda data, addr: port.write(data, other)
        self.socket.inbox = [(b"x", CLIENT, [asked4("127.0.0.2")])]
        port.doRead()
        port.write(b"later", CLIENT)
        self.assertEqual(
            self.socket.sent, [(b"x", other, None), (b"later", CLIENT, None)]
        )

    def test_bounded(self) -> None:
        """A host with very many addresses does not fill the memory."""
        port = self.port("0.0.0.0")
        self.echo()
        for number in range(CHECKED + 10):
            asked = str(IPv4Address(0x7F000000 + number))
            self.socket.inbox.append((b"x", CLIENT, [asked4(asked)]))
        while self.socket.inbox:
            port.doRead()
        self.assertLessEqual(len(port._origins), CHECKED)
        last = struct.unpack("I4s4s", self.socket.sent[-1][2][0][2])
        self.assertEqual(last[1], IPv4Address(0x7F000000 + CHECKED + 9).packed)


class WriteTests(DatagramTestCase):
    """Tests of C{write}."""

    def test_taken(self) -> None:
        """The caller is told whether the kernel has taken a datagram."""
        port = self.port()
        self.assertIs(port.write(b"x", CLIENT), True)
        self.assertIs(port.write(b"", CLIENT), True)
        self.assertEqual(self.socket.sent, [(b"x", CLIENT, None), (b"", CLIENT, None)])

    def test_errors(self) -> None:
        """What is wrong with one destination is counted, and raises nothing."""
        port = self.port()
        errnos = [EPERM, ENETUNREACH, EINVAL, EAGAIN, ENOBUFS, ECONNREFUSED, EPERM]
        self.socket.errors = [OSError(errno, "") for errno in errnos]
        for _ in errnos:
            self.assertIs(port.write(b"x", CLIENT), False)
        self.assertEqual(
            port.failed,
            {
                "EPERM": 2,
                "ENETUNREACH": 1,
                "EINVAL": 1,
                "EAGAIN": 1,
                "ENOBUFS": 1,
                "ECONNREFUSED": 1,
            },
        )
        self.assertIs(port.write(b"x", CLIENT), True)

    def test_answer_errors(self) -> None:
        """An answer that cannot be sent is counted; the next one is sent."""
        for interface in ("127.0.0.1", "0.0.0.0"):
            port = self.port(interface)
            self.echo()
            self.socket.inbox = [(b"1", ("192.0.2.1", 0), []), (b"2", CLIENT, [])]
            self.socket.errors = [OSError(EINVAL, "")]
            port.doRead()
            self.assertEqual([data for data, _, _ in self.socket.sent], [b"2"])
            self.assertEqual(port.failed, {"EINVAL": 1})

    def test_too_long(self) -> None:
        """A datagram that cannot exist is the caller's mistake."""
        port = self.port()
        self.socket.errors = [OSError(EMSGSIZE, "")]
        self.assertRaises(MessageLengthError, port.write, bytes(65_508), CLIENT)
        self.assertEqual(port.failed, {})

    def test_connected(self) -> None:
        """A connected port writes to its peer only, and hears that it refuses."""
        port = self.port()
        port._connectedAddr = CLIENT
        self.assertIs(port.write(b"1"), True)
        self.assertIs(port.write(b"2", CLIENT), True)
        self.assertRaises(AssertionError, port.write, b"3", ("192.0.2.2", 9))
        self.socket.errors = [OSError(ECONNREFUSED, "")]
        self.assertIs(port.write(b"4"), False)
        self.assertEqual(self.socket.sent, [(b"1", None, None), (b"2", None, None)])
        self.assertEqual(self.peer.refusals, 1)

    def test_no_destination(self) -> None:
        """A port that is not connected needs an address."""
        self.assertRaises(AssertionError, self.port().write, b"x")

    def test_hosts(self) -> None:
        """Only literal addresses of the port's family are taken: no look-ups."""
        port = self.port()
        for host in ("localhost", "example.org", "::1", "1.2.3", ""):
            self.assertRaises(InvalidAddressError, port.write, b"x", (host, 7))
        self.assertTrue(port.write(b"x", ("<broadcast>", 7)))
        port = self.port("::1")
        for host in ("localhost", "192.0.2.1", "<broadcast>"):
            self.assertRaises(InvalidAddressError, port.write, b"x", (host, 7))
        self.assertTrue(port.write(b"x", ("2001:db8::9", 7)))

    def test_bounded(self) -> None:
        """The memory of addresses that were checked is bounded."""
        port = self.port()
        for number in range(CHECKED + 10):
            port.write(b"x", (str(IPv4Address(0x0A000000 + number)), 7))
        self.assertLessEqual(len(port._checked), CHECKED)
        self.assertEqual(len(self.socket.sent), CHECKED + 10)


class OptionTests(DatagramTestCase):
    """Tests of the socket options of a port."""

    def test_receive_buffer(self) -> None:
        """A large buffer is asked for by force, and politely where that is refused."""
        port = self.port()
        port._enlarge()
        self.socket.name = ("force",)
        port._enlarge()
        size = datagram.RECEIVE_BUFFER
        self.assertEqual(
            self.socket.options,
            [
                (socket.SOL_SOCKET, 33, size),
                (socket.SOL_SOCKET, socket.SO_RCVBUF, size),
            ],
        )

    def test_no_counter(self) -> None:
        """A system that does not count drops has none."""
        self.assertEqual(self.port().kernel_drops, 0)
