"""Looks names up by one of several libraries, when it is told to over TCP.

It is told C{HOST PORT SECONDS WINDOW}, looks names up for a while to warm up, says
C{warm}, waits for a line, looks names up for so many seconds, so many at once, and says
how many answers were right and how many were not. Any other line it sends back.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

#: Seconds of warming up.
WARMUP = 0.5

#: Different names that are asked for.
NAMES = 100_000

#: Gives the addresses of a name.
Lookup = Callable[[str], Awaitable[list[str]]]

#: Waits for several coroutines.
Gather = Callable[[list[Coroutine[Any, Any, None]]], Awaitable[Any]]


class Order:
    """What is to be done."""

    def __init__(self, line: bytes, control: socket.socket) -> None:
        host, port, seconds, window = line.decode().split()
        self.host, self.port = host, int(port)
        self.seconds, self.window = float(seconds), int(window)
        self.control = control
        self.numbers = itertools.cycle(range(NAMES))
        self.right = self.wrong = 0

    async def run(self, lookup: Lookup, gather: Gather) -> None:
        """Do it."""
        await self._for(WARMUP, lookup, gather)
        self.right = self.wrong = 0
        self.control.sendall(b"warm\n")
        self.control.recv(100)
        await self._for(self.seconds, lookup, gather)
        self.control.sendall(f"{self.right} {self.wrong}\n".encode())

    async def _for(self, seconds: float, lookup: Lookup, gather: Gather) -> None:
        end = time.monotonic() + seconds
        await gather([self._worker(end, lookup) for _ in range(self.window)])

    async def _worker(self, end: float, lookup: Lookup) -> None:
        numbers = self.numbers
        clock = time.monotonic
        while clock() < end:
            number = next(numbers)
            found = await lookup(f"h{number}.zone.test")
            if found == [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"]:
                self.right += 1
            else:
                self.wrong += 1


def _in_reactor(order: Order, make: Callable[[Any], Lookup]) -> None:
    """Run under Twisted's reactor."""
    from twisted.internet import reactor as _reactor
    from twisted.internet.defer import Deferred, ensureDeferred, gatherResults

    reactor: Any = _reactor

    def gather(workers: list[Coroutine[Any, Any, None]]) -> Deferred[Any]:
        return gatherResults([ensureDeferred(worker) for worker in workers])

    def begin() -> None:
        done = ensureDeferred(order.run(make(reactor), gather))
        done.addErrback(lambda failure: failure.printTraceback(sys.stderr))
        done.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()


def _netsvc(order: Order) -> None:
    from netsvc.dns.resolver import Resolver
    from netsvc.dns.servers import Server

    def make(reactor: Any) -> Lookup:
        resolver = Resolver(reactor, [Server("udp", order.host, order.port)])

        async def lookup(name: str) -> list[str]:
            return list((await resolver.query(name)).addresses)

        return lookup

    _in_reactor(order, make)


def _twisted(order: Order) -> None:
    from twisted.names.client import Resolver

    def make(reactor: Any) -> Lookup:
        resolver = Resolver(servers=[(order.host, order.port)], reactor=reactor)

        async def lookup(name: str) -> list[str]:
            answers, _, _ = await resolver.lookupAddress(name)
            return [answer.payload.dottedQuad() for answer in answers]

        return lookup

    _in_reactor(order, make)


async def _gather(workers: list[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*workers)


def _aiodns(order: Order) -> None:
    aiodns = importlib.import_module("aiodns")  # perhaps not installed

    async def main() -> None:
        resolver = aiodns.DNSResolver(
            nameservers=[order.host], udp_port=order.port, tcp_port=order.port
        )

        async def lookup(name: str) -> list[str]:
            found = await resolver.query_dns(name, "A")
            return [record.data.addr for record in found.answer]

        await order.run(lookup, _gather)

    asyncio.run(main())


def _dnspython(order: Order) -> None:
    import dns.asyncresolver

    async def main() -> None:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [order.host]
        resolver.port = order.port
        resolver.use_edns(0, 0, 1232)

        async def lookup(name: str) -> list[str]:
            found = await resolver.resolve(name, "A", search=False)
            return [record.address for record in found]

        await order.run(lookup, _gather)

    asyncio.run(main())


LIBRARIES = {
    "netsvc": _netsvc,
    "twisted": _twisted,
    "aiodns": _aiodns,
    "dnspython": _dnspython,
}


def main(library: str, port: str) -> None:
    """Wait for orders; there is one for each process."""
    with socket.create_server(("127.0.0.1", int(port))) as listening:
        while True:
            control, _ = listening.accept()
            with control:
                line = control.recv(1000)
                if len(line.split()) == 4:
                    LIBRARIES[library](Order(line, control))
                    control.recv(100)
                    return
                control.sendall(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
