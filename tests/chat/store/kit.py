"""A store without threads: its workers take their turns when a test says so."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.events import Event, Joined, Kind, Said, Source
from netsvc.chat.records import Record, record
from netsvc.chat.store import database
from netsvc.chat.store.limits import StoreLimits
from netsvc.chat.store.seam import Work
from netsvc.chat.store.store import Store
from netsvc.chat.store.worker import Worker

T = TypeVar("T")

#: Ms since the epoch at the start of each test.
NOW = 1_800_000_000_000

ALICE = Source("Alice", "alice", "a.example", "Alice", "Alice A.")


class Reactor(Clock):
    """A clock that keeps what threads ask for until it is settled."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def callFromThread(self, call: Callable[..., None], *arguments: Any) -> None:
        """Keep a call."""
        self.reports.append((call, arguments))


def said(
    number: int, text: str = "hello", room: str = "#room 0", source: Source = ALICE
) -> Record:
    """Give the record of the message C{mNUMBER}, said that many ms after L{NOW}."""
    event = Said(NOW + number, f"m{number}", source, "#room", Kind.MESSAGE, text)
    return record(event, room)


def joined(number: int, room: str = "#room 0") -> Record:
    """Give the record of a join, with a msgid like those of L{said}."""
    event: Event = Joined(NOW + number, f"m{number}", ALICE, "#room")
    return record(event, room)


def ids(records: list[Record]) -> list[str]:
    """Give the msgids of records."""
    return [each.msgid for each in records]


class StoreCase(SynchronousTestCase):
    """A test with a store."""

    def setUp(self) -> None:
        """Name a file that is not there."""
        folder = self.mktemp()
        self.path = os.path.abspath(os.path.join(folder, "chat.sqlite"))
        self.reactor = Reactor()
        self.told: list[str | int] = []
        self.workers: list[Worker] = []
        # A lock that is not free will not be freed by waiting: there is one thread.
        self.patch(database, "BUSY_TIMEOUT", 0.0)

    def make(self, path: str | None = None, **limits: Any) -> Store:
        """Make a store."""
        store = Store(
            self.path if path is None else path,
            self.reactor,
            limits=StoreLimits(**limits),
            wall_clock=lambda: NOW / 1000 + self.reactor.seconds(),
            start_worker=self.workers.append,
        )
        store.on_committed = self.told.append
        store.on_degraded = self.told.append
        store.on_recovered = lambda: self.told.append("recovered")
        return store

    def started(
        self, *load: Work[object], path: str | None = None, **limits: Any
    ) -> Store:
        """Make a store and start it; it is stopped at the end of the test."""
        store = self.make(path, **limits)
        store.start(self._keep, *load)
        self.addCleanup(self.stop, store)
        return store

    def _keep(self, connection: sqlite3.Connection) -> None:
        """Keep the writer's connection, for tests that spoil it."""
        self.connection = connection

    def stop(self, store: Store) -> None:
        """Stop a store."""
        stopped = store.stop()
        self.turn()
        self.successResultOf(stopped)

    def turn(self) -> None:
        """Let all threads work until there is nothing to do."""
        while sum(worker.turn() for worker in self.workers) or self.reactor.reports:
            self.report()

    def report(self) -> None:
        """Let the reactor hear what threads have said."""
        reports, self.reactor.reports = self.reactor.reports, []
        for call, arguments in reports:
            call(*arguments)

    def result(self, waiting: Any) -> Any:
        """Give what an awaitable gives, after all turns."""
        waiting = _deferred(waiting)
        self.turn()
        return self.successResultOf(waiting)

    def failed(self, waiting: Any, *expected: type[Exception]) -> Exception:
        """Give what an awaitable raises, after all turns."""
        waiting = _deferred(waiting)
        self.turn()
        error: Exception = self.failureResultOf(waiting, *expected).value
        return error

    def fill(self, store: Store, *records: Record) -> None:
        """Store records."""
        for each in records:
            store.append(each)
        self.turn()

    def rows(self, query: str) -> list[Any]:
        """Ask the file, past the store."""
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def lock(self) -> sqlite3.Connection:
        """Hold the file's lock, until the connection that this gives is closed."""
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("begin immediate")
        return other


def _deferred(waiting: Any) -> Deferred[Any]:
    if isinstance(waiting, Coroutine):
        return Deferred.fromCoroutine(waiting)
    assert isinstance(waiting, Deferred)
    return waiting
