"""Where the lines of the log go: standard output, a stream, or a file.

A place that fails or stalls costs lines and never the service. A file can be opened
again under its name, after logrotate has moved it away.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Callable, Mapping
from typing import Final, TextIO

MAX_STALL: Final = 0.1
"""Seconds that one line may wait for a reader that has stopped reading."""

FILE_MODE: Final = 0o640
"""Permissions of a log file that is made."""


class StreamWriter:
    """Writes lines to a Python text stream that has no descriptor."""

    def __init__(self, stream: TextIO) -> None:
        """@param stream: where to."""
        self._stream = stream

    def __call__(self, line: bytes) -> bool:
        """Write a line, or raise what the stream raises."""
        self._stream.write(line.decode())
        self._stream.flush()
        return True


class DescriptorWriter:
    """Writes lines to a file descriptor, unbuffered, waiting at most L{MAX_STALL}.

    Python's own stream would keep what a full disk refused, and a pipe that
    nobody reads would stop the process. Once a line had to wait in vain, further
    ones do not wait until the reader is back.
    """

    # A pipe that polls as writable takes this many bytes without blocking.
    _CHUNK = select.PIPE_BUF

    # What an ordinary file gets at once, so that lines of several processes that
    # append to it do not mix.
    _WHOLE = 1 << 20

    def __init__(self, descriptor: int) -> None:
        """@param descriptor: stays its owner's, who closes it."""
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        ordinary = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._chunk = self._WHOLE if ordinary else self._CHUNK
        self._stalled = False
        self._torn = False

    def __call__(self, line: bytes) -> bool:
        """Write a line; give whether all of it was written."""
        # A line that was cut short is ended first, so that this one stays whole.
        rest = b"\n" + line if self._torn else line
        try:
            while rest:
                wait = 0 if self._stalled else int(MAX_STALL * 1000)
                self._stalled = not self._poll.poll(wait)
                if self._stalled:
                    return False
                rest = rest[os.write(self._descriptor, rest[: self._chunk]) :]
                self._torn = bool(rest)
        except OSError:
            return False
        return True


class LogFile(DescriptorWriter):
    """Writes lines to the end of a file, which may be moved away and reopened.

    @ivar path: its name; absolute, as a daemon changes its directory.
    """

    def __init__(self, path: str) -> None:
        """Open the file, and make it if there is none.

        @param path: its name.
        @raise OSError: it cannot be opened.
        """
        self.path = os.path.abspath(path)
        super().__init__(_open(self.path))

    def reopen(self) -> None:
        """Go on in the file that has the name now, and make it if there is none.

        @raise OSError: it cannot be opened; the lines go on where they went.
        """
        opened = _open(self.path)
        try:
            # In one step: no line is written to a descriptor that is closed.
            os.dup2(opened, self._descriptor, inheritable=False)
        finally:
            os.close(opened)
        self._torn = False

    def close(self) -> None:
        """Close the file; lines that still come are lost."""
        os.close(self._descriptor)
        self._descriptor = -1


def _open(path: str) -> int:
    # Not to be stopped by a name that is a pipe without a reader.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    return os.open(path, flags, FILE_MODE)


def writer(target: TextIO | LogFile | None) -> Callable[[bytes], bool]:
    """Choose how to write to a target.

    @param target: a file, a stream, whose descriptor is used if it has one, or
        standard output if it is C{None}.
    """
    if isinstance(target, LogFile):
        return target
    stream = target or _standard_output()
    if stream is None:
        return _nowhere
    try:
        stream.flush()
        return DescriptorWriter(stream.fileno())
    except (OSError, ValueError):
        return StreamWriter(stream)


def is_journal(
    target: TextIO | LogFile | None, environ: Mapping[str, str] = os.environ
) -> bool:
    """Say if a target is the journal of systemd, which takes C{<N>} before a line.

    @param target: as for L{writer}.
    @param environ: its C{JOURNAL_STREAM} is the device and inode of the journal's
        socket, while standard output may have been led elsewhere since.
    """
    stream = None if isinstance(target, LogFile) else target or _standard_output()
    if stream is None or "JOURNAL_STREAM" not in environ:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ["JOURNAL_STREAM"] == f"{status.st_dev}:{status.st_ino}"


def _standard_output() -> TextIO | None:
    # Not sys.stdout: once logging has begun, that is itself turned into events.
    return sys.__stdout__


def _nowhere(line: bytes) -> bool:
    """Lose a line, in a process that was started with standard output closed."""
    return False
