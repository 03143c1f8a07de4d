"""What a reading thread of the store does: one question at a time, within a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Final

from netsvc.chat.store.errors import StoreBusyError
from netsvc.chat.store.writer import Job, Outcome, told

STEPS: Final = 20_000
"""Steps of SQLite's machine between two looks at the clock: about a millisecond."""


class Reader:
    """Handles the questions of one reading thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        report: Callable[[Outcome], None],
        *,
        deadline: float,
        clock: Callable[[], float],
    ) -> None:
        """
        Take over a connection.

        @param connection: Reads alone.
        @param report: Told what became of each question, in the reading thread.
        @param deadline: Seconds that a question may take.
        @param clock: Seconds, growing.
        """
        self._connection = connection
        self._report = report
        self._deadline = deadline
        self._clock = clock
        self._end = 0.0
        connection.set_progress_handler(self._late, STEPS)

    def handle(self, batch: list[Job]) -> None:
        """Answer one question, from one state of the file."""
        (job,) = batch
        connection = self._connection
        self._end = self._clock() + self._deadline
        result: Any = None
        failed: Exception | None = None
        try:
            connection.execute("begin")
            result = job.work(connection)
        except Exception as error:
            failed = told(error)
            code = getattr(error, "sqlite_errorcode", None)
            if code == sqlite3.SQLITE_INTERRUPT:
                failed = StoreBusyError("that took too long")
        if connection.in_transaction:
            try:
                connection.execute("rollback")
            except sqlite3.Error as error:
                failed = failed or told(error)
        self._report(Outcome(job.number, result, failed))

    def idle(self) -> None:
        """Have nothing to do in quiet moments."""

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _late(self) -> bool:
        """Say whether the question has had its time."""
        return self._clock() > self._end
