"""The control socket of a running balancer, for C{netsvc balance}.

A UNIX socket that only its owner can open. What is said on it is in
L{netsvc.balance.control_wire}; what the commands act on is a L{Controlled}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet import defer, protocol
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from netsvc.balance.control_wire import (
    MAX_REQUEST,
    ControlError,
    Request,
    format_answer,
    format_refusal,
    parse_request,
)
from netsvc.daemon.refusing import refuse
from netsvc.daemon.unix_sockets import remove_stale

__all__ = ["Control", "Controlled"]

#: Only the owner may connect.
MODE: Final = 0o600
#: Connections at a time; one more is closed at once.
MAX_CONNECTIONS: Final = 16
#: Seconds for a request to come, and then for its answer to be taken.
TIMEOUT: Final = 5.0


class Controlled(Protocol):
    """What the commands act on.

    Backends are meant by name. Each method raises L{ControlError}, with one line
    for operators, if there is no such backend or it cannot be done.
    """

    def status(self) -> list[dict[str, Any]]:
        """Give each pool's figures and backends (C{Pool.status}), JSON-able."""

    def drain(self, name: str) -> None:
        """Send it no new session; let those that it has finish."""

    def enable(self, name: str) -> None:
        """Use it again: end a drain or a maintenance."""

    def maint(self, name: str) -> None:
        """Send it no new session, and no check either."""

    def weight(self, name: str, n: int) -> None:
        """Change its weight, 0 to 256."""

    def check(self, name: str) -> None:
        """Check it now."""


def perform(controlled: Controlled, request: Request) -> object:
    """Carry out a request.

    @return: the result, JSON-able: the status, or C{None}.
    @raise ControlError: if it cannot be done.
    """
    if request.command == "status":
        return controlled.status()
    if request.command == "weight":
        controlled.weight(request.backend, request.weight)
    else:
        getattr(controlled, request.command)(request.backend)
    return None


class ControlConnection(protocol.Protocol, TimeoutMixin):
    """Reads a request, writes its answer, ends."""

    _log = Logger()
    factory: ControlFactory
    transport: Any

    def __init__(self, reactor: Any, service: Callable[[], str]) -> None:
        """
        @param reactor: Has the time.
        @param service: Gives what the balancer is called, for the log.
        """
        self._reactor = reactor
        self._service = service
        self._buffer = b""
        self._answered = False

    def callLater(self, seconds: float, what: Callable[[], object]) -> Any:
        """Call later, for L{TimeoutMixin}."""
        return self._reactor.callLater(seconds, what)

    def connectionMade(self) -> None:
        """Wait for a request, but not for ever."""
        self.factory.live.add(self)
        self.setTimeout(TIMEOUT)

    def dataReceived(self, data: bytes) -> None:
        """Take a part of the request; what follows its line is not read."""
        if self._answered:
            return
        self._buffer += data
        line, end, _ = self._buffer.partition(b"\n")
        if len(line) >= MAX_REQUEST:
            self._answer(format_refusal(f"a request is up to {MAX_REQUEST} bytes"))
        elif end:
            self._answer(self._perform(line))

    def _perform(self, line: bytes) -> bytes:
        """Carry out a request and give its answer."""
        try:
            request = parse_request(line)
            result = perform(self.factory.controlled, request)
        except ControlError as error:
            return format_refusal(str(error))
        except Exception:
            self._log.failure("a control command failed", event="internal-error")
            return format_refusal("netsvc-balance has made a mistake: see its log")
        if request.command != "status":
            self._log.info(
                "{service}: control: {command} {backend}",
                service=self._service(),
                command=request.command,
                backend=request.backend,
                weight=request.weight,
                event="control",
            )
        return format_answer(result)

    def _answer(self, answer: bytes) -> None:
        self._answered = True
        self._buffer = b""
        self.setTimeout(TIMEOUT)
        self.transport.write(answer)
        self.transport.loseConnection()

    def timeoutConnection(self) -> None:
        """End a connection that brings no request or does not take its answer."""
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """Wait no longer."""
        self.factory.live.discard(self)
        self.setTimeout(None)


class ControlFactory(protocol.Factory):
    """Makes a connection's protocol.

    @ivar controlled: What the commands act on.
    @ivar live: The open connections.
    @ivar refused: How many were closed because there were too many.
    """

    noisy = False

    def __init__(
        self, controlled: Controlled, reactor: Any, service: Callable[[], str]
    ) -> None:
        """
        @param controlled: What the commands act on.
        @param reactor: Has the time.
        @param service: Gives what the balancer is called, for the log.
        """
        self._reactor = reactor
        self._service = service
        self.controlled = controlled
        self.live: set[ControlConnection] = set()
        self.refused = 0

    def buildProtocol(self, addr: object) -> Any:
        """Take a connection if there is room for it."""
        if len(self.live) >= MAX_CONNECTIONS:
            self.refused += 1
            return None
        connection = ControlConnection(self._reactor, self._service)
        connection.factory = self
        return connection


class Control:
    """The control socket: L{open} it, L{close} it."""

    def __init__(
        self,
        path: str,
        controlled: Controlled,
        reactor: Any,
        service: Callable[[], str] = lambda: "netsvc-balance",
    ) -> None:
        """
        @param path: Where the socket is to be.
        @param controlled: What the commands act on.
        @param reactor: The reactor.
        @param service: Gives what the balancer is called, for the log.
        """
        self._path = path
        self._reactor = reactor
        self._port: Any = None
        self.factory = ControlFactory(controlled, reactor, service)

    def open(self) -> None:
        """
        Listen. The socket that a process left when it was killed is replaced.

        @raise SystemExit: If that cannot be, with one line for operators.
        """
        try:
            remove_stale(self._path)
            self._port = self._reactor.listenUNIX(self._path, self.factory, mode=MODE)
        except (CannotListenError, OSError, ValueError) as error:
            cause = getattr(error, "socketError", error)
            reason = getattr(cause, "strerror", None) or str(cause)
            refuse(f"netsvc-balance: --control: {self._path}: {reason}")

    @defer.inlineCallbacks
    def close(self) -> Any:
        """
        Cut the connections and remove the socket.

        @return: A Deferred that fires when that is done.
        """
        for connection in list(self.factory.live):
            connection.timeoutConnection()
        port, self._port = self._port, None
        if port is not None:
            try:
                yield port.stopListening()
            except OSError:
                # Somebody has removed its file, and Twisted gave up there.
                port.socket.close()
