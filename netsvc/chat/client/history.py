"""The lines that were typed, kept from one run to the next for their user alone."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MAX_LINES: Final = 1_000
"""Lines that are kept. The file may have twice as many before it is shortened."""

MAX_LENGTH: Final = 4_096
"""The longest line that is kept, bytes."""

MAX_FILE: Final = 2 * MAX_LINES * MAX_LENGTH
"""Bytes of the file that are read."""

_MODE: Final = 0o600
_MAY_NOT = stat.S_IRWXG | stat.S_IRWXO


def state_directory(environment: Mapping[str, str]) -> Path:
    """Give where the user's state is kept, by the XDG Base Directory rules."""
    base = environment.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):
        base = os.path.join(environment.get("HOME") or "~", ".local", "state")
    return Path(base).expanduser() / "netsvc"


class History:
    """
    A file of lines, the oldest first, that others cannot read.

    Several clients may add to it at once. Whatever is wrong with it, the user can
    chat: then lines are not kept, and C{trouble} says why.

    @ivar trouble: What went wrong, or nothing.
    """

    def __init__(self, path: Path) -> None:
        """Keep lines in a file, which need not be there yet."""
        self._path = path
        self._count = 0
        self.trouble = ""

    def load(self) -> list[str]:
        """Read the last L{MAX_LINES} lines, and shorten the file where it is long."""
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - MAX_FILE))
                data = file.read(MAX_FILE)
        except FileNotFoundError:
            return []
        except OSError as error:
            self._failed(error)
            return []
        lines = data.decode("utf-8", "replace").splitlines()
        self._count = len(lines)
        if self._count > 2 * MAX_LINES or size > MAX_FILE:
            self._shorten(lines[-MAX_LINES:])
        return lines[-MAX_LINES:]

    def add(self, line: str) -> None:
        """Keep a line, unless it is too long."""
        data = line.encode("utf-8", "replace") + b"\n"
        if self.trouble or len(data) > MAX_LENGTH or "\n" in line:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            descriptor = os.open(self._path, flags, _MODE)
            with open(descriptor, "wb", buffering=0) as file:
                if os.fstat(descriptor).st_mode & _MAY_NOT:
                    os.fchmod(descriptor, _MODE)
                file.write(data)
        except OSError as error:
            self._failed(error)
            return
        self._count += 1
        if self._count > 2 * MAX_LINES:
            self.load()

    def _shorten(self, lines: list[str]) -> None:
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            descriptor = os.open(new, flags, _MODE)
            with open(descriptor, "wb") as file:
                file.writelines(f"{line}\n".encode() for line in lines)
            new.replace(self._path)
            self._count = len(lines)
        except OSError as error:
            self._failed(error)
            with contextlib.suppress(OSError):
                new.unlink()

    def _failed(self, error: OSError) -> None:
        self.trouble = f"cannot keep history: {error.strerror or error}"
