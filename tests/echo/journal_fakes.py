"""A journal whose reactor and writer processes are played by the test."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.error import (
    ProcessDone,
    ProcessExitedAlready,
    ProcessTerminated,
)
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.journal import Journal
from netsvc.echo.journal_format import Record, RecordDecoder

#: Who sends, in the tests.
PEER = "127.0.0.1:5"


class FakeWriter:
    """A writer process: the other end of the pipe, and a voice.

    @ivar arguments: its command line.
    @ivar killed: how often it was sent SIGKILL.
    @ivar gone: whether the system has forgotten it.
    """

    def __init__(self, protocol: Any, arguments: Sequence[bytes], source: int) -> None:
        self.protocol = protocol
        self.arguments = arguments
        self.pid = 4000
        self.killed = 0
        self.gone = False
        self._source = os.dup(source)
        os.set_blocking(self._source, False)
        self._decoder = RecordDecoder()
        protocol.makeConnection(self)

    def signalProcess(self, signal: str) -> None:  # noqa: N802  Twisted's name
        """Take a signal."""
        assert signal == "KILL"
        if self.gone:
            raise ProcessExitedAlready
        self.killed += 1

    def read(self) -> list[Record]:
        """Read what is in the pipe."""
        try:
            return self._decoder.feed(os.read(self._source, 1 << 20))
        except BlockingIOError:
            return []

    def at_end(self) -> bool:
        """Tell whether the pipe is at its end."""
        try:
            return not os.read(self._source, 1)
        except BlockingIOError:
            return False

    def say(self, text: bytes) -> None:
        """Write to stdout."""
        self.protocol.childDataReceived(1, text)

    def complain(self, text: bytes) -> None:
        """Write to stderr."""
        self.protocol.childDataReceived(2, text)

    def close(self) -> None:
        """Close the end of the pipe."""
        if self._source >= 0:
            os.close(self._source)
            self._source = -1

    def end(self, signal: int | None = None, status: int = 0) -> None:
        """End, and be reaped."""
        self.close()
        reason = (
            ProcessTerminated(status, signal, 0) if signal or status else ProcessDone(0)
        )
        self.protocol.processEnded(Failure(reason))


class FakeReactor(Clock):
    """Time, writability and processes as the test wants them.

    @ivar writers: the processes that were spawned, in order.
    @ivar waiting: descriptors that wait for room in their pipe.
    @ivar refusal: what spawning raises, if anything.
    """

    def __init__(self) -> None:
        super().__init__()
        self.writers: list[FakeWriter] = []
        self.waiting: set[Any] = set()
        self.refusal: OSError | None = None

    def addWriter(self, writer: Any) -> None:
        """Begin to watch for room."""
        self.waiting.add(writer)

    def removeWriter(self, writer: Any) -> None:
        """Stop to watch for room."""
        self.waiting.discard(writer)

    def spawnProcess(  # noqa: N802  Twisted's name
        self,
        protocol: Any,
        executable: bytes,
        arguments: Sequence[bytes],
        env: Mapping[str, str] | None,
        childFDs: Mapping[int, int | str],  # noqa: N803  Twisted's name
    ) -> FakeWriter:
        """Start a writer."""
        if self.refusal is not None:
            raise self.refusal
        assert executable == arguments[0]
        assert (childFDs[1], childFDs[2]) == ("r", "r")
        source = childFDs[0]
        assert isinstance(source, int)
        self.writers.append(FakeWriter(protocol, arguments, source))
        return self.writers[-1]


class JournalCase(SynchronousTestCase):
    """A journal with a writer that the test plays."""

    def setUp(self) -> None:
        """Make the reactor, and listen to the log."""
        self.reactor = FakeReactor()
        self.addCleanup(self.clean)
        self.calls: list[str] = []
        self.events = self.enterContext(capturedLogs())

    def clean(self) -> None:
        """Close the pipes."""
        for writer in self.reactor.writers:
            writer.close()
            writer.protocol.close()

    def make(self, **options: Any) -> Journal:
        """Make the journal."""
        return Journal(
            "folder/journal",
            reactor=self.reactor,
            pause=lambda: self.calls.append("pause"),
            resume=lambda: self.calls.append("resume"),
            wall_clock=lambda: 1000.5,
            run="r1",
            **options,
        )

    def started(self, **options: Any) -> tuple[Journal, FakeWriter]:
        """Make a journal whose writer is ready."""
        journal = self.make(**options)
        journal.start()
        self.writer.say(b"ready 0\n")
        return journal, self.writer

    @property
    def writer(self) -> FakeWriter:
        """The newest writer."""
        return self.reactor.writers[-1]

    def logged(self) -> list[str]:
        """Give the lines that the journal logged, without its path."""
        lines = [
            formatEvent(event)
            for event in self.events
            if "journal" in event.get("log_namespace", "")
        ]
        return [line.partition("/folder/journal: ")[2] for line in lines]
