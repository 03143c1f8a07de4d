"""
Active checks: whether a backend answers as it should, asked again and again.

What is asked is a L{Check}: it makes probes, one for each time. Who asks, and how
often, is L{netsvc.balance.checker}.
"""

from __future__ import annotations

import os
import re
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.interfaces import IHandshakeListener, IReadDescriptor
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from netsvc.balance.announce import announce_self
from netsvc.balance.backend import Backend
from netsvc.balance.tls import LayerFactory
from netsvc.multiplex.dial import dial

#: Bytes of an answer that a check looks at.
MAX_ANSWER = 16 * 1024

#: Bytes of the datagram that is to come back.
_TOKEN = 16

#: Called with whether a probe has passed, and what it has found.
Done = Callable[[bool, str], None]

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r?\n")


class Probe(ABC):
    """One try; it calls C{done} once, unless it is cancelled."""

    @abstractmethod
    def cancel(self) -> None:
        """End it; nothing is called any more."""


#: Begins a probe of a backend.
Check = Callable[[Backend, Done], Probe]


@implementer(IHandshakeListener)
class _Conversation(Protocol, Probe):
    """Connects, says something, judges the answer."""

    transport: Any

    def __init__(self, check: StreamCheck, backend: Backend, done: Done) -> None:
        self._check = check
        self._done: Done | None = done
        self._answer = b""
        spec = backend.spec
        self._secure = check.tls_of(backend) is not None
        # Beneath TLS where there is TLS, else before what is said.
        header = announce_self(spec.send_proxy)
        self._opening = b"" if self._secure else header
        self._attempt: Any = None
        protocol: Any = self
        layers = check.tls_of(backend)
        if layers is not None:
            protocol = layers.wrap(self, header)
        port = spec.check_port or backend.port
        self._attempt = check.connect(
            check.reactor, backend.host, port, protocol, self._not_connected
        )

    def _not_connected(self, error: Exception) -> None:
        self._end(False, words(error))

    def connectionMade(self) -> None:
        if self._done is None:
            self.transport.abortConnection()
        elif not self._secure:
            self._begin()

    def handshakeCompleted(self) -> None:
        if self._done is not None:
            self._begin()

    def _begin(self) -> None:
        """Say what is to be said."""
        said = self._opening + self._check.question
        if said:
            self.transport.write(said)
        if self._check.judge is None:
            self._end(True, "connected")

    def dataReceived(self, data: bytes) -> None:
        judge = self._check.judge
        if self._done is None or judge is None:
            return
        self._answer += data
        verdict = judge(self._answer)
        if verdict is not None:
            self._end(*verdict)
        elif len(self._answer) > MAX_ANSWER:
            self._end(False, "the answer is too long")

    def readConnectionLost(self) -> None:
        self._end(False, "closed without the expected answer")

    def connectionLost(self, reason: Any = None) -> None:
        error = reason.value
        if isinstance(error, ConnectionDone):
            self._end(False, "closed without the expected answer")
        else:
            self._end(False, words(error))

    def _end(self, passed: bool, detail: str) -> None:
        done = self._done
        self.cancel()
        if done is not None:
            done(passed, detail)

    def cancel(self) -> None:
        """End it."""
        self._done = None
        if self._attempt is not None:
            self._attempt.cancel()
        if self.transport is not None:
            # A reset: no connection waits in TIME_WAIT for each check.
            self.transport.abortConnection()


#: Says of an answer whether it passes, and what was found; L{None}: more is needed.
Judge = Callable[[bytes], "tuple[bool, str] | None"]


