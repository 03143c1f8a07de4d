"""The asyncio and uvloop peers: Protocols, as fast as they are plainly written.

C{python -m benchmarks.servers.asyncio_server KIND PORT [uvloop]}, where KIND is C{tcp}
or C{udp} (an echo) or C{fanout} (what one client sends goes to all clients).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from importlib import import_module
from typing import cast

HOST = "127.0.0.1"
BACKLOG = 4096


class Echo(asyncio.Protocol):
    """Every byte goes back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the bound method: the shortest way to an answer."""
        self.write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.write(data)


class DatagramEcho(asyncio.DatagramProtocol):
    """Every datagram goes back to its source."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the bound method."""
        self.sendto = cast(asyncio.DatagramTransport, transport).sendto

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Send it back."""
        self.sendto(data, addr)


class FanOut(asyncio.Protocol):
    """What one client sends goes to all clients, the sender too."""

    writers: dict[FanOut, Callable[[bytes], None]]

    def __init__(self, writers: dict[FanOut, Callable[[bytes], None]]) -> None:
        self.writers = writers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join."""
        self.writers[self] = cast(asyncio.Transport, transport).write

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave."""
        del self.writers[self]

    def data_received(self, data: bytes) -> None:
        """Send it to everyone."""
        for write in self.writers.values():
            write(data)


async def serve(kind: str, port: int) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    if kind == "udp":
        await loop.create_datagram_endpoint(DatagramEcho, local_addr=(HOST, port))
        await asyncio.Event().wait()
    writers: dict[FanOut, Callable[[bytes], None]] = {}
    server = await loop.create_server(
        Echo if kind == "tcp" else lambda: FanOut(writers), HOST, port, backlog=BACKLOG
    )
    await server.serve_forever()


def main() -> None:
    """Run the server that the command line names."""
    kind, port, *loop = sys.argv[1:]
    if loop == ["uvloop"]:
        # By name, so that type checkers do not need it.
        import_module("uvloop").run(serve(kind, int(port)))
    else:
        asyncio.run(serve(kind, int(port)))


if __name__ == "__main__":
    main()
