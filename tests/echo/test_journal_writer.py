"""Tests of L{netsvc.echo.journal_writer}, within this process."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
from collections.abc import Callable
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo import journal_file, journal_writer
from netsvc.echo.journal_format import (
    Record,
    Status,
    StatusDecoder,
    encode_record,
    format_line,
)
from netsvc.echo.journal_writer import PATIENCE, RETRY_LAST, ServiceGoneError, Writer

RUN = "aaaa"


def record(seq: int) -> Record:
    """Make the record C{seq}."""
    return Record(seq, 0.0, "p", "tcp", b"%d" % seq)


def frames(*seqs: int) -> bytes:
    """Give the frames of these records."""
    return b"".join(encode_record(*record(seq)) for seq in seqs)


def lines(*seqs: int) -> bytes:
    """Give the journal lines of these records."""
    return b"".join(format_line(RUN, record(seq)) for seq in seqs)


class WriterCase(SynchronousTestCase):
    """A writer whose pipe holds what the test puts in."""

    def setUp(self) -> None:
        """Make the folder and the pipes."""
        self.folder = self.mktemp()
        os.mkdir(self.folder)
        self.path = os.path.abspath(os.path.join(self.folder, "journal"))
        self.source, self.feed = os.pipe()
        self.answers, self.status = os.pipe()
        self.open = {self.source, self.feed, self.answers, self.status}
        self.addCleanup(self.close_all)
        self.now = 0.0
        self.slept: list[float] = []

    def close(self, fd: int) -> None:
        """Close one end of a pipe."""
        self.open.discard(fd)
        os.close(fd)

    def close_all(self) -> None:
        """Close the ends that are still open."""
        for fd in tuple(self.open):
            self.close(fd)

    def sleep(self, delay: float) -> None:
        """Let time pass."""
        self.slept.append(delay)
        self.now += delay

    def make(self, max_size: int = 0) -> Writer:
        """Make the writer."""
        return Writer(
            self.path,
            RUN,
            max_size=max_size,
            keep=2,
            source=self.source,
            status=self.status,
            sleep=self.sleep,
            clock=lambda: self.now,
        )

    def work(self, data: bytes, max_size: int = 0) -> None:
        """Let the writer work on C{data} to its end."""
        os.write(self.feed, data)
        self.close(self.feed)
        self.make(max_size).work()

    def said(self) -> list[Status]:
        """Give what the writer said."""
        self.close(self.status)
        with open(self.answers, "rb", closefd=False) as answers:
            return list(StatusDecoder().feed(answers.read()))

    def content(self, suffix: str = "") -> bytes:
        """Read what is in the file."""
        with open(self.path + suffix, "rb") as file:
            return file.read()


class WriterTests(WriterCase):
    """What a writer does with what it gets."""

    def test_stores(self) -> None:
        """What has arrived is written in one go and confirmed once."""
        self.work(frames(1, 2, 3))
        self.assertEqual(self.content(), lines(1, 2, 3))
        self.assertEqual(self.said(), [Status("ready", 0), Status("stored", 3)])

    def test_empty(self) -> None:
        """Without records there is an empty file."""
        self.work(b"")
        self.assertEqual((self.content(), self.said()), (b"", [Status("ready", 0)]))

    def test_resumes(self) -> None:
        """The number on disk is reported; what is there is not written again."""
        with open(self.path, "wb") as file:
            file.write(lines(1, 2) + lines(3)[:-5])
        self.work(frames(2, 3, 4))
        self.assertEqual(self.content(), lines(1, 2, 3, 4))
        self.assertEqual(self.said(), [Status("ready", 2), Status("stored", 4)])

    def test_half_a_frame(self) -> None:
        """A frame that was cut off by the death of the service is left out."""
        self.work(frames(1, 2)[:-1])
        self.assertEqual(self.content(), lines(1))

    def test_rotates(self) -> None:
        """Rotation is confirmed file by file."""
        self.work(frames(1, 2), max_size=10)
        self.assertEqual(self.content(), lines(2))
        self.assertEqual(self.content(".1"), lines(1))
        self.assertEqual(
            self.said(), [Status("ready"), Status("stored", 1), Status("stored", 2)]
        )

    def test_cannot_rotate(self) -> None:
        """A failed rotation is reported, and the records stored all the same."""
        for suffix in (".1", ".2", ".2/full"):
            os.mkdir(self.path + suffix)
        self.work(frames(1, 2), max_size=10)
        self.assertEqual(self.content(), lines(1, 2))
        self.assertEqual(
            [status.kind for status in self.said()],
            ["ready", "stored", "unrotated", "stored"],
        )

    def test_nobody_listens(self) -> None:
        """Without anybody to confirm to the records are stored."""
        self.close(self.answers)
        self.work(frames(1, 2))
        self.assertEqual(self.content(), lines(1, 2))


class RetryTests(WriterCase):
    """What a writer does when the disk fails."""

    def after_failures(
        self, count: int, repair: Callable[[], None] = lambda: None
    ) -> None:
        """Let a poll for the hang-up find nothing so often, then C{repair}."""
        waits: list[float] = []

        class Poll:
            def register(self, fd: int, events: int) -> None:
                """Take note of nothing."""

            def poll(self, milliseconds: float) -> list[tuple[int, int]]:
                waits.append(milliseconds / 1000)
                if len(waits) == count:
                    repair()
                return []

        self.patch(select, "poll", Poll)
        self.waits = waits

    def test_open_fails(self) -> None:
        """A file that cannot be opened is tried again, ever more slowly."""
        os.rmdir(self.folder)
        self.after_failures(6, lambda: os.mkdir(self.folder))
        self.work(frames(1))
        self.assertEqual(self.waits, [0.1, 0.2, 0.4, 0.8, RETRY_LAST, RETRY_LAST])
        self.assertEqual(self.content(), lines(1))
        said = self.said()
        self.assertEqual(
            said[:6], [Status("error", text=os.strerror(errno.ENOENT))] * 6
        )
        self.assertEqual(said[6:], [Status("ready", 0), Status("stored", 1)])

    def test_write_fails(self) -> None:
        """What could not be written is written later, once and in order."""
        real = journal_file._sync
        fails = [False, True, True]

        def sync(fd: int) -> None:
            if fails and fails.pop(0):
                raise OSError(errno.ENOSPC, "No space")
            real(fd)

        self.patch(journal_file, "_sync", sync)
        self.after_failures(99)
        self.work(frames(1, 2))
        self.assertEqual(self.content(), lines(1, 2))
        error = Status("error", text="No space")
        self.assertEqual(
            self.said(), [Status("ready"), error, error, Status("stored", 2)]
        )

    def test_fails_between_files(self) -> None:
        """After a failure in the middle only the rest is written."""
        real = os.rename

        def rename(old: str, new: str) -> None:
            real(old, new)
            os.mkdir(self.path)

        def repair() -> None:
            self.patch(os, "rename", real)
            os.rmdir(self.path)

        self.patch(os, "rename", rename)
        self.after_failures(1, repair)
        self.work(frames(1, 2), max_size=10)
        self.assertEqual(self.content(), lines(2))
        self.assertEqual(self.content(".1"), lines(1))

    def test_error_without_text(self) -> None:
        """An error of unknown kind is reported as it is."""
        fails = [True]

        def sync(fd: int) -> None:
            if fails:
                fails.clear()
                raise OSError("odd")

        self.patch(journal_file, "_sync", sync)
        self.after_failures(99)
        self.work(b"")
        self.assertEqual(self.said()[0], Status("error", text="odd"))

    def test_service_gone(self) -> None:
        """Once the service is gone a failing disk is tried for a bounded time."""
        os.rmdir(self.folder)
        self.assertRaises(ServiceGoneError, self.work, frames(1))
        self.assertLess(abs(self.now - PATIENCE), RETRY_LAST)

    def test_service_gone_and_disk_back(self) -> None:
        """A disk that comes back after the service is gone gets the rest."""
        os.rmdir(self.folder)
        real = self.sleep

        def sleep(delay: float) -> None:
            real(delay)
            if len(self.slept) == 3:
                os.mkdir(self.folder)

        self.sleep = sleep  # type: ignore[method-assign]  # a test double
        self.work(frames(1))
        self.assertEqual(self.content(), lines(1))


class MainTests(WriterCase):
    """The process's entry."""

    def main(self, data: bytes) -> int:
        """Run C{main} with the pipes as stdin and stdout; give its exit status."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        real = journal_writer.Writer

        def make(path: str, run: str, *, max_size: int, keep: int) -> Writer:
            return real(
                *(path, run),
                max_size=max_size,
                keep=keep,
                source=self.source,
                status=self.status,
                sleep=self.sleep,
                clock=lambda: self.now,
            )

        self.patch(journal_writer, "Writer", make)
        os.write(self.feed, data)
        self.close(self.feed)
        return journal_writer.main([self.path, RUN, "0", "2"])

    def test_success(self) -> None:
        """With all on disk the exit status is 0; a signal to the group is ignored."""
        self.assertEqual(self.main(frames(1)), 0)
        self.assertEqual(self.content(), lines(1))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.assertIs(signal.getsignal(number), signal.SIG_IGN)

    def test_given_up(self) -> None:
        """With records that found no place the exit status is 1."""
        os.rmdir(self.folder)
        self.assertEqual(self.main(frames(1)), 1)

    def test_nonsense(self) -> None:
        """What is no frame ends it with one line and status 2."""
        stderr = StringIO()
        self.patch(sys, "stderr", stderr)
        self.assertEqual(self.main(b"\xff" * 30), 2)
        self.assertEqual(
            stderr.getvalue(), "journal writer: a frame of 4294967295 bytes\n"
        )
