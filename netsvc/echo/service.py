"""
The echo service: its listeners, its connections, its journal, in the order in
which they start and stop.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.application.service import Service
from twisted.internet import defer
from twisted.logger import Logger

from netsvc.daemon import logs
from netsvc.daemon.connections import Connections, Timeouts
from netsvc.daemon.descriptors import connection_limit, pipe_limit
from netsvc.daemon.lifecycle import refuse
from netsvc.daemon.limits import ConnectionLimits, RateTable
from netsvc.daemon.listeners import Listeners
from netsvc.echo.guard import Guard
from netsvc.echo.journal import Journal, JournalError
from netsvc.echo.server import EchoDatagrams, EchoFactory
from netsvc.echo.settings import EchoSettings
from netsvc.multiplex.flow import PIPES, pipes

NAME = "netsvc-echo"


class EchoService(Service):
    """netsvc-echo."""

    _log = Logger()

    def __init__(self, settings: EchoSettings, reactor: Any) -> None:
        """
        @param settings: What is asked for.
        @param reactor: The reactor.
        """
        self._settings = settings
        self._reactor = reactor
        pipes.limit = pipe_limit(PIPES)
        self._max_connections = connection_limit(
            settings.max_connections, others=2 * pipes.limit
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
        self._guard = Guard(
            None if settings.udp_rate is None else RateTable(settings.udp_rate),
            answer_privileged_ports=settings.answer_privileged_ports,
        )
        self.journal: Journal | None = None
        if settings.journal is not None:
            self.journal = Journal(
                settings.journal,
                reactor=reactor,
                when_full=settings.journal_when_full,
                max_bytes=settings.journal_buffer,
                max_size=settings.journal_max_size,
                keep=settings.journal_keep,
                pause=self._hold,
                resume=self._release,
            )
        self._greeting = (settings.greeting or "").encode()
        if self._greeting:
            self._greeting += b"\r\n"
        self.streams: list[EchoFactory] = []
        self.datagrams: list[EchoDatagrams] = []
        self.listeners = Listeners(
            NAME, settings.listen, self._stream, self._datagram, reactor
        )

    def _stream(self, transport: str) -> EchoFactory:
        """Make the factory of a stream."""
        factory = EchoFactory(self.connections, transport, self._greeting, self.journal)
        self.streams.append(factory)
        return factory

    def _datagram(self) -> EchoDatagrams:
        """Make the protocol of a UDP port."""
        protocol = EchoDatagrams(self._guard, self._reactor.seconds, self.journal)
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
        self._guard.add_own_ports(
            protocol.transport.getHost().port for protocol in self.datagrams
        )
        self.connections.start()
        if self._max_connections < self._settings.max_connections:
            self._log.warn(
                "netsvc-echo takes {limit} connections: the system allows no more"
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
        return self.listeners.stop_listening()

    @defer.inlineCallbacks
    def stopService(self) -> Any:
        """Stop: close the ports, cut the connections, finish the journal."""
        super().stopService()
        yield self._close_ports()
        yield self.listeners.stopService()
        self.connections.stop()
        if self.journal is not None:
            yield self.journal.stop()
        counters = self.counters()
        self._log.info(
            "netsvc-echo has stopped: {text}",
            text=", ".join(f"{k}={v}" for k, v in counters.items()),
            counters=counters,
            event="stopped",
        )

    def counters(self) -> dict[str, int]:
        """Give what was counted since the start, by name."""
        counted: Counter[str] = Counter()
        counted["connections"] = self.connections.accepted
        counted["bytes"] = sum(stream.received for stream in self.streams)
        for connection in self.connections.live:
            connection.progress()  # counts what a flow has moved
            counted["bytes"] += connection.received
        counted["datagrams"] = sum(port.received for port in self.datagrams)
        for reason, number in self.connections.limits.refused.items():
            counted[f"refused-{reason}"] = number
        turned_away = self.listeners.turned_away
        if turned_away:
            counted["refused-descriptors"] = turned_away
        for reason, number in self.connections.ended.items():
            counted[f"ended-{reason}"] = number
        for port in self.datagrams:
            port.tally()
            if port.dropped:
                counted["dropped-by-kernel"] += port.dropped
            for reason, number in port.refused.items():
                counted[f"unanswered-{reason}"] += number
        if logs.write_errors:
            counted["log-write-errors"] = logs.write_errors
        if self.journal is not None:
            journal = self.journal.counters
            for name in journal.__slots__:
                counted[f"journal-{name.replace('_', '-')}"] = getattr(journal, name)
        return dict(counted)
