"""
The SQLite file: made, checked, brought up to date and opened.

An operator's trouble with it is a L{StoreError}, one line. SQLite 3.35 or newer with
FTS5 is needed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from netsvc.chat.store.errors import StoreError
from netsvc.daemon.escape import escape

MEMORY: Final = ":memory:"
"""The path of a store that ends with the process."""

APPLICATION_ID: Final = 0x6E736368
"""What says in a file's header that it is one of ours (C{nsch})."""

BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for a lock that another program holds."""

CHECK_SIZE: Final = 16 * 1024 * 1024
"""Bytes up to which a file is checked whole at the start; of a larger one the small
tables, and that the newest messages can be read."""

CHECK_MESSAGES: Final = 1_000
"""The newest messages that are read at the start."""

WAL_PAGES: Final = 2_000
"""Pages in the write-ahead log from which on they are moved into the file."""

WAL_SIZE: Final = 16 * 1024 * 1024
"""Bytes to which the write-ahead log is cut when it was moved."""

_SMALL: Final = ("version", "counter", "target", "era", "account", "ban")


def default_path(environ: Mapping[str, str]) -> Path:
    """
    Give the path of the store when nobody has named one.

    @param environ: The process's environment: C{STATE_DIRECTORY} is what systemd
        gives a service, C{XDG_STATE_HOME} a user.
    """
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given, "chat.sqlite")
    state = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):
        state = os.path.join(environ.get("HOME") or "/", ".local/state")
    return Path(state, "netsvc", "chat.sqlite")


class Database:
    """
    One store's file, held for this process alone.

    @ivar path: Where it is, absolute; or L{MEMORY}.
    """

    def __init__(
        self, path: str | os.PathLike[str], schema: Path | None = None
    ) -> None:
        """
        Set up without touching the disk.

        @param path: Where it is, or L{MEMORY}.
        @param schema: The folder of the numbered schema files, if not our own.
        """
        name = os.fspath(path)
        self.memory = name == MEMORY
        self.path = name if self.memory else os.path.abspath(name)
        self._schema = schema
        self._lock = -1

    @contextlib.contextmanager
    def _said(self, what: str) -> Iterator[None]:
        """Make one line of what fails."""
        try:
            yield
        except sqlite3.Error as error:
            raise self.error(f"{what}: {error}") from None
        except OSError as error:
            raise self.error(f"{what}: {error.strerror or error}") from None

    def error(self, text: str) -> StoreError:
        """Make an error that names the file."""
        return StoreError(f"store {escape(self.path)}: {escape(text)}")

    def open(self, now: int) -> sqlite3.Connection:
        """
        Open it for writing; make it, check it and bring it up to date first.

        @param now: Ms since the epoch.
        @raise StoreError: It cannot be used.
        """
        connection = None
        try:
            with self._said("cannot open it"):
                if not self.memory:
                    self._make()
                connection = sqlite3.connect(
                    self.path,
                    timeout=BUSY_TIMEOUT,
                    isolation_level=None,
                    check_same_thread=False,
                )
                connection.execute("pragma schema_version").fetchone()
            self._prepare(connection, now)
        except BaseException:
            if connection is not None:
                connection.close()
            self.close()
            raise
        return connection

    def open_reader(self) -> sqlite3.Connection:
        """
        Open the file for reading alone.

        @raise StoreError: It cannot be opened.
        """
        with self._said("cannot open it for reading"):
            connection = sqlite3.connect(
                f"{Path(self.path).as_uri()}?mode=ro",
                uri=True,
                timeout=BUSY_TIMEOUT,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.execute("pragma query_only = on")
        return connection

    def close(self) -> None:
        """Let other processes have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _make(self) -> None:
        """Make the file and its folder, for its owner alone, and take its lock."""
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._lock = os.open(f"{self.path}.lock", flags, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise self.error("another process uses it") from None
        os.close(os.open(self.path, flags, 0o600))

    def _prepare(self, connection: sqlite3.Connection, now: int) -> None:
        """Make a fresh connection ready to write."""
        with self._said("cannot read it"):
            version = self._version(connection)
            if version:
                self._check(connection)
        with self._said("cannot write to it"):
            for pragma in (
                "synchronous = full",
                "foreign_keys = on",
                "trusted_schema = off",
                f"wal_autocheckpoint = {WAL_PAGES}",
                f"journal_size_limit = {WAL_SIZE}",
            ):
                connection.execute(f"pragma {pragma}")
            (mode,) = connection.execute("pragma journal_mode = wal").fetchone()
        if mode not in ("wal", "memory"):
            raise self.error("its file system cannot hold a write-ahead log")
        self._upgrade(connection, version, now)

    def _version(self, connection: sqlite3.Connection) -> int:
        """Give the version of what is in the file; 0 of an empty one."""
        (ours,) = connection.execute("pragma application_id").fetchone()
        (tables,) = connection.execute("select count(*) from sqlite_schema").fetchone()
        if not tables:
            return 0
        if ours != APPLICATION_ID:
            raise self.error("it is a database of another program")
        (version,) = connection.execute("select max(number) from version").fetchone()
        return int(version)

    def _check(self, connection: sqlite3.Connection) -> None:
        """Read enough of the file to trust it."""
        if self.memory or os.path.getsize(self.path) <= CHECK_SIZE:
            found = connection.execute("pragma quick_check(1)").fetchone()[0]
            if found != "ok":
                raise self.error(f"it is damaged: {found.splitlines()[-1]}")
            return
        for table in _SMALL:
            found = connection.execute(f"pragma quick_check({table})").fetchone()[0]
            if found != "ok":
                raise self.error(f"it is damaged: {found.splitlines()[-1]}")
        connection.execute(
            "select sum(length(body)) from"
            " (select body from message order by seq desc limit ?)",
            (CHECK_MESSAGES,),
        ).fetchone()

    def _scripts(self) -> list[tuple[int, str]]:
        """Give the schema files, in order, with their numbers."""
        folder = self._schema or files("netsvc.chat.store").joinpath("schema")
        found = [
            (int(file.name.removesuffix(".sql")), file.read_text("utf-8"))
            for file in folder.iterdir()
            if file.name.endswith(".sql")
        ]
        return sorted(found)

    def _upgrade(self, connection: sqlite3.Connection, version: int, now: int) -> None:
        """Bring the file up to date, each step in a transaction."""
        scripts = self._scripts()
        newest = scripts[-1][0]
        if version > newest:
            raise self.error(
                f"it has version {version}, and this release knows up to {newest}"
            )
        if 0 < version < newest:
            self._copy(connection, version)
        for number, script in scripts:
            if number <= version:
                continue
            with self._said(f"cannot make it version {number}"):
                try:
                    connection.executescript(
                        f"begin immediate; {script};"
                        f"pragma application_id = {APPLICATION_ID};"
                        f"insert into version values ({number}, {now}); commit;"
                    )
                except sqlite3.Error:
                    if connection.in_transaction:
                        connection.rollback()
                    raise

    def _copy(self, connection: sqlite3.Connection, version: int) -> None:
        """Keep a copy of the file as it is, beside it."""
        path = f"{self.path}.version-{version}"
        with self._said(f"cannot copy it to {path} before the upgrade"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            try:
                with contextlib.closing(sqlite3.connect(path)) as copy:
                    connection.backup(copy)
            except BaseException:
                os.unlink(path)
                raise
