"""
RFC 862 echo: what comes is sent back.

A TCP connection is one flow from itself to itself (L{netsvc.multiplex.flow}):
its bytes do not pass through this module at all. Where that cannot be (TLS,
UNIX sockets, with a journal, on other systems) the protocol copies, and stops
reading while its peer does not.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.error import MessageLengthError
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import DatagramProtocol
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from netsvc.daemon.connections import Connections, ServiceFactory, ServiceProtocol
from netsvc.daemon.listen import show
from netsvc.echo.guard import Guard
from netsvc.multiplex import Flow, forward

if TYPE_CHECKING:
    from netsvc.echo.journal import Journal

#: What may keep a connection from being read, as bits.
_OUTPUT = 1  # its peer does not take what is sent
_JOURNAL = 2  # the disk does not keep up

#: Why a datagram was not answered, beside the reasons of the guard: the network or
#: the firewall refused the answer.
SEND_FAILED = "send-failed"


@implementer(IHalfCloseableProtocol, IPushProducer)
class Echo(ServiceProtocol):
    """One stream connection of the echo service."""

    factory: EchoFactory
    _flow: Flow | None = None
    _write: Any = None
    _held = 0

    def connectionMade(self) -> None:
        """Greet, then send back what comes."""
        super().connectionMade()
        factory = self.factory
        write = self.transport.write
        if isinstance(self.transport, TLSMemoryBIOProtocol):
            # Not through the buffer above it, which keeps small writes until the
            # next turn: what is in there when the peer ends TLS would be lost.
            write = partial(TLSMemoryBIOProtocol.write, self.transport)
        if factory.greeting:
            write(factory.greeting)
        if factory.journal is None:
            self._flow = forward(self.transport, self.transport)
        if self._flow is None:
            self._write = write
            self.transport.registerProducer(self, True)
            if factory.held:
                self.hold()

    def dataReceived(self, data: bytes) -> None:
        """Send back what came, and record it."""
        self.received += len(data)
        factory = self.factory
        if factory.journal is not None:
            factory.journal.record(factory.peer(self), factory.transport, data)
        self._write(data)

    def tally(self) -> None:
        """Count what a flow has moved."""
        if self._flow is not None:
            self.received = self._flow.moved

    def progress(self) -> int:
        """Give a number that changes when bytes come in or go out."""
        self.tally()
        return super().progress()

    def close(self) -> None:
        """Close the connection when what was written is sent."""
        if not self._closing:
            # While it has a producer, a transport does not end.
            self.transport.unregisterProducer()
        super().close()

    def readConnectionLost(self) -> None:
        """The peer has sent all: close when it has got all."""
        self.close()

    def writeConnectionLost(self) -> None:
        """Our half is only ever closed with the whole."""

    def connectionLost(self, reason: Any = None) -> None:
        """The connection has ended."""
        if self._flow is not None:
            self.received = self._flow.moved
            self._flow = None
        self.factory.received += self.received
        super().connectionLost(reason)

    # Not reading: for the transport (IPushProducer), and for the journal.

    def pauseProducing(self) -> None:
        """Do not read: the peer does not take what is sent."""
        self._hold(_OUTPUT)

    def resumeProducing(self) -> None:
        """Read: the peer has taken it. Close, if it had ended TLS before."""
        below = getattr(self.transport, "transport", None)
        if below is not None and below.disconnecting:
            self.close()
        else:
            self._release(_OUTPUT)

    def stopProducing(self) -> None:
        """The transport is gone."""

    def hold(self) -> None:
        """Do not read: the disk does not keep up. A TLS handshake goes on."""
        self.held = True
        if not self._handshaking:
            self._hold(_JOURNAL)

    def release(self) -> None:
        """Read: the disk has caught up."""
        self.held = False
        self._release(_JOURNAL)

    def handshakeCompleted(self) -> None:
        """The TLS handshake is done."""
        super().handshakeCompleted()
        if self.held:
            self._hold(_JOURNAL)

    def _hold(self, why: int) -> None:
        self._held |= why
        self.transport.pauseProducing()

    def _release(self, why: int) -> None:
        self._held &= ~why
        if not self._held:
            self.transport.resumeProducing()


class EchoFactory(ServiceFactory):
    """
    Makes the connections of one listen string.

    @ivar received: The bytes that ended connections have sent us.
    @ivar held: Whether the disk does not keep up, so that new connections are
        not read from yet either.
    """

    def __init__(
        self,
        connections: Connections,
        transport: str,
        greeting: bytes = b"",
        journal: Journal | None = None,
    ) -> None:
        """
        @param connections: What watches them.
        @param transport: C{tcp}, C{tls} or C{unix}.
        @param greeting: What is sent first.
        @param journal: Where what comes is recorded.
        """
        super().__init__(connections, transport)
        self.transport = transport
        self.greeting = greeting
        self.journal = journal
        self.received = 0
        self.held = False

    def make(self) -> Echo:
        """Make a connection's protocol."""
        echo = Echo()
        echo.factory = self
        return echo

    def peer(self, connection: Echo) -> str:
        """Name a connection's peer, for the journal."""
        if connection.host is None:
            return "unix"
        return show(connection.host, connection.transport.getPeer().port)


class EchoDatagrams(DatagramProtocol):
    """
    The datagrams of one UDP port.

    @ivar guard: Decides which are answered.
    @ivar journal: Where what is answered is recorded.
    @ivar received: How many came.
    @ivar refused: How many were not answered, by reason.
    @ivar dropped: How many the kernel dropped before they could be read.
    """

    noisy = False
    transport: Any

    def __init__(self, guard: Guard, now: Any, journal: Journal | None = None) -> None:
        """
        @param guard: Decides which are answered.
        @param now: Gives the time in seconds.
        @param journal: Where what is answered is recorded.
        """
        self.guard = guard
        self._now = now
        self.journal = journal
        self.received = 0
        self.refused: Counter[str] = Counter()
        self.dropped = 0

    def tally(self) -> None:
        """Take over what the kernel has counted, where it is asked."""
        self.dropped = getattr(self.transport, "kernel_drops", self.dropped)

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """Send a datagram back to where it says it comes from."""
        self.received += 1
        host, port = addr
        # Twisted's own ports do not know the destination.
        to_group = getattr(self.transport, "to_group", False)
        reason = self.guard.refusal(host, port, self._now(), to_group)
        if reason is not None:
            self.refused[reason] += 1
            return
        if self.journal is not None:
            self.journal.record(show(host, port), "udp", datagram)
        try:
            sent = self.transport.write(datagram, addr)
        except (OSError, MessageLengthError):
            sent = False
        if sent is False:
            self.refused[SEND_FAILED] += 1

    def hold(self) -> None:
        """Leave what comes to the kernel: the disk does not keep up."""
        if self.transport is not None:
            self.transport.stopReading()

    def release(self) -> None:
        """Take what comes: the disk has caught up."""
        if self.transport is not None:
            self.transport.startReading()
