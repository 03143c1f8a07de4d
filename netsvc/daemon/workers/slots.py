"""The place of one worker, in which one process follows the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from netsvc.daemon.report import Snapshot
from netsvc.daemon.snapshots import decode
from netsvc.daemon.workers.backoff import Backoff
from netsvc.daemon.workers.process import WorkerProcess


@dataclass
class Slot:
    """
    The place of one worker, over its lives.

    @ivar number: The worker's number.
    @ivar backoff: How long until the next life.
    @ivar process: The living one.
    @ivar past: What those before it have counted.
    @ivar waiting: The call that starts the next one.
    @ivar seen: The sequence of its slab, and when that has changed.
    """

    number: int
    backoff: Backoff = field(default_factory=Backoff)
    process: WorkerProcess | None = None
    past: Snapshot | None = None
    waiting: Any = None
    seen: tuple[int, float] = (0, 0.0)


def told(process: WorkerProcess) -> Snapshot | None:
    """Give what a worker has told last; L{None} if there is nothing."""
    data = process.slab.read()
    try:
        return None if data is None else decode(data)
    except ValueError:
        return None
