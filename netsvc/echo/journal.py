"""The journal of the echo service: what arrives is stored, and the reactor never waits.

A separate process does the writing (L{netsvc.echo.journal_writer}); L{Journal} feeds
it through a pipe, keeps each record until the writer has confirmed that it is on disk,
and starts a new writer where one died. No record that was confirmed is lost, none is
in the file twice, and there are no gaps in the sequence numbers of a run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from netsvc.daemon.escape import escape
from netsvc.daemon.logs import OncePer
from netsvc.echo.journal_file import JournalFile
from netsvc.echo.journal_format import MAX_PAYLOAD, encode_record
from netsvc.echo.journal_process import WriterProcess
from netsvc.echo.journal_queue import RECORD_OVERHEAD, RecordQueue

#: Default bytes of memory for records that are not on disk yet.
MAX_BYTES = 8 * 1024 * 1024

#: Default bytes from which on the file is rotated.
MAX_SIZE = 64 * 1024 * 1024

#: Default number of rotated files that are kept.
KEEP = 5

#: Part of C{max_bytes} at which peers may send again.
LOW_WATER = 0.5

#: How many times C{max_bytes} is taken from peers that were told to pause.
HARD_LIMIT = 2

#: Seconds until a new writer is started; doubles up to L{RESTART_LAST}, and is this
#: again after a writer has stored something.
RESTART_FIRST = 0.1

#: Most seconds until a new writer is started.
RESTART_LAST = 5.0

#: Default seconds that a stop waits for the disk.
STOP_TIMEOUT = 5.0

#: Seconds to wait for a killed writer to be gone. One that hangs in the disk driver
#: stays until that answers.
KILL_TIMEOUT = 1.0

#: Seconds between two log lines on the same trouble.
LOG_INTERVAL = 1.0


class JournalError(Exception):
    """The journal cannot be written; the text is one line for the operator."""


@dataclass(slots=True)
class JournalCounters:
    """What a journal did since its start.

    @ivar records: records taken.
    @ivar confirmed: records of these that are on disk.
    @ivar lost: records of these that the disk did not take before the stop ended.
    @ivar dropped: calls of L{Journal.record} that were refused.
    @ivar restarts: new writers for ones that ended.
    @ivar write_errors: failed attempts to open, write or rotate the file.
    """

    records: int = 0
    confirmed: int = 0
    lost: int = 0
    dropped: int = 0
    restarts: int = 0
    write_errors: int = 0


class Journal:
    """Stores what peers send. For one start and one stop.

    @ivar counters: what it did so far.
    """

    _log = Logger()

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        reactor: Any,
        when_full: Literal["block", "drop"] = "block",
        max_bytes: int = MAX_BYTES,
        max_size: int = MAX_SIZE,
        keep: int = KEEP,
        pause: Callable[[], None] = lambda: None,
        resume: Callable[[], None] = lambda: None,
        wall_clock: Callable[[], float] = time.time,
        stop_timeout: float = STOP_TIMEOUT,
        run: str | None = None,
    ) -> None:
        """Set up without touching the disk.

        @param path: the file; relative to the current directory of now.
        @param reactor: provides C{IReactorTime}, C{IReactorProcess}, C{IReactorFDSet}.
        @param when_full: what happens when C{max_bytes} are waiting for the disk.
            C{"block"}: C{pause} is called, and C{resume} once half of it is on disk;
            what comes all the same is taken up to twice C{max_bytes}, after the one
            record that made it full. C{"drop"}: records are refused and counted.
        @param max_bytes: bytes of memory for records that are not on disk yet.
        @param max_size: bytes from which on the file is rotated; 0 is never.
        @param keep: how many rotated files are kept, at least 1.
        @param pause: stops reading from all peers.
        @param resume: takes that back.
        @param wall_clock: seconds since the epoch.
        @param stop_timeout: seconds that L{stop} waits for the disk.
        @param run: the identity of this run, ASCII letters and digits; random if
            left out.
        @raise ValueError: an argument is out of its range.
        """
        if when_full not in ("block", "drop"):
            raise ValueError(f"when_full: {when_full!r} is neither block nor drop")
        if max_bytes < 1 or max_size < 0 or keep < 1 or stop_timeout < 0:
            raise ValueError("max_bytes, max_size, keep or stop_timeout out of range")
        self.counters = JournalCounters()
        self.path = os.path.abspath(path)
        self._run = os.urandom(8).hex() if run is None else run
        self._reactor = reactor
        self.change(block=when_full == "block", max_bytes=max_bytes)
        self._max_size = max_size
        self._keep = keep
        self._pause = pause
        self._resume = resume
        self._wall_clock = wall_clock
        self._stop_timeout = stop_timeout
        self._queue = RecordQueue()
        self._paused = False
        self._writer: WriterProcess | None = None
        # Whether records go to the pipe at once: the writer has said that it is
        # ready, and the pipe has taken everything so far.
        self._flowing = False
        self._ready = False
        self._failing = False
        self._restart_delay = RESTART_FIRST
        self._restart_call: Any = None
        self._stop_call: Any = None
        self._started = False
        self._stopping = False
        self._stopped = False
        self._waiting: list[Deferred[None]] = []
        self._log_times = {
            subject: OncePer(LOG_INTERVAL, reactor.seconds)
            for subject in ("write", "rotate", "recovery", "end", "drop")
        }

    def change(self, *, block: bool, max_bytes: int) -> None:
        """Go by another limit from now on.

        @param block: what happens when it is reached: C{when_full="block"}.
        @param max_bytes: as for a new journal.
        """
        self._block = block
        self._max_bytes = max_bytes
        self._limit = max_bytes * HARD_LIMIT if block else max_bytes
        self._low_water = int(max_bytes * LOW_WATER)

    @property
    def full(self) -> bool:
        """Whether peers should not be read from, or records are being refused."""
        return self._paused or (
            not self._block and self._queue.size + RECORD_OVERHEAD >= self._max_bytes
        )

    @property
    def writer_pid(self) -> int | None:
        """The process id of the writer, if there is one now."""
        return None if self._writer is None else self._writer.pid

    def check(self) -> None:
        """Try, before the start, whether the file can be appended to; it is made.

        Blocks for as long as that takes.

        @raise JournalError: it cannot.
        """
        file = JournalFile(
            self.path,
            self._run,
            max_size=self._max_size,
            keep=self._keep,
            report=lambda error: None,
        )
        try:
            file.open()
        except OSError as error:
            raise JournalError(
                f"cannot append to {escape(self.path)}: {error.strerror or error}"
            ) from None
        file.close()

    def start(self) -> None:
        """Start the writer.

        @raise JournalError: the system refuses it, as one line says.
        """
        try:
            self._spawn()
        except OSError as error:
            reason = error.strerror
            raise JournalError(f"cannot start the journal writer: {reason}") from None
        self._started = True

    def record(self, peer: str, transport: str, data: bytes) -> bool:
        """Store what a peer sent; more than L{MAX_PAYLOAD} bytes in several records.

        @param peer: C{host:port} or a path.
        @param transport: C{tcp}, C{tls}, C{udp} or C{unix}.
        @param data: what it sent.
        @return: False if it was refused, and counted as dropped.
        """
        queue = self._queue
        # Who was not told to pause has done nothing wrong: taken, and told now.
        limited = self._paused or not self._block
        too_much = queue.size + len(data) + RECORD_OVERHEAD > self._limit
        if self._stopping or (limited and too_much):
            return self._drop()
        now = self._wall_clock()
        if len(data) <= MAX_PAYLOAD:
            queue.append(encode_record(queue.next_seq, now, peer, transport, data))
            self.counters.records += 1
        else:
            for start in range(0, len(data), MAX_PAYLOAD):
                piece = data[start : start + MAX_PAYLOAD]
                queue.append(encode_record(queue.next_seq, now, peer, transport, piece))
                self.counters.records += 1
        if self._flowing:
            self.writer_room()
        if self._block and not self._paused and queue.size >= self._max_bytes:
            self._paused = True
            self._pause()
        return True

    def stop(self) -> Deferred[None]:
        """Store what is left and end the writer; further records are refused.

        @return: fires when everything is on disk and the writer is gone. After the
            stop timeout the writer is killed and what is left counts as lost.
        """
        if self._stopped or not self._started:
            self._stopping = True
            self.counters.lost += self._queue.clear()
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._waiting.append(done)
        if not self._stopping:
            self._stopping = True
            self._stop_call = self._reactor.callLater(
                self._stop_timeout, self._stop_is_late
            )
            self._continue_stop()
        return done

    # WriterOwner

    def writer_ready(self, seq: int) -> None:
        """Send, after C{seq}, what a former writer had not confirmed, and the rest."""
        self._ready = True
        self._confirm(seq)
        self._queue.rewind()
        self.writer_room()
        self._after_confirmation()

    def writer_stored(self, seq: int) -> None:
        """Forget the records up to C{seq}; they are on disk."""
        self._confirm(seq)
        self._restart_delay = RESTART_FIRST
        if self._failing and self._may_log("recovery"):
            self._failing = False
            self._log.info(
                "journal {path}: writing again, {errors} errors so far",
                path=escape(self.path),
                errors=self.counters.write_errors,
                event="journal-recovered",
            )
        self._after_confirmation()

    def writer_failed(self, reason: str) -> None:
        """Count a failed write."""
        self._failing = True
        self._count_error("write", reason)

    def writer_cannot_rotate(self, reason: str) -> None:
        """Count a failed rotation."""
        self._count_error("rotate", reason)

    def writer_room(self) -> None:
        """Give the pipe what it takes; ask to be called again if that was not all."""
        writer = self._writer
        assert writer is not None
        frames = self._queue.unsent()
        if frames:
            self._queue.sent(writer.send(frames))
            if self._queue.has_unsent:
                self._flowing = False
                writer.want_room()
                return
        if not self._flowing:
            self._flowing = True
            writer.enough_room()

    def writer_ended(self, reason: str) -> None:
        """Start a new writer after a while, unless this is the end."""
        self._writer = None
        self._flowing = self._ready = False
        if self._stopping and not self._queue:
            self._finish()
            return
        if self._may_log("end"):
            self._log.error(
                "journal {path}: writer ended: {reason}; {restarts} restarts so far",
                path=escape(self.path),
                reason=reason,
                restarts=self.counters.restarts,
                event="journal-restarted",
            )
        self._restart_later()

    # Inside

    def _spawn(self) -> None:
        writer = WriterProcess(self, self._reactor)
        writer.spawn(self.path, self._run, self._max_size, self._keep)
        self._writer = writer

    def _restart_later(self) -> None:
        self._restart_call = self._reactor.callLater(self._restart_delay, self._restart)
        self._restart_delay = min(self._restart_delay * 2, RESTART_LAST)

    def _restart(self) -> None:
        self.counters.restarts += 1
        try:
            self._spawn()
        except OSError as error:
            self.writer_ended(f"not started: {error.strerror}")

    def _confirm(self, seq: int) -> None:
        self.counters.confirmed += self._queue.confirm(seq)

    def _after_confirmation(self) -> None:
        if self._stopping:
            self._continue_stop()
        elif self._paused and self._queue.size <= self._low_water:
            self._paused = False
            self._resume()

    def _count_error(self, work: str, reason: str) -> None:
        self.counters.write_errors += 1
        if self._may_log(work):
            self._log.error(
                "journal {path}: cannot {work}: {reason}; {errors} errors so far",
                path=escape(self.path),
                work=work,
                reason=escape(reason),
                errors=self.counters.write_errors,
                event="journal-failed",
            )

    def _drop(self) -> bool:
        self.counters.dropped += 1
        if self._may_log("drop"):
            self._log.warn(
                "journal {path}: {dropped} records dropped so far",
                path=escape(self.path),
                dropped=self.counters.dropped,
                event="journal-dropped",
            )
        return False

    def _may_log(self, subject: str) -> bool:
        ready, _ = self._log_times[subject].ready()
        return ready

    def _continue_stop(self) -> None:
        """Take the next step of a stop, if there is one to take now."""
        if self._writer is None:
            self._restart_call.cancel()
            if self._queue:
                self._restart()
            else:
                self._finish()
        elif not self._queue:
            if self._ready:
                self._writer.close()
            else:
                # It may be waiting for its disk; it has nothing of ours.
                self._writer.kill()

    def _stop_is_late(self) -> None:
        lost = self._queue.clear()
        self.counters.lost += lost
        self._log.error(
            "journal {path}: stopped after {seconds} s, {lost} records lost",
            path=escape(self.path),
            seconds=self._stop_timeout,
            lost=lost,
            event="journal-lost",
        )
        if self._writer is None:
            self._restart_call.cancel()
            self._finish()
        else:
            self._writer.kill()
            self._stop_call = self._reactor.callLater(KILL_TIMEOUT, self._finish)

    def _finish(self) -> None:
        """Tell those who wait for the stop, once."""
        if self._stopped:
            return
        self._stopped = True
        if self._stop_call.active():
            self._stop_call.cancel()
        for done in self._waiting:
            done.callback(None)
        self._waiting.clear()
