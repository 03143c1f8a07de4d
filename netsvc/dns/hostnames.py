"""
The resolver for Twisted programs: C{IHostnameResolver} and C{IResolver}.

    - L{HostnameResolver} for C{reactor.installNameResolver}: every endpoint and client
      of the program asks it from then on.
    - L{NamesResolver} in place of L{twisted.names.client.Resolver}.

Names are found in the hosts file, and completed by the search list, as the system
does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from socket import AF_INET, AF_INET6
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from twisted.logger import Logger
from twisted.names import dns, error
from twisted.names.common import ResolverBase
from zope.interface import implementer

from netsvc.daemon.targets import is_address
from netsvc.dns.asking import Asks, TransfersZones
from netsvc.dns.codes import NXDOMAIN
from netsvc.dns.errors import (
    DNSError,
    InvalidName,
    LookupFailed,
    NoServers,
    ServerTimeout,
)
from netsvc.dns.hosts import Hosts
from netsvc.dns.idn import to_wire
from netsvc.dns.names import to_text
from netsvc.dns.options import QueryOptions
from netsvc.dns.resolv_conf import ResolvConf, candidates
from netsvc.dns.result import Record, Result
from netsvc.dns.rrtypes import AAAA, IN, A

_FAMILIES = {A: AF_INET, AAAA: AF_INET6}


class HostLookup:
    """Finds the addresses of a name: hosts file, search list, DNS."""

    def __init__(
        self, asks: Asks, hosts: Hosts | None = None, conf: ResolvConf | None = None
    ) -> None:
        """
        @param asks: Whom to ask.
        @param hosts: What the hosts file says.
        @param conf: Has the search list; its servers do not matter.
        """
        self._asks = asks
        self._hosts = hosts or Hosts()
        self._conf = conf or ResolvConf()

    async def addresses(
        self, name: str, rtypes: Sequence[int] = (AAAA, A)
    ) -> tuple[str, ...]:
        """
        Find addresses.

        @param name: A name as people write it, or an address.
        @param rtypes: L{AAAA}, L{A} or both, in the order of the result.
        @raise InvalidName: It is no name.
        @raise LookupFailed: None of the queries was answered.
        """
        if is_address(name):
            return (name,)
        conf = self._conf
        for candidate in candidates(name, conf.search, conf.ndots):
            wire = to_wire(candidate)
            known = self._hosts.lookup(wire)
            if known:
                return tuple(
                    each for each in known if (AAAA if ":" in each else A) in rtypes
                )
            found = await self._ask(wire, rtypes)
            if found:
                return found
        return ()

    async def _ask(self, name: bytes, rtypes: Sequence[int]) -> tuple[str, ...]:
        """Ask for all types at once."""
        asked = [self._asks.query(name, rtype) for rtype in rtypes]
        answers: Any = await DeferredList(asked, consumeErrors=True)
        if not any(success for success, _ in answers):
            raise answers[0][1].value
        return tuple(
            address
            for success, result in answers
            if success
            for address in result.addresses
        )


@implementer(IHostResolution)
class _Resolution:
    """One resolution."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.running: Deferred[Any] | None = None

    def cancel(self) -> None:
        """Give up."""
        if self.running is not None:
            self.running.cancel()


@implementer(IHostnameResolver)
class HostnameResolver:
    """An C{IHostnameResolver} for C{reactor.installNameResolver}."""

    _log = Logger()

    def __init__(self, lookup: HostLookup) -> None:
        """@param lookup: finds addresses."""
        self._lookup = lookup

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,  # noqa: N803 -- the interface's name, as those below
        portNumber: int = 0,  # noqa: N803
        addressTypes: Sequence[type[Any]] | None = None,
        transportSemantics: Any = "TCP",  # noqa: N803
    ) -> Any:
        """
        Find the addresses of a name, IPv6 first.

        A name that is none, or that could not be looked up, has none, as the
        interface wants it.
        """
        types = addressTypes or (IPv6Address, IPv4Address)
        rtypes = [
            rtype
            for rtype, kind in ((AAAA, IPv6Address), (A, IPv4Address))
            if kind in types
        ]
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)

        def found(addresses: Iterable[str]) -> None:
            for address in addresses:
                kind = IPv6Address if ":" in address else IPv4Address
                if kind in types:
                    resolutionReceiver.addressResolved(
                        kind(transportSemantics, address, portNumber)
                    )
            resolutionReceiver.resolutionComplete()

        def failed(failure: Any) -> None:
            if failure.check(DNSError, CancelledError) is None:
                self._log.failure("in a name lookup", failure, event="internal-error")
            resolutionReceiver.resolutionComplete()

        running = Deferred.fromCoroutine(self._lookup.addresses(hostName, rtypes))
        resolution.running = running
        running.addCallbacks(found, failed)
        return resolution


