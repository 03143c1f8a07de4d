"""The journal writer: the process that waits for the disk, so that no service does.

Standard library only. It is run as a file by L{netsvc.echo.journal_process}::

    python -I -S journal_writer.py PATH RUN MAX_SIZE KEEP

It reads record frames from its stdin, writes what has arrived in one go, waits until
that is on disk and says so on its stdout (L{netsvc.echo.journal_format} has the
forms). It ends at the end of its stdin, and only then: the signals of a terminal or a
service manager reach the whole process group, but records may still be on their way.

Exit status: 0 all that came is on disk; 1 the service is gone and the disk did not
recover; 2 what came made no sense.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

if __name__ == "__main__":
    # -I leaves out the folder of the file that is run. At the end of the path, no
    # module of ours can hide one of the standard library.
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from netsvc.daemon.escape import escape
from netsvc.echo.journal_file import JournalFile
from netsvc.echo.journal_format import (
    FormatError,
    Record,
    RecordDecoder,
    error_status,
    format_line,
    ready_status,
    stored_status,
)

#: Most bytes taken from the pipe for one write to the disk.
READ_SIZE = 1024 * 1024

#: Seconds to wait after a failed write; doubles up to L{RETRY_LAST}.
RETRY_FIRST = 0.1

#: Most seconds between two attempts to write.
RETRY_LAST = 1.0

#: Seconds of attempts once the service is gone.
PATIENCE = 5.0


class ServiceGoneError(Exception):
    """The service is gone and the disk does not take the rest."""


class Writer:
    """Moves records from a pipe into a journal file."""

    def __init__(
        self,
        path: str,
        run: str,
        *,
        max_size: int,
        keep: int,
        source: int = 0,
        status: int = 1,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set up without touching the disk.

        @param path: the journal, absolute.
        @param run: the run's identity.
        @param max_size: bytes from which on the file is rotated; 0 is never.
        @param keep: how many rotated files are kept.
        @param source: descriptor of the pipe that record frames come from.
        @param status: descriptor that status lines go to.
        @param sleep: waits so many seconds, once the service is gone.
        @param clock: seconds, for L{PATIENCE}.
        """
        self._file = JournalFile(
            path, run, max_size=max_size, keep=keep, report=self._cannot_rotate
        )
        self._run = run
        self._source = source
        self._status = status
        self._sleep = sleep
        self._clock = clock
        self._done = 0
        self._gone_since: float | None = None
        self._poll = select.poll()
        # No event asked for: what is left is the hang-up.
        self._poll.register(source, 0)

    def work(self) -> None:
        """Store what comes until the pipe ends.

        @raise ServiceGoneError: the service is gone and the disk did not recover.
        @raise FormatError: what came is no frame.
        """
        try:
            self._until_done(self._file.open)
            self._done = self._file.seq
            self._say(ready_status(self._done))
            decoder = RecordDecoder()
            while data := os.read(self._source, READ_SIZE):
                self._store(decoder.feed(data))
        finally:
            self._file.close()

    def _store(self, records: Iterable[Record]) -> None:
        """Write C{records} and confirm them, whatever that takes."""
        lines = [(record.seq, format_line(self._run, record)) for record in records]

        def attempt() -> None:
            self._file.open()
            # After a failure some of them may be there already.
            self._done = max(self._done, self._file.seq)
            rest = [line for line in lines if line[0] > self._done]
            for seq in self._file.append(rest):
                self._done = seq
                self._say(stored_status(seq))

        self._until_done(attempt)

    def _until_done(self, attempt: Callable[[], None]) -> None:
        delay = RETRY_FIRST
        while True:
            try:
                return attempt()
            except OSError as error:
                # Opening it again finds out what is really in it.
                self._file.close()
                self._say(error_status("error", _reason(error)))
            self._wait(delay)
            delay = min(delay * 2, RETRY_LAST)

    def _wait(self, delay: float) -> None:
        """Wait C{delay} seconds, less if the service goes away meanwhile."""
        if self._gone_since is None:
            if not self._poll.poll(delay * 1000):
                return
            self._gone_since = self._clock()
        if self._clock() - self._gone_since >= PATIENCE:
            raise ServiceGoneError
        self._sleep(delay)

    def _cannot_rotate(self, error: OSError) -> None:
        self._say(error_status("unrotated", _reason(error)))

    def _say(self, line: bytes) -> None:
        try:
            os.write(self._status, line)
        except OSError:
            # The service is gone. What it sent is stored all the same.
            return


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def main(arguments: list[str]) -> int:
    """Run the writer over stdin and stdout; give the exit status.

    @param arguments: path, run, max_size, keep.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    path, run, max_size, keep = arguments
    writer = Writer(path, run, max_size=int(max_size), keep=int(keep))
    try:
        writer.work()
    except ServiceGoneError:
        return 1
    except FormatError as error:
        sys.stderr.write(f"journal writer: {escape(str(error))}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
