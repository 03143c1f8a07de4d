"""
The status of a daemon: all its processes as one. As JSON it is C{/status.json}. Pure.

C{schema} is raised when something is taken away or means another thing; what is added
does not raise it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from netsvc.daemon import totals
from netsvc.daemon.escape import escape_json
from netsvc.daemon.report import Histogram, ServiceReport, Snapshot
from netsvc.daemon.snapshots import by_name, make, service_report

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Worker:
    """
    One process.

    @ivar worker: Its number.
    @ivar pid: Its process id.
    @ivar state: C{starting}, C{ready} or C{draining}.
    @ivar started: When it started, in seconds since the epoch.
    @ivar cpu: Seconds of CPU time used.
    @ivar memory: Bytes of memory of its own (RssAnon).
    @ivar resident: Bytes of memory in all (VmRSS).
    @ivar descriptors: Open file descriptors.
    @ivar max_descriptors: How many there may be.
    @ivar connections: Live connections.
    @ivar services: Which services run in it.
    """

    worker: int
    pid: int
    state: str
    started: float
    cpu: float
    memory: int
    resident: int
    descriptors: int
    max_descriptors: int
    connections: int
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """
    A daemon.

    @ivar version: Of netsvc.
    @ivar ready: Whether clients are served.
    @ivar state: C{starting}, C{ready} or C{draining}.
    @ivar time: When this was so, in seconds since the epoch.
    @ivar started: When it started.
    @ivar workers: Its processes.
    @ivar services: What its services tell, over all processes.
    @ivar lag: How late the reactors were.
    @ivar reloads: How often the configuration was read again, by result.
    @ivar log_write_errors: Lines of the log that were lost.
    @ivar log_suppressed: Those that were left out because they repeat.
    """

    version: str
    ready: bool
    state: str
    time: float
    started: float
    workers: tuple[Worker, ...]
    services: tuple[ServiceReport, ...]
    lag: Histogram
    reloads: dict[str, int]
    log_write_errors: int
    log_suppressed: int


def status_of(snapshots: Sequence[Snapshot], ready: bool) -> Status:
    """
    Put together what the processes tell.

    @param snapshots: One of each, at least one.
    @param ready: Whether clients are served.
    """
    return Status(
        version=snapshots[0].version,
        ready=ready,
        state=totals.state_of(snapshots),
        time=max(each.time for each in snapshots),
        started=min(each.started for each in snapshots),
        workers=tuple(map(_worker, snapshots)),
        services=tuple(totals.services_of(snapshots)),
        lag=totals.lag_of(snapshots),
        reloads=totals.reloads_of(snapshots),
        log_write_errors=sum(each.log_write_errors for each in snapshots),
        log_suppressed=sum(each.log_suppressed for each in snapshots),
    )


def _worker(snapshot: Snapshot) -> Worker:
    return Worker(
        worker=snapshot.worker,
        pid=snapshot.pid,
        state=snapshot.state,
        started=snapshot.started,
        cpu=snapshot.cpu,
        memory=snapshot.memory,
        resident=snapshot.resident,
        descriptors=snapshot.descriptors,
        max_descriptors=snapshot.max_descriptors,
        connections=sum(each.live for each in snapshot.services),
        services=tuple(totals.label(each) for each in snapshot.services),
    )


def to_json(status: Status) -> bytes:
    """Write a status, on one line, with no character that moves a cursor."""
    document = {"schema": SCHEMA, **by_name(status)}
    return escape_json(json.dumps(document, default=by_name)).encode() + b"\n"


def from_json(data: bytes) -> Status:
    """
    Read what L{to_json} wrote.

    @raise ValueError: It is no status, or one of another schema.
    """
    try:
        found: dict[str, Any] = json.loads(data)
        if found["schema"] != SCHEMA:
            raise ValueError(f"its schema is {found['schema']!r}, not {SCHEMA}")
        return make(
            Status,
            found,
            workers=tuple(
                make(Worker, each, services=tuple(each["services"]))
                for each in found["workers"]
            ),
            services=tuple(map(service_report, found["services"])),
            lag=make(Histogram, found["lag"]),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"this is no status of netsvc: {error!r}") from None
