"""Writing in a thread, to pipes; a reactor that runs what it is told at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from queue import Queue
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.lookups import writer as writers
from netsvc.dns.lookups.reader import Reader
from netsvc.dns.lookups.writer import Writer

#: Seconds that a thread may take.
PATIENCE = 60


class ThreadClock(Clock):
    """A clock that takes calls from threads, and makes them when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: Queue[tuple[Callable[..., object], tuple[Any, ...]]] = Queue()

    def callFromThread(self, call: Callable[..., object], *args: Any) -> None:
        """Keep it."""
        self._calls.put((call, args))

    def turn(self) -> None:
        """Wait for one call, and make it."""
        call, args = self._calls.get(timeout=PATIENCE)
        call(*args)


class ThreadTests(SynchronousTestCase):
    """Pipes that are read and written by threads."""

    def setUp(self) -> None:
        self.clock = ThreadClock()
        self.ends = list(os.pipe())
        self.addCleanup(self.close)
        self.told: list[Any] = []

    def close(self) -> None:
        for end in self.ends:
            os.close(end)

    def write(self) -> Writer:
        writer = Writer(
            self.clock,
            self.ends[1],
            "ascii",
            lambda: self.told.append("drained"),
            self.told.append,
        )
        self.addCleanup(writer._thread.join, PATIENCE)
        self.addCleanup(writer._end, None)
        return writer

    def test_lines(self) -> None:
        """Lines are written in order; what was to be called is, after them."""
        writer = self.write()
        writer.line("a")
        writer.line("한")
        writer.after(lambda: self.told.append(os.read(self.ends[0], 100)))
        writer.start()
        done = writer.finish(wait=True)
        self.clock.turn()
        self.clock.turn()
        self.assertEqual(self.told, [b"a\n\\ud55c\n"])
        self.assertNoResult(done)
        self.clock.turn()
        self.successResultOf(done)

    def test_full(self) -> None:
        """There is room for so many lines; when there is again that is told."""
        self.patch(writers, "MAX_WAITING", 2)
        writer = self.write()
        writer.line("a")
        self.assertFalse(writer.is_full)
        writer.line("b")
        self.assertTrue(writer.is_full)
        writer.start()
        self.clock.advance(0)
        self.clock.turn()
        self.assertFalse(writer.is_full)
        self.assertEqual(self.told, ["drained"])

    def test_impatient(self) -> None:
        """Who has stopped the run waits for a moment only."""
        writer = self.write()
        done = writer.finish(wait=False)
        self.clock.advance(writers.PATIENCE)
        self.successResultOf(done)
        writer.start()
        self.clock.turn()

    def test_nobody_reads(self) -> None:
        """When nobody reads any more that is told once."""
        writer = self.write()
        os.close(self.ends.pop(0))
        self.ends.insert(0, os.open(os.devnull, os.O_RDONLY))
        writer.start()
        for _ in range(2):
            writer.line("a")
            self.clock.advance(0)
            self.clock.turn()
        self.clock.turn()
        (error,) = self.told
        self.assertIsInstance(error, BrokenPipeError)

    def test_does_not_block(self) -> None:
        """A descriptor that does not block is waited for."""
        os.set_blocking(self.ends[1], False)
        writer = self.write()
        writer.line("x" * 200_000)
        self.clock.advance(0)
        writer.start()
        size = 0
        while size < 200_001:
            size += len(os.read(self.ends[0], 65_536))
        self.clock.turn()
        self.assertEqual(self.told, [])

    def test_read(self) -> None:
        """Pieces are handed on, and more when they are used up; then the end."""
        reader = Reader(self.clock, self.ends[0], self.told.append, self.told.append)
        os.write(self.ends[1], b"a")
        reader.start()
        self.clock.turn()
        os.write(self.ends[1], b"b")
        self.clock.turn()
        reader.more()
        os.close(self.ends.pop())
        self.clock.turn()
        self.assertEqual(self.told, [b"a", b"b", None])

    def test_read_error(self) -> None:
        """A descriptor that cannot be read ends with its error."""
        reader = Reader(self.clock, self.ends[1], self.told.append, self.told.append)
        reader.start()
        self.clock.turn()
        (error,) = self.told
        self.assertIsInstance(error, OSError)

    def test_read_stopped(self) -> None:
        """Once it is stopped nothing is handed on."""
        reader = Reader(self.clock, self.ends[0], self.told.append, self.told.append)
        reader.start()
        reader.stop()
        os.write(self.ends[1], b"a")
        self.clock.turn()
        self.assertEqual(self.told, [])
        reader._thread.join(PATIENCE)
