"""UNIX sockets that a process left behind when it was killed."""

from __future__ import annotations

import errno
import os
import socket
import stat


def remove_stale(path: str) -> None:
    """
    Remove a socket at which nobody listens any more.

    @raise OSError: If somebody does.
    """
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # Not connected at once, but not refused: its queue is full.
        probe.setblocking(False)
        if probe.connect_ex(path) == errno.ECONNREFUSED:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
