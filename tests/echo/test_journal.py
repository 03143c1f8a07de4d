"""Tests of L{netsvc.echo.journal} and its hold on the writer process."""

from __future__ import annotations

import errno
import os
import sys

from netsvc.echo import journal as journal_module
from netsvc.echo import journal_process
from netsvc.echo.journal import (
    HARD_LIMIT,
    KILL_TIMEOUT,
    RESTART_FIRST,
    STOP_TIMEOUT,
    Journal,
    JournalCounters,
    JournalError,
)
from netsvc.echo.journal_format import MAX_PAYLOAD
from netsvc.echo.journal_process import WRITER
from tests.echo.journal_fakes import PEER, JournalCase


class FeedTests(JournalCase):
    """What goes through the pipe, and when."""

    def test_command(self) -> None:
        """The writer is run by this Python, isolated, with absolute paths."""
        journal = self.make(max_size=7, keep=3)
        journal.start()
        self.assertEqual(
            [os.fsdecode(argument) for argument in self.writer.arguments],
            [
                *(sys.executable, "-I", "-S", str(WRITER)),
                *(os.path.abspath("folder/journal"), "r1", "7", "3"),
            ],
        )
        self.assertEqual(journal.writer_pid, 4000)

    def test_waits_for_ready(self) -> None:
        """Nothing is sent before the writer says that it is ready."""
        journal = self.make()
        self.assertTrue(journal.record(PEER, "tcp", b"one"))
        journal.start()
        self.assertTrue(journal.record(PEER, "udp", b""))
        self.assertEqual(self.writer.read(), [])
        self.writer.say(b"ready 0\n")
        got = self.writer.read()
        self.assertEqual([record.data for record in got], [b"one", b""])
        self.assertEqual([record.seq for record in got], [1, 2])
        self.assertEqual(got[1].time, 1000.5)
        self.assertEqual((got[1].peer, got[1].transport), (PEER, "udp"))

    def test_at_once(self) -> None:
        """A record is in the pipe when C{record} returns."""
        journal, writer = self.started()
        journal.record(PEER, "tls", b"one")
        self.assertEqual([record.data for record in writer.read()], [b"one"])
        self.assertEqual(self.reactor.waiting, set())

    def test_long_data(self) -> None:
        """Data beyond the limit of a record becomes several."""
        journal, writer = self.started()
        data = bytes(MAX_PAYLOAD) + b"x"
        self.assertTrue(journal.record(PEER, "tcp", data))
        got = writer.read()
        self.assertEqual(b"".join(record.data for record in got), data)
        self.assertEqual(journal.counters.records, 2)

    def test_confirmed(self) -> None:
        """A confirmation counts for all records up to it."""
        journal, writer = self.started()
        for _ in range(3):
            journal.record(PEER, "tcp", b"x")
        writer.say(b"stored 2\n")
        self.assertEqual(journal.counters.confirmed, 2)
        writer.say(b"stored 2\nstored 3\n")
        self.assertEqual(journal.counters, JournalCounters(records=3, confirmed=3))

    def test_full_pipe(self) -> None:
        """A pipe that is full is filled again when the reactor says so, in order."""
        journal, writer = self.started()
        count = 300
        for number in range(count):
            journal.record(PEER, "tcp", b"%d" % number + bytes(2000))
        (pipe,) = self.reactor.waiting
        got = []
        while self.reactor.waiting:
            got += writer.read()
            pipe.doWrite()
        got += writer.read()
        self.assertEqual([record.seq for record in got], list(range(1, count + 1)))
        journal.record(PEER, "tcp", b"last")
        self.assertEqual(writer.read()[0].data, b"last")

    def test_no_pipe_size(self) -> None:
        """Where a pipe cannot be enlarged it is used as it is."""
        self.patch(journal_process, "fcntl", object())
        journal, writer = self.started()
        journal.record(PEER, "tcp", b"x")
        self.assertEqual(len(writer.read()), 1)

    def test_cannot_be_started(self) -> None:
        """A system that refuses the first writer is one clear line."""
        self.reactor.refusal = PermissionError(errno.EACCES, "Permission denied")
        journal = self.make()
        error = self.assertRaises(JournalError, journal.start)
        self.assertEqual(
            str(error), "cannot start the journal writer: Permission denied"
        )
        self.successResultOf(journal.stop())

    def test_wrong_arguments(self) -> None:
        """Arguments out of their range are refused."""
        for options in (
            {"when_full": "wait"},
            {"max_bytes": 0},
            {"max_size": -1},
            {"keep": 0},
            {"stop_timeout": -1},
        ):
            self.assertRaises(ValueError, self.make, **options)

    def test_random_run(self) -> None:
        """Each journal has an identity of its own, if none is given."""
        runs = set()
        for _ in range(2):
            Journal("j", reactor=self.reactor).start()
            runs.add(self.writer.arguments[5])
        self.assertEqual(len(runs), 2)


