"""
Writes lines in a thread: whoever reads them may be slow, or be a person with a pager.

If the reactor waited for them, the lookups under way would seem to have timed out.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

#: Lines that may wait until nothing more is begun.
MAX_WAITING = 2000

#: Seconds for which the last lines are waited for when a run is stopped.
PATIENCE = 1.0


class Writer:
    """A queue of lines, and the thread that writes them."""

    def __init__(
        self,
        reactor: Any,
        descriptor: int,
        encoding: str,
        drained: Callable[[], object],
        failed: Callable[[OSError], object],
    ) -> None:
        """
        @param descriptor: Where to write.
        @param encoding: How; what it does not have is escaped.
        @param drained: Called when there is room again.
        @param failed: Called once when writing has failed; nothing is written then.
        """
        self._reactor = reactor
        self._descriptor = descriptor
        self._encoding = encoding
        self._drained = drained
        self._failed = failed
        self._queue: deque[list[str] | Callable[[], object]] = deque()
        self._lines: list[str] = []
        self._wake = threading.Condition()
        self._waiting = 0
        self._ended = False
        # Who never reads must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether nothing more is to be begun until C{drained} is called."""
        return self._waiting >= MAX_WAITING

    def line(self, text: str) -> None:
        """Write a line; what is under way may be written even if it is full."""
        self._waiting += 1
        self._lines.append(text)
        if len(self._lines) == 1:
            # Those of one turn go to the thread together: to wake it costs more than
            # to write.
            self._reactor.callLater(0, self._hand_over)

    def after(self, call: Callable[[], object]) -> None:
        """Call something in the reactor's thread when the lines so far are written."""
        self._hand_over()
        self._waiting += 1
        self._put(call)

    def finish(self, wait: bool) -> Deferred[None]:
        """
        Wait until all is written.

        @param wait: However long it takes; else for L{PATIENCE} at most.
        """
        done: Deferred[None] = Deferred()
        self.after(lambda: self._tell(done))
        if not wait:
            done.addTimeout(PATIENCE, self._reactor, onTimeoutCancel=lambda *_: None)
        return done.addBoth(self._end)

    @staticmethod
    def _tell(done: Deferred[None]) -> None:
        if not done.called:
            done.callback(None)

    def _end(self, result: None) -> None:
        with self._wake:
            self._ended = True
            self._wake.notify()

    def _hand_over(self) -> None:
        """Give the lines to the thread."""
        lines, self._lines = self._lines, []
        if lines:
            self._put(lines)

    def _put(self, what: list[str] | Callable[[], object]) -> None:
        with self._wake:
            self._queue.append(what)
            self._wake.notify()

    # In the thread.

    def _run(self) -> None:
        failed = False
        while (what := self._next()) is not None:
            if not isinstance(what, list):
                self._reactor.callFromThread(self._called, what)
                continue
            text = "\n".join([*what, ""])
            data = text.encode(self._encoding, "backslashreplace")
            try:
                while data and not failed:
                    data = self._write(data)
            except OSError as error:
                failed = True
                self._reactor.callFromThread(self._failed, error)
            self._reactor.callFromThread(self._written, len(what))

    def _write(self, data: bytes) -> bytes:
        """Write a part; give the rest."""
        try:
            return data[os.write(self._descriptor, data) :]
        except BlockingIOError:
            # Somebody else has the same terminal, and wants it not to block.
            select.select((), (self._descriptor,), ())
            return data

    def _next(self) -> list[str] | Callable[[], object] | None:
        """Take what waits; L{None} at the end."""
        with self._wake:
            while not self._queue and not self._ended:
                self._wake.wait()
            return self._queue.popleft() if self._queue else None

    # In the reactor's thread.

    def _called(self, call: Callable[[], object]) -> None:
        call()
        self._written(1)

    def _written(self, count: int) -> None:
        was_full = self.is_full
        self._waiting -= count
        if was_full and not self.is_full:
            self._drained()
