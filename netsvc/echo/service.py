"""
The echo service: its listeners, its connections, its journal, in the order in
which they start and stop.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.application.service import Service
from twisted.internet import defer

from netsvc.daemon.connections import Connections, Timeouts
from netsvc.daemon.descriptors import pipe_limit
from netsvc.daemon.limits import ConnectionLimits, RateTable
from netsvc.daemon.listeners import Listeners
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
from netsvc.echo import reloading
from netsvc.echo.guard import Guard
from netsvc.echo.journal import Journal, JournalError
from netsvc.echo.server import EchoDatagrams, EchoFactory
from netsvc.echo.settings import EchoSettings
from netsvc.multiplex.flow import PIPES, pipes

NAME = "netsvc-echo"


class EchoService(Service):
    """
    netsvc-echo.

    @ivar settings: What it goes by.
    @ivar guard: Decides which datagrams are answered.
    @ivar journal: Where what comes is recorded; L{None}: nowhere.
    @ivar ending: Journals that are no longer used, and not at their end yet.
    @ivar streams: The factories of its streams.
    @ivar datagrams: The protocols of its UDP ports.
    @ivar before: What was counted by what is no longer there.
    """

    # One process writes a journal.
    alone_with = ("journal",)
    service = NAME

    def __init__(self, settings: EchoSettings, reactor: Any) -> None:
        """
        @param settings: What is asked for.
        @param reactor: The reactor.
        """
        self.settings = settings
        self._reactor = reactor
        pipes.limit = pipe_limit(PIPES)
        self.connections = Connections(NAME, ConnectionLimits(0), Timeouts(), reactor)
        self.room = Room(self.connections.limits, reactor)
        self.use_limits()
        self.guard = Guard(
            None if settings.udp_rate is None else RateTable(settings.udp_rate),
            answer_privileged_ports=settings.answer_privileged_ports,
        )
        self.journal = self.make_journal(settings)
        self.ending: list[Journal] = []
        self.before: Counter[str] = Counter()
        self.streams: list[EchoFactory] = []
        self.datagrams: list[EchoDatagrams] = []
        self.listeners = Listeners(
            NAME, settings.listen, self._stream, self._datagram, reactor
        )
        self._reporting = Reporting(NAME, self.connections, lambda: [self.listeners])

    def setName(self, name: str) -> None:
        """Take a name, by which the log tells it from others of its kind."""
        super().setName(name)
        self.listeners.service = self.connections.service = label_of(self)

    # What it goes by.

    def use_limits(self) -> None:
        """Go by the limits and timeouts of the settings."""
        settings = self.settings
        self.room.use(settings, pipes=2 * pipes.limit)
        if self.running:
            self.room.tell(label_of(self))
        self.connections.change(
            Timeouts(
                idle=settings.idle_timeout,
                handshake=settings.handshake_timeout,
                close=settings.close_timeout,
            )
        )

    @property
    def greeting(self) -> bytes:
        """What is sent first."""
        text = self.settings.greeting
        return f"{text}\r\n".encode() if text else b""

    def make_journal(self, settings: EchoSettings) -> Journal | None:
        """Make the journal of some settings; it is not started."""
        if settings.journal is None:
            return None
        return Journal(
            settings.journal,
            reactor=self._reactor,
            when_full=settings.journal_when_full,
            max_bytes=settings.journal_buffer,
            max_size=settings.journal_max_size,
            keep=settings.journal_keep,
            pause=self._hold,
            resume=self._release,
        )

    def end_journal(self, journal: Journal) -> None:
        """Let a journal that is no longer used write what it has."""
        self._release()
        self.ending.append(journal)
        journal.stop().addCallback(lambda _: self._ended(journal))

    def _ended(self, journal: Journal) -> None:
        self.ending.remove(journal)
        self.before.update(_counted(journal))

    def prepare(self, settings: EchoSettings) -> Change:
        """
        Prepare other settings.

        @raise CombinedReloadError: They cannot be used.
        """
        return reloading.prepare(self, settings)

    def forget_closed(self) -> None:
        """Forget what served ports that are closed, but not what it has counted."""
        for port in [
            each for each in self.datagrams if not self.listeners.serves(each)
        ]:
            self.before.update(_datagrams(port))
            self.datagrams.remove(port)
        used = {connection.factory for connection in self.connections.live}
        for factory in list(self.streams):
            if factory not in used and not self.listeners.serves(factory):
                self.before["bytes"] += factory.received
                self.streams.remove(factory)

    def know_own_ports(self) -> None:
        """Take no datagrams from our own ports."""
        self.guard.add_own_ports(
            protocol.transport.getHost().port for protocol in self.datagrams
        )

    def _stream(self, transport: str) -> EchoFactory:
        """Make the factory of a stream."""
        factory = EchoFactory(self.connections, transport, self.greeting, self.journal)
        self.streams.append(factory)
        return factory

    def _datagram(self) -> EchoDatagrams:
        """Make the protocol of a UDP port."""
        protocol = EchoDatagrams(self.guard, self._reactor.seconds, self.journal)
        self.datagrams.append(protocol)
        return protocol

    # The journal does not keep up.

    def _hold(self) -> None:
        """Stop reading from every peer."""
        for factory in self.streams:
            factory.held = True
        for connection in self.connections.live:
            connection.hold()
        for protocol in self.datagrams:
            protocol.hold()

    def _release(self) -> None:
        """Read from them again."""
        for factory in self.streams:
            factory.held = False
        for connection in self.connections.live:
            connection.release()
        for protocol in self.datagrams:
            protocol.release()

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

        @raise SystemExit: If a port cannot be bound or the journal not be
            written, with one line for operators.
        """
        if self.journal is not None:
            try:
                self.journal.check()
                self.journal.start()
            except JournalError as e:
                refuse(f"{NAME}: --journal: {e}")
        super().startService()
        self.listeners.startService()
        self.know_own_ports()
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
        return self.listeners.stop_listening()

    @defer.inlineCallbacks
    def stopService(self) -> Any:
        """Stop: close the ports, cut the connections, finish the journal."""
        super().stopService()
        yield self._close_ports()
        yield self.listeners.stopService()
        self.connections.stop()
        self.room.release()
        for journal in [*self.ending, *filter(None, [self.journal])]:
            yield journal.stop()
        log_stopped(self)

    def counters(self) -> dict[str, int]:
        """Give what was counted since the start, by name."""
        counted: Counter[str] = Counter(connections=0, bytes=0, datagrams=0)
        counted.update(self.before)
        counted.update(connection_counters(self.connections, [self.listeners]))
        counted["bytes"] += sum(stream.received for stream in self.streams)
        for connection in self.connections.live:
            connection.tally()
            counted["bytes"] += connection.received
        for port in self.datagrams:
            counted.update(_datagrams(port))
        for journal in (*self.ending, *filter(None, [self.journal])):
            counted.update(_counted(journal))
        return dict(counted)

    def report(self) -> ServiceReport:
        """Tell what is going on, for metrics and for people."""
        counted = self.counters()
        dropped = Counter(kernel=counted.get("dropped-by-kernel", 0))
        for name, number in counted.items():
            if name.startswith("unanswered-"):
                dropped[name.removeprefix("unanswered-")] = number
        moved = counted["bytes"]
        # What came goes back: what still waits for that is in the send queue.
        return self._reporting.report(
            counted, Traffic(received=moved, sent=moved, dropped=dropped)
        )


def _datagrams(port: EchoDatagrams) -> dict[str, int]:
    """Give what a UDP port has counted, by name."""
    port.tally()
    counted = {"datagrams": port.received}
    if port.dropped:
        counted["dropped-by-kernel"] = port.dropped
    for reason, number in port.refused.items():
        counted[f"unanswered-{reason}"] = number
    return counted


def _counted(journal: Journal) -> dict[str, int]:
    """Give what a journal has counted, by name."""
    counters = journal.counters
    return {
        f"journal-{name.replace('_', '-')}": getattr(counters, name)
        for name in counters.__slots__
    }
