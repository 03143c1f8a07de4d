"""
Small files that operators name: read without waiting for what never comes.

A daemon reads them while it serves. Opening a named pipe that nobody writes to would
stop it for ever, and a device may have no end.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from pathlib import Path
from typing import Final

#: Seconds in which all that a pipe has must have come.
PIPE_WAIT: Final = 1.0

_CHUNK: Final = 64 * 1024


def read_file(path: str | Path, limit: int, *, pipe: bool = True) -> bytes:
    """
    Read a file, or what comes through a pipe such as a shell's C{<(...)}.

    @param limit: The most bytes that are of use: what has more gives one more.
    @param pipe: Whether it may be a pipe, for which this may wait L{PIPE_WAIT}. One
        gives what it has only once: it is of no use to who reads it again.
    @raise OSError: It cannot be read; C{strerror} says why.
    @raise ValueError: It cannot be the name of a file.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(path, flags)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if stat.S_ISFIFO(mode) and not pipe:
            problem = "A pipe, which is read at the start only, and not a regular file"
            raise OSError(errno.EINVAL, problem, str(path))
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise OSError(errno.EINVAL, "Neither a file nor a pipe", str(path))
        return _read(descriptor, limit + 1, stat.S_ISFIFO(mode))
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int, pipe: bool) -> bytes:
    """
    Read until the end, or so many bytes.

    @raise TimeoutError: The end of a pipe has not come in time.
    """
    data = bytearray()
    end = time.monotonic() + PIPE_WAIT
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while len(data) < size:
        left = max(0.0, end - time.monotonic())
        if pipe and not poll.poll(1000 * left):
            problem = f"The pipe's end has not come in {PIPE_WAIT:g} s"
            raise TimeoutError(errno.ETIMEDOUT, problem)
        chunk = os.read(descriptor, min(size - len(data), _CHUNK))
        if not chunk:
            break
        data += chunk
    return bytes(data)
