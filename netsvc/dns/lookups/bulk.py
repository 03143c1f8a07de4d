"""
Many lookups: a window of them under way, each answer written as it comes.

A line that is no question is an answer that says so; nothing that is read ends the
run.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from netsvc.dns.asking import Asks
from netsvc.dns.errors import DNSError, InvalidName, LookupFailed
from netsvc.dns.lookups.checkpoint import Checkpoint, CheckpointError
from netsvc.dns.lookups.describe import outcome_object
from netsvc.dns.lookups.lines import (
    BrokenLineError,
    Job,
    Splitter,
    line_words,
    shown,
)
from netsvc.dns.lookups.outcome import Outcome
from netsvc.dns.lookups.pace import Pace
from netsvc.dns.lookups.questions import make_items
from netsvc.dns.lookups.request import Bulk, Item
from netsvc.dns.lookups.words import question_type
from netsvc.dns.options import QueryOptions
from netsvc.dns.question import check_type
from netsvc.dns.result import Question
from netsvc.dns.servers import Server

# What is counted.
ANSWERED = "answered"
FAILED = "failed"
BROKEN = "broken"
SKIPPED = "skipped"


class _Task(NamedTuple):
    """A lookup, and which servers have failed to answer it."""

    number: int
    item: Item
    tried: frozenset[Server] = frozenset()


class BulkRun:
    """
    Asks for each line of its input.

    @ivar counts: Lines by what became of them.
    @ivar size: Bytes of input that were begun.
    @ivar done: Fires when all is done or L{stop} was called; fails with a
        L{CheckpointError}.
    """

    def __init__(
        self,
        reactor: Any,
        bulk: Bulk,
        asks: Asks,
        servers: Sequence[Server],
        options: QueryOptions,
        write: Callable[[dict[str, Any]], object],
        checkpoint: Checkpoint,
        usable: Callable[[Server], bool] = lambda server: True,
        is_full: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        @param reactor: Has the time.
        @param asks: Whom to ask.
        @param servers: Its servers.
        @param options: What each query asks for.
        @param write: Given what became of each line.
        @param checkpoint: Where it is kept how far the run has come.
        @param usable: Whether a server is worth asking just now; counts with a rate.
        @param is_full: Whether nothing more is to be begun until L{resume} is called.
        """
        self._reactor = reactor
        self._bulk = bulk
        self._asks = asks
        self._servers = tuple(servers)
        self._options = options
        self._write = write
        self._checkpoint = checkpoint
        self._usable = usable
        self._is_full = is_full
        self._pace = Pace(servers, bulk.rate) if bulk.rate else None
        self._splitter = Splitter()
        self._jobs: deque[Job] = deque()
        self._again: deque[_Task] = deque()
        self._under_way = 0
        self._more: Callable[[], object] | None = None
        self._last = 0
        self._input_ended = False
        self._over = False
        self._pumping = False
        self._timer: Any = None
        self.counts: Counter[str] = Counter()
        self.size = 0
        self.done: Deferred[None] = Deferred()

    # Input.

    def feed(self, data: bytes, more: Callable[[], object]) -> None:
        """
        Take a piece of input.

        @param more: Called when another one may come.
        """
        self._jobs.extend(self._splitter.feed(data))
        if self._more is not None:
            self._more()
        self._more = more
        self._pump()

    def end(self) -> None:
        """There is no more input."""
        self._jobs.extend(self._splitter.end())
        self._input_ended = True
        self._more = None
        self._pump()

    def resume(self) -> None:
        """There is room again for what is written."""
        self._pump()

    def stop(self) -> None:
        """
        End now; what is under way counts as not done.

        It is not cancelled: who has called this closes what is asked.
        """
        if not self._over:
            self._finish(None)

    # The window.

    def _pump(self) -> None:
        """Begin as many lookups as there is room for."""
        if self._pumping:
            return  # the loop below goes on
        self._pumping = True
        try:
            while not self._over and self._begin_next():
                pass
            if not self._over:
                self._check_end()
        except CheckpointError as error:
            self._finish(error)
        finally:
            self._pumping = False

    def _begin_next(self) -> bool:
        """Begin the next one; tells whether to go on."""
        if self._under_way >= self._bulk.window or self._is_full():
            return False
        if not self._again and not self._fetch():
            return False
        if self._pace is None:
            self._ask(self._again.popleft(), None)
            return True
        now = self._reactor.seconds()
        task = self._again[0]
        suitable = self._suitable(task)
        server = self._pace.take(now, suitable)
        if server is None:
            self._wait(self._pace.wait(now, suitable))
            return False
        self._ask(self._again.popleft(), server)
        return True

    def _suitable(self, task: _Task) -> list[Server]:
        """Give the servers that have not been tried, of those that are well."""
        left = [each for each in self._servers if each not in task.tried]
        return [each for each in left if self._usable(each)] or left

    def _wait(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self._reactor.callLater(seconds, self._waited)

    def _waited(self) -> None:
        self._timer = None
        self._pump()

    def _fetch(self) -> bool:
        """Read lines until one is a question; tells whether there is one."""
        while self._jobs:
            job = self._jobs[0]
            if self._checkpoint.is_full(job.number):
                return False
            self._jobs.popleft()
            self._last = job.number
            self.size += len(job.line) + 1
            if not self._checkpoint.begin(job):
                self.counts[SKIPPED] += 1
                continue
            item = self._read(job)
            if item is not None:
                self._again.append(_Task(job.number, item))
                return True
            self._checkpoint.end(job.number)
        more, self._more = self._more, None
        if more is not None:
            more()
        return False

    def _read(self, job: Job) -> Item | None:
        """Read a line; what is wrong with it is written."""
        bulk = self._bulk
        try:
            words = line_words(job.line)
            if words is None:
                return None
            name, kind = words
            rtype = question_type(kind) if kind else bulk.rtype
            check_type(rtype or 0)
            types = (rtype,) if rtype else ()
            (item,) = make_items(name, types, bulk.rclass, bulk.reverse)
        except (BrokenLineError, InvalidName) as error:
            self.counts[BROKEN] += 1
            what = {"kind": "BROKEN", "text": str(error)}
            line = shown(job.line)
            self._write({"line": job.number, "input": line, "error": what})
            return None
        return item

    # One lookup.

    def _ask(self, task: _Task, server: Server | None) -> None:
        item, options = task.item, self._options
        if server is not None:
            options = replace(options, servers=(server,))
        asked = self._asks.query(item.candidates[0], item.rtype, item.rclass, options)
        self._under_way += 1
        asked.addBoth(self._ended, task, server)

    def _ended(self, found: Any, task: _Task, server: Server | None) -> None:
        self._under_way -= 1
        if self._over:
            return
        error: DNSError | None = None
        if isinstance(found, Failure):
            found.trap(DNSError)
            error, found = cast(DNSError, found.value), None
        if isinstance(error, LookupFailed) and server is not None:
            tried = task.tried | {server}
            if len(tried) < len(self._servers):
                self._again.append(task._replace(tried=tried))
                self._pump()
                return
        item = task.item
        question = Question(item.candidates[0], item.rtype, item.rclass)
        outcome = Outcome(item.name, question, found, error)
        self.counts[FAILED if found is None else ANSWERED] += 1
        self._write({"line": task.number, **outcome_object(outcome)})
        self._checkpoint.end(task.number)
        self._pump()

    # The end.

    def _check_end(self) -> None:
        if (
            self._input_ended
            and not self._jobs
            and not self._again
            and not self._under_way
        ):
            self._checkpoint.check_input_ended(self._last)
            self._finish(None)

    def _finish(self, error: CheckpointError | None) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if error is None:
            self.done.callback(None)
        else:
            self.done.errback(error)
