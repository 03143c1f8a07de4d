"""Reading files that operators name."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon import files
from netsvc.daemon.files import read_file


class ReadFileTests(SynchronousTestCase):
    """L{read_file}."""

    def setUp(self) -> None:
        """Have a place for files, and little patience."""
        self.path = Path(self.mktemp())
        self.patch(files, "PIPE_WAIT", 0.01)

    def refused(self, path: Path) -> str:
        """Read what cannot be read, and give the reason."""
        return str(self.assertRaises(OSError, read_file, path, 10).strerror)

    def test_file(self) -> None:
        """A file is given whole, or with one byte more than there may be."""
        self.path.write_bytes(b"")
        self.assertEqual(read_file(self.path, 10), b"")
        self.path.write_bytes(b"0123456789")
        self.assertEqual(read_file(str(self.path), 10), b"0123456789")
        self.assertEqual(read_file(self.path, 8), b"012345678")

    def test_refused(self) -> None:
        """What is no file is refused, and so is what is not there."""
        self.assertEqual(self.refused(self.path), "No such file or directory")
        self.assertEqual(self.refused(Path("/")), "Is a directory")
        self.assertEqual(self.refused(Path("/dev/zero")), "Neither a file nor a pipe")
        self.assertRaises(ValueError, read_file, "a\0b", 10)

    def test_pipe(self) -> None:
        """What comes through a pipe is read until its end."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        os.write(writing, b"[echo]")
        os.close(writing)
        self.assertEqual(read_file(f"/dev/fd/{reading}", 10), b"[echo]")

    def test_no_pipe(self) -> None:
        """Who reads again has no use for a pipe, and does not wait for one."""
        self.patch(files, "PIPE_WAIT", 60.0)
        os.mkfifo(self.path)
        error = self.assertRaises(OSError, read_file, self.path, 10, pipe=False)
        self.assertIn("not a regular file", str(error.strerror))

    def test_large_pipe(self) -> None:
        """A pipe that holds less than what is written is read on."""
        self.patch(files, "PIPE_WAIT", 60.0)
        os.mkfifo(self.path)
        data = bytes(300_000)
        writer = threading.Thread(target=self.path.write_bytes, args=(data,))
        with self.path.open("r+b", buffering=0):  # so that the reader is not the first
            writer.start()
            self.assertEqual(read_file(self.path, 299_999), data)
        writer.join()

    def test_silent_pipe(self) -> None:
        """Nobody waits for a pipe on which nothing comes, or not all of it."""
        problem = "The pipe's end has not come in 0.01 s"
        os.mkfifo(self.path)
        self.assertEqual(self.refused(self.path), problem)
        with self.path.open("r+b", buffering=0) as pipe:
            pipe.write(b"abc")
            self.assertEqual(self.refused(self.path), problem)
