"""Tests of L{netsvc.chat.store.database}, on real files."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.store import database
from netsvc.chat.store.database import MEMORY, Database, default_path
from netsvc.chat.store.errors import StoreError
from tests.chat.store.kit import NOW, StoreCase, said


def mode(path: str | Path) -> int:
    """Give the permissions of a file."""
    return stat.S_IMODE(os.stat(path).st_mode)


class PathTests(SynchronousTestCase):
    """Where the file is when nobody has named one."""

    def check(self, environ: Mapping[str, str], expected: str) -> None:
        self.assertEqual(str(default_path(environ)), expected)

    def test_service(self) -> None:
        """A service of systemd has a state folder; the first, if there are more."""
        self.check(
            {"STATE_DIRECTORY": "/var/lib/x", "HOME": "/h"}, "/var/lib/x/chat.sqlite"
        )
        self.check({"STATE_DIRECTORY": "/a:/b"}, "/a/chat.sqlite")

    def test_user(self) -> None:
        """A user has one by XDG, in which a relative path does not count."""
        usual = "/h/.local/state/netsvc/chat.sqlite"
        self.check({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/netsvc/chat.sqlite")
        self.check({"XDG_STATE_HOME": "s", "HOME": "/h"}, usual)
        self.check({"HOME": "/h"}, usual)
        self.check({}, "/.local/state/netsvc/chat.sqlite")


class DatabaseCase(SynchronousTestCase):
    """A test with a place for a file."""

    def setUp(self) -> None:
        """Name a file that is not there."""
        self.folder = Path(self.mktemp()).absolute()
        self.path = self.folder / "chat.sqlite"
        self.patch(database, "BUSY_TIMEOUT", 0.0)

    def open(self, path: str | Path | None = None, schema: Path | None = None) -> None:
        """Open the file, and close it."""
        opened = Database(path or self.path, schema)
        opened.open(NOW).close()
        opened.close()

    def refused(self, schema: Path | None = None) -> str:
        """Give the line for the operator; the file can be tried again afterwards."""
        lines = []
        for _ in range(2):
            error = self.assertRaises(StoreError, self.open, schema=schema)
            lines.append(str(error))
        self.assertEqual(lines[0], lines[1])
        prefix = f"store {self.path}: "
        self.assertTrue(lines[0].startswith(prefix), lines[0])
        self.assertNotIn("\n", lines[0])
        return lines[0].removeprefix(prefix)

    def change(self, *statements: str) -> None:
        """Change the file, past the store."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for each in statements:
                connection.execute(each)


