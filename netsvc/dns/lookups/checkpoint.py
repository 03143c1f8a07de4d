"""
How far a bulk run has come, kept in a file: the next run goes on from there.

All lines up to a number are done, and some beyond it. With them stands a digest of
those lines, so that the file is not used for other input. It is written anew and
renamed: after a crash it is the old one or the new one. What was written to the
output after the last time it was saved is asked and written again: each line at least
once.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from netsvc.dns.lookups.lines import Job

#: How many lines may be begun beyond the first that is not done.
MAX_AHEAD = 20_000

#: Bytes that are read of the file.
MAX_FILE = 1 << 20

_FORMAT = 1


class CheckpointError(ValueError):
    """The file cannot be used; a line for the operator."""


class Checkpoint:
    """
    Which lines are done.

    @ivar done: All lines up to this number are.
    """

    def __init__(self, path: Path | None = None) -> None:
        """
        @param path: Where it is kept; read if it is there. L{None}: nowhere.
        @raise CheckpointError: It cannot be read.
        """
        self._path = path
        self._digest = hashlib.sha256()
        self._open: dict[int, bytes] = {}
        self._beyond: set[int] = set()
        self._before: set[int] = set()
        self._until = 0
        self._expected = ""
        self.done = 0
        if path is not None:
            self._load(path)

    def _load(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                found: Any = json.loads(file.read(MAX_FILE))
            if found["format"] != _FORMAT:
                raise ValueError
            self._until = int(found["done"])
            self._before = {int(number) for number in found["beyond"]}
            self._expected = str(found["digest"])
        except FileNotFoundError:
            return
        except OSError as error:
            raise CheckpointError(f"{path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise CheckpointError(f"{path} is no file of --resume") from None

    def check_writable(self) -> None:
        """
        See whether the file can be written, before the first answer is.

        @raise CheckpointError: It cannot.
        """
        folder = None if self._path is None else self._path.absolute().parent
        if folder is not None and not os.access(folder, os.W_OK | os.X_OK):
            why = "cannot be written to" if folder.is_dir() else "is no folder"
            raise CheckpointError(f"{self._path}: {folder} {why}")

    def begin(self, job: Job) -> bool:
        """
        Take the next line.

        @return: Whether it is still to be done.
        @raise CheckpointError: The lines so far are not those of the run before.
        """
        self._open[job.number] = job.line
        if job.number <= self._until:
            self.end(job.number)
            if job.number == self._until and self._hex() != self._expected:
                raise CheckpointError(f"{self._path} belongs to other names than these")
            return False
        if job.number in self._before:
            self._before.discard(job.number)
            self.end(job.number)
            return False
        return True

    def end(self, number: int) -> None:
        """Note that a line is done."""
        self._beyond.add(number)
        while self.done + 1 in self._beyond:
            self.done += 1
            self._beyond.discard(self.done)
            self._digest.update(self._open.pop(self.done) + b"\n")

    def is_full(self, number: int) -> bool:
        """Tell whether a line is too far ahead of the first that is not done."""
        return number - self.done > MAX_AHEAD

    def check_input_ended(self, number: int) -> None:
        """
        Note that the input has ended after a line.

        @raise CheckpointError: The run before had more of it.
        """
        if number < self._until:
            raise CheckpointError(f"{self._path} belongs to other names than these")

    def snapshot(self) -> dict[str, object] | None:
        """
        Give how far it has come, to be saved once all that was written is safe.

        @return: L{None} if there is nothing to save: no file, or the lines of the run
            before are still being passed over.
        """
        if self._path is None or self.done < self._until:
            return None
        return {
            "format": _FORMAT,
            "done": self.done,
            "beyond": sorted(self._beyond | self._before),
            "digest": self._hex(),
        }

    def save(self, state: dict[str, object] | None) -> None:
        """
        Write the file.

        @param state: A L{snapshot}.
        @raise CheckpointError: It cannot be written.
        """
        if self._path is None or state is None:
            return
        new = self._path.with_name(self._path.name + ".new")
        try:
            with new.open("w") as file:
                json.dump(state, file)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            raise CheckpointError(f"{self._path}: {error.strerror}") from None

    def _hex(self) -> str:
        return self._digest.hexdigest()
