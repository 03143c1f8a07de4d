"""Tests of how L{netsvc.echo.journal} copes with dying writers and failing disks."""

from __future__ import annotations

import errno
import os

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from netsvc.echo.journal import RESTART_FIRST, RESTART_LAST, JournalCounters
from netsvc.echo.journal_format import MAX_PAYLOAD
from netsvc.echo.journal_process import MAX_STDERR
from tests.echo.journal_fakes import PEER, JournalCase


class DeathTests(JournalCase):
    """The writer dies."""

    def test_resends(self) -> None:
        """A new writer gets what the old one did not bring to disk, and only that."""
        journal, writer = self.started()
        for number in range(5):
            journal.record(PEER, "tcp", b"%d" % number)
        writer.say(b"stored 2\n")
        writer.end(signal=9)
        self.assertIsNone(journal.writer_pid)
        journal.record(PEER, "tcp", b"5")
        self.reactor.advance(RESTART_FIRST)
        self.writer.say(b"ready 3\n")
        self.assertEqual([record.seq for record in self.writer.read()], [4, 5, 6])
        self.assertEqual(
            journal.counters, JournalCounters(records=6, confirmed=3, restarts=1)
        )
        self.assertEqual(self.logged(), ["writer ended: signal 9; 0 restarts so far"])

    def test_file_is_gone(self) -> None:
        """A new writer that finds nothing does not get what was confirmed."""
        journal, writer = self.started()
        journal.record(PEER, "tcp", b"x")
        journal.record(PEER, "tcp", b"x")
        writer.say(b"stored 1\n")
        writer.end(signal=9)
        self.reactor.advance(RESTART_FIRST)
        self.writer.say(b"ready 0\n")
        self.assertEqual([record.seq for record in self.writer.read()], [2])

    def test_half_a_frame(self) -> None:
        """A frame that the old writer got half of goes whole to the new one."""
        journal, writer = self.started()
        for _ in range(10):
            journal.record(PEER, "tcp", bytes(MAX_PAYLOAD))
        writer.end(signal=9)
        self.reactor.advance(RESTART_FIRST)
        self.writer.say(b"ready 0\n")
        got = self.writer.read()
        self.assertEqual(got[0].seq, 1)
        self.assertEqual(got[0].data, bytes(MAX_PAYLOAD))

    def test_back_off(self) -> None:
        """Writers that die at once are started ever more slowly, until one stores."""
        journal, _ = self.started()
        journal.record(PEER, "tcp", b"x")
        delays = []
        for _ in range(8):
            self.writer.end(status=1)
            (call,) = self.reactor.getDelayedCalls()
            delays.append(call.getTime() - self.reactor.seconds())
            self.reactor.advance(call.getTime() - self.reactor.seconds())
        for got, expected in zip(
            delays,
            [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, RESTART_LAST, RESTART_LAST],
            strict=True,
        ):
            self.assertAlmostEqual(got, expected)
        self.assertEqual(journal.counters.restarts, 8)
        self.writer.say(b"ready 0\nstored 1\n")
        self.writer.end(status=1)
        (call,) = self.reactor.getDelayedCalls()
        self.assertAlmostEqual(call.getTime() - self.reactor.seconds(), RESTART_FIRST)

    def test_last_words(self) -> None:
        """The end of what a dying writer says is logged, bounded and escaped."""
        _, writer = self.started()
        writer.complain(b"x" * 10_000 + b"\nMemoryError\x1b[2J\n")
        writer.end(status=1)
        self.reactor.advance(2)
        self.writer.complain(b"y" * 10_000)
        self.writer.end()
        self.assertEqual(
            self.logged(),
            [
                "writer ended: exit status 1: MemoryError\\x1b[2J; 0 restarts so far",
                f"writer ended: exit status 0: {'y' * MAX_STDERR}; 1 restarts so far",
            ],
        )

    def test_broken_pipe(self) -> None:
        """A pipe that breaks before the death is known loses nothing."""
        journal, writer = self.started()
        writer.close()
        for _ in range(2):
            journal.record(PEER, "tcp", b"x")
        self.assertEqual(self.reactor.waiting, set())
        writer.end(signal=9)
        self.reactor.advance(RESTART_FIRST)
        self.writer.say(b"ready 0\n")
        self.assertEqual(len(self.writer.read()), 2)

    def test_reactor_sees_hang_up(self) -> None:
        """A hang-up that the reactor finds closes the pipe."""
        journal, _ = self.started()
        for _ in range(10):
            journal.record(PEER, "tcp", bytes(MAX_PAYLOAD))
        (pipe,) = self.reactor.waiting
        self.assertGreaterEqual(pipe.fileno(), 0)
        self.assertEqual(pipe.logPrefix(), "journal")
        pipe.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(pipe.fileno(), -1)
        self.assertEqual(self.reactor.waiting, set())

    def test_cannot_be_started(self) -> None:
        """A system that refuses processes is asked again; no descriptor is lost."""
        journal, writer = self.started()
        writer.end(signal=9)
        before = len(os.listdir("/proc/self/fd"))
        self.reactor.refusal = OSError(errno.EAGAIN, "Try again")
        self.reactor.advance(RESTART_FIRST)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        self.reactor.refusal = None
        self.reactor.advance(2 * RESTART_FIRST)
        journal.record(PEER, "tcp", b"x")
        self.writer.say(b"ready 0\n")
        self.assertEqual(len(self.writer.read()), 1)
        self.assertEqual(journal.counters.restarts, 2)
        self.assertEqual(self.logged(), ["writer ended: signal 9; 0 restarts so far"])

    def test_nonsense(self) -> None:
        """A writer that talks nonsense is killed, if it is still there."""
        _, writer = self.started()
        writer.say(b"nonsense\n")
        self.assertEqual(writer.killed, 1)
        writer.gone = True
        writer.say(b"nonsense\n")
        self.assertEqual(writer.killed, 1)


class ErrorTests(JournalCase):
    """The disk fails."""

    def test_counted(self) -> None:
        """Each failure is counted, and one a second logged; the end of it too."""
        journal, writer = self.started()
        for _ in range(3):
            writer.say(b"error No space left\n")
        self.reactor.advance(1)
        writer.say(b"error No space left\x1b\n")
        self.assertEqual(journal.counters.write_errors, 4)
        writer.say(b"stored 0\n")
        writer.say(b"stored 0\n")
        self.assertEqual(
            self.logged(),
            [
                "cannot write: No space left; 1 errors so far",
                "cannot write: No space left\\x1b; 4 errors so far",
                "writing again, 4 errors so far",
            ],
        )

    def test_rotation(self) -> None:
        """A failed rotation is counted, and no failure to write."""
        journal, writer = self.started()
        writer.say(b"unrotated Permission denied\nstored 0\n")
        self.assertEqual(journal.counters.write_errors, 1)
        self.assertEqual(
            self.logged(), ["cannot rotate: Permission denied; 1 errors so far"]
        )