class OpenTests(DatabaseCase):
    """Opening, and what is in the way."""

    def test_permissions(self) -> None:
        """File and folder are made for their owner alone, whatever the umask."""
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        opened = Database(self.path)
        connection = opened.open(NOW)
        connection.execute("update counter set value = 1")
        self.assertEqual(mode(self.folder), 0o700)
        for file in self.folder.iterdir():
            self.assertEqual(mode(file), 0o600, file)
        self.assertEqual(len(list(self.folder.iterdir())), 4)
        connection.close()
        opened.close()

    def test_again(self) -> None:
        """A file is opened again as it was."""
        self.open()
        self.change("insert into secret values ('x', 'y')")
        self.open()
        with closing(sqlite3.connect(self.path)) as connection:
            self.assertEqual(
                connection.execute("select * from version, secret").fetchall(),
                [(1, NOW, "x", "y")],
            )

    def test_durable(self) -> None:
        """What is committed is on the disk, and foreign keys are kept."""
        opened = Database(self.path)
        with closing(opened.open(NOW)) as connection:
            for pragma, value in (
                ("journal_mode", "wal"),
                ("synchronous", 2),
                ("foreign_keys", 1),
                ("busy_timeout", 0),
            ):
                (found,) = connection.execute(f"pragma {pragma}").fetchone()
                self.assertEqual(found, value, pragma)
        opened.close()

    def test_memory(self) -> None:
        """A store in memory has no file, and no lock."""
        opened = Database(MEMORY)
        opened.open(NOW).close()
        opened.close()
        self.open(MEMORY)
        self.assertFalse(self.folder.exists())

    def test_used_twice(self) -> None:
        """Two processes do not use one file."""
        opened = Database(self.path)
        with closing(opened.open(NOW)):
            self.assertEqual(self.refused(), "another process uses it")
        opened.close()
        self.open()

    def test_no_folder(self) -> None:
        """A folder that cannot be made is said as such."""
        self.folder.write_bytes(b"")
        self.assertEqual(self.refused(), "cannot open it: File exists")

    def test_folder_instead(self) -> None:
        """A folder is no file."""
        self.path.mkdir(parents=True)
        self.assertEqual(self.refused(), "cannot open it: Is a directory")

    def test_not_a_database(self) -> None:
        """Another file is left as it is."""
        self.folder.mkdir()
        self.path.write_bytes(b"text\n" * 1000)
        self.assertEqual(self.refused(), "cannot open it: file is not a database")
        self.assertEqual(self.path.read_bytes(), b"text\n" * 1000)

    def test_other_program(self) -> None:
        """The database of another program is left as it is."""
        self.folder.mkdir()
        self.change("create table x (y)")
        self.assertEqual(self.refused(), "it is a database of another program")

    def test_locked(self) -> None:
        """A file that another program has locked is said as such."""
        self.open()
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("pragma locking_mode = exclusive")
            other.execute("update counter set value = 5")
            self.assertEqual(self.refused(), "cannot open it: database is locked")

    def test_no_log(self) -> None:
        """A file system without shared memory is refused."""

        class Connection(sqlite3.Connection):
            """One whose file has no shared memory."""

            def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
                if sql == "pragma journal_mode = wal":
                    sql = "select 'delete'"
                return super().execute(sql, *arguments)

        self.patch(sqlite3, "connect", partial(sqlite3.connect, factory=Connection))
        error = self.assertRaises(StoreError, self.open)
        self.assertIn("cannot hold a write-ahead log", str(error))

    def test_reader(self) -> None:
        """A reader that cannot open the file says so."""
        error = self.assertRaises(StoreError, Database(self.path).open_reader)
        self.assertIn("cannot open it for reading: unable", str(error))


