"""What the tests of the multiplexer share: a reactor turned by hand, and pairs."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.interfaces import IHalfCloseableProtocol, IOpenSSLContextFactory
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netsvc.multiplex.reactor import Multiplexer
from netsvc.multiplex.stream import ServerConnection

#: Wake-ups after which a test is taken to spin.
WAKE_UPS = 10_000


class HandReactor(Clock):
    """
    A reactor that waits for nothing: it polls its readers when it is told to.

    @ivar readers: What is registered.
    """

    def __init__(self) -> None:
        """Start with no reader, at time 0."""
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        """Register a reader."""
        if reader not in self.readers:
            self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """Forget a reader."""
        if reader in self.readers:
            self.readers.remove(reader)

    def wake(self) -> bool:
        """
        Call C{doRead} of what is readable, once.

        @return: Whether anything was.
        """
        readable, _, _ = select.select(self.readers, [], [], 0)
        for reader in readable:
            reader.doRead()
        return bool(readable)

    def settle(self) -> int:
        """
        Turn until nothing happens any more.

        @return: The number of wake-ups.
        @raise AssertionError: It does not end.
        """
        for count in range(WAKE_UPS):
            woke = self.wake()
            due = [call for call in self.getDelayedCalls() if call.getTime() <= 0]
            self.advance(0)
            if not woke and not due:
                return count
        raise AssertionError("the reactor spins")


class Recorder(Protocol):
    """
    Writes down what happens to it.

    @ivar data: The bytes received.
    @ivar reads: How many C{dataReceived} they came in.
    @ivar reason: Why the connection was lost, once it was.
    """

    transport: Any

    def __init__(self) -> None:
        """Start with nothing received."""
        self.data = b""
        self.reads = 0
        self.reason: Failure | None = None
        self.on_data: Callable[[bytes], object] = lambda data: None

    def dataReceived(self, data: bytes) -> None:
        """Keep the data."""
        self.data += data
        self.reads += 1
        self.on_data(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Keep the reason; there is one only once."""
        assert self.reason is None
        self.reason = reason


@implementer(IHalfCloseableProtocol)
class HalfRecorder(Recorder):
    """
    A L{Recorder} that lives on after one half of the connection has ended.

    @ivar halves: Which have ended, in order.
    """

    def __init__(self) -> None:
        """Start with both halves open."""
        super().__init__()
        self.halves: list[str] = []

    def readConnectionLost(self) -> None:
        """Note it."""
        self.halves.append("read")

    def writeConnectionLost(self) -> None:
        """Note it."""
        self.halves.append("write")


class Producer:
    """
    A producer that writes down what it is told.

    @ivar calls: What it was told.
    @ivar on_resume: Called when it is resumed.
    """

    def __init__(self) -> None:
        """Start with no call."""
        self.calls: list[str] = []
        self.on_resume: Callable[[], object] = lambda: None

    def pauseProducing(self) -> None:
        """Note it."""
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        """Note it."""
        self.calls.append("resume")
        self.on_resume()

    def stopProducing(self) -> None:
        """Note it."""
        self.calls.append("stop")


class Descriptor:
    """
    A selectable that counts its calls, and does no more unless it is told to.

    @ivar reads: How often C{doRead} was called.
    @ivar writes: How often C{doWrite} was called.
    @ivar lost: The reasons given to C{connectionLost}.
    @ivar on_read: Called in C{doRead}; what it returns is returned.
    @ivar on_write: The same for C{doWrite}.
    """

    def __init__(self, skt: socket.socket) -> None:
        """
        @param skt: The socket to be waited for.
        """
        self.socket = skt
        self.reads = 0
        self.writes = 0
        self.lost: list[Any] = []
        self.on_read: Callable[[], object] = lambda: None
        self.on_write: Callable[[], object] = lambda: None

    def fileno(self) -> int:
        """Return the socket's number."""
        return self.socket.fileno()

    def doRead(self) -> object:
        """Count; leave the data where they are."""
        self.reads += 1
        return self.on_read()

    def doWrite(self) -> object:
        """Count."""
        self.writes += 1
        return self.on_write()

    def connectionLost(self, reason: Any) -> None:
        """Keep the reason."""
        self.lost.append(reason)


