"""Tests of L{netsvc.echo.journal_file}, on real files."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo import journal_file
from netsvc.echo.journal_file import TAIL_SIZE, JournalFile
from netsvc.echo.journal_format import MAX_PAYLOAD, MAX_PEER, Record, format_line

RUN = "aaaa"


def line(seq: int, data: bytes = b"x", run: str = RUN) -> bytes:
    """Give the journal line of the record C{seq}."""
    return format_line(run, Record(seq, 0.0, "127.0.0.1:9", "tcp", data))


class JournalFileCase(SynchronousTestCase):
    """A journal in a folder of its own."""

    def setUp(self) -> None:
        """Name a journal; there is no file yet."""
        folder = self.mktemp()
        os.mkdir(folder)
        self.path = os.path.abspath(os.path.join(folder, "journal"))
        self.reports: list[OSError] = []

    def make(self, max_size: int = 0, keep: int = 2, run: str = RUN) -> JournalFile:
        """Make a journal that is closed at the end of the test."""
        file = JournalFile(
            self.path, run, max_size=max_size, keep=keep, report=self.reports.append
        )
        self.addCleanup(file.close)
        return file

    def put(self, content: bytes, suffix: str = "") -> None:
        """Write a file as a former process left it."""
        with open(self.path + suffix, "wb") as file:
            file.write(content)

    def content(self, suffix: str = "") -> bytes:
        """Read what is in the file."""
        with open(self.path + suffix, "rb") as file:
            return file.read()

    def refused(self, file: JournalFile) -> OSError:
        """Give the error of an opening that must fail."""
        error: OSError = self.assertRaises(OSError, file.open)
        return error


class OpenTests(JournalFileCase):
    """What an opening makes, refuses and repairs."""

    def test_new(self) -> None:
        """A new file is readable by its owner only."""
        file = self.make()
        file.open()
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertEqual(file.seq, 0)

    def test_mode_stays(self) -> None:
        """The mode of a file that was there stays as it is."""
        self.put(b"")
        os.chmod(self.path, 0o640)
        self.make().open()
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o640)

    def test_symbolic_link(self) -> None:
        """A symbolic link in the place of the file is refused."""
        os.symlink("elsewhere", self.path)
        error = self.refused(self.make())
        self.assertEqual(error.strerror, "Is a symbolic link")

    def test_not_a_file(self) -> None:
        """A FIFO is refused at once, and so are a directory and a missing one."""
        os.mkfifo(self.path)
        self.assertEqual(self.refused(self.make()).strerror, "Not a regular file")
        os.unlink(self.path)
        os.mkdir(self.path)
        self.assertEqual(self.refused(self.make()).errno, errno.EISDIR)
        self.path += "/no/journal"
        self.assertEqual(self.refused(self.make()).errno, errno.ENOENT)

    def test_locked(self) -> None:
        """A file that another process holds is refused, and free after it closed."""
        first, second = self.make(), self.make()
        first.open()
        self.assertEqual(self.refused(second).strerror, "In use by another process")
        first.close()
        second.open()

    def test_no_locks(self) -> None:
        """A file system without locks is put up with; other errors are not."""
        code = errno.ENOLCK

        def flock(fd: int, operation: int) -> None:
            raise OSError(code, "refused")

        self.patch(fcntl, "flock", flock)
        file = self.make()
        file.open()
        file.close()
        code = errno.EIO
        self.assertEqual(self.refused(file).errno, errno.EIO)

    def test_no_directory_sync(self) -> None:
        """A directory that cannot be synced is put up with."""
        self.patch(os, "O_DIRECTORY", os.O_WRONLY)
        self.make().open()

    def test_again(self) -> None:
        """An open file is left alone as long as the path names it."""
        file = self.make()
        file.open()
        list(file.append([(1, line(1))]))
        file.open()
        self.assertEqual(file.seq, 0)
        os.rename(self.path, self.path + ".old")
        file.open()
        list(file.append([(2, line(2))]))
        self.assertEqual(self.content(), line(2))
        self.put(b"", ".new")
        os.rename(self.path + ".new", self.path)
        file.open()
        list(file.append([(3, line(3))]))
        self.assertEqual(self.content(), line(3))

    def test_path_in_trouble(self) -> None:
        """A path that cannot be looked at is an error, not a new file."""
        file = self.make()
        file.open()
        os.rename(os.path.dirname(self.path), self.mktemp())
        with open(os.path.dirname(self.path), "wb"):
            pass
        self.assertEqual(self.refused(file).errno, errno.ENOTDIR)

    def test_seq(self) -> None:
        """The last sequence number of the own run is found."""
        self.put(line(4) + line(5) + line(77, run="other"))
        file = self.make()
        file.open()
        self.assertEqual(file.seq, 5)

    def test_seq_after_rotation(self) -> None:
        """Where the file is empty or missing the last rotated one is looked at."""
        self.put(line(8) + line(9), ".1")
        file = self.make()
        file.open()
        self.assertEqual(file.seq, 9)
        file = self.make(run="other")
        self.refused(file)

    def test_torn(self) -> None:
        """A torn last line is removed, whole ones stay."""
        whole = line(1) + line(2)
        for torn in (line(3)[:1], line(3)[:30], line(3)[:-2], bytes(100)):
            self.put(whole + torn)
            file = self.make()
            file.open()
            self.assertEqual(file.seq, 2)
            self.assertEqual(self.content(), whole)
            file.close()

    def test_torn_first(self) -> None:
        """A torn line that is alone is removed, and the rotated file looked at."""
        self.put(line(3)[:-2])
        self.put(line(2), ".1")
        file = self.make()
        file.open()
        self.assertEqual((file.seq, self.content()), (2, b""))

    def test_longest_lines(self) -> None:
        """A torn line of the greatest length hides no line before it."""
        record = Record(1, 0.0, "\0" * MAX_PEER, "tcp", bytes(MAX_PAYLOAD))
        before = format_line(RUN, record)
        torn = format_line(RUN, record._replace(seq=2))[:-2]
        self.put(line(0) * 10000 + before + torn)
        file = self.make()
        file.open()
        self.assertEqual(file.seq, 1)
        self.assertTrue(self.content().endswith(before))

    def test_unfinished_but_whole(self) -> None:
        """A whole line that lacks its newline gets it."""
        self.put(line(1) + line(2)[:-1])
        file = self.make()
        file.open()
        self.assertEqual((file.seq, self.content()), (2, line(1) + line(2)))

    def test_foreign(self) -> None:
        """Somebody else's text without a newline stays, on a line of its own."""
        for text in (b"my notes", b"x" * (TAIL_SIZE + 1)):
            self.put(text)
            file = self.make()
            file.open()
            self.assertEqual(self.content(), text + b"\n")
            file.close()

    def test_foreign_and_long(self) -> None:
        """Of a line whose beginning is out of sight nothing is removed."""
        text = b'{"run": "' + b"x" * TAIL_SIZE
        self.put(text)
        self.make().open()
        self.assertEqual(self.content(), text + b"\n")


