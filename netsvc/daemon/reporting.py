"""What services have in common to tell: ports, connections, and the metrics of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from twisted.internet.address import UNIXAddress
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol

from netsvc.daemon import logs
from netsvc.daemon.connections import Connections, ServiceProtocol
from netsvc.daemon.limits import (
    CONNECTION_RATE_REACHED,
    MAX_CONNECTIONS_REACHED,
    MAX_PER_SOURCE_REACHED,
)
from netsvc.daemon.listen import show
from netsvc.daemon.listeners import Listeners
from netsvc.daemon.report import (
    COUNTER,
    GAUGE,
    MAX_CONNECTIONS,
    Connected,
    Family,
    Listening,
    Sample,
    ServiceReport,
    Table,
)
from netsvc.daemon.service import NetService, label_of
from netsvc.multiplex import pending

_log = Logger()

#: Counters that are the process's, and not a service's.
_OF_PROCESS: Final = "log-write-errors"

#: Seconds for which the queues of all connections are not counted again, and many
#: connections not described again: it takes a moment where there are many.
_SETTLED: Final = 5.0

#: Connections that are described anew each time.
_FEW: Final = 200


def address_text(address: Any) -> str:
    """Write an address as is usual; of a UNIX socket its path, or C{unix}."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is not None and port is not None:
        return show(str(host), int(port))
    name = getattr(address, "name", None) or b"unix"
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def listening(several: Iterable[Listeners]) -> tuple[Listening, ...]:
    """Give the bound ports of some listeners."""
    found = []
    for listeners in several:
        pairs = zip(listeners.listens, listeners.ports, strict=False)
        for listen, port in pairs:
            address = port.getHost()
            kind = listen.transport
            if listen.kind == "systemd" and getattr(address, "type", "") == "UDP":
                kind = "udp"
            found.append(Listening(str(listen), address_text(address), kind))
    return tuple(found)


def transport_of(transport: Any, host: Any) -> str:
    """
    Say what a stream is: C{tcp}, C{tls} or C{unix}.

    @param host: Its own address.
    """
    if isinstance(transport, TLSMemoryBIOProtocol) or getattr(transport, "TLS", False):
        return "tls"
    return "unix" if isinstance(host, UNIXAddress) else "tcp"


def connected(connection: ServiceProtocol, now: float) -> Connected:
    """Describe a connection."""
    transport = connection.transport
    host = transport.getHost()
    state = "open"
    if connection._closing:
        state = "closing"
    elif connection._handshaking:
        state = "handshake"
    # A flow moves bytes of which only this hears.
    connection.note_progress(now)
    return Connected(
        transport=transport_of(transport, host),
        local=address_text(host),
        peer=address_text(transport.getPeer()),
        state=state,
        age=max(0.0, now - connection.began),
        quiet=max(0.0, now - connection.since),
        received=connection.received,
        queued=pending(transport),
        what=connection.describe(),
    )


def connection_list(connections: Connections) -> tuple[Connected, ...]:
    """Describe the connections that were made last, newest first."""
    now = connections.now()
    newest = islice(reversed(connections.live), MAX_CONNECTIONS)
    return tuple(connected(each, now) for each in newest)


def connection_counters(
    connections: Connections, listeners: Iterable[Listeners]
) -> Counter[str]:
    """
    Give what was counted of connections, and lines of the log that were lost, by name.

    @param listeners: What holds the ports that they came to.
    """
    counted: Counter[str] = Counter(connections=connections.accepted)
    for reason, number in connections.limits.refused.items():
        counted[f"refused-{reason}"] = number
    turned_away = sum(each.turned_away for each in listeners)
    if turned_away:
        counted["refused-descriptors"] = turned_away
    for reason, number in connections.ended.items():
        counted[f"ended-{reason}"] = number
    if logs.write_errors:
        counted[_OF_PROCESS] = logs.write_errors
    return counted


def log_stopped(service: NetService) -> None:
    """Write a service's last line: what it has counted."""
    counters = service.counters()
    _log.info(
        "{service} has stopped: {text}",
        service=label_of(service),
        text=", ".join(f"{k}={v}" for k, v in counters.items()) or "nothing",
        counters=counters,
        event="stopped",
    )


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """
    What a service has moved and dropped, for its metrics.

    @ivar received: Bytes from clients over streams; C{None} if it does not count.
    @ivar sent: Bytes to clients.
    @ivar rejected: Connections that were refused, by reason, beside those that
        its limits have refused.
    @ivar dropped: Datagrams that were not answered or passed on, by reason.
    """

    received: int | None = None
    sent: int | None = None
    rejected: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)


