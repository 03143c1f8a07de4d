"""The fan-out server on netsvc's multiplexer: what one client sends goes to all.

C{python -m benchmarks.fanout_netsvc PORT}. An ordinary small Twisted server: it
differs from one on Twisted's own transports in the endpoint and in fan_out.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

from netsvc.multiplex import MultiplexServerEndpoint, fan_out


class FanOut(Protocol):
    """What one client sends goes to all clients, the sender too."""

    def __init__(self, members: dict[FanOut, Any]) -> None:
        self.members = members

    def connectionMade(self) -> None:
        """Join."""
        self.members[self] = self.transport

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Leave."""
        del self.members[self]

    def dataReceived(self, data: bytes) -> None:
        """Send it to everyone."""
        fan_out(data, self.members.values())


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
    members: dict[FanOut, Any] = {}
    factory = QuietFactory()
    factory.protocol = lambda: FanOut(members)
    endpoint.listen(factory)
    reactor.run()


if __name__ == "__main__":
    main()