class StreamCheck:
    """
    A check by a TCP or TLS connection.

    @ivar reactor: The reactor.
    @ivar connect: What makes connections; see L{dial}.
    @ivar question: What is said.
    @ivar judge: Judges the answer; L{None} if the connection is enough.
    """

    def __init__(
        self,
        reactor: Any,
        question: bytes = b"",
        judge: Judge | None = None,
        tls: Callable[[Backend], LayerFactory | None] = lambda backend: None,
        connect: Callable[..., Any] = dial,
    ) -> None:
        """
        @param tls: Gives the TLS configuration to use for a backend, if any.
        """
        self.reactor = reactor
        self.question = question
        self.judge = judge
        self.tls_of = tls
        self.connect = connect

    def __call__(self, backend: Backend, done: Done) -> Probe:
        """Begin a probe."""
        return _Conversation(self, backend, done)


def expect(wanted: bytes) -> Judge:
    """
    Judge by bytes that occur in the answer.

    @param wanted: The bytes; any answer will do if empty.
    """

    def judge(answer: bytes) -> tuple[bool, str] | None:
        return (True, "answered as expected") if wanted in answer else None

    return judge


def http_question(host: str, path: str) -> bytes:
    """Ask for a path (RFC 9112), and for the end of the connection."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: netsvc-balance\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    ).encode("utf-8", "replace")


def http_status(good: range) -> Judge:
    """
    Judge by the status of HTTP.

    @param good: The statuses that pass.
    """

    def judge(answer: bytes) -> tuple[bool, str] | None:
        if b"\n" not in answer:
            return None
        match = _STATUS_LINE.match(answer)
        if match is None:
            return False, "the answer is not HTTP"
        status = int(match[1])
        if 100 <= status < 200 and status not in good:
            # An interim response: the one that counts follows (RFC 9110 15.2).
            end = re.search(rb"\r?\n\r?\n", answer)
            return judge(answer[end.end() :]) if end else None
        return status in good, f"HTTP status {status}"

    return judge


@implementer(IReadDescriptor)
class _Datagram(Probe):
    """Sends a datagram, and waits for it to come back."""

    def __init__(
        self, reactor: Any, backend: Backend, token: bytes, done: Done
    ) -> None:
        self._reactor = reactor
        self._done: Done | None = done
        self._token = token
        port = backend.spec.check_port or backend.port
        family = socket.AF_INET6 if ":" in backend.host else socket.AF_INET
        # Not a port of the reactor, which would be two log lines for each check.
        self._socket: socket.socket | None = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect((backend.host, port))
            self._socket.send(announce_self(backend.spec.send_proxy) + token)
        except OSError:
            self._socket.close()
            raise
        self.fileno = self._socket.fileno
        reactor.addReader(self)

    def doRead(self) -> None:
        """Compare."""
        assert self._socket is not None
        try:
            datagram = self._socket.recv(len(self._token) + 1)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(False, words(error))
        else:
            if datagram == self._token:
                self._end(True, "echoed")

    def logPrefix(self) -> str:
        """Return what marks log lines about it."""
        return "check"

    def connectionLost(self, reason: Any) -> None:
        """The reactor is shutting down."""
        self.cancel()

    def _end(self, passed: bool, detail: str) -> None:
        done = self._done
        self.cancel()
        if done is not None:
            done(passed, detail)

    def cancel(self) -> None:
        """End it."""
        self._done = None
        skt, self._socket = self._socket, None
        if skt is not None:
            self._reactor.removeReader(self)
            skt.close()


def udp_echo(reactor: Any, random: Callable[[int], bytes]) -> Check:
    """
    Check by a datagram that has to come back as it is (RFC 862).

    @param reactor: The reactor, or its multiplexer.
    @param random: Gives so many random bytes.
    """
    return lambda backend, done: _Datagram(reactor, backend, random(_TOKEN), done)


def words(error: BaseException) -> str:
    """Say in a few words what an error is."""
    if isinstance(error, ConnectError) and isinstance(error.osError, int):
        return os.strerror(error.osError).lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, SSL.Error):
        text = "; ".join(str(each[-1]) for each in (error.args or ((),))[0])
        return text or "TLS failed"
    if isinstance(error, VerificationError):
        return "the certificate is for another name"
    return str(error) or type(error).__name__
