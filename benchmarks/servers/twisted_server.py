"""The stock Twisted peer: its own transports on the epoll reactor.

C{python -m benchmarks.servers.twisted_server KIND PORT}, where KIND is C{tcp} or
C{udp} (an echo), C{relay} or C{fanout} (what one client sends goes to all others, or to
all). Nothing is logged: the factories are not noisy and no observer listens.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from twisted.internet import epollreactor
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

HOST = "127.0.0.1"
BACKLOG = 4096


class Echo(Protocol):
    """Every byte goes back."""

    def connectionMade(self) -> None:
        """Switch Nagle's algorithm off, as the other peers have it."""
        self.transport.setTcpNoDelay(True)  # type: ignore[union-attr]  # TCP only
        self.write: Callable[[bytes], None] = self.transport.write  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        """Send it back."""
        self.write(data)


class DatagramEcho(DatagramProtocol):
    """Every datagram goes back to its source."""

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Send it back."""
        self.transport.write(datagram, addr)  # type: ignore[union-attr]


class DatagramRelay(DatagramProtocol):
    """Every datagram goes to all other sources; a slash makes its own known."""

    noisy = False

    def __init__(self) -> None:
        self.peers: dict[Any, None] = {}

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Send it to the others."""
        write = self.transport.write  # type: ignore[union-attr]
        if datagram.startswith(b"/"):
            self.peers[addr] = None
            write(b"/", addr)
            return
        for peer in self.peers:
            if peer != addr:
                write(datagram, peer)


class FanOut(Protocol):
    """What one client sends goes to all clients, the sender too."""

    def __init__(self, writers: dict[FanOut, Callable[[bytes], None]]) -> None:
        self.writers = writers

    def connectionMade(self) -> None:
        """Join."""
        self.transport.setTcpNoDelay(True)  # type: ignore[union-attr]
        self.writers[self] = self.transport.write  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Leave."""
        del self.writers[self]

    def dataReceived(self, data: bytes) -> None:
        """Send it to everyone."""
        for write in self.writers.values():
            write(data)


class QuietFactory(Factory):
    """A factory that says nothing about each connection."""

    noisy = False


def main() -> None:
    """Run the server that the command line names."""
    kind, port = sys.argv[1], int(sys.argv[2])
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
    epollreactor.install()
    from twisted.internet import reactor as installed

    reactor: Any = installed
    if kind in ("udp", "relay"):
        protocol = DatagramEcho() if kind == "udp" else DatagramRelay()
        protocol.noisy = False
        reactor.listenUDP(port, protocol, interface=HOST)
    else:
        writers: dict[FanOut, Callable[[bytes], None]] = {}
        factory = QuietFactory()
        factory.protocol = Echo if kind == "tcp" else lambda: FanOut(writers)
        reactor.listenTCP(port, factory, backlog=BACKLOG, interface=HOST)
    reactor.run()


if __name__ == "__main__":
    main()
