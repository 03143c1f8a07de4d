"""
The resolver: asks servers, over UDP, TCP, TLS and HTTPS, on the running reactor.

It has no cache and does not validate: both are in front of it, with the same
interface (L{netsvc.dns.asking.Asks}). Identical questions that are under way are one
lookup.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from netsvc.dns.asked import Upstream
from netsvc.dns.entropy import Entropy
from netsvc.dns.errors import (
    InvalidName,
    LookupFailed,
    ResolverClosed,
    TooManyQueries,
)
from netsvc.dns.lookup import Lookup
from netsvc.dns.memory import Memory
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.question import read_question
from netsvc.dns.resolver_settings import DEFAULT, Order, ResolverSettings
from netsvc.dns.result import Question, Record, Result
from netsvc.dns.servers import HTTPS, TCP, TLS, UDP, Server
from netsvc.dns.stream import StreamCarrier
from netsvc.dns.tcp import FramedConnection, TLSConnection
from netsvc.dns.udp import UDPCarrier
from netsvc.dns.wheel import Timed, Wheel
from netsvc.multiplex.dial import dial
from netsvc.multiplex.reactor import multiplexed

if TYPE_CHECKING:
    from netsvc.dns.zones import Zones

#: Bytes of the random client cookie (RFC 7873 section 4.1).
_COOKIE = 8

# What is counted.
LOOKUPS = "lookups"
JOINED = "joined"
ANSWERED = "answered"
FAILED = "failed"
REFUSED = "too-many"
PROBES = "probes"


class Resolver:
    """
    Asks a list of servers (L{Asks<netsvc.dns.asking.Asks>}).

    @ivar servers: The servers.
    @ivar counters: How many lookups there were, by what became of them.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        servers: Iterable[Server],
        settings: ResolverSettings = DEFAULT,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """
        @param reactor: The reactor.
        @param servers: Whom to ask; each host a literal address (see
            L{netsvc.dns.bootstrap} for names).
        @param settings: How to ask.
        @param entropy: Gives so many random bytes.
        @raise InvalidName: A host is a name.
        @raise TLSSettingsError: The authorities' file cannot be read.
        """
        self._mux = multiplexed(reactor)
        self._reactor = reactor
        self.settings = settings
        self.servers = tuple(servers)
        self.counters: Counter[str] = Counter()
        self._entropy = Entropy(entropy)
        self._wheel = Wheel(reactor, self._mistaken)
        self._lookups: dict[object, Lookup] = {}
        self._probing: dict[Upstream, Lookup] = {}
        self._closed = False
        self._turn = 0
        # What a lookup needs of its engine.
        self.timeout = settings.timeout
        self.tries = settings.tries
        self.parallel = settings.parallel
        self.hedge = settings.hedge
        self.mixes_case = settings.mix_case
        self.max_mismatches = settings.max_mismatches
        self.now: Callable[[], float] = reactor.seconds
        self.noise = self._entropy.take
        self.set_deadline: Callable[[Timed, float], None] = self._wheel.set
        self.clear_deadline: Callable[[Timed], None] = self._wheel.clear
        self._trust: Any = None
        if settings.authorities is not None:
            # A file that cannot be used is a mistake also where none needs it yet.
            self._trust = self._authorities()
        self._upstreams = {server: self._reach(server) for server in self.servers}
        self._all = list(self._upstreams.values())
        self._zones: Zones | None = None

    # How servers are reached.

    def _reach(self, server: Server) -> Upstream:
        """Prepare to ask a server."""
        if not server.is_address:
            raise InvalidName(f"{server}: {server.host!r} has to be looked up first")
        encrypted = server.transport in (TLS, HTTPS)
        cookie = self.settings.cookies and not encrypted
        memory = Memory(server, self._entropy.take(_COOKIE) if cookie else b"")
        transport = server.transport if encrypted else TCP
        make = self._secure(server) if encrypted else self._plain
        connect = partial(self._connect, server, make)
        stream = StreamCarrier(transport, memory, connect, self.now, self._wheel)
        datagrams = None
        if server.transport == UDP:
            datagrams = UDPCarrier(
                self._mux, memory, self._entropy, self.settings.max_mismatches
            )
        return Upstream(memory, datagrams, stream)

    def _connect(
        self,
        server: Server,
        make: Callable[[StreamCarrier], Any],
        carrier: StreamCarrier,
        failed: Callable[[Exception], None],
    ) -> Any:
        """Connect to a server."""
        return dial(self._reactor, server.host, server.port, make(carrier), failed)

    def _plain(self, carrier: StreamCarrier) -> Any:
        """Make a connection over TCP."""
        return FramedConnection(carrier, self._entropy)

    def _secure(self, server: Server) -> Callable[[StreamCarrier], Any]:
        """Say how connections over TLS are made."""
        # OpenSSL and h2 are loaded by those who need them.
        from netsvc.dns.tls import TLSClient

        if self._trust is None and not server.pins:
            self._trust = self._authorities()
        if server.transport == TLS:
            client = TLSClient(server, self._trust, b"dot")
            return lambda carrier: client.wrap(
                TLSConnection(carrier, self._entropy, client.accepts)
            )
        from netsvc.dns.doh import HTTPConnection

        https = TLSClient(server, self._trust, b"h2")
        return lambda carrier: https.wrap(
            HTTPConnection(carrier, server, https.accepts)
        )

    def _authorities(self) -> Any:
        """Say whose signatures are trusted."""
        from netsvc.dns.tls import trust_root

        return trust_root(self.settings.authorities)

    # Questions.

    def query(
        self,
        name: str | bytes,
        rtype: str | int = "A",
        rclass: str | int = "IN",
        options: QueryOptions = PLAIN,
    ) -> Deferred[Result]:
        """
        Ask one question; see L{Asks.query<netsvc.dns.asking.Asks.query>}.
        """
        try:
            question = read_question(name, rtype, rclass)
            key: object = (question[0].lower(), question[1], question[2])
            if options is not PLAIN:
                options.packed()
                key = (key, options)
        except InvalidName as error:
            return fail(error)
        if self._closed:
            return fail(ResolverClosed("the resolver is closed"))
        lookup = self._lookups.get(key)
        is_new = lookup is None
        if lookup is None:
            if len(self._lookups) >= self.settings.max_lookups:
                self.counters[REFUSED] += 1
                return fail(TooManyQueries("too many lookups are under way"))
            upstreams = self._all
            if len(upstreams) > 1 or options.servers:
                upstreams = self._order(question, options)
            lookup = Lookup(self, question, options, upstreams, self._done)
            lookup.key = key
            self._lookups[key] = lookup
        elif len(lookup.waiting) >= self.settings.max_waiting:
            self.counters[REFUSED] += 1
            return fail(TooManyQueries("too many wait for the same lookup"))
        waiting: Deferred[Result] = Deferred(partial(self._give_up, lookup))
        lookup.waiting.append(waiting)
        if is_new:
            self.counters[LOOKUPS] += 1
            total = options.deadline
            lookup.start(self.settings.total if total is None else total)
        else:
            self.counters[JOINED] += 1
        return waiting

    def transfer(
        self, name: bytes, timeout: float | None = None
    ) -> Deferred[tuple[Record, ...]]:
        """Transfer a zone; see L{netsvc.dns.asking.TransfersZones.transfer}."""
        if self._closed:
            return fail(ResolverClosed("the resolver is closed"))
        if self._zones is None:
            # Loaded by those who need it.
            from netsvc.dns.zones import Zones

            self._zones = Zones(
                self._reactor,
                self.servers,
                self.settings.authorities,
                self._entropy.take,
                self.counters,
            )
        return self._zones.transfer(name, timeout)

    def _give_up(self, lookup: Lookup, waiting: Deferred[Result]) -> None:
        """One of those who wait for a lookup has been cancelled."""
        if waiting in lookup.waiting:
            lookup.waiting.remove(waiting)
        if not lookup.waiting:
            self._lookups.pop(lookup.key, None)
            lookup.cancel()

    def _done(
        self, lookup: Lookup, result: Result | None, error: LookupFailed | None
    ) -> None:
        """A lookup has ended: tell all who wait."""
        self._lookups.pop(lookup.key, None)
        waiting: list[Any] = lookup.waiting
        lookup.waiting = []
        if result is not None:
            self.counters[ANSWERED] += 1
            for each in waiting:
                if not each.called:  # cancelled by another one's callback
                    each.callback(result)
        else:
            self.counters[FAILED] += 1
            for each in waiting:
                if not each.called:
                    each.errback(error)

    # Which servers.

    def _order(self, question: Question, options: QueryOptions) -> list[Upstream]:
        """Choose in which order the servers are asked."""
        chosen = self._all
        if options.servers:
            chosen = [
                self._upstreams[server]
                for server in options.servers
                if server in self._upstreams
            ]
        if len(chosen) < 2:
            return chosen
        order = self.settings.order
        if order is Order.FIXED:
            return chosen
        self._turn += 1
        start = self._turn % len(chosen)
        chosen = chosen[start:] + chosen[:start]
        if order is Order.FASTEST:
            chosen.sort(key=lambda upstream: upstream.memory.rank())
            self._probe(question, options, chosen)
        return chosen

    def _probe(
        self, question: Question, options: QueryOptions, chosen: list[Upstream]
    ) -> None:
        """
        See how the servers are that would not be asked now: one of them gets the same
        question, for nobody.
        """
        now = self.now()
        for upstream in chosen[1:]:
            if upstream not in self._probing and upstream.memory.probe_is_due(now):
                self.counters[PROBES] += 1
                lookup = Lookup(self, question, options, [upstream], self._probed)
                self._probing[upstream] = lookup
                lookup.key = upstream
                lookup.start(self.settings.timeout)
                return

    def _probed(
        self, lookup: Lookup, result: Result | None, error: LookupFailed | None
    ) -> None:
        """A probe has ended; what there was to learn has been noted."""
        self._probing.pop(lookup.key, None)  # type: ignore[call-overload]

    # The rest.

    def __len__(self) -> int:
        """Give how many lookups are under way."""
        return len(self._lookups)

    def memory(self, server: Server) -> Memory:
        """Give what is remembered of a server."""
        return self._upstreams[server].memory

    def close(self) -> None:
        """Close all sockets; what is under way fails with L{ResolverClosed}."""
        self._closed = True
        for lookup in [*self._probing.values(), *self._lookups.values()]:
            lookup.cancel()
            self._done(lookup, None, ResolverClosed("the resolver is closed"))
        self._probing.clear()
        for upstream in self._all:
            for carrier in (upstream.datagrams, upstream.stream):
                if carrier is not None:
                    carrier.close()
        if self._zones is not None:
            self._zones.close()
        self._wheel.stop()

    def _mistaken(self, error: Exception) -> None:
        """The mistake is ours."""
        self._log.failure("in a lookup", event="internal-error")
