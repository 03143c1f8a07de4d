"""What the workers tell, in their parent: L{WorkersSource}."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from netsvc._version import __version__
from netsvc.daemon.report import Histogram, Snapshot
from netsvc.daemon.workers import sums
from netsvc.daemon.workers.slots import Slot, told

if TYPE_CHECKING:
    from netsvc.daemon.workers.supervisor import Supervisor


class WorkersSource:
    """
    What the admin pages show (L{netsvc.daemon.snapshots.SnapshotSource}).

    A worker's snapshot is at most a second old. Its counters go on from those of the
    workers whose place it has taken.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        """@param supervisor: The parent of the workers, itself a child of a daemon."""
        self._supervisor = supervisor

    @property
    def _daemon(self) -> Any:
        return self._supervisor.parent

    def reload(self) -> Deferred[list[str]]:
        """Have the daemon read the configuration again."""
        reloading: Deferred[list[str]] = self._daemon.reload()
        return reloading

    def snapshots(self) -> Sequence[Snapshot]:
        """Give one of each worker, the first one's with the reloads of them all."""
        snapshots = [snapshot_of(slot) for slot in self._supervisor.slots]
        snapshots[0] = replace(snapshots[0], reloads=dict(self._daemon.reloads))
        return snapshots

    @property
    def ready(self) -> bool:
        """Whether every service is served by a worker at least."""
        supervisor = self._supervisor
        if supervisor.draining:
            return False
        serving = [each for each in supervisor.living if each.ready]
        served = {entry.identity for each in serving for entry in each.entries}
        wanted = {entry.identity for entry in supervisor.configuration.entries}
        return bool(serving) and wanted <= served


def snapshot_of(slot: Slot) -> Snapshot:
    """Give what the workers of a place have told, those before the last one too."""
    now = None if slot.process is None else told(slot.process)
    if now is not None:
        return now if slot.past is None else sums.add(slot.past, now)
    if slot.past is not None:
        return slot.past
    return Snapshot(
        worker=slot.number,
        pid=0,
        version=__version__,
        started=0.0,
        time=0.0,
        state="starting",
        services=(),
        lag=Histogram((), (0,), 0.0),
        cpu=0.0,
        memory=0,
        descriptors=0,
        reloads={},
        log_write_errors=0,
    )