class AppendTests(JournalFileCase):
    """What an append leaves in the file."""

    def test_stored(self) -> None:
        """What was given back has been synced, at the end of what was there."""
        synced = []

        def sync(fd: int) -> None:
            synced.append(os.fstat(fd).st_size)

        self.put(line(1, run="other"))
        file = self.make()
        file.open()
        self.patch(journal_file, "_sync", sync)
        self.assertEqual(list(file.append([(1, line(1)), (2, line(2))])), [2])
        self.assertEqual(synced, [len(self.content())])
        self.assertEqual(self.content(), line(1, run="other") + line(1) + line(2))
        self.assertEqual(list(file.append([])), [])

    def test_cut_off_by_the_system(self) -> None:
        """Of a write that the system cut short nothing stays, and the rest goes on."""
        file = self.make()
        file.open()
        list(file.append([(1, line(1))]))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(line(1)) + 100, hard))
        try:
            error = self.assertRaises(
                OSError, list, file.append([(2, line(2, b"y" * 999))])
            )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        self.assertEqual(error.errno, errno.EFBIG)
        self.assertEqual(self.content(), line(1))
        self.assertEqual(list(file.append([(2, line(2))])), [2])

    def test_sync_fails(self) -> None:
        """What could not be synced is cut off: the system may have lost it."""
        file = self.make()
        file.open()
        self.patch(journal_file, "_sync", self.failing(errno.EIO))
        self.assertRaises(OSError, list, file.append([(1, line(1))]))
        self.assertEqual(self.content(), b"")

    def test_cannot_be_cut_off(self) -> None:
        """Where even the cut fails, the next opening finds what is there."""
        file = self.make()
        file.open()
        real = os.ftruncate
        self.patch(journal_file, "_sync", self.failing(errno.EIO))
        self.patch(os, "ftruncate", self.failing(errno.EROFS))
        error = self.assertRaises(OSError, list, file.append([(1, line(1))]))
        self.assertEqual(error.errno, errno.EIO)
        self.patch(journal_file, "_sync", os.fsync)
        self.patch(os, "ftruncate", real)
        file.close()
        file.open()
        self.assertEqual((file.seq, self.content()), (1, line(1)))

    def test_emptied_meanwhile(self) -> None:
        """A file that somebody emptied is appended to, and never filled with zeros."""
        file = self.make()
        file.open()
        list(file.append([(1, line(1))]))

        def sync(fd: int) -> None:
            os.truncate(self.path, 0)
            raise OSError(errno.EIO, "refused")

        self.patch(journal_file, "_sync", sync)
        self.assertRaises(OSError, list, file.append([(2, line(2))]))
        self.assertEqual(self.content(), b"")

    def failing(self, code: int) -> Callable[..., None]:
        """Make a function of the system that fails."""

        def fail(*arguments: object) -> None:
            raise OSError(code, "refused")

        return fail


