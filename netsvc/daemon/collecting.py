"""What this process tells about itself, put together: L{Collector}, L{LocalSource}."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from twisted.internet.defer import Deferred

from netsvc._version import __version__
from netsvc.daemon import logs
from netsvc.daemon.lag import ReactorLag
from netsvc.daemon.report import ServiceReport, Snapshot
from netsvc.daemon.service import NetService, own_name

STARTING: Final = "starting"
READY: Final = "ready"
DRAINING: Final = "draining"

_KIBIBYTE: Final = 1024


class Collector:
    """Makes the snapshots of this process."""

    def __init__(
        self,
        services: Callable[[], Iterable[NetService]],
        lag: ReactorLag,
        *,
        state: Callable[[], str],
        reloads: Callable[[], Mapping[str, int]],
        worker: int = 0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        @param services: Gives the services that run.
        @param lag: Measures the reactor.
        @param state: Gives L{STARTING}, L{READY} or L{DRAINING}.
        @param reloads: Gives how often the configuration was read again, by result.
        @param worker: The number of this process.
        @param now: Gives the time in seconds since the epoch.
        """
        self._services = services
        self._lag = lag
        self._worker = worker
        self._now = now
        self._started = now()
        self._reloads = reloads
        self.state = state

    def snapshot(self) -> Snapshot:
        """Tell what is so now."""
        memory, resident = memory_use()
        used = resource.getrusage(resource.RUSAGE_SELF)
        return Snapshot(
            worker=self._worker,
            pid=os.getpid(),
            version=__version__,
            started=self._started,
            time=self._now(),
            state=self.state(),
            services=tuple(map(named_report, self._services())),
            lag=self._lag.histogram(),
            cpu=used.ru_utime + used.ru_stime,
            memory=memory,
            descriptors=open_descriptors(),
            reloads=dict(self._reloads()),
            log_write_errors=logs.write_errors,
            resident=resident,
            max_descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            log_suppressed=logs.suppressed,
        )


def named_report(service: NetService) -> ServiceReport:
    """Give a service's report, with its own name where several of a kind run."""
    report = service.report()
    own = own_name(service)
    return replace(report, name=own) if own and not report.name else report


class LocalSource:
    """
    What one process shows
    (L{SnapshotSource<netsvc.daemon.snapshots.SnapshotSource>}).
    """

    def __init__(
        self, collector: Collector, reload: Callable[[], Deferred[list[str]]]
    ) -> None:
        """
        @param collector: Makes the snapshots.
        @param reload: Reads the configuration again.
        """
        self._collector = collector
        self.reload = reload

    def snapshots(self) -> Sequence[Snapshot]:
        """Give one snapshot."""
        return [self._collector.snapshot()]

    @property
    def ready(self) -> bool:
        """Whether clients are served."""
        return self._collector.state() == READY


def local_source(daemon: Any, lag: ReactorLag, worker: int = 0) -> LocalSource:
    """
    Make the source of a process with one daemon.

    @param daemon: A L{Daemon<netsvc.daemon.lifecycle.Daemon>}; its services are those
        of its children that have a report.
    @param lag: Measures the reactor.
    @param worker: The number of this process.
    """
    collector = Collector(
        lambda: reporting(daemon),
        lag,
        state=lambda: str(daemon.state),
        reloads=lambda: daemon.reloads,
        worker=worker,
    )
    return LocalSource(collector, daemon.reload)


def reporting(daemon: Iterable[Any]) -> list[NetService]:
    """Give those of a daemon's children that report."""
    return [cast(NetService, each) for each in daemon if hasattr(each, "report")]


def memory_use() -> tuple[int, int]:
    """
    Give the memory of this process, in bytes: its own (RssAnon), and all (VmRSS).

    Where the system does not tell, its own is 0 and all is the most that it ever had.
    """
    found = {"RssAnon:": 0, "VmRSS:": 0}
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            for line in file:
                words = line.split()
                if words[0] in found:
                    found[words[0]] = int(words[1]) * _KIBIBYTE
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return 0, most * _KIBIBYTE
    return found["RssAnon:"], found["VmRSS:"]


def open_descriptors() -> int:
    """Give how many descriptors this process has open; 0 if nobody tells."""
    try:
        # Linux 6.2 and newer; to list thousands takes milliseconds.
        if size := os.stat("/proc/self/fd").st_size:
            return size
    except OSError:
        pass
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder)) - 1  # the listing has one, too
        except OSError:
            continue
    return 0