class CountingSocket:
    """
    A socket that counts its sends, and can be told to refuse or to fail.

    @ivar sizes: How much was offered in each C{send}.
    @ivar limits: For the next sends: how many bytes to take, or what to raise.
    """

    def __init__(self, real: socket.socket) -> None:
        """
        @param real: The socket to use.
        """
        self._real = real
        self.sizes: list[int] = []
        self.limits: list[int | OSError] = []

    def send(self, data: bytes) -> int:
        """Send, or do as told."""
        self.sizes.append(len(data))
        limit = self.limits.pop(0) if self.limits else len(data)
        if isinstance(limit, OSError):
            raise limit
        return self._real.send(memoryview(data)[:limit])

    def __getattr__(self, name: str) -> Any:
        """Everything else is the socket's."""
        return getattr(self._real, name)


class MultiplexTestCase(SynchronousTestCase):
    """
    A test with a multiplexer under a L{HandReactor}.

    @ivar reactor: The reactor.
    @ivar mux: Its multiplexer.
    """

    def setUp(self) -> None:
        """Make both; see at the end that the reactor was left clean."""
        self.reactor = HandReactor()
        self.mux = Multiplexer(self.reactor)
        self._transports: list[Any] = []
        self.addCleanup(self._end)

    def _end(self) -> None:
        for transport in self._transports:
            if transport.connected:
                transport.abortConnection()
        self.reactor.advance(0)
        self.assertEqual(self.reactor.readers, [], "still registered")

    def sockets(self) -> tuple[socket.socket, socket.socket]:
        """Return two sockets that are connected with each other."""
        near, far = socket.socketpair()
        far.setblocking(False)
        near.setblocking(False)
        self.addCleanup(near.close)
        self.addCleanup(far.close)
        return near, far

    def connect(self, protocol: Any = None) -> tuple[Any, Any, socket.socket]:
        """
        Make a connection.

        @param protocol: What it is for; a L{Recorder} by default.
        @return: The protocol, its transport, and the peer's socket.
        """
        near, far = self.sockets()
        protocol = Recorder() if protocol is None else protocol
        transport = ServerConnection(
            near, protocol, ("192.0.2.1", 7), None, 0, self.mux
        )
        self._transports.append(transport)
        protocol.makeConnection(transport)
        return protocol, transport, far

    def counting(self, transport: Any) -> CountingSocket:
        """Count what a transport sends from now on."""
        transport.socket = CountingSocket(transport.socket)
        return transport.socket  # type: ignore[no-any-return]

    def fill(self, transport: Any) -> bytes:
        """
        Write until the kernel takes no more.

        @return: All that was written.
        """
        written = b""
        while not transport.dataBuffer:
            written += (piece := bytes([len(written) % 251]) * 50_000)
            transport.write(piece)
        return written


@implementer(IOpenSSLContextFactory)
class ServerContext:
    """The TLS side of a server, with a certificate of its own making."""

    def __init__(self) -> None:
        """Make a certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, SHA256())
        )
        self._context = SSL.Context(SSL.TLS_METHOD)
        self._context.use_privatekey(key)
        self._context.use_certificate(certificate)

    def getContext(self) -> SSL.Context:
        """Return the context."""
        return self._context


def receive(peer: socket.socket, size: int = 1 << 20) -> bytes:
    """Return all that a peer has received by now, or C{b""} at its end."""
    pieces = []
    while True:
        try:
            piece = peer.recv(size)
        except (BlockingIOError, ConnectionResetError):
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces)


def ended(peer: socket.socket) -> bool:
    """Return whether a peer has received everything, and then the end."""
    try:
        return peer.recv(1) == b""
    except BlockingIOError:
        return False
