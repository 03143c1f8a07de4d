"""Tests of L{netsvc.chat.accounts.rows} and L{netsvc.chat.accounts.stored}."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable
from dataclasses import replace
from importlib.resources import files
from typing import TypeVar

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.accounts import stored
from netsvc.chat.accounts.rows import (
    DELETED,
    AccountRow,
    AccountRows,
    MemoryRows,
    NameRow,
)
from netsvc.chat.accounts.stored import StoredRows
from netsvc.chat.store.seam import Work
from tests.chat.accounts.account_fakes import now

T = TypeVar("T")

ALICE = AccountRow("alice", "Alice", 1, "hash", "keys")
BOB = AccountRow("bob", "Bob", 2, None, None, DELETED)
PRINT = "ab" * 32


class HereKeeper:
    """A store without threads, over a database in memory."""

    def __init__(self) -> None:
        """Make the database."""
        self.connection = sqlite3.connect(":memory:")
        self.connection.execute("pragma foreign_keys = on")
        schema = files("netsvc.chat.store") / "schema"
        for each in sorted(schema.iterdir(), key=lambda each: each.name):
            if each.name.endswith(".sql"):
                self.connection.executescript(each.read_text())

    async def _run(self, work: Work[T]) -> T:
        return work(self.connection)

    def submit(self, work: Work[T]) -> Awaitable[T]:
        """Do it."""
        return self._run(work)

    def post(self, work: Work[object]) -> None:
        """Do it."""
        work(self.connection)

    def read(self, work: Work[T]) -> Awaitable[T]:
        """Do it."""
        return self._run(work)


class RowsMixin:
    """What every store of accounts does."""

    rows: AccountRows

    def get(self, work: Awaitable[T]) -> T:
        """Give what comes at once."""

        async def follow() -> T:
            return await work

        return now(follow())

    def put(self, *rows: AccountRow) -> None:
        """Write accounts."""
        for row in rows:
            self.get(self.rows.put(row))

    def test_put(self) -> None:
        """What was written is what is read; what is written again takes its place."""
        self.put(ALICE, BOB)
        assert self.get(self.rows.get("alice")) == ALICE
        assert self.get(self.rows.get("bob")) == BOB
        assert self.get(self.rows.get("carol")) is None
        other = replace(ALICE, password="other", scram=None)
        self.put(other)
        assert self.get(self.rows.get("alice")) == other

    def test_names(self) -> None:
        """All names are given, with their flags."""
        assert list(self.get(self.rows.names())) == []
        self.put(ALICE, BOB, replace(ALICE, key="carol", name="carol"))
        assert sorted(self.get(self.rows.names())) == [
            NameRow("alice", "Alice", 0),
            NameRow("bob", "Bob", DELETED),
            NameRow("carol", "carol", 0),
        ]

    def test_fingerprints(self) -> None:
        """A certificate belongs to one account, until it is removed."""
        self.put(ALICE, BOB)
        rows = self.rows
        assert self.get(rows.by_fingerprint(PRINT)) is None
        for _ in range(2):
            assert self.get(rows.add_fingerprint("alice", PRINT))
        assert not self.get(rows.add_fingerprint("bob", PRINT))
        assert self.get(rows.add_fingerprint("alice", "00" * 32))
        assert list(self.get(rows.fingerprints("alice"))) == ["00" * 32, PRINT]
        assert self.get(rows.by_fingerprint(PRINT)) == ALICE
        assert not self.get(rows.remove_fingerprint("bob", PRINT))
        assert self.get(rows.remove_fingerprint("alice", PRINT))
        assert not self.get(rows.remove_fingerprint("alice", PRINT))
        assert self.get(rows.by_fingerprint(PRINT)) is None

    def test_delete(self) -> None:
        """With an account its certificates go."""
        self.put(ALICE)
        self.get(self.rows.add_fingerprint("alice", PRINT))
        for _ in range(2):
            self.get(self.rows.delete("alice"))
        assert self.get(self.rows.get("alice")) is None
        assert self.get(self.rows.by_fingerprint(PRINT)) is None
        self.put(ALICE)
        assert list(self.get(self.rows.fingerprints("alice"))) == []

    def test_secret(self) -> None:
        """A secret is kept by its name."""
        assert self.get(self.rows.secret("a")) is None
        for value in (b"\0\xff", b"other"):
            self.get(self.rows.put_secret("a", value))
            assert self.get(self.rows.secret("a")) == value
        assert self.get(self.rows.secret("b")) is None


class MemoryRowsTests(RowsMixin, SynchronousTestCase):
    """Tests of L{MemoryRows}."""

    def setUp(self) -> None:
        """Start with none."""
        self.rows = MemoryRows()


class StoredRowsTests(RowsMixin, SynchronousTestCase):
    """Tests of L{StoredRows}."""

    def setUp(self) -> None:
        """Start with an empty database, read a row at a time."""
        keeper = HereKeeper()
        self.addCleanup(keeper.connection.close)
        self.patch(stored, "PAGE", 1)
        self.rows = StoredRows(keeper)
