"""The resolver of one run, with a validator in front of it if that is wanted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from netsvc.dns.asking import Asks
from netsvc.dns.bootstrap import with_addresses
from netsvc.dns.errors import NoServers
from netsvc.dns.lookups.request import Request
from netsvc.dns.resolver import Resolver
from netsvc.dns.resolver_settings import ResolverSettings
from netsvc.dns.servers import MAX_SERVERS, Server

#: Bytes that are read of a file with trust anchors.
MAX_ANCHORS = 1 << 20


class Engine:
    """
    What answers the questions of one run.

    @ivar resolver: The resolver.
    @ivar asks: What is to be asked: the resolver, or the validator before it.
    """

    def __init__(
        self,
        reactor: Any,
        servers: Sequence[Server],
        request: Request,
        settings: ResolverSettings,
    ) -> None:
        """
        @param servers: Whom to ask; their hosts are addresses.
        @param settings: How to ask.
        @raise AnchorError: The trust anchors are none.
        @raise OSError: Their file cannot be read.
        @raise TLSSettingsError: That of the authorities cannot be used.
        """
        anchors: Any = None
        if request.dnssec:
            # dnspython and cryptography are loaded by those who need them.
            from netsvc.dns.dnssec.anchors import (
                AnchorError,
                parse_anchors,
                root_anchors,
            )

            anchors = root_anchors()
            if request.anchors is not None:
                with request.anchors.open("rb") as file:
                    data = file.read(MAX_ANCHORS)
                try:
                    anchors = parse_anchors(data.decode("utf-8", "replace"))
                except AnchorError as error:
                    raise AnchorError(f"{request.anchors}: {error}") from None
        self.resolver = Resolver(reactor, servers, settings)
        self.asks: Asks = self.resolver
        if request.dnssec:
            from netsvc.dns.lookups.validating import ValidatingAsks

            self.asks = ValidatingAsks(self.resolver, servers, anchors, time.time)

    def is_well(self, server: Server) -> bool:
        """Tell whether a server is worth asking just now."""
        memory = self.resolver.memory(server)
        now = self.resolver.now()
        return not memory.is_resting or memory.probe_is_due(now)

    def close(self) -> None:
        """Close all sockets."""
        self.resolver.close()


async def reachable(
    reactor: Any, servers: Sequence[Server]
) -> tuple[tuple[Server, ...], list[NoServers]]:
    """
    Look up the addresses of servers that are named by name.

    @return: The servers, and what is wrong with the others.
    """
    found: dict[Server, None] = {}
    problems: list[NoServers] = []

    async def one(server: Server) -> tuple[Server, ...]:
        try:
            return await with_addresses(reactor, [server])
        except NoServers as error:
            problems.append(error)
            return ()

    looked_up: list[tuple[Server, ...]] = await gatherResults(
        [Deferred.fromCoroutine(one(server)) for server in servers]
    )
    for each in looked_up:
        found.update(dict.fromkeys(each))
    return tuple(found)[:MAX_SERVERS], problems


def bulk_settings(settings: ResolverSettings, window: int) -> ResolverSettings:
    """Have room for as many lookups as a window has, and those for their chains."""
    room = 2 * window + ResolverSettings().max_lookups
    return replace(settings, max_lookups=room, max_waiting=room)