#: What the failures of L{twisted.names} are called, for those that have a code.
_CODES: dict[int, type[Exception]] = {
    1: error.DNSFormatError,
    2: error.DNSServerError,
    3: error.DNSNameError,
    4: error.DNSNotImplementedError,
    5: error.DNSQueryRefusedError,
}


class NamesResolver(ResolverBase):
    """
    An C{IResolver}: what L{twisted.names.client.Resolver} is, by our resolver.

    Failures are those of L{twisted.names.error}, with ours as C{__cause__}.
    """

    def __init__(self, asks: Asks, lookup: HostLookup | None = None) -> None:
        """
        @param asks: Whom to ask.
        @param lookup: Finds addresses for C{getHostByName}.
        """
        super().__init__()
        self._asks = asks
        self._lookup_host = lookup or HostLookup(asks)

    def _lookup(self, name: Any, cls: int, type: int, timeout: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(self._answers(name, cls, type, timeout))

    async def _answers(
        self, name: Any, rclass: int, rtype: int, timeout: Any
    ) -> tuple[list[Any], list[Any], list[Any]]:
        text = _text(name)
        options = QueryOptions(deadline=_seconds(timeout))
        try:
            result = await self._asks.query(text or ".", rtype, rclass, options)
        except InvalidName as wrong:
            raise error.DNSNameError(str(wrong)) from wrong
        except LookupFailed as failure:
            raise _names_error(failure) from failure
        if result.rcode == NXDOMAIN:
            raise error.DNSNameError(_reply(result))
        return (
            [_header(record) for record in result.records],
            [_header(record) for record in result.authority],
            [_header(record) for record in result.additional],
        )

    def lookupZone(self, name: Any, timeout: Any = None) -> Deferred[Any]:
        """
        Transfer a zone (AXFR): the answers begin and end with its SOA record.

        Only a L{Resolver<netsvc.dns.resolver.Resolver>} transfers zones. Behind a cache
        or a validator it fails with L{DNSNotImplementedError
        <twisted.names.error.DNSNotImplementedError>}, and nobody is asked.

        @param timeout: Seconds that it may take; L{netsvc.dns.zones.TIMEOUT} if it is
            not given.
        """
        return Deferred.fromCoroutine(self._zone(name, timeout))

    async def _zone(
        self, name: Any, timeout: Any
    ) -> tuple[list[Any], list[Any], list[Any]]:
        if not isinstance(self._asks, TransfersZones):
            raise error.DNSNotImplementedError(
                "zone transfers are asked of a Resolver, not of a cache or validator"
            )
        try:
            zone = to_wire(_text(name) or ".")
            records = await self._asks.transfer(zone, _seconds(timeout))
        except InvalidName as wrong:
            raise error.DNSNameError(str(wrong)) from wrong
        except LookupFailed as failure:
            raise _names_error(failure) from failure
        except DNSError as wrong:
            raise error.DNSUnknownError(str(wrong)) from wrong
        return [_header(record) for record in records], [], []

    def getHostByName(
        self, name: Any, timeout: Any = None, effort: int = 10
    ) -> Deferred[str]:
        """Find an address of a name: an IPv4 one if it has one."""
        text = _text(name)

        async def find() -> str:
            try:
                found = await self._lookup_host.addresses(text, (A, AAAA))
            except LookupFailed as failure:
                raise _names_error(failure) from failure
            except InvalidName as wrong:
                raise DNSLookupError(str(wrong)) from wrong
            if not found:
                raise DNSLookupError(f"no address for {text}")
            return found[0]

        return Deferred.fromCoroutine(find())


def _text(name: Any) -> str:
    """Give a name of a program as text."""
    return name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)


def _seconds(timeout: Any) -> float | None:
    """Add up what L{twisted.names} takes as timeouts: one for each try."""
    if timeout is None:
        return None
    return float(sum(timeout)) if isinstance(timeout, (tuple, list)) else float(timeout)


def _names_error(failure: LookupFailed) -> Exception:
    """Say it in the words of L{twisted.names}."""
    if isinstance(failure, (ServerTimeout, NoServers)):
        return error.DNSQueryTimeoutError(0)
    if failure.rcode is not None:
        return _CODES.get(failure.rcode, error.DNSUnknownError)(str(failure))
    return error.DNSUnknownError(str(failure))


def _reply(result: Result) -> Any:
    """Give the reply as a message of L{twisted.names}."""
    message = dns.Message()
    message.rCode = result.rcode
    message.queries = [
        dns.Query(to_text(result.question.name), result.question.rtype, IN)
    ]
    message.authority = [_header(record) for record in result.authority]
    return message


def _header(record: Record) -> Any:
    """Give a record as L{twisted.names} has it."""
    owner, rtype, rclass, ttl, rdata = record
    header = dns.RRHeader(to_text(owner), rtype, rclass, min(ttl, 2**31 - 1))
    header.rdlength = len(rdata)
    payload = dns.Message().lookupRecordType(rtype)(ttl=header.ttl)
    payload.decode(BytesIO(rdata), len(rdata))
    header.payload = payload
    return header
