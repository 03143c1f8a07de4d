"""One life of the journal writer as the reactor sees it: a pipe in, statuses out."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IWriteDescriptor
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from netsvc.daemon.escape import escape
from netsvc.echo.journal_format import FormatError, StatusDecoder

#: The file that the writer process runs.
WRITER = Path(__file__).with_name("journal_writer.py")

#: Bytes that the pipe to the writer should hold, where the system can be asked: what
#: comes in during one wait for the disk. Of the 64 MiB that one user's pipes may have.
PIPE_SIZE = 256 * 1024

#: Most bytes kept of what the writer says on stderr.
MAX_STDERR = 512


class WriterOwner(Protocol):
    """What hears of the writer's life."""

    def writer_ready(self, seq: int) -> None:
        """Hear that the writer has its file open and wants what follows C{seq}."""

    def writer_stored(self, seq: int) -> None:
        """Hear that everything up to C{seq} is on disk."""

    def writer_failed(self, reason: str) -> None:
        """Hear that a write failed; the writer tries again by itself."""

    def writer_cannot_rotate(self, reason: str) -> None:
        """Hear that the file could not be rotated; it grows on."""

    def writer_room(self) -> None:
        """Hear that the pipe takes bytes, after L{WriterProcess.want_room}."""

    def writer_ended(self, reason: str) -> None:
        """Hear that the process ended and was reaped; there is no further call."""


@implementer(IWriteDescriptor)
class WriterProcess(ProcessProtocol):
    """A running writer.

    The pipe to its stdin is written to directly and not through the process
    transport: that one buffers without a limit and costs several system calls more
    for each record.
    """

    transport: IProcessTransport

    def __init__(self, owner: WriterOwner, reactor: Any) -> None:
        """Set up without starting a process.

        @param owner: told what happens.
        @param reactor: provides C{IReactorProcess} and C{IReactorFDSet}.
        """
        self._owner = owner
        self._reactor = reactor
        self._fd = -1
        self._statuses = StatusDecoder()
        self._stderr = b""

    @property
    def pid(self) -> int:
        """The process id, once it was spawned."""
        return int(self.transport.pid)

    def spawn(self, path: str, run: str, max_size: int, keep: int) -> None:
        """Start the process; the arguments are those of the writer.

        @raise OSError: the system refuses another process or another pipe.
        """
        arguments = [
            os.fsencode(argument)
            for argument in (
                *(sys.executable, "-I", "-S", str(WRITER)),
                *(path, run, str(max_size), str(keep)),
            )
        ]
        source, self._fd = os.pipe()
        try:
            os.set_blocking(self._fd, False)
            _enlarge(self._fd)
            self._reactor.spawnProcess(
                self,
                arguments[0],
                arguments,
                env=None,
                childFDs={0: source, 1: "r", 2: "r"},
            )
        except BaseException:
            self.close()
            raise
        finally:
            os.close(source)

    def send(self, frames: Sequence[bytes | memoryview]) -> int:
        """Give the pipe what it takes of C{frames} now; return how many bytes.

        0 where it takes none, also because the writer is gone.
        """
        try:
            return os.writev(self._fd, frames)
        except BlockingIOError:
            return 0
        except OSError:
            # That it ended is heard when it is reaped.
            self.close()
            return 0

    def want_room(self) -> None:
        """Ask for calls of C{writer_room} while the pipe takes bytes."""
        if self._fd >= 0:
            self._reactor.addWriter(self)

    def enough_room(self) -> None:
        """End the calls that L{want_room} asked for."""
        self._reactor.removeWriter(self)

    def close(self) -> None:
        """End the writer's input; it ends once everything is on disk."""
        if self._fd >= 0:
            self._reactor.removeWriter(self)
            os.close(self._fd)
            self._fd = -1

    def kill(self) -> None:
        """Kill the process, if there still is one."""
        with contextlib.suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    # IWriteDescriptor

    def fileno(self) -> int:
        """Give the descriptor of the pipe, or -1."""
        return self._fd

    def doWrite(self) -> None:
        """Pass on that the pipe takes bytes."""
        self._owner.writer_room()

    def connectionLost(self, reason: Failure) -> None:
        """Close the pipe, whose other end is closed."""
        self.close()

    def logPrefix(self) -> str:
        """Name the pipe in the reactor's own log lines."""
        return "journal"

    # IProcessProtocol

    def outReceived(self, data: bytes) -> None:
        """Pass on the statuses."""
        try:
            for status in self._statuses.feed(data):
                if status.kind == "stored":
                    self._owner.writer_stored(status.seq)
                elif status.kind == "ready":
                    self._owner.writer_ready(status.seq)
                elif status.kind == "error":
                    self._owner.writer_failed(status.text)
                else:
                    self._owner.writer_cannot_rotate(status.text)
        except FormatError:
            self.kill()

    def errReceived(self, data: bytes) -> None:
        """Keep the end of what it says, for the log."""
        self._stderr = (self._stderr + data)[-MAX_STDERR:]

    def processEnded(self, reason: Failure) -> None:
        """Pass on that the process ended, with its last words."""
        self.close()
        value: Any = reason.value
        signal = getattr(value, "signal", None)
        text = f"signal {signal}" if signal else f"exit status {value.exitCode}"
        words = self._stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        self._owner.writer_ended(f"{text}: {escape(words)}" if words else text)


def _enlarge(fd: int) -> None:
    """Make the pipe hold L{PIPE_SIZE} bytes, if the system can and allows it."""
    request = getattr(fcntl, "F_SETPIPE_SZ", None)
    if request is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, request, PIPE_SIZE)
