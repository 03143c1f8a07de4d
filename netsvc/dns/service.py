"""
The DNS service: resolver, validator, cache, forwarder and their listeners, in the
order in which they start and stop.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Any, NoReturn

from twisted.application.service import Service
from twisted.internet import defer
from twisted.logger import Logger

from netsvc.daemon.changes import ReloadError
from netsvc.daemon.connections import Connections, Timeouts
from netsvc.daemon.limits import ConnectionLimits, RateTable
from netsvc.daemon.listeners import Listeners, bind_all
from netsvc.daemon.refusing import refuse
from netsvc.daemon.report import ServiceReport
from netsvc.daemon.reporting import (
    Reporting,
    Traffic,
    connection_counters,
    log_stopped,
)
from netsvc.daemon.room import Room
from netsvc.daemon.service import Change, label_of
from netsvc.dns import reloading, reporting
from netsvc.dns.asking import Asks
from netsvc.dns.cache import Cache, CacheLimits
from netsvc.dns.cached import CachedAsks
from netsvc.dns.forwarder.access import Access
from netsvc.dns.forwarder.cookies import ServerCookies
from netsvc.dns.forwarder.datagrams import ForwarderDatagrams
from netsvc.dns.forwarder.engine import Forwarder
from netsvc.dns.forwarder.special import SpecialNames
from netsvc.dns.forwarder.streams import ForwarderFactory
from netsvc.dns.line.server import LineFactory
from netsvc.dns.names import from_text
from netsvc.dns.reloading import LISTENS, given
from netsvc.dns.resolver import Resolver
from netsvc.dns.settings import DNSSettings
from netsvc.dns.upstream import (
    Upstream,
    check_files,
    check_others,
    find_sources,
    make_upstream,
)

NAME = "netsvc-dns"

#: Descriptors for sockets to upstream servers.
_UPSTREAM_SOCKETS = 512

#: Seconds that servers that are asked no more stay, beyond the time of a question.
_RETIREMENT = 1.0


class DNSService(Service):
    """
    netsvc-dns.

    @ivar settings: What it goes by.
    @ivar upstream: Whom it asks, from the start on.
    @ivar before: What was counted by what is no longer there.
    """

    _log = Logger()
    service = NAME

    def __init__(self, settings: DNSSettings, reactor: Any) -> None:
        """
        @param settings: What is asked for.
        @param reactor: The reactor.
        @raise SystemExit: If a file cannot be used, with one line for operators.
        """
        try:
            check_files(settings)
        except ReloadError as error:
            _refuse(error)
        self.settings = settings
        self._reactor = reactor
        self.connections = Connections(NAME, ConnectionLimits(0), Timeouts(), reactor)
        self.room = Room(self.connections.limits, reactor)
        self.use_limits()
        self.cache = Cache(_cache_limits(settings))
        self.upstream: Upstream | None = None
        self._retired: dict[Upstream, Any] = {}
        self.before: Counter[str] = Counter()
        self._asks = _Later()
        self.asks = CachedAsks(self._asks, self.cache, reactor)
        self.forwarder = Forwarder(
            self.asks,
            Access(settings.allow),
            None if settings.rate is None else RateTable(settings.rate),
            _special(settings),
            ServerCookies(os.urandom(16)),
            reactor.seconds,
            time.time,
        )
        self.streams: list[ForwarderFactory] = []
        self.datagrams: list[ForwarderDatagrams] = []
        self.lines: list[LineFactory] = []
        self.listeners = [
            Listeners(NAME, given(settings, key), stream, self._datagram, reactor)
            for key, stream in zip(
                LISTENS, (self._stream, self._https, self._line), strict=True
            )
        ]
        self._reporting = Reporting(NAME, self.connections, lambda: self.listeners)

    def setName(self, name: str) -> None:
        """Take a name, by which the log tells it from others of its kind."""
        super().setName(name)
        self.connections.service = label_of(self)
        for each in self.listeners:
            each.service = label_of(self)

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

    # What it goes by.

    @property
    def resolver(self) -> Resolver | None:
        """Who asks upstream; L{None} before the start."""
        return None if self.upstream is None else self.upstream.resolver

    def use_limits(self) -> None:
        """Go by the limits and timeouts of the settings."""
        settings = self.settings
        self.room.use(settings, others=_UPSTREAM_SOCKETS)
        if self.running:
            self.room.tell(label_of(self))
        self.connections.change(
            Timeouts(
                idle=settings.idle_timeout,
                handshake=settings.handshake_timeout,
                close=settings.close_timeout,
            )
        )

    def prepare(self, settings: DNSSettings) -> defer.Deferred[Change]:
        """
        Prepare other settings.

        @return: Fires with the change, or fails with C{CombinedReloadError}.
        """
        prepared = reloading.prepare(self, settings, self._reactor)
        return defer.ensureDeferred(prepared)

    def use(self, settings: DNSSettings) -> None:
        """Go by other settings, as far as nothing has to be prepared."""
        self.settings = settings
        self.use_limits()
        self.cache.limits = _cache_limits(settings)
        self.forwarder.access.change(settings.allow)
        self.forwarder.change(settings.rate, _special(settings))
        self.forget_closed()

    def forget_closed(self) -> None:
        """Forget what served ports that are closed, but not what it has counted."""
        for port in [each for each in self.datagrams if not self._serves(each)]:
            self.before.update(_datagrams(port))
            self.datagrams.remove(port)
        used = {connection.factory for connection in self.connections.live}
        for stream in [each for each in self.streams if not self._serves(each)]:
            if stream not in used:
                self.before["stream-queries"] += stream.received
                self.streams.remove(stream)
        for lines in [each for each in self.lines if not self._serves(each)]:
            if lines not in used:
                self.before.update(_lines(lines))
                self.lines.remove(lines)

    def _serves(self, served: Any) -> bool:
        return any(each.serves(served) for each in self.listeners)

    # Whom to ask.

    def _first_upstream(self) -> Upstream:
        """
        Make what asks upstream.

        @raise SystemExit: It cannot be made.
        """
        settings = self.settings
        own = [port.getHost() for each in self.listeners for port in each.ports]
        try:
            sources = find_sources(settings)
            check_others(sources, own)
            return make_upstream(sources, settings, self._reactor)
        except ReloadError as error:
            _refuse(error)

    def ask(self, upstream: Upstream) -> None:
        """Ask these from now on."""
        self.upstream = upstream
        self._asks.asks = upstream.asks
        self._log.info(
            "{service} asks {servers}{validation}",
            service=label_of(self),
            servers=", ".join(map(str, upstream.sources.servers)),
            validation=", and validates" if upstream.sources.dnssec else "",
            event="upstream",
        )

    def retire(self, upstream: Upstream) -> None:
        """Ask these no more, once the questions that are under way are answered."""
        wait = upstream.sources.timeout + _RETIREMENT
        self._retired[upstream] = self._reactor.callLater(wait, self._close, upstream)

    def _close(self, upstream: Upstream) -> None:
        """Close what is retired."""
        call = self._retired.pop(upstream)
        if call.active():
            call.cancel()
        upstream.resolver.close()
        self.before.update(upstream.counted())

    # IService

    def privilegedStartService(self) -> None:
        """
        Bind the ports.

        @raise SystemExit: If one cannot be bound.
        """
        super().privilegedStartService()
        bind_all(self.listeners)

    def startService(self) -> None:
        """
        Start.

        @raise SystemExit: If a port cannot be bound, or no upstream server be asked,
            with one line for operators.
        """
        self.privilegedStartService()
        self.ask(self._first_upstream())
        super().startService()
        for each in self.listeners:
            each.startService()
        self.connections.start()
        self.room.tell(label_of(self))

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
        self.room.release()
        for retired in list(self._retired):
            self._close(retired)
        if self.resolver is not None:
            self.resolver.close()
        log_stopped(self)

    def counters(self) -> dict[str, int]:
        """Give what was counted since the start, by name."""
        counted = Counter(self.before)
        counted.update(connection_counters(self.connections, self.listeners))
        counted["stream-queries"] += sum(each.received for each in self.streams)
        for port in self.datagrams:
            counted.update(_datagrams(port))
        counted["cached"] = len(self.cache)
        counted["cache-bytes"] = self.cache.size
        for each in self.lines:
            counted.update(_lines(each))
        for upstream in (*self._retired, *filter(None, [self.upstream])):
            counted.update(upstream.counted())
        for name, number in self.forwarder.counts.items():
            counted[name] += number
        for prefix, counts in (
            ("cache", self.cache.counts),
            ("lookups", self.asks.counters),
        ):
            for name, number in counts.items():
                counted[f"{prefix}-{name}"] = number
        return {name: number for name, number in counted.items() if number}

    def report(self) -> ServiceReport:
        """Tell what is going on, for metrics and for people."""
        counted = self.counters()
        dropped = Counter(
            {
                "kernel": counted.get("dropped-by-kernel", 0),
                "send-failed": counted.get("send-failed", 0),
            }
        )
        resolver = self.resolver
        memories = (
            []
            if resolver is None
            else [resolver.memory(server) for server in resolver.servers]
        )
        return self._reporting.report(
            counted,
            Traffic(dropped=dropped),
            families=reporting.families(memories, self.cache),
            tables=(reporting.servers_table(memories),),
            gauges=frozenset({"cached", "cache-bytes"}),
        )


class _Later:
    """Whoever will be asked, once the service has started."""

    asks: Asks

    def query(self, *arguments: Any) -> Any:
        """Ask."""
        return self.asks.query(*arguments)


def _refuse(error: ReloadError) -> NoReturn:
    """End the start with a line for operators."""
    option = error.key.replace("_", "-")
    refuse(f"{NAME}: --{option}: {error.problem}")


def _cache_limits(settings: DNSSettings) -> CacheLimits:
    """Give how much is kept."""
    return CacheLimits(
        entries=settings.cache_entries,
        size=settings.cache_size,
        ttl=int(settings.max_ttl),
        stale=int(settings.stale),
    )


def _special(settings: DNSSettings) -> SpecialNames:
    """Give what is answered here."""
    return SpecialNames(from_text(name) for name in settings.forward)


def _datagrams(port: ForwarderDatagrams) -> dict[str, int]:
    """Give what a UDP port has counted, by name."""
    port.tally()
    return {
        "datagrams": port.received,
        "dropped-by-kernel": port.dropped,
        "send-failed": port.failed,
    }


def _lines(factory: LineFactory) -> dict[str, int]:
    """Give what a stream for people has counted, by name."""
    counts = factory.counts
    return {
        "lines": counts["lines"],
        "lines-rate-limited": counts["rate-limited"],
        "prohibited": counts["prohibited"],
    }
