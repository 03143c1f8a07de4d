"""
The balancer: its entrances, its pools, their checks, in the order in which they
start and stop.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from random import random
from typing import Any

from twisted.application.service import Service
from twisted.internet import defer, task
from twisted.logger import Logger

from netsvc.balance.backend import Backend, HealthRules
from netsvc.balance.backend_tls import backend_layers
from netsvc.balance.backends import by_route
from netsvc.balance.certificates import CertificateError, certificates
from netsvc.balance.checking import make_check
from netsvc.balance.control import Control
from netsvc.balance.controlled import ControlledPools
from netsvc.balance.dialer import Dialer
from netsvc.balance.entrance import Door, Entrance
from netsvc.balance.policy import make_policy
from netsvc.balance.pool import Pool
from netsvc.balance.preface import Prefaces
from netsvc.balance.resolving import Lookup, SystemLookup
from netsvc.balance.routes import Routes
from netsvc.balance.sessions import Sessions, SessionTimeouts
from netsvc.balance.settings import BalanceSettings
from netsvc.balance.tls import LayerFactory, layers
from netsvc.balance.tls_listen import TLSListen
from netsvc.balance.udp import UDPEntrance
from netsvc.balance.upstream import Upstream
from netsvc.balance.watch import Watch
from netsvc.daemon.descriptors import connection_limit
from netsvc.daemon.lifecycle import refuse
from netsvc.daemon.limits import ConnectionLimits, RateTable
from netsvc.daemon.listen import Listen
from netsvc.daemon.listeners import Listeners
from netsvc.multiplex import multiplexed

NAME = "netsvc-balance"

#: Seconds between two sweeps over the UDP sessions.
UDP_SWEEP = 0.5

#: Seconds for which clients wait in the kernel, at start, for the first checks.
FIRST_CHECKS = 1.0

#: Each client has a connection, and one to its backend.
_DESCRIPTORS_EACH = 2


def _pool_name(route: tuple[str, str]) -> str:
    """Name the pool of a server name and a protocol."""
    return "+".join(filter(None, route)) or "default"


class BalanceService(Service):
    """
    netsvc-balance.

    @ivar door: What its entrances have in common.
    @ivar watches: Its pools, with their checks.
    @ivar datagrams: Its UDP entrances.
    """

    _log = Logger()

    def __init__(
        self, settings: BalanceSettings, reactor: Any, lookup: Lookup | None = None
    ) -> None:
        """
        @param settings: What is asked for.
        @param reactor: The reactor.
        @param lookup: Finds backends by name; by default the system's way.
        @raise SystemExit: If the certificates for backends cannot be read.
        """
        self._settings = settings
        self._reactor = mux = multiplexed(reactor)
        try:
            self._tls = backend_layers(settings.specs, settings.backend_ca, mux)
        except (CertificateError, OSError) as error:
            refuse(f"{NAME}: --backend-ca: {_reason(error)}")
        routes = Routes(
            {
                route: Upstream(self._pool(_pool_name(route), specs), mux)
                for route, specs in by_route(settings.specs).items()
            }
        )
        self.door = self._make_door(routes)
        self.datagrams: list[UDPEntrance] = []
        self._listeners = [self._listener(listen) for listen in settings.listen]
        check = make_check(settings, self._tls, mux)
        lookup = lookup or SystemLookup(mux)
        self.watches = [
            Watch(
                upstream,
                check=check,
                interval=settings.check_interval,
                timeout=settings.check_timeout or settings.check_interval,
                lookup=lookup,
                clock=mux,
                went_down=self._went_down,
            )
            for upstream in routes.pools
        ]
        self._control: Control | None = None
        if settings.control is not None:
            pools = ControlledPools(self.watches, mux.seconds, self._count)
            self._control = Control(str(settings.control), pools, mux)
        self._udp_sweep = task.LoopingCall(self._sweep_datagrams)
        self._udp_sweep.clock = mux
        self._opening: Any = None

    # What it consists of.

    def _pool(self, name: str, specs: Any) -> Pool:
        """Make a pool."""
        settings = self._settings
        rules = HealthRules(
            checked=settings.effective_check != "none",
            rise=settings.rise,
            fall=settings.fall,
            slow_start=settings.slow_start,
            eject_after=settings.eject_after,
            ejection_time=settings.ejection_time,
        )
        return Pool(
            name,
            make_policy(settings.policy, random),
            specs,
            rules=rules,
            max_ejected=settings.max_ejected / 100,
            max_waiting=settings.queue,
            queue_timeout=settings.queue_timeout,
            now=self._reactor.seconds(),
        )

    def _make_door(self, routes: Routes[Upstream]) -> Door:
        """Make what the entrances have in common."""
        settings, mux = self._settings, self._reactor
        limits = ConnectionLimits(
            connection_limit(
                settings.max_connections,
                _DESCRIPTORS_EACH,
                settings.udp_sessions if settings.listens_on_udp else 0,
            ),
            settings.max_connections_per_source,
            settings.connection_rate,
        )
        timeouts = SessionTimeouts(
            idle=settings.idle_timeout,
            tunnel=settings.tunnel_timeout,
            handshake=settings.client_timeout,
            close=settings.close_timeout,
        )
        total = settings.total_connection_rate
        return Door(
            sessions=Sessions(NAME, limits, timeouts, mux),
            routes=routes,
            dialer=Dialer(
                mux,
                retries=settings.retries,
                connect_timeout=settings.connect_timeout,
                tls=self._tls,
            ),
            prefaces=Prefaces(settings.client_timeout, mux),
            acl=settings.acl,
            trusted=settings.trusted,
            rate=None if total is None else RateTable(total, 1),
        )

    def _listener(self, listen: Listen) -> Listeners:
        """Make what binds one listen string."""
        if listen.transport == "tls":
            listen = TLSListen.of(listen)
        return Listeners(
            NAME, [listen], partial(self._stream, listen), self._datagram, self._reactor
        )

    def _stream(self, listen: Listen, transport: str) -> Entrance:
        """
        Make the entrance of a stream.

        @raise ValueError: Its certificates cannot be used.
        @raise OSError: They cannot be read.
        """
        secure: LayerFactory | None = None
        if transport == "tls":
            alpn = [name.encode() for name in self._settings.alpn]
            creator = certificates(listen, alpn, self._reactor.seconds)
            secure = layers(creator, False, self._reactor)
        return Entrance(self.door, secure)

    def _datagram(self) -> UDPEntrance:
        """Make the entrance of a UDP port."""
        settings = self._settings
        upstream = self.door.routes.default
        if upstream is None:
            raise ValueError("every backend is for clients that ask for a name")
        entrance = UDPEntrance(
            upstream,
            self._reactor,
            acl=self.door.acl,
            rate=None if settings.udp_rate is None else RateTable(settings.udp_rate),
            max_sessions=settings.udp_sessions,
            idle=settings.udp_timeout,
            responses=settings.udp_responses,
        )
        self.datagrams.append(entrance)
        return entrance

    def _went_down(self, backend: Backend) -> None:
        """Let the UDP sessions of a backend that is down find another one."""
        for entrance in self.datagrams:
            entrance.leave(backend)

    def _sweep_datagrams(self) -> None:
        for entrance in self.datagrams:
            entrance.sweep()

    # IService

    def privilegedStartService(self) -> None:
        """
        Bind the ports.

        @raise SystemExit: If one cannot be bound.
        """
        super().privilegedStartService()
        for listeners in self._listeners:
            listeners.privilegedStartService()

    def startService(self) -> None:
        """
        Start.

        @raise SystemExit: If a port or the control socket cannot be bound, with
            one line for operators.
        """
        super().startService()
        for listeners in self._listeners:
            listeners.startService()
        if self._control is not None:
            self._control.open()
        self.door.sessions.start()
        if self.datagrams:
            self._udp_sweep.start(UDP_SWEEP, now=False)
        self._hold_until_checked()

    def _hold_until_checked(self) -> None:
        """Begin to check; let clients wait for that, for a moment, in the kernel."""
        for port in self._ports():
            port.stopReading()
        self._opening = self._reactor.callLater(FIRST_CHECKS, self._open)
        all_ready = defer.DeferredList([watch.ready for watch in self.watches])
        all_ready.addCallback(lambda _: self._open())
        for watch in self.watches:
            watch.start()

    def _open(self) -> None:
        """Take clients."""
        opening, self._opening = self._opening, None
        if opening is None:
            return
        if opening.active():
            opening.cancel()
        for port in self._ports():
            port.startReading()

    def _ports(self) -> list[Any]:
        """Give all bound ports."""
        return [port for listeners in self._listeners for port in listeners.ports]

    def drain(self, timeout: float) -> defer.Deferred[None]:
        """
        Stop listening and let the sessions finish.

        UDP ports stay until then, as without them no answer could be sent.

        @param timeout: Seconds after which to cut them.
        @return: A Deferred that fires when none is left.
        """
        self._open()
        for listen, listeners in zip(
            self._settings.listen, self._listeners, strict=True
        ):
            if listen.kind != "udp":
                listeners.stop_listening()
        self.door.prefaces.stop()
        return self.door.sessions.drain(timeout)

    @defer.inlineCallbacks
    def stopService(self) -> Any:
        """Stop: close the ports, cut the sessions, end the checks."""
        super().stopService()
        self._open()
        for listeners in self._listeners:
            yield listeners.stopService()
        if self._udp_sweep.running:
            self._udp_sweep.stop()
        for watch in self.watches:
            watch.stop()
        for entrance in self.datagrams:
            entrance.stop()
        self.door.prefaces.stop()
        self.door.sessions.stop()
        self.door.dialer.stop()
        for upstream in self.door.routes.pools:
            upstream.stop()
        if self._control is not None:
            yield self._control.close()
        self._log.info(
            "netsvc-balance has stopped: {counters}",
            counters=", ".join(f"{k}={v}" for k, v in self.counters().items()),
            event="stopped",
        )

    def _count(self) -> None:
        """Count what live sessions have moved so far."""
        for session in self.door.sessions.live:
            session.progress()

    def counters(self) -> dict[str, int]:
        """Give what was counted since the start, by name."""
        door = self.door
        self._count()
        pools = [upstream.pool for upstream in door.routes.pools]
        counted: Counter[str] = Counter()
        counted["connections"] = door.sessions.accepted
        counted["sessions"] = sum(pool.sessions_total for pool in pools)
        counted["bytes-in"] = sum(pool.bytes_in for pool in pools)
        counted["bytes-out"] = sum(pool.bytes_out for pool in pools)
        for kind, numbers in (
            ("refused", door.sessions.limits.refused),
            ("refused", door.refused),
            ("ended", door.sessions.ended),
            ("ended", door.prefaces.ended),
            ("unserved", door.dialer.refused),
        ):
            for reason, number in numbers.items():
                counted[f"{kind}-{reason}"] += number
        if self.datagrams:
            counted["datagrams"] = sum(each.received for each in self.datagrams)
            counted["udp-sessions"] = sum(each.begun for each in self.datagrams)
        for entrance in self.datagrams:
            for reason, number in entrance.dropped.items():
                counted[f"dropped-{reason}"] += number
        return dict(counted)


def _reason(error: Exception) -> str:
    """Say in a few words why a file cannot be used."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}"
    return str(error)
