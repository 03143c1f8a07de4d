"""A thread that does what is put into its queue, in batches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Protocol


class Handler(Protocol):
    """What a worker's thread does."""

    def handle(self, batch: list[Any]) -> float | None:
        """
        Do what was put in.

        @return: Seconds of quiet after which C{idle} is called; C{None} for never.
        """

    def idle(self) -> float | None:
        """Use a quiet moment; returns as C{handle} does."""

    def close(self) -> None:
        """Do the last thing before the thread ends."""


class _End:
    """What ends a worker."""


END = _End()


class Worker:
    """
    One thread over a queue.

    @ivar put: Put something into the queue; from any thread.
    """

    def __init__(
        self,
        name: str,
        handler: Handler,
        queue: SimpleQueue[Any],
        most: int,
        ended: Callable[[Worker], None],
    ) -> None:
        """
        Set up without a thread.

        @param name: The thread's.
        @param handler: Does the work.
        @param queue: What is put in; several workers may share one.
        @param most: How much a batch may hold.
        @param ended: Called in the thread when it ends.
        """
        self.name = name
        self.put = queue.put
        self._queue = queue
        self._handler = handler
        self._most = most
        self._when_ended = ended
        self._wait: float | None = None
        self._ended = False

    def start(self) -> None:
        """
        Start the thread.

        It ends with the process: a disk that never answers holds nobody up.
        """
        threading.Thread(target=self.run, name=self.name, daemon=True).start()

    def run(self) -> None:
        """Work until the end."""
        while not self._ended:
            try:
                first = self._queue.get(True, self._wait)
            except Empty:
                self._wait = self._handler.idle()
            else:
                self._batch(first)

    def turn(self) -> bool:
        """Do one batch of what is there now, or the idle work that is due; say
        whether there was something."""
        if self._ended:
            return False
        try:
            first = self._queue.get_nowait()
        except Empty:
            if self._wait is None:
                return False
            self._wait = self._handler.idle()
        else:
            self._batch(first)
        return True

    def _batch(self, first: Any) -> None:
        """Do what is in the queue now."""
        batch = [first]
        take = self._queue.get_nowait
        try:
            # END is the last that anybody puts in, or each worker's own.
            while len(batch) < self._most:
                batch.append(take())
        except Empty:
            pass
        self._ended = batch[-1] is END
        if self._ended:
            batch.pop()
        if batch:
            self._wait = self._handler.handle(batch)
        if self._ended:
            self._handler.close()
            self._when_ended(self)
