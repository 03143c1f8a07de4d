"""The relay service: its hub if it has one of its own, its ports, its peers."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet import defer, task

from netsvc.chat.hosting import HubHost
from netsvc.chat.store.database import MEMORY, default_path
from netsvc.daemon import logs
from netsvc.daemon.listen import Listen
from netsvc.daemon.listeners import Listeners, bind_all
from netsvc.daemon.refusing import refuse
from netsvc.daemon.report import ServiceReport
from netsvc.daemon.reporting import log_stopped
from netsvc.daemon.service import Change, label_of
from netsvc.relay import reloading, reporting
from netsvc.relay.fan_out import TextFrontend
from netsvc.relay.frame_peers import FramePeers
from netsvc.relay.raw import make_silent
from netsvc.relay.relay import Relay
from netsvc.relay.server import RelayPort
from netsvc.relay.settings import RelaySettings
from netsvc.relay.stun_server import StunServer, read_credential

NAME = "netsvc-relay"

#: Seconds between two looks at who is silent.
TICK = 1.0

#: What everybody is told at the end.
STOPPING = "The server is stopping"


class RelayService(Service):
    """
    netsvc-relay.

    @cvar shared_state: It cannot run in several processes: its rooms are in memory.
    @ivar settings: What it was told.
    @ivar host: The hub, and what is beside it.
    @ivar owns_host: Whether that is its own, and not a chat's.
    @ivar relay: What its ports share.
    @ivar ports: What serves its ports.
    @ivar listeners: Its ports, and those for STUN alone.
    """

    service = NAME
    shared_state = True

    def __init__(
        self, settings: RelaySettings, reactor: Any, host: HubHost | None = None
    ) -> None:
        """
        @param settings: What is asked for.
        @param reactor: The reactor.
        @param host: The hub of a chat in this process, which starts and stops it; by
            default the relay has one of its own.
        @raise SystemExit: If a file cannot be read, with one line for operators.
        """
        self.settings = settings
        self._reactor = reactor
        self.owns_host = host is None
        if host is None:
            path = store_path(settings)
            host = HubHost(NAME, settings, reactor, settings.max_peers, path)
        self.host = host
        self.relay = relay = Relay(host.network, settings, reactor, os.urandom)
        relay.frontend = TextFrontend(relay)
        if settings.raw:
            make_silent(relay.frontend)
        try:
            credential = read_credential(settings.stun_user, settings.stun_password)
        except ValueError as error:
            refuse(f"{NAME}: --stun-password: {error}")
        self.stun = StunServer(credential)
        self.ports: list[RelayPort] = []
        self._numbers = 0
        self.before: Counter[str] = Counter()
        self.admissions = list(spread(settings.admission, settings.listen))
        self.listeners = (
            Listeners(NAME, settings.listen, _no_stream, self._port, reactor),
            Listeners(
                NAME, _given(settings.alternate), _no_stream, self._alternate, reactor
            ),
        )
        self._ticking = task.LoopingCall(self._tick)
        self._ticking.clock = reactor

    def setName(self, name: str) -> None:
        """Take a name, by which the log tells it from others of its kind."""
        super().setName(name)
        if self.owns_host:
            self.host.label = label_of(self)
        for each in self.listeners:
            each.service = label_of(self)

    def _port(self) -> RelayPort:
        """Make what serves the next listener."""
        return self._make(self.admissions.pop(0), only_stun=False)

    def _alternate(self) -> RelayPort:
        """Make what serves the second port for STUN."""
        return self._make(self.settings.admission[0], only_stun=True)

    def _make(self, admission: str, *, only_stun: bool) -> RelayPort:
        self._numbers += 1
        port = RelayPort(
            self.relay, self._numbers, admission, self.stun, only_stun=only_stun
        )
        if not only_stun and not self.settings.raw:
            port.frames = FramePeers(self.relay, port)
        self.ports.append(port)
        return port

    def join_ports(self) -> None:
        """Tell ports of each other; forget those that are closed."""
        for port in list(self.ports):
            if not any(each.serves(port) for each in self.listeners):
                self.before.update(counted(port))
                self.ports.remove(port)
                self._leave(port)
        main = [each for each in self.ports if not each.only_stun]
        other = [each for each in self.ports if each.only_stun]
        numbers = [each.transport.getHost().port for each in self.ports]
        for port in self.ports:
            port.add_own_ports(numbers)
            several = main if port.only_stun else other
            port.other = several[0] if several else None
        batch = self.relay.batch = main[0].batch if main else None
        # Peers that are here already may be sent to one by one; see RelayPort.
        self.relay.mixed = len(main) != 1 or any(
            peer.batch is not batch for peer in self.relay.peers
        )
        self.relay.alternate_port = other[0].transport.getHost().port if other else 0

    def _leave(self, port: RelayPort) -> None:
        """Forget those who came to a port that is closed: nothing reaches them now."""
        for peer in self.relay.peers:
            if peer.key[0] == port.number:
                peer.gone("Port closed")
        if port.frames is not None:
            port.frames.cut()

    def _tick(self) -> None:
        """Look who is silent."""
        relay = self.relay
        timeout = relay.settings.peer_timeout
        for peer in relay.peers.silent(relay.seconds() - timeout):
            relay.counters["silent"] += 1
            peer.gone("No sign of life")
        relay.frontend.tick()

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

        @raise SystemExit: If a port cannot be bound or the store not be used, with
            one line for operators.
        """
        if self.owns_host:
            self.host.open()
        super().startService()
        for listeners in self.listeners:
            listeners.startService()
        self.join_ports()
        if self.owns_host:
            self.host.start()
        self._ticking.start(TICK, now=False)

    def drain(self, timeout: float) -> defer.Deferred[None]:
        """
        Say good-bye to everybody, and wait for those who acknowledge it.

        The ports are open until then: they are all that peers are reached by.

        @param timeout: Seconds after which to forget who has not.
        """
        for peer in self.relay.peers:
            peer.session.close(STOPPING)
        frames = [port.frames for port in self.ports if port.frames is not None]
        for each in frames:
            each.stop(STOPPING)
        done: defer.Deferred[None] = defer.Deferred()
        until = self._reactor.seconds() + timeout

        def look() -> None:
            left = sum(each.live for each in frames) + len(self.relay.peers)
            if not left or self._reactor.seconds() >= until:
                done.callback(None)
            else:
                self._reactor.callLater(min(0.05, timeout), look)

        look()
        return done

    @defer.inlineCallbacks
    def stopService(self) -> Any:
        """Stop: forget the peers, close the ports, finish the store."""
        super().stopService()
        if self._ticking.running:
            self._ticking.stop()
        for peer in self.relay.peers:
            peer.gone(STOPPING)
        for port in self.ports:
            if port.frames is not None:
                port.frames.cut()
            port.tally()
        for listeners in self.listeners:
            yield listeners.stopService()
        if self.owns_host:
            yield self.host.stop()
        log_stopped(self)

    # What the daemon asks.

    def counters(self) -> dict[str, int]:
        """Give what was counted since the start, by name."""
        found: Counter[str] = Counter(self.before)
        found.update(self.relay.counters)
        for port in self.ports:
            found.update(counted(port))
        found["evicted"] = self.relay.peers.evicted
        found["refused-max-peers-per-source"] = self.relay.peers.refused
        if self.owns_host:
            found.update(self.host.counters())
        if logs.write_errors:
            found["log-write-errors"] = logs.write_errors
        return dict(found)

    def report(self) -> ServiceReport:
        """Tell what is going on, for metrics and for people."""
        return reporting.report(self)

    def prepare(self, settings: RelaySettings) -> Change:
        """
        Prepare other settings.

        @raise CombinedReloadError: They cannot be used.
        """
        return reloading.prepare(self, settings)


def counted(port: RelayPort) -> dict[str, int]:
    """Give what a port has counted, by name."""
    port.tally()
    found = {"datagrams": port.received, "bytes": port.bytes_received}
    if port.dropped:
        found["dropped-by-kernel"] = port.dropped
    return found


def store_path(settings: RelaySettings) -> Path:
    """Give where to store; nowhere if nothing is to be kept."""
    if settings.store is not None:
        return settings.store
    if settings.history or settings.accounts:
        return default_path(os.environ).with_name("relay.sqlite")
    return Path(MEMORY)


def spread(settings: tuple[str, ...], listens: tuple[Listen, ...]) -> tuple[str, ...]:
    """Give the admission of each listener."""
    return settings if len(settings) == len(listens) else settings[:1] * len(listens)


def _given(listen: Listen | None) -> tuple[Listen, ...]:
    return () if listen is None else (listen,)


def _no_stream(transport: str) -> Any:
    raise ValueError("the relay listens on datagrams only")
