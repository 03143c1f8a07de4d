"""
Backends by name: their addresses are looked up again when the old answer expires.

The DNS gives addresses with a time to live, and SRV records. Who asks it comes from
outside (L{Lookup}): services do not know each other, and the DNS client is another
one's. When a lookup fails the old addresses stay, and it is tried
again soon.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any, Protocol

from twisted.internet import defer
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IResolutionReceiver
from twisted.logger import Logger
from twisted.names import client, dns
from twisted.names.error import DomainError
from zope.interface import implementer

from netsvc.balance.backends import (
    BackendKind,
    BackendSpec,
    Resolved,
    Service,
    SrvRecord,
    is_address,
    scale_srv,
)
from netsvc.daemon.escape import escape

#: Seconds for which an answer without a time to live counts.
DEFAULT_TTL = 30.0

#: The bounds of a time to live, in seconds, whatever the DNS says.
LEAST_TTL = 1.0
MOST_TTL = 3600.0

#: Seconds after which a lookup that failed is tried again.
RETRY = 2.0

#: Seconds that a query may take: the first try, and the second.
QUERY_TIMEOUTS = (1, 3)

#: Seconds that a whole lookup may take.
LOOKUP_TIMEOUT = 10.0


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


class Found(Protocol):
    """What counts of what a lookup has found; see L{Answer}, which is one."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Literal addresses, for a name."""

    @property
    def services(self) -> Sequence[Service]:
        """Records, for an SRV name."""

    @property
    def ttl(self) -> float:
        """Seconds for which it counts."""


class Lookup(Protocol):
    """What L{Resolving} asks of a resolver; what it raises is a failed lookup."""

    def addresses(self, name: str) -> Awaitable[Found]:
        """Look up the IPv4 or IPv6 addresses of a name."""

    def services(self, name: str) -> Awaitable[Found]:
        """Look up the SRV records of a name."""

    def close(self) -> None:
        """Ask no more."""


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


class Resolving:
    """
    Keeps the addresses of one backend by name up to date.

    @ivar spec: The backend.
    """

    _log = Logger()

    def __init__(
        self,
        spec: BackendSpec,
        lookup: Lookup,
        found: Callable[[BackendSpec, list[Resolved]], object],
        clock: Any,
    ) -> None:
        """
        @param spec: The backend, by name or SRV name.
        @param lookup: The resolver.
        @param found: Called with all its addresses, each time.
        @param clock: The reactor (L{twisted.internet.interfaces.IReactorTime}).
        """
        self.spec = spec
        self._lookup = lookup
        self._found = found
        self._clock = clock
        self._call: Any = None
        self._running: defer.Deferred[Any] | None = None
        self._failing = False

    def start(self) -> None:
        """Look up now, and again when what was found expires."""
        self._call = None
        running = defer.ensureDeferred(self._resolve())
        running.addTimeout(LOOKUP_TIMEOUT, self._clock)
        self._running = running
        running.addCallbacks(self._succeeded, self._failed)
        running.addErrback(self._mistaken)

    def stop(self) -> None:
        """Look up no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        running, self._running = self._running, None
        if running is not None:
            running.cancel()

    async def _resolve(self) -> tuple[list[Resolved], float]:
        """Find all addresses, and for how long they count."""
        spec = self.spec
        if spec.kind is BackendKind.NAME:
            answer = await self._lookup.addresses(spec.host)
            return [Resolved(host, spec.port) for host in answer.addresses], answer.ttl
        answer = await self._lookup.services(spec.host)
        ttl = answer.ttl
        resolved = []
        for record, weight, backup in scale_srv(answer.services):
            if is_address(record.target):
                hosts: tuple[str, ...] = (record.target,)
            else:
                target = await self._lookup.addresses(record.target)
                hosts, ttl = target.addresses, min(ttl, target.ttl)
            resolved += [Resolved(host, record.port, weight, backup) for host in hosts]
        return resolved, ttl

    def _succeeded(self, result: tuple[list[Resolved], float]) -> None:
        resolved, ttl = result
        if self._running is None:
            return
        self._running = None
        if self._failing:
            self._failing = False
            self._log.info(
                "backend {backend} is found again",
                backend=self.spec.name,
                event="backend-found",
            )
        self._again(min(max(ttl, LEAST_TTL), MOST_TTL))
        self._found(self.spec, resolved)

    def _failed(self, failure: Any) -> None:
        if self._running is None:
            return  # it was stopped
        self._running = None
        if not self._failing:
            self._failing = True
            self._log.warn(
                "backend {backend} cannot be looked up, its addresses stay: {error}",
                backend=self.spec.name,
                error=escape(failure.getErrorMessage()[:200]),
                event="backend-lookup-failed",
            )
        self._again(RETRY)

    def _mistaken(self, failure: Any) -> None:
        """The mistake is ours: say so; the next lookup is planned already."""
        self._log.failure("in a lookup", failure, event="internal-error")

    def _again(self, seconds: float) -> None:
        self._call = self._clock.callLater(seconds, self.start)
