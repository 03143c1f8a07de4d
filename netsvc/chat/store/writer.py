"""
What the store's one writing thread does: records and other writes, in group commits.

Everything that waits in the queue is one transaction, up to a limit. After a failed
one the writer does nothing until it is asked to try again (L{RETRY}): whoever waits is
told at once.

The search's index is brought up to date when there is nothing else to do, or too much
waits for it: in batches that costs a fraction of what it costs message by message.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any, Final

from netsvc.chat.records import Record
from netsvc.chat.store import search
from netsvc.chat.store.errors import StoreError
from netsvc.chat.store.seam import Work

INSERT: Final = (
    "insert into message (target, time, msgid, kind, account, text, body)"
    " values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing"
)

MAX_TARGETS: Final = 10_000
"""Targets whose numbers the writer remembers."""

#: What SQLite reports when the file or the disk fails, and no statement is at fault.
_DISK: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


class _Retry:
    """What asks the writer to try again."""


RETRY: Final = _Retry()


@dataclass(slots=True, eq=False)
class Job:
    """
    A write that is no record, or a read.

    @ivar number: Of whoever waits for it; 0 for nobody.
    @ivar work: What to do.
    """

    number: int
    work: Work[Any]


@dataclass(slots=True)
class Outcome:
    """
    What became of a job.

    @ivar number: The job's.
    @ivar result: What it gave.
    @ivar error: Why it gave nothing, or C{None}.
    """

    number: int
    result: Any
    error: Exception | None = None


@dataclass(slots=True)
class Report:
    """
    What became of a batch.

    @ivar ticket: The last record that the writer has taken.
    @ivar stored: Records of the batch that are durable.
    @ivar refused: Records of the batch that no database could hold.
    @ivar outcomes: Of the jobs.
    @ivar failed: Why nothing of the batch is durable, or C{None}.
    @ivar retry: Whether L{RETRY} was in the batch.
    @ivar index_failed: Why messages could not be made findable, or C{None}.
    """

    ticket: int
    stored: int = 0
    refused: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    failed: str | None = None
    retry: bool = False
    index_failed: str | None = None


def is_disk(error: sqlite3.Error) -> bool:
    """Say whether the disk is at fault, and not one statement."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DISK


