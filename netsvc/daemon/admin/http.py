"""
HTTP for the admin pages: twisted.web's, with limits.

One request a connection, of bounded size and in bounded time: a keep-alive would be one
more thing to wait for. Who sends a byte now and then, or does not take the answer, is
cut at a deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http

#: Bytes of a request's first line and headers, and how many headers it may have.
MAX_HEADER: Final = 8192
MAX_HEADERS: Final = 64

#: Bytes of a request's body: there is nothing to say in one.
MAX_BODY: Final = 1024

#: Connections of an address at a time; one more is closed at once. Strangers who have
#: all those of a TCP port leave those of the UNIX socket to whoever may use it.
MAX_CONNECTIONS: Final = 64

#: Seconds for a request to come, in all, and then for its answer to be taken.
REQUEST_TIMEOUT: Final = 10.0
ANSWER_TIMEOUT: Final = 60.0


class Request(http.Request):
    """A request, which the factory's site answers."""

    _log = Logger()
    channel: Any

    def process(self) -> None:
        """Have it answered. A mistake of ours is a 500, and in the log."""
        try:
            self.channel.factory.answer(self)
        except Exception:
            self._log.failure("in an admin page", event="internal-error")
            if not self.startedWriting:
                self.setResponseCode(500)
                self.write(b"")
            if not (self.finished or self._disconnected):
                self.finish()

    def texts(self, name: str) -> list[str]:
        """Give the values of a header."""
        values = self.requestHeaders.getRawHeaders(name.encode(), [])
        return [value.decode("latin-1") for value in values]

    def argument(self, name: str) -> str:
        """Give the first value of a query argument; empty if there is none."""
        values = (self.args or {}).get(name.encode(), [b""])
        return str(values[0], "utf-8", "replace")


class Channel(http.HTTPChannel):
    """One connection."""

    factory: AdminFactory
    requestFactory = Request
    MAX_LENGTH = MAX_HEADER
    totalHeadersSize = MAX_HEADER  # noqa: N815 -- Twisted's names
    maxHeaders = MAX_HEADERS  # noqa: N815
    timeOut = None  # noqa: N815
    transport: Any
    _deadline: Any = None
    _refused = False

    def connectionMade(self) -> None:
        """Wait for a request, but not for ever."""
        self.factory.live[self] = None
        self.factory.open += 1
        super().connectionMade()
        self._wait(REQUEST_TIMEOUT)

    def _wait(self, seconds: float) -> None:
        """Cut the connection if it is there after so many seconds."""
        self.keep_open()
        self._deadline = self.factory.reactor.callLater(seconds, self.cut)

    def keep_open(self) -> None:
        """Let the connection live as long as it likes."""
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None

    def cut(self) -> None:
        """End the connection at once."""
        self.factory.counts["cut"] += 1
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """Take what came, unless the connection is being closed already."""
        if not self.transport.disconnecting:
            super().dataReceived(data)

    def checkPersistence(self, request: Any, version: bytes) -> bool:  # noqa: N802
        """Say that there is one request only."""
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    def headerReceived(self, line: bytes) -> bool:
        """Take a header; refuse a length with more digits than Python reads."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:
            self._refuse(b"400 Bad Request")
            return False

    def allHeadersReceived(self) -> None:
        """Look at the size of what follows."""
        if self.length is None or self.length > MAX_BODY:
            self._refuse(b"413 Content Too Large")
        else:
            super().allHeadersReceived()

    def allContentReceived(self) -> None:
        """Have the request answered, in time."""
        if not self._refused:
            self._wait(ANSWER_TIMEOUT)
            super().allContentReceived()

    def rawDataReceived(self, data: bytes) -> None:
        """Take the body, if it is one to be taken."""
        if not self._refused:
            super().rawDataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802
        """Refuse a line that is too long."""
        self._refuse(b"431 Request Header Fields Too Large")

    def _refuse(self, status: bytes) -> None:
        """Answer what is no request of ours; read no more."""
        if not self._refused:
            self._refused = True
            self.factory.counts["refused"] += 1
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n"
            )
            self.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection has ended."""
        self.keep_open()
        self.factory.live.pop(self, None)
        self.factory.open -= 1
        super().connectionLost(reason)


class AdminFactory(Factory):
    """
    Makes the connections of one address.

    @ivar answer: Answers a L{Request}.
    @ivar reactor: Gives the time.
    @ivar live: The connections of all addresses.
    @ivar open: How many there are of this address.
    @ivar counts: How many were refused, or cut, or more than there may be.
    """

    noisy = False

    def __init__(
        self,
        answer: Callable[[Request], None],
        reactor: Any,
        live: dict[Any, None],
        counts: Any,
    ) -> None:
        """
        @param answer: See there.
        @param reactor: See there.
        @param live: See there; shared by all addresses.
        @param counts: A L{Counter}, shared as well.
        """
        self.answer = answer
        self.reactor = reactor
        self.live = live
        self.open = 0
        self.counts = counts

    def buildProtocol(self, addr: Any) -> Any:
        """Take a connection if there is room for it."""
        if self.open >= MAX_CONNECTIONS:
            self.counts["full"] += 1
            return None
        channel = Channel()
        channel.factory = self
        channel.callLater = self.reactor.callLater  # type: ignore[method-assign]
        return channel

    def log(self, request: Any) -> None:
        """Log no requests: scrapers come every few seconds."""
