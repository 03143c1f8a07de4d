"""
Reads a file or standard input in a thread: a read of either may block.

At most a few pieces wait to be taken; a reader that is not asked for more waits.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

#: Bytes of a piece, and pieces that may wait.
PIECE = 65_536
PIECES = 2


class Reader:
    """Hands on what is read, a piece at a time, in the reactor's thread."""

    def __init__(
        self,
        reactor: Any,
        descriptor: int,
        got: Callable[[bytes], object],
        ended: Callable[[OSError | None], object],
    ) -> None:
        """
        @param descriptor: What to read; whoever has opened it closes it, after
            C{ended}.
        @param got: Given each piece; then L{more} is called when the next may come.
        @param ended: Called once at the end, with the error if there was one.
        """
        self._reactor = reactor
        self._descriptor = descriptor
        self._got = got
        self._ended = ended
        self._room = threading.Semaphore(PIECES)
        self._stopped = False
        # A read that never ends must not keep the process from ending.
        self._thread = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def more(self) -> None:
        """A piece has been used up."""
        self._room.release()

    def stop(self) -> None:
        """Hand on nothing more."""
        self._stopped = True
        self._room.release()

    def _read(self) -> None:
        error: OSError | None = None
        while not self._stopped:
            self._room.acquire()
            try:
                data = b"" if self._stopped else os.read(self._descriptor, PIECE)
            except OSError as found:
                data, error = b"", found
            if not data:
                break
            self._call(self._got, data)
        self._call(self._ended, error)

    def _call(self, what: Callable[[Any], object], value: object) -> None:
        self._reactor.callFromThread(self._if_wanted, what, value)

    def _if_wanted(self, what: Callable[[Any], object], value: object) -> None:
        if not self._stopped:
            what(value)
