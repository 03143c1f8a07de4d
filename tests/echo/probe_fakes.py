"""What the probe's tests put in the place of the network."""

from __future__ import annotations

import errno
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock

from netsvc.echo.probe.events import Connected, Event
from netsvc.echo.probe.rejection import Rejection
from netsvc.echo.probe.target import Address

MILLISECOND = 1_000_000
SECOND = 1_000_000_000

LOCALHOST = Address(socket.AF_INET, ("127.0.0.1", 7007), "127.0.0.1")
LOCALHOST6 = Address(socket.AF_INET6, ("::1", 7007, 0, 0), "::1")


class ProbeClock(Clock):
    """A clock of whole nanoseconds that runs calls from threads at once.

    As in a reactor, a call made by another call waits for the next turn.
    """

    def __init__(self) -> None:
        super().__init__()
        self._nanoseconds = 0

    def now(self) -> int:
        return self._nanoseconds

    def advance(self, amount: float) -> None:
        self._nanoseconds += round(amount * SECOND)
        self.rightNow = self._nanoseconds / SECOND
        due = [
            call
            for call in self.calls
            if round(call.getTime() * SECOND) <= self._nanoseconds
        ]
        for call in sorted(due, key=lambda call: call.getTime()):
            if call in self.calls:
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)

    def elapse(self, duration: int, step: int = MILLISECOND) -> None:
        """Let C{duration} nanoseconds pass."""
        for _ in range(round(duration / step)):
            self.advance(step / SECOND)

    def callFromThread(self, call: Callable[..., object], *args: object) -> None:
        call(*args)


class FakeReactor(ProbeClock):
    """A reactor that knows its readers."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)


class FakeLink:
    """Keeps what the probe sends; C{error} is raised instead if it is set."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.error: OSError | None = None

    def send(self, sequence: int, payload: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append((sequence, payload))


class FakeReceiver:
    """Keeps what links report, and calls C{react} at each report."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self.rejections: list[Rejection] = []
        self.messages: list[tuple[int, bytes]] = []
        self.unexpected_bytes = 0
        self.connections: list[Connected] = []
        self.losses: list[str] = []
        self.react: Callable[[], None] = lambda: None

    def datagram(self, data: bytes) -> None:
        self.datagrams.append(data)
        self.react()

    def rejected(self, rejection: Rejection) -> None:
        self.rejections.append(rejection)
        self.react()

    def message(self, sequence: int, data: bytes) -> None:
        self.messages.append((sequence, data))

    def unexpected(self, size: int) -> None:
        self.unexpected_bytes += size

    def connected(self, event: Connected) -> None:
        self.connections.append(event)

    def disconnected(self, reason: str) -> None:
        self.losses.append(reason)


def extended_error(error: int, origin: int = 2, address: bytes = b"") -> bytes:
    """Make a C{struct sock_extended_err} with the offender's socket address."""
    return struct.pack("=IBBBxII", error, origin, 3, 3, 0, 0) + address


class FakeSocket:
    """A UDP socket whose answers and errors a test puts in."""

    family = socket.AF_INET

    def __init__(self) -> None:
        self.incoming: deque[bytes | OSError] = deque()
        self.queue: deque[tuple[bytes, list[tuple[int, int, bytes]]]] = deque()
        self.failures: deque[OSError] = deque()
        self.sent: list[bytes] = []
        self.closed = False

    def fileno(self) -> int:
        return 99

    def refuse(self, quoted: bytes, error: int = errno.ECONNREFUSED) -> None:
        """Put the report that C{quoted} was refused into the error queue."""
        data = extended_error(error, 2, b"\0" * 4 + bytes([192, 0, 2, 7]) + b"\0" * 8)
        self.queue.append((quoted, [(socket.IPPROTO_IP, 11, data)]))

    def send(self, payload: bytes) -> int:
        if self.failures:
            raise self.failures.popleft()
        self.sent.append(payload)
        return len(payload)

    def recv(self, size: int) -> bytes:
        if not self.incoming:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        data = self.incoming.popleft()
        if isinstance(data, OSError):
            raise data
        return data

    def recvmsg(
        self, size: int, ancillary: int, flags: int
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, None]:
        if not self.queue:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        return *self.queue.popleft(), flags, None

    def close(self) -> None:
        self.closed = True


class FakeReporter:
    """Keeps what a session or run reports."""

    def __init__(self) -> None:
        self.starts: list[Address] = []
        self.events: list[Event] = []
        self.refreshes = 0
        self.notices: list[str] = []

    def started(self, address: Address, started: int) -> None:
        self.starts.append(address)

    def observe(self, event: Event) -> None:
        self.events.append(event)

    def refresh(self, result: object) -> None:
        self.refreshes += 1

    def notice(self, text: str) -> None:
        self.notices.append(text)
