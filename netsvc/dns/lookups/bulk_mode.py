"""The bulk run of the command: its input, its progress, how far it has come."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from twisted.internet.task import LoopingCall

from netsvc.dns.lookups.bulk import ANSWERED, BROKEN, FAILED, BulkRun
from netsvc.dns.lookups.checkpoint import Checkpoint, CheckpointError
from netsvc.dns.lookups.describe import json_line
from netsvc.dns.lookups.engine import Engine, bulk_settings
from netsvc.dns.lookups.progress import Progress, summary
from netsvc.dns.lookups.reader import Reader
from netsvc.dns.lookups.writer import Writer

if TYPE_CHECKING:
    from netsvc.dns.lookups.main import Run

#: Seconds between two looks at how the run goes, and looks between two savings.
TICK = 0.25
TICKS = 4

#: The file name that means standard input.
STDIN = "-"


async def bulk(run: Run) -> None:
    """
    Do it.

    @raise OSError: The input cannot be read.
    @raise CheckpointError: The file of C{--resume} cannot be used.
    """
    request = run.request
    checkpoint = Checkpoint(request.bulk.resume)
    checkpoint.check_writable()
    name = request.bulk.file
    descriptor = 0 if name == STDIN else os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        engine = Engine(
            run.reactor,
            run.servers,
            request,
            bulk_settings(request.settings, request.bulk.window),
        )
        try:
            await _BulkMode(run, engine, checkpoint, descriptor).run()
        finally:
            engine.close()
    finally:
        if name != STDIN:
            os.close(descriptor)


class _BulkMode:
    """Puts the parts together."""

    def __init__(
        self, run: Run, engine: Engine, checkpoint: Checkpoint, descriptor: int
    ) -> None:
        request = run.request
        self._run = run
        self._name = request.bulk.file
        self._checkpoint = checkpoint
        self._bulk = BulkRun(
            run.reactor,
            request.bulk,
            engine.asks,
            run.servers,
            request.options,
            self._write,
            checkpoint,
            engine.is_well,
            lambda: self._writer.is_full,
        )
        out = run.out
        self._writer = Writer(
            run.reactor, out.descriptor, out.encoding, self._bulk.resume, out.fail
        )
        self._reader = Reader(run.reactor, descriptor, self._got, self._ended)
        self._error: OSError | None = None
        self._checkpoint_error: CheckpointError | None = None
        self._began = run.reactor.seconds()
        self._ticks = 0
        found = os.fstat(descriptor)
        size = found.st_size if stat.S_ISREG(found.st_mode) else None
        self._progress = Progress(run.stderr, size)

    def _write(self, found: dict[str, Any]) -> None:
        self._writer.line(json_line(found))

    def _got(self, data: bytes) -> None:
        self._bulk.feed(data, self._reader.more)

    def _ended(self, error: OSError | None) -> None:
        if error is None:
            self._bulk.end()
        else:
            self._error = error
            error.filename = "standard input" if self._name == STDIN else self._name
            self._bulk.stop()

    async def run(self) -> None:
        """Run to the end."""
        bulk = self._bulk
        ticking = LoopingCall(self._tick)
        ticking.clock = self._run.reactor
        try:
            self._reader.start()
            self._writer.start()
            ticking.start(TICK)
            self._run.on_stop(bulk.stop)
            await bulk.done
        finally:
            ticking.stop()
            self._reader.stop()
            self._save()
            await self._writer.finish(wait=not self._run.was_stopped)
            self._progress.close()
            counts = bulk.counts
            self._run.answered = counts[ANSWERED]
            self._run.failed = counts[FAILED] + counts[BROKEN]
        for error in (self._error, self._checkpoint_error):
            if error is not None:
                raise error
        was_stopped = self._run.was_stopped and self._run.out.failure is None
        if self._progress.is_shown or was_stopped:
            seconds = self._run.reactor.seconds() - self._began
            stopped = "interrupted; " if was_stopped else ""
            self._run.complain(f"{stopped}{summary(counts, seconds)}")

    def _save(self) -> None:
        """Have it noted how far it has come, once what was written is written."""
        state = self._checkpoint.snapshot()
        self._writer.after(lambda: self._save_now(state))

    def _save_now(self, state: dict[str, object] | None) -> None:
        if self._run.out.failure is not None:
            return
        try:
            self._checkpoint.save(state)
        except CheckpointError as error:
            self._checkpoint_error = error
            self._bulk.stop()

    def _tick(self) -> None:
        self._ticks += 1
        bulk = self._bulk
        seconds = self._run.reactor.seconds() - self._began
        self._progress.show(bulk.counts, bulk.size, seconds)
        if self._ticks % TICKS == 0:
            self._save()
