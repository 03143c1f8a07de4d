"""The seam between a session and its connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

#: What a slow command is: a coroutine that awaits what its seams give it.
Work = Coroutine[Any, Any, None]


@dataclass(frozen=True, slots=True)
class Peer:
    """
    Who connects.

    @ivar address: The address; C{None} on a UNIX socket.
    @ivar secure: Whether the connection is encrypted.
    @ivar fingerprint: SHA-256 of the client's certificate in hex, or C{None}.
    @ivar sts: Whether it is by TLS to a name for which clients may note that.
    """

    address: str | None
    secure: bool = False
    fingerprint: str | None = None
    sts: bool = False


class Timer(Protocol):
    """Something that will be called."""

    def cancel(self) -> None:
        """Call it no more."""


class Stream(Protocol):
    """Where bytes are written: a transport."""

    def write(self, data: bytes) -> None:
        """Write."""


class Link(Protocol):
    """
    A session's connection.

    @ivar stream: Its transport.
    """

    @property
    def stream(self) -> Stream:
        """See the class."""

    def pending(self) -> int:
        """Give the bytes that the peer has not taken."""

    def lose(self) -> None:
        """End the connection when what was written is sent."""

    def abort(self) -> None:
        """End it at once."""

    def hold(self) -> None:
        """Do not read."""

    def release(self) -> None:
        """Read again."""

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call something later."""

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Give what a command that waits awaits: it is done after that time."""

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
