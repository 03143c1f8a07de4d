"""
Finds the backends of a balancer: addresses and SRV records, with their time to live.

The balancer knows only what it asks of a resolver; L{BackendLookup} is one of ours
that has just that. The hosts file and resolv.conf count as they do for the system, and
are read again when they have changed: a balancer runs for longer than a DHCP lease.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from netsvc.daemon.targets import is_address
from netsvc.dns import hosts as hosts_file
from netsvc.dns import resolv_conf
from netsvc.dns.bootstrap import with_addresses_now
from netsvc.dns.errors import LookupFailed
from netsvc.dns.hosts import Hosts
from netsvc.dns.idn import to_wire
from netsvc.dns.names import to_text
from netsvc.dns.rdata import name_at
from netsvc.dns.resolv_conf import ResolvConf, candidates
from netsvc.dns.resolver import Resolver
from netsvc.dns.resolver_settings import DEFAULT, Order, ResolverSettings
from netsvc.dns.result import Result
from netsvc.dns.rrtypes import AAAA, SRV, A
from netsvc.dns.servers import SYSTEM, Server, parse_servers

#: Seconds for which what stands in the hosts file counts.
HOSTS_TTL = 30.0

_T = TypeVar("_T")


class Service(NamedTuple):
    """
    An SRV record (RFC 2782).

    @ivar target: The name of the host.
    @ivar port: Its port.
    @ivar priority: The lowest is to be used first.
    @ivar weight: Its share among those of the same priority.
    """

    target: str
    port: int
    priority: int
    weight: int


class Found(NamedTuple):
    """
    What a lookup has found.

    @ivar addresses: Literal addresses, for a name.
    @ivar services: Records, for an SRV name.
    @ivar ttl: Seconds for which it counts.
    """

    addresses: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    ttl: float = HOSTS_TTL


class NothingFound(LookupFailed):
    """A name has no address, or no SRV record."""


class _File(Generic[_T]):
    """A file that is read again when it has changed."""

    def __init__(self, path: Path, load: Callable[[Path], _T]) -> None:
        self._path = path
        self._load = load
        self._seen: object = ()
        self._value: _T | None = None

    def read(self) -> tuple[_T, bool]:
        """
        Give what it says, and whether that may be new.

        @raise OSError: It cannot be read.
        """
        try:
            status = os.stat(self._path)
            seen: object = (status.st_mtime_ns, status.st_size, status.st_ino)
        except FileNotFoundError:
            seen = None
        if self._value is None or seen != self._seen:
            self._value, self._seen = self._load(self._path), seen
            return self._value, True
        return self._value, False


class BackendLookup:
    """Asks for the addresses and SRV records of backends."""

    def __init__(
        self,
        reactor: Any,
        servers: Sequence[Server] | None,
        conf: Path = resolv_conf.PATH,
        hosts: Path = hosts_file.PATH,
        make: Callable[[Any, Sequence[Server], ResolverSettings], Any] = Resolver,
    ) -> None:
        """
        @param reactor: The reactor.
        @param servers: Whom to ask, by address; L{None} for those of resolv.conf,
            with its options.
        @param conf: Where resolv.conf is; its search list counts for all names.
        @param hosts: Where the hosts file is.
        @param make: Makes a resolver.
        """
        self._reactor = reactor
        self._servers = servers
        self._make = make
        self._conf: _File[ResolvConf] = _File(conf, resolv_conf.load)
        self._hosts: _File[Hosts] = _File(hosts, hosts_file.load)
        self._resolver: Any = None

    def close(self) -> None:
        """Ask no more; what is under way fails."""
        resolver, self._resolver = self._resolver, None
        if resolver is not None:
            resolver.close()

    def _current(self) -> tuple[Any, ResolvConf]:
        """Give the resolver, and what resolv.conf says."""
        try:
            conf, is_new = self._conf.read()
        except OSError as error:
            raise LookupFailed(f"{error.filename}: {error.strerror}") from None
        if is_new:
            self.close()
        if self._resolver is None:
            servers, settings = self._servers, DEFAULT
            if servers is None:
                servers, settings = conf.servers, _settings(conf)
            self._resolver = self._make(self._reactor, servers, settings)
        return self._resolver, conf

    async def addresses(self, name: str) -> Found:
        """
        Look up the addresses of a name: those of IPv4, or if it has none of IPv6. Of
        both they would be the same machines twice.

        @raise InvalidName: It is no name.
        @raise LookupFailed: It has none, or no server has answered.
        """
        if is_address(name):
            return Found((name,))
        resolver, conf = self._current()
        for candidate in candidates(name, conf.search, conf.ndots):
            wire = to_wire(candidate)
            known = self._in_hosts(wire)
            if known:
                return Found(known)
            for rtype in (A, AAAA):
                result: Result = await resolver.query(wire, rtype)
                if result.addresses:
                    return Found(result.addresses, ttl=_ttl(result))
        raise NothingFound(f"{name} has no address")

    def _in_hosts(self, wire: bytes) -> tuple[str, ...]:
        """Give the addresses of a name in the hosts file, of one family."""
        try:
            known = self._hosts.read()[0].lookup(wire)
        except OSError:
            return ()  # as the system does it
        return tuple(each for each in known if ":" not in each) or known

    async def services(self, name: str) -> Found:
        """
        Look up the SRV records of a name.

        @raise InvalidName: It is no name.
        @raise LookupFailed: It has none, or no server has answered.
        """
        resolver, _ = self._current()
        result: Result = await resolver.query(to_wire(name), SRV)
        found = tuple(
            _service(record.rdata)
            for record in result.answers
            if record.rdata[6:] != b"\0"  # a dot: there is none (RFC 2782)
        )
        if not found:
            raise NothingFound(f"{name} has no SRV record")
        return Found(services=found, ttl=_ttl(result))


def _settings(conf: ResolvConf) -> ResolverSettings:
    """Ask as resolv.conf wants it, but let no dead server take all the time."""
    return replace(
        DEFAULT,
        timeout=min(conf.timeout or DEFAULT.timeout, DEFAULT.timeout),
        tries=conf.attempts or DEFAULT.tries,
        order=Order.ROTATE if conf.rotate else DEFAULT.order,
    )


def _ttl(result: Result) -> float:
    """Give the seconds for which an answer counts, with all its aliases."""
    return float(min(record.ttl for record in result.records))


def _service(rdata: bytes) -> Service:
    """Take an SRV record apart; that it is well formed was seen when it was read."""
    priority, weight, port = (
        int.from_bytes(rdata[start : start + 2], "big") for start in (0, 2, 4)
    )
    target = to_text(name_at(rdata, 6))
    # No search list completes it.
    target = target if is_address(target) else f"{target}."
    return Service(target, port, priority, weight)


def make_lookup(
    texts: Sequence[str], reactor: Any, conf: Path = resolv_conf.PATH
) -> BackendLookup | None:
    """
    Make what finds backends.

    @param texts: Whom to ask: addresses or names of servers over any transport,
        presets, or C{system}.
    @param conf: Where resolv.conf is.
    @return: L{None} if the system's servers are asked for, and there is no
        resolv.conf: the system has another way then.
    @raise InvalidName: One is no server.
    @raise NoServers: One has no address.
    """
    if tuple(texts) == (SYSTEM,):
        return BackendLookup(reactor, None, conf) if conf.exists() else None
    servers = parse_servers(texts, lambda: resolv_conf.load(conf).servers)
    return BackendLookup(reactor, with_addresses_now(servers), conf)
