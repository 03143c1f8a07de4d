"""The fan-out server on netsvc's multiplexer: what one client sends goes to all.

C{python -m benchmarks.fanout_netsvc PORT}. An ordinary small Twisted server: only the
endpoint differs from one on Twisted's own transports.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

from netsvc.multiplex import MultiplexServerEndpoint


class FanOut(Protocol):
    """What one client sends goes to all clients, the sender too."""

    def __init__(self, writers: dict[FanOut, Callable[[bytes], None]]) -> None:
        self.writers = writers

    def connectionMade(self) -> None:
        """Join."""
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
    """Serve until the process is ended."""
    reactor: Any = installed
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
    endpoint = MultiplexServerEndpoint(
        reactor, int(sys.argv[1]), interface="127.0.0.1", backlog=4096
    )
    writers: dict[FanOut, Callable[[bytes], None]] = {}
    factory = QuietFactory()
    factory.protocol = lambda: FanOut(writers)
    endpoint.listen(factory)
    reactor.run()


if __name__ == "__main__":
    main()
