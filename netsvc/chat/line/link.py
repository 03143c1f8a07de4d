"""The seam between a session and what carries its bytes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

#: What a slow command is: a coroutine that awaits what its seams give it.
Work = Coroutine[Any, Any, None]


@dataclass(frozen=True, slots=True)
class Peer:
    """
    Who connects.

    @ivar address: The address; C{None} on a UNIX socket.
    @ivar secure: Whether nobody between them and us can listen.
    """

    address: str | None
    secure: bool = False


class Timer(Protocol):
    """Something that will be called."""

    def cancel(self) -> None:
        """Call it no more."""


class Stream(Protocol):
    """Where bytes are written: a transport, or one peer of a datagram port."""

    def write(self, data: bytes) -> None:
        """Write whole lines, with their ends: one or more."""


class Output(Protocol):
    """
    What a session needs of its connection, whatever that is.

    @ivar stream: Where it writes.
    """

    @property
    def stream(self) -> Stream:
        """See the class."""

    def pending(self) -> int:
        """Give the bytes that the peer has not taken; 0 where that is not known."""

    def end(self) -> None:
        """End the connection when what was written is sent."""

    def cut(self) -> None:
        """End it soon, without what is not sent; not before this call returns."""

    def run(
        self, work: Work, seconds: float, done: Callable[[Exception | None], None]
    ) -> None:
        """
        Do some work; say when it is done, perhaps at once.

        @param seconds: How long it may take; then it is cancelled.
        @param done: Is told what went wrong; L{TimeoutError} is that it was too long.
        """

    def failed(self, error: Exception) -> None:
        """Report a mistake of ours."""


class Link(Output, Protocol):
    """A connection that is a stream of bytes."""

    def hold(self) -> None:
        """Do not read."""

    def release(self) -> None:
        """Read again."""

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call something later."""