class DamageTests(StoreCase):
    """A file that is damaged is refused, with one line."""

    def damage(self, *, page: int | None = None) -> None:
        """Fill a store, and spoil one page, or the last half of it."""
        store = self.started()
        self.fill(store, *(said(number, "text" * 20) for number in range(300)))
        self.stop(store)
        with open(self.path, "r+b") as file:
            size = os.path.getsize(self.path)
            file.seek(size // 2 if page is None else page * 4096)
            file.write(os.urandom(4096 * 4))

    def refused(self) -> str:
        error = str(self.assertRaises(StoreError, self.make().start))
        self.assertNotIn("\n", error)
        return error.removeprefix(f"store {self.path}: ")

    def test_small(self) -> None:
        """A small file is checked whole."""
        self.damage()
        self.assertRegex(self.refused(), "damaged: .*|malformed")

    def test_large(self) -> None:
        """Of a large file the small tables are checked."""
        self.patch(database, "CHECK_SIZE", 0)
        for table in ("target", "era", "ban"):
            with self.subTest(table=table):
                store = self.started()
                self.fill(store, said(1))
                self.stop(store)
                (root,) = self.rows(
                    f"select rootpage from sqlite_schema where name = '{table}'"
                )[0]
                with open(self.path, "r+b") as file:
                    file.seek((root - 1) * 4096)
                    file.write(b"\xff" * 4096)
                self.assertRegex(self.refused(), "damaged: .*|malformed")
                os.unlink(self.path)

    def test_large_messages(self) -> None:
        """Of a large file the newest messages are read."""
        self.patch(database, "CHECK_SIZE", 0)
        store = self.started()
        self.fill(store, *(said(number) for number in range(10)))
        self.stop(store)
        with self.subTest("sound"):
            self.stop(self.started())
        (root,) = self.rows(
            "select rootpage from sqlite_schema where name = 'message'"
        )[0]
        with open(self.path, "r+b") as file:
            file.seek((root - 1) * 4096)
            file.write(b"\xff" * 4096)
        self.assertRegex(self.refused(), "malformed")


class UpgradeTests(DatabaseCase):
    """Files of other releases."""

    def setUp(self) -> None:
        """Make the schema files of a later release."""
        super().setUp()
        self.schema = self.folder.parent / "schema"
        self.schema.mkdir()
        ours = Path(database.__file__).with_name("schema")
        for file in ours.iterdir():
            (self.schema / file.name).write_bytes(file.read_bytes())
        (self.schema / "notes.txt").write_text("no schema")

    def later(self, script: str) -> None:
        """Add the schema file of version 2."""
        (self.schema / "002.sql").write_text(script)

    def versions(self, path: Path) -> list[tuple[int]]:
        """Give the versions that a file went through."""
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("select number from version order by number")
            return rows.fetchall()

    def test_upgrade(self) -> None:
        """An older file is copied, then brought up to date; once."""
        self.open()
        self.change("insert into secret values ('x', 'y')")
        self.later("create table more (x); insert into more values (7);")
        copy = self.folder / "chat.sqlite.version-1"
        copy.write_bytes(b"left by an attempt that failed")
        self.open(schema=self.schema)
        self.assertEqual(self.versions(self.path), [(1,), (2,)])
        self.assertEqual(self.versions(copy), [(1,)])
        self.assertEqual(mode(copy), 0o600)
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute("select x, name from more, secret").fetchall()
        self.assertEqual(rows, [(7, "x")])
        copy.unlink()
        self.open(schema=self.schema)
        self.assertFalse(copy.exists())

    def test_new(self) -> None:
        """A new file goes through all versions, without a copy."""
        self.later("create table more (x);")
        self.open(schema=self.schema)
        self.assertEqual(self.versions(self.path), [(1,), (2,)])
        self.assertEqual(
            sorted(each.name for each in self.folder.iterdir()),
            ["chat.sqlite", "chat.sqlite.lock"],
        )

    def test_newer(self) -> None:
        """A file of a later release is left as it is."""
        self.later("create table more (x);")
        self.open(schema=self.schema)
        self.assertEqual(
            self.refused(), "it has version 2, and this release knows up to 1"
        )

    def test_fails(self) -> None:
        """An upgrade that fails leaves the file as it was."""
        self.open()
        self.later("create table more (x); create table more (x);")
        self.assertEqual(
            self.refused(self.schema),
            "cannot make it version 2: table more already exists",
        )
        self.assertEqual(self.versions(self.path), [(1,)])
        self.open()

    def test_no_room_for_a_copy(self) -> None:
        """Without a copy there is no upgrade."""
        self.open()
        self.later("create table more (x);")
        (self.folder / "chat.sqlite.version-1").mkdir()
        self.assertIn("before the upgrade: Is a directory", self.refused(self.schema))
        self.assertEqual(self.versions(self.path), [(1,)])

    def test_copy_fails(self) -> None:
        """A copy that fails is not left behind."""
        self.open()
        self.later("create table more (x);")

        class Connection(sqlite3.Connection):
            """One whose copies never end well."""

            def backup(self, *arguments: Any, **options: Any) -> None:
                raise sqlite3.OperationalError("disk I/O error")

        self.patch(sqlite3, "connect", partial(sqlite3.connect, factory=Connection))
        line = self.refused(self.schema)
        self.assertTrue(line.endswith("before the upgrade: disk I/O error"), line)
        self.assertFalse((self.folder / "chat.sqlite.version-1").exists())