class Writer:
    """Handles the batches of the writing thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        report: Callable[[Report], None],
        *,
        index_delay: float,
        index_rows: int,
        index_backlog: int,
    ) -> None:
        """
        Take over a connection.

        @param connection: Of L{netsvc.chat.store.database.Database.open}.
        @param report: Told what became of each batch, in the writing thread.
        @param index_delay: Seconds of quiet after which messages are indexed.
        @param index_rows: Messages that are indexed at once.
        @param index_backlog: Messages that may wait for it when it is never quiet.
        """
        self._connection = connection
        self._report = report
        self._index_delay = index_delay
        self._index_rows = index_rows
        self._index_backlog = index_backlog
        self._ticket = 0
        self._failed: str | None = None
        # As far as is known; what a former process left is found when it is quiet.
        self._unindexed = 1
        self._targets: dict[str, int] = {}
        self._columns = attrgetter("time", "msgid", "kind", "account", "text", "body")

    def handle(self, batch: list[Any]) -> float | None:
        """Write a batch of records, jobs and L{RETRY}, and report."""
        records = sum(type(item) is Record for item in batch)
        self._ticket += records
        report = Report(self._ticket, retry=RETRY in batch)
        if self._failed is None or report.retry:
            try:
                self._write(batch, report)
            except Exception as error:
                # Nobody but the reactor can tell: the thread goes on whatever it is.
                self._failed = self._undo(error)
            else:
                self._failed = None
                self._unindexed += report.stored
        if self._failed is not None:
            report = Report(self._ticket, retry=report.retry, failed=self._failed)
        self._report(report)
        if self._failed is not None or not self._unindexed:
            return None
        if self._unindexed >= self._index_backlog:
            return self.idle()
        return self._index_delay

    def idle(self) -> float | None:
        """Index a batch of messages; come back at once while there are more."""
        connection = self._connection
        try:
            connection.execute("begin immediate")
            done = search.index(connection, self._index_rows)
            connection.execute("commit")
        except sqlite3.Error as error:
            # Messages are stored all the same; tried again after the next ones.
            self._report(Report(self._ticket, index_failed=self._undo(error)))
            return None
        if done < self._index_rows:
            self._unindexed = 0
            return None
        self._unindexed = max(1, self._unindexed - done)
        return 0.0

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _write(self, batch: list[Any], report: Report) -> None:
        """Write a batch in one transaction."""
        connection = self._connection
        if len(batch) == 1 and type(batch[0]) is Record:
            # By far the most frequent: one statement, which commits by itself.
            number = self._targets.get(batch[0].target)
            if number is not None:
                try:
                    connection.execute(INSERT, (number, *self._columns(batch[0])))
                except Exception as error:
                    self._roll_back(error)
                else:
                    report.stored = 1
                    return
        try:
            connection.execute("begin immediate")
            if report.retry:
                connection.execute(
                    "update counter set value = value + 1 where name = 'attempts'"
                )
            self._segments(batch, report)
            connection.execute("commit")
        except Exception as error:
            self._roll_back(error)
            # A record that cannot be kept spoils its batch: one by one, then.
            report.stored = report.refused = 0
            report.outcomes.clear()
            connection.execute("begin immediate")
            self._segments(batch, report, single=True)
            connection.execute("commit")

    def _roll_back(self, error: Exception) -> None:
        """Undo a transaction; raise the error again if the disk is at fault."""
        self._targets.clear()
        if self._connection.in_transaction:
            self._connection.execute("rollback")
        if isinstance(error, sqlite3.Error) and is_disk(error):
            raise error

    def _segments(self, batch: list[Any], report: Report, single: bool = False) -> None:
        """Write records and do jobs, in order."""
        rows: list[Record] = []
        for item in batch:
            if type(item) is Record:
                rows.append(item)
            elif type(item) is Job:
                self._records(rows, report, single)
                rows = []
                report.outcomes.append(self._do(item))
                # It may have deleted some.
                self._targets.clear()
        self._records(rows, report, single)

    def _records(self, records: list[Record], report: Report, single: bool) -> None:
        """Write records: all at once, or each in a savepoint of its own."""
        if not records:
            return
        if not single:
            targets = self._targets
            for record in records:
                if record.target not in targets:
                    self._learn(record.target)
            columns = self._columns
            self._connection.executemany(
                INSERT, [(targets[each.target], *columns(each)) for each in records]
            )
            report.stored += len(records)
            return
        for record in records:
            outcome = self._do(Job(0, partial(self._one, record)))
            if outcome.error is None:
                report.stored += 1
            else:
                self._targets.clear()
                report.refused += 1

    def _one(self, record: Record, connection: sqlite3.Connection) -> None:
        """Write one record."""
        if record.target not in self._targets:
            self._learn(record.target)
        connection.execute(
            INSERT, (self._targets[record.target], *self._columns(record))
        )

    def _learn(self, target: str) -> None:
        """Find a target's number; give it one."""
        connection = self._connection
        if len(self._targets) >= MAX_TARGETS:
            self._targets.clear()
        find = "select id from target where name = ?"
        row = connection.execute(find, (target,)).fetchone()
        if row is None:
            one, _, other = target.partition(" ")
            pair = (None, None) if target.startswith("#") else (one, other)
            row = connection.execute(
                "insert into target (name, one, other) values (?, ?, ?) returning id",
                (target, *pair),
            ).fetchone()
        self._targets[target] = row[0]

    def _do(self, job: Job) -> Outcome:
        """Do a job in a savepoint: what fails takes nothing else with it."""
        connection = self._connection
        connection.execute("savepoint job")
        try:
            result = job.work(connection)
        except Exception as error:
            disk = isinstance(error, sqlite3.Error) and is_disk(error)
            if disk or not connection.in_transaction:
                raise
            connection.execute("rollback to job")
            connection.execute("release job")
            return Outcome(job.number, None, told(error))
        connection.execute("release job")
        return Outcome(job.number, result)

    def _undo(self, error: Exception) -> str:
        """Undo what was begun, and give the reason."""
        self._targets.clear()
        if self._connection.in_transaction:
            try:
                self._connection.execute("rollback")
            except sqlite3.Error as another:
                return f"{error}; {another}"
        return str(error)


def told(error: Exception) -> Exception:
    """Give what whoever waits is told: SQLite's errors as L{StoreError}."""
    if isinstance(error, sqlite3.Error):
        return StoreError(str(error))
    return error