class FullTests(JournalCase):
    """What happens while the disk does not keep up."""

    def test_block(self) -> None:
        """Peers are paused at the limit, once, and resumed at half of it."""
        journal, writer = self.started(max_bytes=10_000)
        while not journal.full:
            journal.record(PEER, "tcp", bytes(920))
        self.assertEqual(journal.counters.records, 10)
        self.assertTrue(journal.record(PEER, "tcp", bytes(900)))
        self.assertEqual(self.calls, ["pause"])
        writer.say(b"stored 6\n")
        self.assertTrue(journal.full)
        writer.say(b"stored 7\n")
        self.assertFalse(journal.full)
        self.assertEqual(self.calls, ["pause", "resume"])
        self.assertEqual(journal.counters.dropped, 0)

    def test_block_takes_any_read(self) -> None:
        """Of peers that were not told to pause everything is taken, however near the
        limit and however large: a whole read of a stream, with the least buffer."""
        for rest in range(0, 280, 10):
            self.calls.clear()
            journal, _ = self.started(max_bytes=65536)
            journal.record(PEER, "tcp", bytes(65536 - 400 + rest))
            self.assertEqual(self.calls, [])
            self.assertTrue(journal.record(PEER, "tcp", bytes(65536)))
            self.assertEqual(self.calls, ["pause"])
            self.assertEqual(journal.counters.dropped, 0)
            self.assertFalse(journal.record(PEER, "tcp", bytes(65536)))

    def test_block_is_bounded(self) -> None:
        """What comes in spite of the pause is taken up to a limit, then dropped."""
        journal, _ = self.started(max_bytes=10_000)
        taken = 0
        while journal.record(PEER, "tcp", bytes(900)):
            taken += 900
        self.assertLess(taken, 10_000 * HARD_LIMIT)
        self.assertGreater(taken, 10_000 * HARD_LIMIT - 2100)
        self.assertEqual(journal.counters.dropped, 1)
        self.assertEqual(self.calls, ["pause"])

    def test_drop(self) -> None:
        """Records beyond the limit are refused and counted; nobody is paused."""
        journal, writer = self.started(max_bytes=10_000, when_full="drop")
        got = [journal.record(PEER, "tcp", bytes(900)) for _ in range(20)]
        self.assertEqual(got, [True] * 10 + [False] * 10)
        self.assertEqual(journal.counters, JournalCounters(records=10, dropped=10))
        self.assertEqual(self.logged(), ["1 records dropped so far"])
        writer.say(b"stored 10\n")
        self.assertTrue(journal.record(PEER, "tcp", b"x"))
        self.assertEqual(writer.read()[-1].seq, 11)
        self.assertEqual(self.calls, [])

    def test_drop_full(self) -> None:
        """While not even an empty record finds room the journal is full."""
        journal, _ = self.started(max_bytes=200, when_full="drop")
        self.assertFalse(journal.full)
        journal.record(PEER, "tcp", b"x" * 80)
        self.assertTrue(journal.full)
        self.assertFalse(journal.record(PEER, "udp", b""))

    def test_overhead_counts(self) -> None:
        """Empty records fill the queue too."""
        journal, _ = self.started(max_bytes=10_000, when_full="drop")
        for _ in range(1000):
            journal.record(PEER, "udp", b"")
        self.assertLess(journal.counters.records, 200)


class CheckTests(JournalCase):
    """The check before the start."""

    def test_good(self) -> None:
        """A journal that can be written passes, is made, and is free again."""
        os.mkdir("folder")
        self.addCleanup(os.rmdir, "folder")
        self.addCleanup(os.unlink, "folder/journal")
        journal = self.make()
        journal.check()
        journal.check()
        self.assertTrue(os.path.exists("folder/journal"))

    def test_bad(self) -> None:
        """One that cannot be written raises one line that says why."""
        error = self.assertRaises(JournalError, self.make().check)
        path = os.path.abspath("folder/journal")
        self.assertEqual(
            str(error), f"cannot append to {path}: No such file or directory"
        )

    def test_escaped(self) -> None:
        """The path is shown so that it does a terminal no harm."""
        journal = Journal("/no\x1b/where", reactor=self.reactor)
        error = self.assertRaises(JournalError, journal.check)
        self.assertIn("/no\\x1b/where", str(error))

    def test_without_text(self) -> None:
        """An error that the system has no text for is shown as it is."""

        class Broken:
            def __init__(self, *arguments: object, **options: object) -> None:
                """Take anything."""

            def open(self) -> None:
                raise OSError("odd")

        self.patch(journal_module, "JournalFile", Broken)
        error = self.assertRaises(JournalError, self.make().check)
        self.assertTrue(str(error).endswith(": odd"))


