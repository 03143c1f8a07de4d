"""
The balancer: its entrances, its pools, their checks, in the order in which they
start and stop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet import defer, task

from netsvc.balance import reloading, reporting
from netsvc.balance.backend import Backend
from netsvc.balance.backend_tls import backend_layers
from netsvc.balance.backends import BackendSpec
from netsvc.balance.checking import make_check
from netsvc.balance.checks import Check
from netsvc.balance.control import Control
from netsvc.balance.controlled import ControlledPools
from netsvc.balance.counted import datagrams, moved
from netsvc.balance.dialer import Dialer
from netsvc.balance.entrance import Door
from netsvc.balance.listening import DoorListeners
from netsvc.balance.pools import Route, make_pool, routed
from netsvc.balance.preface import Prefaces
from netsvc.balance.resolving import Lookup
from netsvc.balance.routes import Routes
from netsvc.balance.sessions import Sessions, SessionTimeouts
from netsvc.balance.settings import BalanceSettings
from netsvc.balance.system_lookup import SystemLookup
from netsvc.balance.tls import LayerFactory
from netsvc.balance.udp import UDPEntrance
from netsvc.balance.upstream import Upstream
from netsvc.balance.watch import Watch
from netsvc.daemon.client_tls import ServerNameError, TrustError
from netsvc.daemon.descriptors import pipe_limit
from netsvc.daemon.limits import ConnectionLimits, RateTable, changed_table
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
from netsvc.multiplex import multiplexed
from netsvc.multiplex.flow import PIPES, pipes

NAME = "netsvc-balance"

#: Each client has a connection, and one to its backend.
DESCRIPTORS_EACH = 2

#: Seconds between two sweeps over the UDP sessions.
UDP_SWEEP = 0.5

#: Seconds for which clients wait in the kernel, at start, for the first checks.
FIRST_CHECKS = 1.0

#: Why ports rest till then.
UNCHECKED = "unchecked"

_NOTHING_MOVED = {"sessions": 0, "bytes-in": 0, "bytes-out": 0}


class BalanceService(Service):
    """
    netsvc-balance.

    @ivar settings: What it goes by.
    @ivar reactor: The multiplexer.
    @ivar room: How many sessions there is room for: of streams, and of UDP at each
        port.
    @ivar door: What its entrances have in common.
    @ivar listeners: Binds them.
    @ivar check: What is asked of backends.
    @ivar retired: Pools that take no new clients.
    @ivar before: What was counted by what is no longer there.
    @ivar watches: Its pools, with their checks.
    @ivar datagrams: Its UDP entrances.
    """

    # What is said at the control socket must be so in all workers.
    alone_with = ("control",)
    # Of UDP: the datagrams of one client go to one backend.
    keeps_peers = True
    service = NAME

    def __init__(
        self, settings: BalanceSettings, reactor: Any, lookup: Lookup | None = None
    ) -> None:
        """
        @param settings: What is asked for.
        @param reactor: The reactor.
        @param lookup: Finds backends by name; by default the system's way.
        @raise SystemExit: If the certificates for backends cannot be read, or none can
            have the name of one.
        """
        self.settings = settings
        self.reactor = mux = multiplexed(reactor)
        pipes.limit = pipe_limit(PIPES)
        try:
            tls = backend_layers(settings.specs, settings.backend_ca, mux)
        except ServerNameError as error:
            refuse(f"{NAME}: --backend: {error}")
        except TrustError as error:
            refuse(f"{NAME}: --backend-ca: {error}")
        routes = Routes(
            {
                route: self.make_upstream(route, specs, settings)
                for route, specs in routed(settings).items()
            }
        )
        self.retired: list[Upstream] = []
        self.before: Counter[str] = Counter()
        self.datagrams: list[UDPEntrance] = []
        limits = ConnectionLimits(0)
        self.room = Room(limits, mux, self.use_datagram_limits)
        self.door = self._make_door(routes, tls, limits)
        self.listeners = DoorListeners(
            NAME, settings, lambda: self.door, self._datagram, mux
        )
        self.check = make_check(settings, self.door.dialer.tls, mux)
        self._lookup = lookup or SystemLookup(mux)
        self.watches = [
            self.watch(upstream, settings, self.check) for upstream in routes.pools
        ]
        self._control: Control | None = None
        if settings.control is not None:
            pools = ControlledPools(self.watches, mux.seconds, self._count)
            self._control = Control(str(settings.control), pools, mux, self.label)
        self._reporting = Reporting(NAME, self.door.sessions, lambda: [self.listeners])
        self._udp_sweep = task.LoopingCall(self._sweep_datagrams)
        self._udp_sweep.clock = mux
        self._opening: Any = None

    def setName(self, name: str) -> None:
        """Take a name, by which the log tells it from others of its kind."""
        super().setName(name)
        self.listeners.service = self.door.sessions.service = self.label()

    def label(self) -> str:
        """Give what the log and metrics call it."""
        return label_of(self)

    # What it consists of.

    def make_upstream(
        self, route: Route, specs: list[BackendSpec], settings: BalanceSettings
    ) -> Upstream:
        """Make a pool at work."""
        now = self.reactor.seconds()
        pool = make_pool(route, specs, settings, now)
        return Upstream(pool, self.label, self.reactor)

    def watch(
        self, upstream: Upstream, settings: BalanceSettings, check: Check | None
    ) -> Watch:
        """Make what watches a pool."""
        return Watch(
            upstream,
            check=check,
            interval=settings.check_interval,
            timeout=settings.check_timeout or settings.check_interval,
            lookup=self._lookup,
            clock=self.reactor,
            went_down=self._went_down,
        )

    def _make_door(
        self,
        routes: Routes[Upstream],
        tls: Mapping[BackendSpec, LayerFactory],
        limits: ConnectionLimits,
    ) -> Door:
        """Make what the entrances have in common."""
        settings, mux = self.settings, self.reactor
        door = Door(
            sessions=Sessions(NAME, limits, SessionTimeouts(), mux),
            routes=routes,
            dialer=Dialer(
                mux,
                service=self.label,
                retries=settings.retries,
                connect_timeout=settings.connect_timeout,
                tls=tls,
                end_leaves=settings.queue_abort,
            ),
            prefaces=Prefaces(settings.client_timeout, mux),
            acl=settings.acl,
        )
        self.use_limits(door)
        return door

    def use_limits(self, door: Door) -> None:
        """Go by the limits and timeouts of the settings."""
        settings = self.settings
        ports = sum(listen.kind == "udp" for listen in settings.listen)
        streams = ports < len(settings.listen)
        self.room.use(
            settings,
            each=DESCRIPTORS_EACH if streams else 0,
            pipes=2 * pipes.limit,
            udp_sessions=ports,
        )
        if self.running:
            self.room.tell(self.label())
        door.sessions.change(
            SessionTimeouts(
                idle=settings.idle_timeout,
                tunnel=settings.tunnel_timeout,
                handshake=settings.client_timeout,
                close=settings.close_timeout,
            )
        )
        door.acl, door.trusted = settings.acl, settings.trusted
        door.rate = changed_table(door.rate, settings.total_connection_rate, 1)

    def use_datagram_limits(self) -> None:
        """Let the UDP entrances go by the settings, as far as there is room."""
        settings = self.settings
        for entrance in self.datagrams:
            entrance.change(
                acl=settings.acl,
                rate=settings.udp_rate,
                max_sessions=self.room.granted[1],
                idle=settings.udp_timeout,
                responses=settings.udp_responses,
            )

    def prepare(self, settings: BalanceSettings) -> Change:
        """
        Prepare other settings.

        @raise CombinedReloadError: They cannot be used.
        """
        return reloading.prepare(self, settings)

    def _datagram(self) -> UDPEntrance:
        """Make the entrance of a UDP port."""
        settings = self.settings
        upstream = self.door.routes.default
        if upstream is None:
            raise ValueError("every backend is for clients that ask for a name")
        entrance = UDPEntrance(
            upstream,
            self.reactor,
            acl=self.door.acl,
            rate=None if settings.udp_rate is None else RateTable(settings.udp_rate),
            max_sessions=self.room.granted[1],
            idle=settings.udp_timeout,
            responses=settings.udp_responses,
        )
        self.datagrams.append(entrance)
        return entrance

    def _went_down(self, backend: Backend) -> None:
        """Let the UDP sessions of a backend that is down find another one."""
        for entrance in self.datagrams:
            entrance.leave(backend)

    def sweep_datagrams(self) -> None:
        """Begin to look at the UDP sessions now and then, if there can be any."""
        if self.datagrams and not self._udp_sweep.running:
            self._udp_sweep.start(UDP_SWEEP, now=False)

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
        self.listeners.privilegedStartService()

    def startService(self) -> None:
        """
        Start.

        @raise SystemExit: If a port or the control socket cannot be bound, with
            one line for operators.
        """
        super().startService()
        self.listeners.startService()
        if self._control is not None:
            self._control.open()
        self.door.sessions.start()
        self.room.tell(self.label())
        self.sweep_datagrams()
        self._hold_until_checked()

    def _hold_until_checked(self) -> None:
        """Begin to check; let clients wait for that, for a moment, in the kernel."""
        self.listeners.rest(UNCHECKED)
        self._opening = self.reactor.callLater(FIRST_CHECKS, self._open)
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
        self.listeners.wake(UNCHECKED)

    def drain(self, timeout: float) -> defer.Deferred[None]:
        """
        Stop listening and let the sessions finish.

        UDP ports stay until then, as without them no answer could be sent.

        @param timeout: Seconds after which to cut them.
        @return: A Deferred that fires when none is left.
        """
        self._open()
        self.listeners.stop_listening(keep=lambda listen: listen.kind == "udp")
        self.door.prefaces.stop()
        return self.door.sessions.drain(timeout)

    @defer.inlineCallbacks
    def stopService(self) -> Any:
        """Stop: close the ports, cut the sessions, end the checks."""
        super().stopService()
        self._open()
        yield self.listeners.stopService()
        if self._udp_sweep.running:
            self._udp_sweep.stop()
        for watch in self.watches:
            watch.stop()
        self._lookup.close()
        for entrance in self.datagrams:
            entrance.stop()
        self.door.prefaces.stop()
        self.door.sessions.stop()
        self.room.release()
        self.door.dialer.stop()
        for upstream in (*self.door.routes.pools, *self.retired):
            upstream.stop()
        if self._control is not None:
            yield self._control.close()
        log_stopped(self)

    def _count(self) -> None:
        """Count what live sessions have moved so far."""
        for session in self.door.sessions.live:
            session.progress()

    def counters(self) -> dict[str, int]:
        """Give what was counted since the start, by name."""
        door = self.door
        self._count()
        counted: Counter[str] = Counter(connections=0, **_NOTHING_MOVED)
        counted.update(self.before)
        counted.update(connection_counters(door.sessions, [self.listeners]))
        for upstream in (*door.routes.pools, *self.retired):
            counted.update(moved(upstream.pool))
        for kind, numbers in (
            ("refused", door.refused),
            ("ended", door.prefaces.ended),
            ("unserved", door.dialer.refused),
        ):
            for why, number in numbers.items():
                counted[f"{kind}-{why}"] += number
        for entrance in self.datagrams:
            counted.update(datagrams(entrance))
        return dict(counted)

    def report(self) -> ServiceReport:
        """Tell what is going on, for metrics and for people."""
        self._count()
        now = self.reactor.seconds()
        shown = [each.pool.status(now) for each in self.door.routes.pools]
        counted = self.counters()
        rejected = Counter(self.door.refused)
        dropped = Counter(
            {
                name.removeprefix("dropped-"): number
                for name, number in counted.items()
                if name.startswith("dropped-")
            }
        )
        sessions = sum(len(entrance.sessions) for entrance in self.datagrams)
        return self._reporting.report(
            counted,
            Traffic(
                received=counted["bytes-in"],
                sent=counted["bytes-out"],
                rejected=rejected,
                dropped=dropped,
            ),
            families=reporting.families(
                shown, sessions, len(self.datagrams) * self.room.granted[1]
            ),
            tables=reporting.tables(shown),
        )
