"""
The chat service: the store, the hub, its frontends and their listeners, in the order
in which they start and stop.
"""

from __future__ import annotations

import os
import secrets
from typing import Any

from twisted.application.service import Service
from twisted.internet import defer, task

from netsvc.chat import reloading, reporting
from netsvc.chat.hosting import STORE_FILES, HubHost, milliseconds
from netsvc.chat.hub_config import read_secret
from netsvc.chat.irc.config import IrcConfig, WebGateway
from netsvc.chat.irc.frontend import IrcFrontend
from netsvc.chat.irc.server import IrcFactory
from netsvc.chat.line.frontend import LineFrontend
from netsvc.chat.line.options import LineOptions
from netsvc.chat.line.server import LineFactory
from netsvc.chat.settings import ChatSettings
from netsvc.chat.store.database import default_path
from netsvc.daemon.connections import Connections, Timeouts
from netsvc.daemon.limits import ConnectionLimits
from netsvc.daemon.listen import Listen
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
from netsvc.multiplex import fan_out

NAME = "netsvc-chat"

#: Seconds between two looks at who has not registered, or is silent.
TICK = 1.0


class ChatService(Service):
    """
    netsvc-chat.

    @ivar network: The chat.
    @ivar settings: What it goes by.
    @ivar host: The hub, with its store and its accounts.
    @ivar irc: The frontend for IRC clients.
    @ivar line: The frontend for lines.
    @ivar listeners: Those of lines, then those of IRC.
    """

    # People in one room must be in one process.
    shared_state = True
    service = NAME

    def __init__(self, settings: ChatSettings, reactor: Any) -> None:
        """
        @param settings: What is asked for.
        @param reactor: The reactor.
        """
        self.settings = settings
        self._reactor = reactor
        path = settings.store or default_path(os.environ)
        self.host = HubHost(NAME, settings, reactor, settings.max_connections, path)
        self.network = self.host.network
        self.irc = IrcFrontend(
            self.network,
            self._first_irc_config(),
            nonce=lambda: secrets.token_urlsafe(18),
            fan_out=fan_out,
        )
        self.line = LineFrontend(self.network, line_options(settings), fan_out=fan_out)
        self.connections = Connections(NAME, ConnectionLimits(0), Timeouts(), reactor)
        self.room = Room(self.connections.limits, reactor)
        self.use_limits()
        self.listeners = [
            self._listen(settings.line, self._line_factory),
            self._listen(settings.irc, self._irc_factory),
        ]
        self._reporting = Reporting(NAME, self.connections, lambda: self.listeners)
        self._ticking = task.LoopingCall(self._tick)
        self._ticking.clock = reactor

    def setName(self, name: str) -> None:
        """Take a name, by which the log tells it from others of its kind."""
        super().setName(name)
        self.host.label = self.connections.service = label_of(self)
        for each in self.listeners:
            each.service = label_of(self)

    # What it goes by.

    def use_limits(self) -> None:
        """Go by the limits and timeouts of the settings."""
        settings = self.settings
        self.room.use(settings, others=STORE_FILES)
        if self.running:
            self.room.tell(label_of(self))
        self.connections.change(
            Timeouts(
                idle=0,  # the frontends know better who is idle
                handshake=settings.handshake_timeout,
                close=settings.close_timeout,
            )
        )

    def prepare(self, settings: ChatSettings) -> Change:
        """
        Prepare other settings.

        @raise CombinedReloadError: They cannot be used.
        """
        return reloading.prepare(self, settings)

    def setServiceParent(self, parent: Any) -> None:
        """Take a parent, which may be able to reload: an operator may ask for it."""
        super().setServiceParent(parent)
        self.host.reload = getattr(parent, "reload", None)

    # What there is.

    def _first_irc_config(self) -> IrcConfig:
        """
        Give what the IRC frontend is told first.

        @raise SystemExit: If a password cannot be read, with one line for operators.
        """
        try:
            return self.irc_config(self.settings)
        except ValueError as error:
            refuse(f"{NAME}: --webirc: {error}")

    def irc_config(self, settings: ChatSettings) -> IrcConfig:
        """
        Give what the IRC frontend is told.

        @raise ValueError: If a gateway's password cannot be read: one line.
        """
        idle = settings.idle_timeout
        return IrcConfig(
            registration_timeout=settings.registration_timeout,
            ping_interval=idle / 2,
            ping_timeout=idle,
            command_rate=settings.command_rate,
            flood_patience=settings.flood_patience,
            send_queue=settings.send_queue,
            password_rate=settings.login_rate,
            sts_port=settings.sts_port or None,
            sts_duration=int(settings.sts_duration) if settings.sts_name else None,
            sts_names=frozenset(name.lower() for name in settings.sts_name),
            gateways=tuple(
                WebGateway(each.address, read_secret(each.file))
                for each in settings.webirc
            ),
        )

    def _tick(self) -> None:
        """Look who is silent, or has taken too long."""
        self.irc.tick()
        self.line.tick()

    def _listen(self, listens: tuple[Listen | None, ...], make: Any) -> Listeners:
        """Make the listeners of one frontend."""
        bound = [listen for listen in listens if listen is not None]

        def datagram() -> Any:
            raise ValueError("chat does not listen on datagrams")

        return Listeners(NAME, bound, make, datagram, self._reactor)

    def _irc_factory(self, transport: str) -> IrcFactory:
        """Make the factory of an IRC stream."""
        return IrcFactory(self.connections, transport, self.irc, self._reactor)

    def _line_factory(self, transport: str) -> LineFactory:
        """Make the factory of a stream of lines."""
        return LineFactory(self.connections, transport, self.line, self._reactor)

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
        self.host.open()
        super().startService()
        for listeners in self.listeners:
            listeners.startService()
        self.connections.start()
        self.host.start()
        self._ticking.start(TICK, now=False)
        self.room.tell(label_of(self))

    def drain(self, timeout: float) -> defer.Deferred[None]:
        """
        Stop listening, say good-bye to everybody, and let that go out.

        @param timeout: Seconds after which to cut the connections.
        @return: A Deferred that fires when none is left.
        """
        for listeners in self.listeners:
            listeners.stop_listening()
        for member in list(self.network.hub.state.members.values()):
            member.session.close("The server is stopping")
        for session in list(self.irc.unregistered):
            session.close("The server is stopping")
        self.line.stop("The server is stopping")
        return self.connections.drain(timeout)

    @defer.inlineCallbacks
    def stopService(self) -> Any:
        """Stop: close the ports, cut the connections, finish the store."""
        super().stopService()
        for listeners in self.listeners:
            yield listeners.stopService()
        if self._ticking.running:
            self._ticking.stop()
        self.connections.stop()
        self.room.release()
        yield self.host.stop()
        log_stopped(self)

    def counters(self) -> dict[str, int]:
        """Give what was counted since the start, by name."""
        counted = connection_counters(self.connections, self.listeners)
        counted.update(self.host.counters())
        return dict(counted)

    def report(self) -> ServiceReport:
        """Tell what is going on, for metrics and for people."""
        hub = self.network.hub
        return self._reporting.report(
            self.counters(),
            Traffic(received=self.connections.all_received()),
            families=reporting.families(hub.state, hub.courier, self.host.store),
            tables=(reporting.rooms_table(hub.state, milliseconds()),),
        )


def line_options(settings: ChatSettings) -> LineOptions:
    """Give what the frontend for lines is told."""
    return LineOptions(
        line_limit=settings.line_limit,
        replay=settings.replay,
        send_queue=settings.send_queue,
        command_rate=settings.command_rate,
        flood_patience=settings.flood_patience,
        idle_timeout=settings.idle_timeout,
        password_timeout=settings.registration_timeout,
        password_rate=settings.login_rate,
    )