class StopTests(JournalCase):
    """The end."""

    def test_idle(self) -> None:
        """A stop with all on disk ends the writer's input and waits for its end."""
        journal, writer = self.started()
        done = journal.stop()
        self.assertTrue(writer.at_end())
        self.assertNoResult(done)
        writer.end()
        self.successResultOf(done)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.logged(), [])
        self.successResultOf(journal.stop())

    def test_not_started(self) -> None:
        """A journal that was never started is stopped at once."""
        journal = self.make()
        journal.record(PEER, "tcp", b"x")
        self.successResultOf(journal.stop())
        self.assertFalse(journal.record(PEER, "tcp", b"x"))
        self.assertEqual(
            journal.counters, JournalCounters(records=1, lost=1, dropped=1)
        )

    def test_waits(self) -> None:
        """The input ends only when all is confirmed; new records are refused."""
        journal, writer = self.started()
        journal.record(PEER, "tcp", b"1")
        done, again = journal.stop(), journal.stop()
        self.assertFalse(journal.record(PEER, "tcp", b"2"))
        self.assertEqual([record.data for record in writer.read()], [b"1"])
        self.assertFalse(writer.at_end())
        writer.say(b"stored 1\n")
        self.assertTrue(writer.at_end())
        writer.end()
        self.successResultOf(done)
        self.successResultOf(again)
        self.assertEqual(
            journal.counters, JournalCounters(records=1, confirmed=1, dropped=1)
        )

    def test_not_ready(self) -> None:
        """A writer that has nothing and still waits for its file is killed."""
        journal = self.make()
        journal.start()
        done = journal.stop()
        self.assertEqual(self.writer.killed, 1)
        self.writer.end(signal=9)
        self.successResultOf(done)

    def test_dies_meanwhile(self) -> None:
        """A writer that dies during the stop is replaced, and nothing lost."""
        journal, writer = self.started()
        journal.record(PEER, "tcp", b"1")
        done = journal.stop()
        writer.end(signal=9)
        self.reactor.advance(RESTART_FIRST)
        self.writer.say(b"ready 0\n")
        self.assertEqual(len(self.writer.read()), 1)
        self.writer.say(b"stored 1\n")
        self.writer.end()
        self.successResultOf(done)
        self.assertEqual(journal.counters.lost, 0)

    def test_dead_and_empty(self) -> None:
        """With nothing left a stop does not wait for a new writer."""
        journal, writer = self.started()
        writer.end(signal=9)
        self.successResultOf(journal.stop())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_dead_and_not_empty(self) -> None:
        """With something left a stop starts the new writer at once."""
        journal, writer = self.started()
        journal.record(PEER, "tcp", b"1")
        writer.end(signal=9)
        done = journal.stop()
        self.assertEqual(len(self.reactor.writers), 2)
        self.writer.say(b"ready 1\n")
        self.writer.end()
        self.successResultOf(done)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_paused(self) -> None:
        """Peers are not resumed during a stop."""
        journal, writer = self.started(max_bytes=100)
        journal.record(PEER, "tcp", b"1" * 100)
        journal.stop()
        writer.say(b"stored 1\n")
        self.assertEqual(self.calls, ["pause"])

    def test_late(self) -> None:
        """A writer that does not come to an end is killed; the rest counts as lost."""
        journal, writer = self.started()
        for _ in range(3):
            journal.record(PEER, "tcp", b"1")
        writer.say(b"stored 1\n")
        done = journal.stop()
        self.reactor.advance(STOP_TIMEOUT)
        self.assertEqual(writer.killed, 1)
        self.assertEqual(journal.counters.lost, 2)
        self.assertNoResult(done)
        self.assertEqual(self.logged(), ["stopped after 5.0 s, 2 records lost"])
        writer.say(b"stored 2\n")
        writer.end(signal=9)
        self.successResultOf(done)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(
            journal.counters, JournalCounters(records=3, confirmed=1, lost=2)
        )

    def test_cannot_be_killed(self) -> None:
        """A writer that even SIGKILL does not end is left behind."""
        journal, writer = self.started(stop_timeout=2.0)
        journal.record(PEER, "tcp", b"1")
        done = journal.stop()
        self.reactor.advance(2)
        self.assertNoResult(done)
        self.reactor.advance(KILL_TIMEOUT)
        self.successResultOf(done)
        writer.end(signal=9)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_late_without_writer(self) -> None:
        """Where no writer can be started the stop ends in time too."""
        journal, writer = self.started()
        journal.record(PEER, "tcp", b"1")
        self.reactor.refusal = OSError(errno.EAGAIN, "Try again")
        writer.end(signal=9)
        done = journal.stop()
        self.reactor.pump([0.1] * 60)
        self.successResultOf(done)
        self.assertEqual(journal.counters.lost, 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
