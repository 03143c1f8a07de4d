"""A UDP port without a network, for tests."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from errno import EAGAIN, ENOTCONN, EPERM
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from twisted.internet.protocol import DatagramProtocol

from netsvc.multiplex.datagram import MAX_DATAGRAM, DatagramPort
from tests.multiplex.fakes import MultiplexTestCase

CLIENT = ("192.0.2.1", 50_000)
CLIENT6 = ("2001:db8::1", 50_000, 0, 0)


def asked4(
    address: str, index: int = 1, local: str | None = None
) -> tuple[int, int, bytes]:
    """
    Return what the kernel says of a datagram to an IPv4 address.

    @param address: Where it was sent to.
    @param index: The number of the interface.
    @param local: The host's address there, if that is another.
    """
    asked = IPv4Address(address).packed
    mine = asked if local is None else IPv4Address(local).packed
    return (socket.IPPROTO_IP, 8, struct.pack("I4s4s", index, mine, asked))


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

    def __init__(self, number: int) -> None:
        """
        Start with nothing in it.

        @param number: A descriptor, for an epoll set to watch in vain.
        """
        self._number = number
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

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._number

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
        near, _ = self.sockets()
        self.socket = DatagramSocket(near.fileno())
        self.peer = Peer()
        port: Any = DatagramPort(7007, self.peer, interface, MAX_DATAGRAM, self.mux)
        port.socket = self.socket
        port.fileno = self.socket.fileno
        port.connected = True
        port._pktinfo = interface in ("", "0.0.0.0", "::")
        self.peer.transport = port
        port.startReading()
        self.addCleanup(port.stopReading)
        return port

    def echo(self) -> None:
        """Have the protocol answer each datagram with itself."""
        self.peer.on_datagram = self.peer.transport.write
