"""The journal on disk: opened, repaired, appended to, rotated.

Standard library only; the calls block, which is why they run in the writer process
(L{netsvc.echo.journal_writer}). The rules:

- What L{JournalFile.append} has given back as stored has been through fdatasync.
- A failed write leaves no part of a line behind, and a whole line is never taken
  away. A line torn by a crash is removed at the next opening.
- One process at a time: the file carries an exclusive flock(2).
- Somebody else may rename, cut or remove the file (logrotate does): the path is
  looked at before each write, and opened again when it names another file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterable, Iterator

from netsvc.echo.journal_format import MAX_LINE, is_torn, last_seq

#: Mode of a new journal: what peers sent is for the operator's eyes only.
FILE_MODE = 0o600

#: How much of a file's end is read at opening: more than two of the longest lines.
TAIL_SIZE = 1024 * 1024
assert TAIL_SIZE > 2 * MAX_LINE

_OPEN_FLAGS = (
    os.O_RDWR
    | os.O_APPEND
    | os.O_CREAT
    | os.O_CLOEXEC
    # Whoever may write in the directory must not choose which file grows.
    | os.O_NOFOLLOW
    # A FIFO must be refused, not waited for.
    | os.O_NONBLOCK
)

# macOS has no fdatasync.
_sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class JournalFile:
    """A journal that lines of one run are appended to.

    @ivar seq: the last sequence number of this run that was found on disk.
    """

    def __init__(
        self,
        path: str,
        run: str,
        *,
        max_size: int,
        keep: int,
        report: Callable[[OSError], None],
    ) -> None:
        """Set up without touching the disk.

        @param path: the file, absolute.
        @param run: the run's identity, ASCII letters and digits.
        @param max_size: bytes from which on the file is rotated; 0 is never.
        @param keep: how many rotated files are kept, at least 1.
        @param report: told why a rotation failed; the file then grows on.
        """
        self.path = path
        self.seq = 0
        self._run = run
        self._max_size = max_size
        self._keep = keep
        self._report = report
        self._fd = -1
        self._identity = (0, 0)

    def open(self) -> None:
        """Open the file, or make it; end or remove a torn last line; find C{seq}.

        Does nothing while the file is open and still what the path names.

        @raise OSError: the system's reason. EWOULDBLOCK: another process holds it;
            EINVAL: it is not a regular file; ELOOP: it is a symbolic link.
        """
        if self._fd >= 0 and self._is_current():
            return
        self.close()
        fd = _open(self.path)
        try:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode):
                raise OSError(errno.EINVAL, "Not a regular file")
            _lock(fd)
            tail = _repair(fd)
            seq = last_seq(tail, self._run)
            if not tail:
                # Just made, or just rotated: what was written last is next door.
                seq = last_seq(_read_tail(self._rotated(1)), self._run)
            # The last lines may be a killed writer's that were never synced.
            _sync(fd)
            _sync_directory(self.path)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        self._identity = (info.st_dev, info.st_ino)
        self.seq = max(self.seq, seq)

    def close(self) -> None:
        """Close the file, if it is open, and with that unlock it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def append(self, lines: Iterable[tuple[int, bytes]]) -> Iterator[int]:
        """Write C{lines}, each with its sequence number, rotating between them.

        The file must be open.

        @return: an iterator that does the work as it is drawn from and gives, after
            each sync, the sequence number up to which all is on disk.
        @raise OSError: the system's reason. What was given back before is on disk;
            of the rest nothing is in the file, unless it could not be cut off.
        """
        size = os.fstat(self._fd).st_size
        limit = self._max_size
        chunk: list[bytes] = []
        last = 0
        for seq, line in lines:
            if limit and size and size + len(line) > limit:
                if chunk:
                    self._write(b"".join(chunk))
                    chunk.clear()
                    yield last
                if self._rotate():
                    size = 0
                else:
                    limit = 0  # not again before the next call
            chunk.append(line)
            size += len(line)
            last = seq
        if chunk:
            self._write(b"".join(chunk))
            yield last

    def _write(self, data: bytes) -> None:
        """Append C{data} and wait until it is on disk; on failure cut it off again."""
        fd = self._fd
        good = os.fstat(fd).st_size
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            _sync(fd)
        except OSError:
            # If even this fails, the next opening repairs the file.
            with contextlib.suppress(OSError):
                if os.fstat(fd).st_size > good:
                    os.ftruncate(fd, good)
            raise

    def _is_current(self) -> bool:
        try:
            info = os.lstat(self.path)
        except FileNotFoundError:
            return False
        return (info.st_dev, info.st_ino) == self._identity

    def _rotate(self) -> bool:
        """Move FILE to FILE.1, FILE.1 to FILE.2 and so on, and open a new FILE.

        @return: False if the files could not be renamed.
        @raise OSError: the new file could not be opened.
        """
        try:
            # Up to the first gap only: a rotation cut short must not cost a file.
            free = 1
            while free < self._keep and os.path.lexists(self._rotated(free)):
                free += 1
            for number in range(free, 0, -1):
                os.rename(self._rotated(number - 1), self._rotated(number))
        except OSError as error:
            self._report(error)
            return False
        self.open()
        return True

    def _rotated(self, number: int) -> str:
        return f"{self.path}.{number}" if number else self.path


def _open(path: str) -> int:
    try:
        return os.open(path, _OPEN_FLAGS, FILE_MODE)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "Is a symbolic link") from None
        raise


def _lock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(errno.EWOULDBLOCK, "In use by another process") from None
    except OSError as error:
        # Some network file systems have no locks: better a journal without.
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise


def _repair(fd: int) -> bytes:
    """Make the file end in a whole line; give its end, at most L{TAIL_SIZE} bytes."""
    size = os.fstat(fd).st_size
    start = max(0, size - TAIL_SIZE)
    tail = os.pread(fd, TAIL_SIZE, start)
    cut = tail.rfind(b"\n") + 1
    fragment = tail[cut:]
    if not fragment:
        return tail
    if (cut or not start) and is_torn(fragment):
        os.ftruncate(fd, start + cut)
        return tail[:cut]
    # Whole but for its newline, or not ours: keep it.
    os.write(fd, b"\n")
    return tail + b"\n"


def _read_tail(path: str) -> bytes:
    """Read the end of a file, at most L{TAIL_SIZE} bytes; nothing of anything else."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return b""
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_SIZE))
            return file.read(TAIL_SIZE)
    except FileNotFoundError:
        return b""


def _sync_directory(path: str) -> None:
    """Make the file's name durable, where the system can do that."""
    with contextlib.suppress(OSError):
        fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