class RotateTests(JournalFileCase):
    """Rotation by size."""

    def test_no_line_is_split(self) -> None:
        """Files hold whole lines, up to the size, and the oldest are let go."""
        size = len(line(1))
        file = self.make(max_size=2 * size + 1, keep=2)
        file.open()
        stored = list(file.append((n, line(n)) for n in range(1, 9)))
        self.assertEqual(stored, [2, 4, 6, 8])
        self.assertEqual(self.content(), line(7) + line(8))
        self.assertEqual(self.content(".1"), line(5) + line(6))
        self.assertEqual(self.content(".2"), line(3) + line(4))
        self.assertFalse(os.path.exists(self.path + ".3"))
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertEqual(self.reports, [])

    def test_what_was_there_counts(self) -> None:
        """The size of what former runs left counts, at the first append."""
        self.put(line(1, b"y" * 100, run="other"))
        file = self.make(max_size=200)
        file.open()
        self.assertEqual(list(file.append([(1, line(1))])), [1])
        self.assertEqual(self.content(), line(1))

    def test_long_line(self) -> None:
        """A line longer than the size has a file to itself."""
        file = self.make(max_size=10, keep=9)
        file.open()
        self.assertEqual(list(file.append((n, line(n)) for n in (1, 2))), [1, 2])
        self.assertEqual(self.content(), line(2))
        self.assertEqual(self.content(".1"), line(1))

    def test_gap(self) -> None:
        """A gap in the numbers, of a rotation cut short, is used up first."""
        self.put(line(3))
        self.put(b"oldest", ".2")
        file = self.make(max_size=10, keep=5)
        file.open()
        list(file.append([(4, line(4))]))
        self.assertEqual(self.content(".2"), b"oldest")
        self.assertEqual(self.content(".1"), line(3))

    def test_refused(self) -> None:
        """Where no file can be renamed the file grows on; it is said once a call."""
        file = self.make(max_size=10)
        file.open()
        os.mkdir(self.path + ".1")
        os.mkdir(self.path + ".2")
        os.mkdir(self.path + ".2/full")
        lines = [(n, line(n)) for n in (1, 2, 3)]
        self.assertEqual(list(file.append(lines)), [1, 3])
        self.assertEqual(len(self.reports), 1)
        self.assertEqual(self.content(), b"".join(text for _, text in lines))

    def test_new_file_refused(self) -> None:
        """Where the new file cannot be opened, the next opening carries on."""
        file = self.make(max_size=10)
        file.open()
        real = os.rename

        def rename(old: str, new: str) -> None:
            real(old, new)
            os.mkdir(self.path)

        self.patch(os, "rename", rename)
        stored = []
        with self.assertRaises(IsADirectoryError):
            for seq in file.append([(1, line(1)), (2, line(2))]):
                stored.append(seq)
        self.assertEqual(stored, [1])
        os.rmdir(self.path)
        file.close()
        file.open()
        self.assertEqual(file.seq, 1)
