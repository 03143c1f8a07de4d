"""Finds backends by L{twisted.names} and the system, where there is no better way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any

from twisted.internet import defer
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IResolutionReceiver
from twisted.names import client, dns
from twisted.names.error import DomainError
from zope.interface import implementer

from netsvc.balance.backends import SrvRecord

#: Seconds for which an answer without a time to live counts.
DEFAULT_TTL = 30.0

#: Seconds that a query may take: the first try, and the second.
QUERY_TIMEOUTS = (1, 3)


@dataclass(frozen=True)
class Answer:
    """
    What a lookup has found.

    @ivar addresses: Literal addresses, for a name.
    @ivar services: Records, for an SRV name.
    @ivar ttl: Seconds for which it counts.
    """

    addresses: tuple[str, ...] = ()
    services: tuple[SrvRecord, ...] = ()
    ttl: float = DEFAULT_TTL


@implementer(IResolutionReceiver)
class _Receiver:
    """Collects what the system's resolver finds."""

    def __init__(self, done: Callable[[list[str]], None]) -> None:
        self._done = done
        self._found: list[str] = []

    def resolutionBegan(self, resolution: Any) -> None:
        """It has begun."""

    def addressResolved(self, address: Any) -> None:
        """One address."""
        if isinstance(address, (IPv4Address, IPv6Address)):
            self._found.append(address.host)

    def resolutionComplete(self) -> None:
        """That was all."""
        self._done(list(dict.fromkeys(self._found)))


class SystemLookup:
    """
    Asks the DNS by L{twisted.names}, and then the system: where there is no better
    way, as without resolv.conf.
    """

    def __init__(self, reactor: Any, resolver: Any = None) -> None:
        """
        @param reactor: The reactor.
        @param resolver: The DNS client; by default one of the servers in
            C{/etc/resolv.conf}.
        """
        self._reactor = reactor
        self._resolver = resolver

    @property
    def _dns(self) -> Any:
        """The DNS client, made when it is needed."""
        if self._resolver is None:
            self._resolver = client.Resolver(
                resolv="/etc/resolv.conf", timeout=QUERY_TIMEOUTS, reactor=self._reactor
            )
        return self._resolver

    async def _records(self, lookup: Any, name: str, kind: int) -> list[Any]:
        """Ask for records of one type; give those of it."""
        answers, _, _ = await lookup(name, timeout=QUERY_TIMEOUTS)
        return [record for record in answers if record.type == kind]

    def close(self) -> None:
        """Leave what is under way to its deadlines."""

    def addresses(self, name: str) -> defer.Deferred[Answer]:
        """Look up the addresses of a name."""
        return defer.ensureDeferred(self._addresses(name))

    async def _addresses(self, name: str) -> Answer:
        for lookup, kind in (
            (self._dns.lookupAddress, dns.A),
            (self._dns.lookupIPV6Address, dns.AAAA),
        ):
            try:
                records = await self._records(lookup, name, kind)
            except (DomainError, defer.TimeoutError, OSError):
                # The other family, or the system, may know it.
                continue
            if records:
                # Not both: they would be the same machines a second time.
                family = AF_INET if kind == dns.A else AF_INET6
                return Answer(
                    tuple(inet_ntop(family, each.payload.address) for each in records),
                    ttl=float(min(each.ttl for each in records)),
                )
        return Answer(tuple(await self._by_system(name)))

    def _by_system(self, name: str) -> defer.Deferred[list[str]]:
        """Ask the system's resolver."""
        result: defer.Deferred[list[str]] = defer.Deferred()

        def done(found: list[str]) -> None:
            if found:
                result.callback(found)
            else:
                result.errback(DNSLookupError(f"{name} has no address"))

        self._reactor.nameResolver.resolveHostName(_Receiver(done), name)
        return result

    def services(self, name: str) -> defer.Deferred[Answer]:
        """Look up the SRV records of a name."""
        return defer.ensureDeferred(self._services(name))

    async def _services(self, name: str) -> Answer:
        records = await self._records(self._dns.lookupService, name, dns.SRV)
        services = [
            SrvRecord(
                payload.target.name.decode("ascii", "replace"),
                payload.port,
                payload.priority,
                payload.weight,
            )
            for payload in (record.payload for record in records)
            if payload.target.name not in (b"", b".")  # RFC 2782: not available
        ]
        if not services:
            raise DNSLookupError(f"{name} has no SRV record")
        return Answer(
            services=tuple(services), ttl=float(min(record.ttl for record in records))
        )
