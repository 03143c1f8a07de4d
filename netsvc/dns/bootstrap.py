"""Servers by name: the system looks up their addresses before they are asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IResolutionReceiver
from zope.interface import implementer

from netsvc.dns.errors import NoServers
from netsvc.dns.servers import MAX_SERVERS, Server

#: Seconds that the system may take for one name.
TIMEOUT = 10.0

#: Seconds that it may take for all names together while a service starts.
START_TIMEOUT = 5.0


@implementer(IResolutionReceiver)
class _Receiver:
    """Collects what the system's resolver finds."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.done: Deferred[list[str]] = Deferred()

    def resolutionBegan(self, resolution: Any) -> None:
        """It has begun."""

    def addressResolved(self, address: Any) -> None:
        """One address."""
        if isinstance(address, (IPv4Address, IPv6Address)):
            self.found.append(address.host)

    def resolutionComplete(self) -> None:
        """That was all."""
        if not self.done.called:
            self.done.callback(list(dict.fromkeys(self.found)))


async def with_addresses(
    reactor: Any, servers: Iterable[Server], resolver: Any = None
) -> tuple[Server, ...]:
    """
    Give servers whose hosts are all literal addresses.

    @param servers: One whose host is a name becomes one for each of its addresses.
    @param resolver: An C{IHostnameResolver}; by default the reactor's. It must not be
        one that asks these servers.
    @raise NoServers: A name has no address.
    """
    found: dict[Server, None] = {}
    for server in servers:
        if server.is_address:
            found[server] = None
            continue
        receiver = _Receiver()
        (resolver or reactor.nameResolver).resolveHostName(receiver, server.host)
        receiver.done.addTimeout(TIMEOUT, reactor, onTimeoutCancel=lambda *_: [])
        addresses = await receiver.done
        if not addresses:
            raise NoServers(f"{server}: {server.host} has no address")
        for address in addresses:
            found[replace(server, host=address)] = None
    return tuple(found)[:MAX_SERVERS]


def with_addresses_now(
    servers: Iterable[Server], timeout: float = START_TIMEOUT
) -> tuple[Server, ...]:
    """
    Do the same as L{with_addresses} before the reactor runs, and wait for it.

    @param timeout: Seconds for all names together.
    @raise NoServers: A name has no address, or the time is up: the system may ask a
        server that does not answer, perhaps the one that is about to start.
    """
    servers = tuple(servers)
    found: dict[Server, OSError | list[str]] = {
        server: [server.host] for server in servers if server.is_address
    }

    def look_up() -> None:
        for server in servers:
            if server not in found:
                found[server] = _look_up(server)

    if len(found) < len(servers):
        # The system's resolver cannot be told how long it may take.
        thread = threading.Thread(target=look_up, daemon=True)
        thread.start()
        thread.join(timeout)
    known: dict[Server, None] = {}
    for server in servers:
        addresses = found.get(server)
        if addresses is None:
            text = f"the address of {server.host} was not found in {timeout:g} s"
            raise NoServers(f"{server}: {text}")
        if isinstance(addresses, OSError):
            raise NoServers(f"{server}: {addresses.strerror or addresses}")
        known.update((replace(server, host=address), None) for address in addresses)
    return tuple(known)[:MAX_SERVERS]


def _look_up(server: Server) -> OSError | list[str]:
    """Ask the system for the addresses of a server."""
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    except UnicodeError:
        return OSError(f"{server.host} is no name")
    return [str(each[4][0]) for each in found]
