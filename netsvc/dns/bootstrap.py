"""Servers by name: the system looks up their addresses before they are asked."""

from __future__ import annotations

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
