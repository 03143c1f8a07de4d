"""
The DNS service: resolver, validator, cache, forwarder and their listeners, in the
order in which they start and stop.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from twisted.application.service import Service
from twisted.internet import defer
from twisted.logger import Logger

from netsvc.daemon import logs
from netsvc.daemon.connections import Connections, Timeouts
from netsvc.daemon.descriptors import connection_limit
from netsvc.daemon.lifecycle import refuse
from netsvc.daemon.limits import ConnectionLimits, RateTable
from netsvc.daemon.listen import Listen
from netsvc.daemon.listeners import Listeners
from netsvc.dns import resolv_conf
from netsvc.dns.asking import Asks
from netsvc.dns.cache import Cache, CacheLimits
from netsvc.dns.cached import CachedAsks
from netsvc.dns.errors import DNSError, InvalidName
from netsvc.dns.forwarder.access import Access
from netsvc.dns.forwarder.cookies import ServerCookies
from netsvc.dns.forwarder.datagrams import ForwarderDatagrams
from netsvc.dns.forwarder.engine import Forwarder
from netsvc.dns.forwarder.special import SpecialNames
from netsvc.dns.forwarder.streams import ForwarderFactory
from netsvc.dns.line.server import LineFactory
from netsvc.dns.names import from_text
from netsvc.dns.resolver import Resolver
from netsvc.dns.resolver_settings import ResolverSettings
from netsvc.dns.servers import MAX_SERVERS, SYSTEM, TCP, UDP, Server, parse_servers
from netsvc.dns.settings import DNSSettings

NAME = "netsvc-dns"

#: Descriptors for sockets to upstream servers.
_UPSTREAM_SOCKETS = 512

#: The most bytes of a file with trust anchors.
_ANCHORS_LIMIT = 256 * 1024


class DNSService(Service):
    """
    netsvc-dns.

    @ivar resolver: Asks upstream, from the start on.
    """

    _log = Logger()

    def __init__(self, settings: DNSSettings, reactor: Any) -> None:
        """
        @param settings: What is asked for.
        @param reactor: The reactor.
        """
        self._settings = settings
        self._reactor = reactor
        self._max_connections = connection_limit(
            settings.max_connections, others=_UPSTREAM_SOCKETS
        )
        limits = ConnectionLimits(
            self._max_connections,
            settings.max_connections_per_source,
            settings.connection_rate,
        )
        timeouts = Timeouts(
            idle=settings.idle_timeout,
            handshake=settings.handshake_timeout,
            close=settings.close_timeout,
        )
        self.connections = Connections(NAME, limits, timeouts, reactor)
        self.cache = Cache(
            CacheLimits(
                entries=settings.cache_entries,
                size=settings.cache_size,
                ttl=int(settings.max_ttl),
                stale=int(settings.stale),
            )
        )
        self.resolver: Resolver | None = None
        self._validated: Any = None
        self._asks = _Later()
        self.asks = CachedAsks(self._asks, self.cache, reactor)
        self.forwarder = Forwarder(
            self.asks,
            Access(settings.allow),
            None if settings.rate is None else RateTable(settings.rate),
            SpecialNames(from_text(name) for name in settings.forward),
            ServerCookies(os.urandom(16)),
            reactor.seconds,
            time.time,
        )
        self.streams: list[ForwarderFactory] = []
        self.datagrams: list[ForwarderDatagrams] = []
        self.lines: list[LineFactory] = []
        self.listeners = [
            Listeners(NAME, _given(listens), stream, self._datagram, reactor)
            for listens, stream in (
                (settings.dns, self._stream),
                (settings.doh, self._https),
                (settings.line, self._line),
            )
        ]

    # What listens.

    def _stream(self, transport: str) -> ForwarderFactory:
        """Make the factory of a stream for DNS messages."""
        factory = ForwarderFactory(self.connections, transport, self.forwarder)
        self.streams.append(factory)
        return factory

    def _https(self, transport: str) -> ForwarderFactory:
        """Make the factory of a stream for DNS over HTTPS."""
        # h2 is loaded by those who need it.
        from netsvc.dns.forwarder.https import HTTPFactory

        factory = HTTPFactory(self.connections, transport, self.forwarder)
        self.streams.append(factory)
        return factory

    def _line(self, transport: str) -> LineFactory:
        """Make the factory of a stream for people."""
        factory = LineFactory(self.connections, transport, self.forwarder)
        self.lines.append(factory)
        return factory

    def _datagram(self) -> ForwarderDatagrams:
        """Make the protocol of a UDP port."""
        protocol = ForwarderDatagrams(self.forwarder)
        self.datagrams.append(protocol)
        return protocol

    # Whom to ask.

    def _upstream(self) -> Asks:
        """
        Make what asks upstream.

        @raise SystemExit: It cannot be made.
        """
        settings = self._settings
        servers = _upstream_servers(settings.upstream)
        own = [port.getHost() for each in self.listeners for port in each.ports]
        for server in servers:
            if any(_is(server, address) for address in own):
                refuse(f"{NAME}: --upstream: {server} is this service itself")
        try:
            self.resolver = Resolver(
                self._reactor,
                servers,
                ResolverSettings(
                    total=settings.upstream_timeout,
                    authorities=settings.upstream_ca,
                ),
            )
        except DNSError as error:
            refuse(f"{NAME}: --upstream-ca: {error}")
        self._log.info(
            "netsvc-dns asks {servers}{validation}",
            servers=", ".join(map(str, servers)),
            validation=", and validates" if settings.dnssec else "",
            event="upstream",
        )
        return self._validator(servers) if settings.dnssec else self.resolver

    def _validator(self, servers: tuple[Server, ...]) -> Asks:
        """Put validation in front of the resolver."""
        # dnspython and cryptography are loaded by those who need them.
        from netsvc.dns.dnssec.anchors import AnchorError, parse_anchors, root_anchors
        from netsvc.dns.validated import ValidatedAsks

        assert self.resolver is not None
        path = self._settings.trust_anchor
        try:
            if path is None:
                anchors = root_anchors()
            else:
                with path.open("rb") as file:
                    text = file.read(_ANCHORS_LIMIT).decode("utf-8", "replace")
                anchors = parse_anchors(text)
        except OSError as error:
            refuse(f"{NAME}: --trust-anchor: {path}: {error.strerror}")
        except AnchorError as error:
            refuse(f"{NAME}: --trust-anchor: {path}: {error}")
        validated = ValidatedAsks(self.resolver, servers, anchors, self._reactor)
        self._validated = validated
        return validated

    # IService

    def privilegedStartService(self) -> None:
        """
        Bind the ports.

        @raise SystemExit: If one cannot be bound.
        """
        super().privilegedStartService()
        for each in self.listeners:
            each.privilegedStartService()

    def startService(self) -> None:
        """
        Start.

        @raise SystemExit: If a port cannot be bound, or no upstream server be asked,
            with one line for operators.
        """
        self.privilegedStartService()
        self._asks.asks = self._upstream()
        super().startService()
        for each in self.listeners:
            each.startService()
        self.connections.start()
        if self._max_connections < self._settings.max_connections:
            self._log.warn(
                "netsvc-dns takes {limit} connections: the system allows no more"
                " open files (ulimit -Hn)",
                limit=self._max_connections,
                event="limit-lowered",
            )

    def drain(self, timeout: float) -> defer.Deferred[None]:
        """
        Stop listening and let the connections finish.

        @param timeout: Seconds after which to cut them.
        @return: A Deferred that fires when none is left.
        """
        self._close_ports()
        return self.connections.drain(timeout)

    def _close_ports(self) -> Any:
        """Stop listening; what the kernel has counted is gone with the ports."""
        for port in self.datagrams:
            port.tally()
        return defer.DeferredList([each.stop_listening() for each in self.listeners])

    @defer.inlineCallbacks
    def stopService(self) -> Any:
        """Stop: close the ports, cut the connections, ask no more."""
        super().stopService()
        yield self._close_ports()
        for each in self.listeners:
            yield each.stopService()
        self.connections.stop()
        if self.resolver is not None:
            self.resolver.close()
        counters = self.counters()
        self._log.info(
            "netsvc-dns has stopped: {text}",
            text=", ".join(f"{k}={v}" for k, v in counters.items()),
            counters=counters,
            event="stopped",
        )

    def counters(self) -> dict[str, int]:
        """Give what was counted since the start, by name."""
        counted: Counter[str] = Counter()
        counted["connections"] = self.connections.accepted
        counted["datagrams"] = sum(port.received for port in self.datagrams)
        counted["stream-queries"] = sum(each.received for each in self.streams)
        for port in self.datagrams:
            port.tally()
            counted["dropped-by-kernel"] += port.dropped
            counted["send-failed"] += port.failed
        counted["cached"] = len(self.cache)
        counted["cache-bytes"] = self.cache.size
        for each in self.lines:
            counted["lines"] += each.counts["lines"]
            counted["lines-rate-limited"] += each.counts["rate-limited"]
            counted["prohibited"] += each.counts["prohibited"]
        for name, number in self.forwarder.counts.items():
            counted[name] += number
        for prefix, counts in (
            ("cache", self.cache.counts),
            ("lookups", self.asks.counters),
            ("upstream", _counters(self.resolver)),
            ("dnssec", _counters(self._validated)),
            ("refused", self.connections.limits.refused),
            ("ended", self.connections.ended),
        ):
            for name, number in counts.items():
                counted[f"{prefix}-{name}"] = number
        turned_away = sum(each.turned_away for each in self.listeners)
        counted["refused-descriptors"] = turned_away
        counted["log-write-errors"] = logs.write_errors
        return {name: number for name, number in counted.items() if number}


class _Later:
    """Whoever will be asked, once the service has started."""

    asks: Asks

    def query(self, *arguments: Any) -> Any:
        """Ask."""
        return self.asks.query(*arguments)


def _counters(counting: Any) -> Counter[str]:
    """Give the counters of what may not be there."""
    return Counter() if counting is None else counting.counters


def _given(listens: Iterable[Listen | None]) -> list[Listen]:
    return [listen for listen in listens if listen is not None]


def _upstream_servers(texts: tuple[str, ...]) -> tuple[Server, ...]:
    """
    Find the servers that are asked, with their addresses.

    @raise SystemExit: There is none, or one has no address.
    """
    try:
        servers = parse_servers(texts, _system_servers)
    except InvalidName as error:
        refuse(f"{NAME}: --upstream: {error}")
    found = dict.fromkeys(each for server in servers for each in _addresses(server))
    return tuple(found)[:MAX_SERVERS]


def _system_servers() -> tuple[Server, ...]:
    """Read the system's servers."""
    path = resolv_conf.PATH
    try:
        if not path.exists():
            refuse(
                f"{NAME}: --upstream {SYSTEM}: there is no {path}; name a server, such"
                " as --upstream google"
            )
        return resolv_conf.load(path).servers
    except OSError as error:
        refuse(f"{NAME}: --upstream {SYSTEM}: {path}: {error.strerror}")


def _addresses(server: Server) -> list[Server]:
    """Look up the addresses of a server by the system's resolver, before the start."""
    if server.is_address:
        return [server]
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except OSError as error:
        refuse(f"{NAME}: --upstream: {server}: {error.strerror or error}")
    return [replace(server, host=str(each[4][0])) for each in found]


def _is(server: Server, address: Any) -> bool:
    """Tell whether a server is one of our own addresses."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if server.transport not in (UDP, TCP) or server.port != port:
        return False
    own = ("127.0.0.1", "::1", "0.0.0.0", "::")
    return server.host == host or (host in own[2:] and server.host in own)
