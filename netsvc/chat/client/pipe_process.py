"""The process around a L{Pipe}: its descriptors, its reactor, its signals."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.selectreactor import SelectReactor
from twisted.python.failure import Failure
from zope.interface import implementer

from netsvc.chat.charset import encoding_of
from netsvc.chat.client.pipe import Pipe

CHUNK: Final = 65_536
"""Bytes of the input that are read at a time."""


class PipeReactor(SelectReactor):
    """
    A reactor that can watch whatever standard input is.

    C{select} takes regular files and C{/dev/null}, which C{epoll} refuses.
    """

    def __init__(self) -> None:
        """Stop at signals until L{on_signal} says otherwise."""
        super().__init__()
        self._take: Callable[[int], None] = lambda number: self.stop()

    def on_signal(self, take: Callable[[int], None]) -> None:
        """Call C{take} with the number of each SIGINT and SIGTERM."""
        self._take = take

    def sigInt(self, number: int, frame: Any = None) -> None:  # noqa: N802  inherited
        """Take SIGINT."""
        self.callFromThread(self._take, number)

    def sigTerm(self, number: int, frame: Any = None) -> None:  # noqa: N802  inherited
        """Take SIGTERM."""
        self.callFromThread(self._take, number)


@implementer(IReadDescriptor)
class Input:
    """
    A descriptor that is read while the pipe wants more.

    It is not made non-blocking: other processes may share it.
    """

    def __init__(self, reactor: Any, pipe: Pipe, descriptor: int | None) -> None:
        """
        Prepare.

        @param descriptor: C{None} when there is no input at all.
        """
        self._reactor = reactor
        self._pipe = pipe
        self._descriptor = descriptor
        self._is_reading = False

    def resume(self) -> None:
        """Give what there is."""
        if self._descriptor is None:
            self._pipe.end()
        elif not self._is_reading:
            self._is_reading = True
            self._reactor.addReader(self)

    def pause(self) -> None:
        """Give nothing for now."""
        if self._is_reading:
            self._is_reading = False
            self._reactor.removeReader(self)

    def fileno(self) -> int:
        """The descriptor."""
        return -1 if self._descriptor is None else self._descriptor

    def logPrefix(self) -> str:
        """A name for messages of the reactor."""
        return "input"

    def doRead(self) -> None:
        """Pass on what can be read."""
        assert self._descriptor is not None
        try:
            data = os.read(self._descriptor, CHUNK)
        except OSError:
            data = b""
        if data:
            self._pipe.feed(data)
        else:
            self._pipe.end()

    def connectionLost(self, reason: Failure) -> None:
        """Take that the reactor stops."""
        self._is_reading = False


class Out:
    """
    Standard output, which may go away while it is written to.

    @ivar is_gone: Whether writing failed.
    """

    def __init__(self, stream: Any, failed: Callable[[], None]) -> None:
        """
        Write to a stream.

        @param failed: Is called when that fails, once.
        """
        self._stream = stream
        self._failed = failed
        self.is_gone = False

    def write(self, line: str) -> None:
        """Write a line, at once."""
        if self.is_gone:
            return
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except OSError:
            self.is_gone = True
            self._failed()
            # What is left in its buffer would be complained about at the exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def input_encoding(stream: Any) -> str:
    """Give the encoding of the input; cp949, which has all of it, for EUC-KR."""
    name = getattr(stream, "encoding", None) or "utf-8"
    return encoding_of(name) or name
