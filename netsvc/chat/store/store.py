"""
The store: records go in, and their tickets come back when they are durable.

Everything that waits is one commit (L{netsvc.chat.store.writer}), in a thread of its
own; questions are answered in others. When the disk fails, or takes longer than the
deadline, chat goes on I{unstored}: what waits is let go, what comes is counted, and
the store tries again after a while, with growing pauses.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from netsvc.chat.records import Record
from netsvc.chat.store.database import Database
from netsvc.chat.store.errors import StoreBusyError, StoreError
from netsvc.chat.store.limits import StoreCounters, StoreLimits
from netsvc.chat.store.reader import Reader
from netsvc.chat.store.seam import Work
from netsvc.chat.store.worker import END, Worker
from netsvc.chat.store.writer import RETRY, Job, Outcome, Report, Writer

T = TypeVar("T")


def _start(worker: Worker) -> None:
    worker.start()


class Store:
    """
    One file of history, accounts and bans. For one start and one stop.

    @ivar counters: What it did so far.
    @ivar degraded: Why chat goes on unstored, or C{None}.
    @ivar on_committed: Called with the last ticket that nobody has to wait for any
        more: all up to it are durable, or given up and counted.
    @ivar on_degraded: Called with the reason when chat goes on unstored.
    @ivar on_recovered: Called when records are stored again.
    """

    _log = Logger()

    def __init__(
        self,
        path: str | os.PathLike[str],
        reactor: Any,
        *,
        limits: StoreLimits | None = None,
        wall_clock: Callable[[], float] = time.time,
        start_worker: Callable[[Worker], None] = _start,
    ) -> None:
        """
        Set up without touching the disk.

        @param path: The file, or C{:memory:}. What is in memory counts as durable at
            once, and ends with the process.
        @param reactor: Provides C{IReactorTime} and C{IReactorFromThreads}.
        @param limits: The limits, if not the defaults.
        @param wall_clock: Seconds since the epoch.
        @param start_worker: Starts a thread.
        """
        self.counters = StoreCounters()
        self.limits = limits = limits or StoreLimits()
        self.degraded: str | None = None
        self.on_committed: Callable[[int], None] = lambda ticket: None
        self.on_degraded: Callable[[str], None] = lambda reason: None
        self.on_recovered: Callable[[], None] = lambda: None
        self._database = Database(path)
        self._memory = self._database.memory
        self._reactor = reactor
        self._seconds: Callable[[], float] = reactor.seconds
        self._wall_clock = wall_clock
        self._start_worker = start_worker
        self._writing: SimpleQueue[Any] = SimpleQueue()
        self._put = self._writing.put
        self._reading: SimpleQueue[Any] = SimpleQueue()
        self._queue_limit = limits.queue
        self._running = False
        # The last ticket given out, and the last that nobody waits for any more.
        self._last = 0
        self._done = 0
        # When each ticket between them was given out.
        self._times: deque[float] = deque()
        self._timer: Any = None
        self._number = 0
        self._jobs: dict[int, tuple[Deferred[Any], float]] = {}
        self._reads: dict[int, Deferred[Any]] = {}
        self._retry_delay = limits.retry_first
        self._retry_call: Any = None
        # Whether the writer was asked, and has not answered.
        self._retrying = False
        self._recovered = 0.0
        self._workers = 0
        self._stopped: Deferred[None] | None = None

    @property
    def path(self) -> str:
        """Where the file is."""
        return self._database.path

    @property
    def waiting(self) -> int:
        """How many records wait for the disk."""
        return self._last - self._done

    def start(self, *load: Work[object]) -> None:
        """
        Open the file, bring it up to date, start the threads. Blocks.

        @param load: Called with the connection, before anything else uses it: what
            is read from it can be used at once.
        @raise StoreError: The file cannot be used.
        """
        limits = self.limits
        connection = self._database.open(int(self._wall_clock() * 1000))
        readers: list[sqlite3.Connection] = []
        try:
            for each in load:
                each(connection)
            if not self._memory:
                for _ in range(limits.readers):
                    readers.append(self._database.open_reader())
        except BaseException as error:
            for opened in (*readers, connection):
                opened.close()
            self._database.close()
            if isinstance(error, sqlite3.Error):
                raise self._database.error(f"cannot read it: {error}") from None
            raise
        writer = Writer(
            connection,
            self._in_reactor(self._written),
            index_delay=limits.index_delay,
            index_rows=limits.index_rows,
            index_backlog=limits.index_backlog,
        )
        self._run("store-writer", writer, self._writing, limits.batch)
        for opened in readers:
            reader = Reader(
                opened,
                self._in_reactor(self._read),
                deadline=limits.read,
                clock=time.monotonic,
            )
            self._run("store-reader", reader, self._reading, 1)
        self._running = True

    def _in_reactor(self, call: Callable[[Any], None]) -> Callable[[Any], None]:
        """Make a call of the reactor's thread out of one of any thread."""
        return partial(self._reactor.callFromThread, call)

    def _run(
        self, name: str, handler: Writer | Reader, queue: SimpleQueue[Any], most: int
    ) -> None:
        """Start one thread."""
        self._workers += 1
        ended = self._in_reactor(self._ended)
        self._start_worker(Worker(name, handler, queue, most, ended))

    def append(self, record: Record) -> int:
        """
        Store a record.

        @return: A ticket that grows, which L{on_committed} will reach; 0 when there
            is nothing to wait for, because the record is not stored, or in memory.
        """
        last = self._last
        if (
            self.degraded is not None
            or last - self._done >= self._queue_limit
            or not self._running
        ):
            self.counters.unstored += 1
            if self._running and self.degraded is None:
                self.counters.queue_full += 1
            return 0
        self._last = last = last + 1
        self._put(record)
        if self._memory:
            return 0
        self._times.append(self._seconds())
        if self._timer is None:
            self._watch(self.limits.deadline)
        return last

    def submit(self, work: Work[T]) -> Deferred[T]:
        """
        Write something, after all that was queued before.

        @param work: Called in the writing thread, within a transaction; what it
            raises undoes what it wrote. It may be called again when its batch fails.
        @return: What it gave, when that is durable; or a L{StoreError}, after which
            it may still be done if the disk was only late.
        """
        if not self._running:
            return fail(StoreError("the store is closed"))
        if self.degraded is not None:
            return fail(StoreError(f"not written: {self.degraded}"))
        if len(self._jobs) >= self.limits.jobs:
            self.counters.busy += 1
            return fail(StoreBusyError("too much waits to be written"))
        self._number += 1
        result: Deferred[T] = Deferred()
        self._jobs[self._number] = (result, self._seconds())
        self._put(Job(self._number, work))
        if self._timer is None and not self._memory:
            self._watch(self.limits.deadline)
        return result

    def post(self, work: Work[object]) -> None:
        """Write something that nobody waits for; what fails is logged and counted."""
        self.submit(work).addErrback(self._post_failed)

    def _post_failed(self, failure: Failure) -> None:
        self.counters.failed_writes += 1
        if failure.check(StoreError) is None:
            self._log.failure(
                "a write to the store failed", failure, event="internal-error"
            )

    def read(self, work: Work[T]) -> Deferred[T]:
        """
        Ask something.

        @param work: Called in a reading thread.
        @return: What it gave; or what it raised, with L{StoreBusyError} when too many
            ask or it took too long, and L{StoreError} for what SQLite reports.
        """
        if not self._running:
            return fail(StoreError("the store is closed"))
        if self._memory:
            return self.submit(work)
        if len(self._reads) >= self.limits.jobs:
            self.counters.busy += 1
            return fail(StoreBusyError("too many questions at once"))
        self._number += 1
        result: Deferred[T] = Deferred()
        self._reads[self._number] = result
        self._reading.put(Job(self._number, work))
        return result

    def stop(self) -> Deferred[None]:
        """
        Write what is left, and close the file; further records are not stored.

        @return: Fires when the file is closed, or when the disk took too long: what
            is left then counts as unstored.
        """
        if self._stopped is not None:
            return self._stopped
        done: Deferred[None] = Deferred()
        if not self._running:
            self._stopped = succeed(None)
            return self._stopped
        self._running = False
        self._stopped = done
        self._put(END)
        for _ in range(self._workers - 1):
            self._reading.put(END)
        late = self._reactor.callLater(self.limits.stop, self._finish)

        def clean(result: None) -> None:
            if late.active():
                late.cancel()

        done.addCallback(clean)
        return done

    # What the threads report, in the reactor's thread.

    def _written(self, report: Report) -> None:
        """Take note of what became of a batch."""
        counters = self.counters
        if report.retry:
            self._retrying = False
        if report.failed is not None:
            self._degrade(report.failed)
            return
        if report.index_failed is not None:
            counters.index_failures += 1
            return
        counters.commits += 1
        ticket = report.ticket
        count = ticket - self._done
        if count > 0:
            self._done = ticket
            counters.stored += report.stored
            counters.unstored += report.refused
            if not self._memory:
                popleft = self._times.popleft
                for _ in range(count):
                    popleft()
                self.on_committed(ticket)
        else:
            counters.late += report.stored
        if report.outcomes:
            self._settle(report.outcomes)
        if report.retry:
            self._recover()

    def _read(self, outcome: Outcome) -> None:
        """Pass an answer on."""
        waiting = self._reads.pop(outcome.number, None)
        if waiting is not None:
            _fire(waiting, outcome)

    def _settle(self, outcomes: list[Outcome]) -> None:
        """Pass on what became of jobs."""
        for outcome in outcomes:
            # None when they were given up.
            waiting = self._jobs.pop(outcome.number, None)
            if waiting is not None:
                _fire(waiting[0], outcome)

    def _ended(self, worker: Worker) -> None:
        """One thread less."""
        self._workers -= 1
        if not self._workers:
            self._finish()

    def _finish(self) -> None:
        """End, with all that is left given up."""
        assert self._stopped is not None
        if self._stopped.called:
            return
        self._give_up("the store is closed")
        for waiting in list(self._reads.values()):
            waiting.errback(StoreError("the store is closed"))
        self._reads.clear()
        if self._retry_call is not None:
            self._retry_call.cancel()
            self._retry_call = None
        self._database.close()
        self._stopped.callback(None)

    # Trouble with the disk.

    def _watch(self, delay: float) -> None:
        """Look after a while whether the disk is late."""
        self._timer = self._reactor.callLater(delay, self._look)

    def _look(self) -> None:
        """See how long the oldest write waits."""
        self._timer = None
        began = [self._times[0]] if self._times else []
        if self._jobs:
            began.append(next(iter(self._jobs.values()))[1])
        if began:
            left = min(began) + self.limits.deadline - self._seconds()
            if left > 0:
                self._watch(left)
            else:
                seconds = self.limits.deadline
                self._degrade(f"the disk did not answer within {seconds:g} s")

    def _degrade(self, reason: str) -> None:
        """Go on unstored, and try again after a while."""
        first = self.degraded is None
        self.degraded = reason
        if self._retry_call is None and not self._retrying and self._running:
            if first and self._seconds() - self._recovered > self.limits.retry_last:
                self._retry_delay = self.limits.retry_first
            self._retry_call = self._reactor.callLater(self._retry_delay, self._retry)
            self._retry_delay = min(self._retry_delay * 2, self.limits.retry_last)
        if first:
            self.counters.degraded += 1
            self.on_degraded(reason)
            self._give_up(f"not written: {reason}")

    def _give_up(self, reason: str) -> None:
        """Let go all that waits for the disk."""
        count = self._last - self._done
        jobs = list(self._jobs.values())
        self._jobs.clear()
        self._times.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if count:
            self._done = self._last
            self.counters.unstored += count
            if not self._memory:
                self.on_committed(self._done)
        for waiting, _ in jobs:
            waiting.errback(StoreError(reason))

    def _retry(self) -> None:
        """Ask the writer to try again: its report starts or ends the next wait."""
        self._retry_call = None
        self._retrying = True
        self._put(RETRY)

    def _recover(self) -> None:
        """Store again."""
        self.degraded = None
        self._recovered = self._seconds()
        self.on_recovered()


def _fire(waiting: Deferred[Any], outcome: Outcome) -> None:
    """Tell whoever waits."""
    if outcome.error is None:
        waiting.callback(outcome.result)
    else:
        waiting.errback(outcome.error)
