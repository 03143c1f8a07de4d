"""Transports, ports and a multiplexer that the test plays, and a TLS certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from errno import EADDRINUSE
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure


class Wire(StringTransport):
    """A connection whose peer takes nothing until the test says so.

    As with real transports, the protocol is told of the end only after whoever
    ended the connection has returned.

    @ivar dataBuffer: what the peer has not taken, see L{netsvc.multiplex.pending}.
    @ivar aborted: how often it was aborted.
    """

    producer: Any

    def __init__(self, clock: Any, peer: Any = None) -> None:
        """Be connected."""
        super().__init__(peerAddress=peer, lenient=True)
        self.protocol: Any = None
        self.dataBuffer = b""
        self.aborted = 0
        self._clock = clock

    def serve(self, protocol: Any) -> Any:
        """Connect a protocol; give it."""
        self.protocol = protocol
        protocol.makeConnection(self)
        return protocol

    def fill(self, data: bytes) -> None:
        """Hold bytes that the peer does not take."""
        self.dataBuffer += data

    def take(self, size: int) -> None:
        """Let the peer take some of what is held."""
        self.dataBuffer = self.dataBuffer[size:]
        if self.disconnecting and not self.dataBuffer:
            self.end()

    def loseConnection(self) -> None:
        """End when nothing is held any more."""
        if not self.disconnecting:
            super().loseConnection()
            if not self.dataBuffer:
                self._clock.callLater(0, self.end)

    def abortConnection(self) -> None:
        """End at once."""
        self.aborted += 1
        if self.aborted == 1:
            self.disconnecting = True
            self._clock.callLater(0, self.end)

    def end(self) -> None:
        """Be disconnected."""
        if self.connected:
            self.connected = False
            self.protocol.connectionLost(Failure(ConnectionDone()))


class FakePort:
    """A bound port.

    @ivar closed: whether it was told to stop listening.
    @ivar reading: whether it is read from.
    @ivar written: the datagrams that were sent, with their destinations.
    @ivar closing: what stopListening gives; L{None} is at once.
    """

    def __init__(self, address: Any, served: Any = None) -> None:
        """Be bound."""
        self.address = address
        self.served = served
        self.closed = False
        self.reading = True
        self.written: list[tuple[bytes, Any]] = []
        self.closing: Deferred[None] | None = None

    @property
    def factory(self) -> Any:
        """What is served, as ports call it."""
        return self.served

    @factory.setter
    def factory(self, factory: Any) -> None:
        self.served = factory

    def getHost(self) -> Any:
        """Give the address."""
        return self.address

    def stopListening(self) -> Deferred[None]:
        """Close."""
        self.closed = True
        return succeed(None) if self.closing is None else self.closing

    def startReading(self) -> None:
        """Read."""
        self.reading = True

    def stopReading(self) -> None:
        """Do not read."""
        self.reading = False

    def write(self, datagram: bytes, address: Any) -> bool:
        """Send a datagram."""
        self.written.append((datagram, address))
        return True


class FakeMultiplexer(MemoryReactorClock):
    """Binds nothing, and remembers what it was asked to bind.

    @ivar ports: the ports that were bound, in order.
    @ivar bound: the same, as tuples of the method's name and arguments.
    @ivar in_use: port numbers that cannot be bound.
    """

    def __init__(self) -> None:
        """Begin with nothing bound."""
        super().__init__()
        self.ports: list[FakePort] = []
        self.bound: list[tuple[Any, ...]] = []
        self.in_use: set[int] = set()

    def _bind(self, address: Any, served: Any, *call: Any) -> FakePort:
        self.bound.append(call)
        if getattr(address, "port", None) in self.in_use:
            error = OSError(EADDRINUSE, "Address already in use")
            raise CannotListenError(address.host, address.port, error)
        self.ports.append(FakePort(address, served))
        return self.ports[-1]

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        """Bind a TCP port."""
        kind = IPv6Address if ":" in interface else IPv4Address
        address = kind("TCP", interface or "0.0.0.0", port)
        return self._bind(address, factory, "tcp", port, interface, backlog)

    def listenSSL(
        self,
        port: int,
        factory: Any,
        contextFactory: Any,
        backlog: int = 50,
        interface: str = "",
    ) -> Any:
        """Bind a TCP port with TLS."""
        tls = TLSMemoryBIOFactory(contextFactory, False, factory)
        return self.listenTCP(port, tls, backlog, interface)

    def listenUNIX(
        self,
        address: str,
        factory: Any,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: bool = False,
    ) -> Any:
        """Bind a UNIX socket."""
        return self._bind(UNIXAddress(address), factory, "unix", address, mode, backlog)

    def listenUDP(
        self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192
    ) -> Any:
        """Bind a UDP port."""
        address = IPv4Address("UDP", interface or "0.0.0.0", port)
        bound = self._bind(address, protocol, "udp", port, interface, maxPacketSize)
        protocol.makeConnection(bound)
        return bound

    def adoptStreamPort(self, fd: int, family: int, factory: Any) -> Any:
        """Adopt a listening socket."""
        address = IPv4Address("TCP", "127.0.0.1", 7007)
        return self._bind(address, factory, "adopt stream", family)

    def adoptDatagramPort(
        self, fd: int, family: int, protocol: Any, maxPacketSize: int = 8192
    ) -> Any:
        """Adopt a UDP socket."""
        address = IPv4Address("UDP", "127.0.0.1", 7007)
        call = ("adopt datagram", family, maxPacketSize)
        bound = self._bind(address, protocol, *call)
        protocol.makeConnection(bound)
        return bound


@cache
def server_tls() -> CertificateOptions:
    """Give the TLS side of a server, with a certificate of its own making."""
    key: Any = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate: Any = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    # pyOpenSSL takes them as they are, and finds its own classes out of date.
    return CertificateOptions(privateKey=key, certificate=certificate)