class Reporting:
    """
    Makes the reports of a service.

    The metrics that all services have are made here; a service adds its own.
    """

    def __init__(
        self,
        service: str,
        connections: Connections,
        listeners: Callable[[], Iterable[Listeners]],
    ) -> None:
        """
        @param service: The service's name.
        @param connections: Its connections.
        @param listeners: Gives what holds its ports.
        """
        self._service = service
        self._connections = connections
        self._listeners = listeners
        self._queued = 0
        self._queued_at = -_SETTLED
        self._listed: tuple[Connected, ...] = ()
        self._listed_at = -_SETTLED

    def report(
        self,
        counters: Mapping[str, int],
        traffic: Traffic,
        *,
        families: tuple[Family, ...] = (),
        tables: tuple[Table, ...] = (),
        gauges: frozenset[str] = frozenset(),
        name: str = "",
    ) -> ServiceReport:
        """
        Make a report.

        @param counters: What the service has counted.
        @param traffic: What it has moved and dropped.
        @param families: Metrics of its own.
        @param tables: Its tables.
        @param gauges: Those among its counters that are none: they go up and down.
        @param name: Which one it is, where several of a kind run.
        """
        listeners = tuple(self._listeners())
        counted = dict(counters)
        counted.pop(_OF_PROCESS, None)
        for gauge in gauges:
            counted.pop(gauge, None)
        return ServiceReport(
            service=self._service,
            name=name,
            listening=listening(listeners),
            live=len(self._connections.live),
            max_connections=self._connections.limits.max_connections,
            connections=self._list(),
            counters=counted,
            families=(*self._families(traffic, listeners), *families),
            tables=tables,
        )

    def _families(
        self, traffic: Traffic, listeners: tuple[Listeners, ...]
    ) -> tuple[Family, ...]:
        """Make the metrics that every service has."""
        connections = self._connections
        # Those that there may be stand there with a zero: a rate needs a beginning.
        rejected = dict.fromkeys(
            (MAX_CONNECTIONS_REACHED, MAX_PER_SOURCE_REACHED, CONNECTION_RATE_REACHED),
            0,
        )
        rejected.update(traffic.rejected)
        for reason, number in connections.limits.refused.items():
            rejected[reason] = rejected.get(reason, 0) + number
        turned_away = sum(each.turned_away for each in listeners)
        if turned_away:
            rejected["descriptors"] = turned_away
        moved = {"in": traffic.received, "out": traffic.sent}
        return (
            counter(
                "connections",
                "Connections by what became of them.",
                "result",
                {
                    "accepted": connections.accepted,
                    "rejected": sum(rejected.values()),
                },
            ),
            counter(
                "rejected",
                "Connections that were refused, by the limit or rule that did.",
                "reason",
                rejected,
            ),
            counter(
                "closed",
                "Connections that netsvc has ended, by the reason.",
                "reason",
                connections.ended,
            ),
            counter(
                "bytes",
                "Bytes of streams: in, from clients; out, to clients.",
                "direction",
                {name: value for name, value in moved.items() if value is not None},
            ),
            counter(
                "datagrams_dropped",
                "Datagrams that were neither answered nor passed on.",
                "reason",
                traffic.dropped,
            ),
            Family(
                "send_queue_bytes",
                GAUGE,
                "Bytes that clients have not taken yet.",
                (Sample(self._all_queued()),),
            ),
        )

    def _list(self) -> tuple[Connected, ...]:
        """Describe the connections."""
        connections = self._connections
        now = connections.now()
        if len(connections.live) <= _FEW or now - self._listed_at >= _SETTLED:
            self._listed = connection_list(connections)
            self._listed_at = now
        return self._listed

    def _all_queued(self) -> int:
        """Give the bytes that all clients together have not taken."""
        now = self._connections.now()
        if now - self._queued_at >= _SETTLED:
            self._queued = sum(
                pending(each.transport) for each in self._connections.live
            )
            self._queued_at = now
        return self._queued


def counter(name: str, help: str, label: str, values: Mapping[str, int]) -> Family:
    """Make a counter with one label."""
    samples = tuple(Sample(number, {label: key}) for key, number in values.items())
    return Family(name, COUNTER, help, samples)


def gauge(name: str, help: str, value: float) -> Family:
    """Make a gauge without labels."""
    return Family(name, GAUGE, help, (Sample(value),))
