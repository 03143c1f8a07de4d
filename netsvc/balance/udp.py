"""
UDP: the datagrams of one client go to one backend, and its answers go back.

A session is a client's address and port with a connected socket to a backend,
so that only that backend's datagrams come back, from the address that the client
has asked. It ends when nothing has moved for a while, after the expected number
of answers, or when the backend's port turns out to be closed.
"""

from __future__ import annotations

import socket
from collections import Counter
from errno import EAGAIN, ECONNREFUSED
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import DatagramProtocol
from zope.interface import implementer

from netsvc.balance.acl import Acl
from netsvc.balance.announce import announce_datagram
from netsvc.balance.backend import Backend, Failure
from netsvc.balance.upstream import Upstream
from netsvc.daemon.limits import Rate, RateTable, changed_table, source_key
from netsvc.multiplex.datagram import DRAIN, MAX_DATAGRAM

# Why a datagram was dropped.
DENIED = "denied"
RATE = "rate"
SESSIONS_FULL = "sessions-full"
NO_BACKEND = "no-backend"
NO_SOCKET = "no-socket"
SEND_FAILED = "send-failed"

Address = tuple[str, int]


@implementer(IReadDescriptor)
class UDPSession:
    """
    One client, one backend.

    @ivar client: The client's address and port.
    @ivar backend: The backend whose slot it has.
    @ivar since: When something has moved last, or not much earlier.
    """

    __slots__ = (
        "_entrance",
        "_origin",
        "_send",
        "_socket",
        "answers",
        "backend",
        "bytes_in",
        "bytes_out",
        "client",
        "fileno",
        "header",
        "moved",
        "since",
    )

    def __init__(
        self, entrance: UDPEntrance, client: Address, backend: Backend, origin: Any
    ) -> None:
        """
        @param entrance: Where the client has come in.
        @param client: Its address and port.
        @param backend: The backend.
        @param origin: What makes answers leave from where the client has asked;
            see L{DatagramPort.origin<netsvc.multiplex.datagram.DatagramPort>}.
        @raise OSError: There is no socket, or no way to the backend.
        """
        self._entrance = entrance
        self.client = client
        self.backend = backend
        self._origin = origin
        self.answers = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.moved = True
        self.since = 0.0
        self.header = b""
        family = socket.AF_INET6 if ":" in backend.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect((backend.host, backend.port))
        except BaseException:
            self._socket.close()
            raise
        self._send = self._socket.send
        self.fileno = self._socket.fileno

    def forward(self, datagram: bytes) -> None:
        """Send a client's datagram to the backend."""
        self.moved = True
        self.bytes_in += len(datagram)
        try:
            self._send(self.header + datagram if self.header else datagram)
        except OSError as error:
            self._failed(error)

    def doRead(self) -> None:
        """Send the backend's answers to the client."""
        receive = self._socket.recv
        entrance = self._entrance
        for _ in range(DRAIN):
            try:
                datagram = receive(MAX_DATAGRAM)
            except OSError as error:
                if error.errno != EAGAIN:
                    self._failed(error)
                return
            self.moved = True
            self.answers += 1
            self.bytes_out += len(datagram)
            entrance.answer(datagram, self.client, self._origin)
            if self.answers == entrance.responses:
                entrance.end(self)
                return

    def _failed(self, error: OSError) -> None:
        """The network, or the backend's host, has refused a datagram."""
        entrance = self._entrance
        if error.errno == ECONNREFUSED:
            entrance.end(self, Failure.REFUSED)
        else:
            entrance.dropped[SEND_FAILED] += 1

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def logPrefix(self) -> str:
        """Return what marks log lines about it."""
        return "udp session"

    def connectionLost(self, reason: Any) -> None:
        """The reactor is shutting down, or something is wrong with the session."""
        self._entrance.end(self)


class UDPEntrance(DatagramProtocol):
    """
    The UDP port of one listen string.

    @ivar sessions: The sessions, by the client's address.
    @ivar dropped: How many datagrams were not passed on, by reason.
    @ivar received: How many have come from clients.
    @ivar begun: How many sessions there have been.
    @ivar responses: After how many answers a session ends; 0 is never.
    """

    noisy = False
    transport: Any

    def __init__(
        self,
        upstream: Upstream,
        reactor: Any,
        *,
        acl: Acl,
        rate: RateTable | None,
        max_sessions: int,
        idle: float,
        responses: int = 0,
    ) -> None:
        """
        @param upstream: The pool.
        @param reactor: The multiplexer (or reactor).
        @param acl: Who is served.
        @param rate: How many datagrams are taken from a source.
        @param max_sessions: How many sessions there may be at once.
        @param idle: Seconds without a datagram after which a session ends.
        @param responses: After how many answers it ends; 0 is never.
        """
        self._upstream = upstream
        self._reactor = reactor
        self._now = reactor.seconds
        self._acl = acl
        self._rate = rate
        self._max_sessions = max_sessions
        self._idle = idle
        self.responses = responses
        self.sessions: dict[Address, UDPSession] = {}
        self.dropped: Counter[str] = Counter()
        self.received = 0
        self.begun = 0

    def change(
        self,
        *,
        acl: Acl,
        rate: Rate | None,
        max_sessions: int,
        idle: float,
        responses: int,
    ) -> None:
        """
        Go by other limits from now on.

        @param acl: As for a new one; so are the others.
        @param rate: Datagrams taken from a source; L{None}: no limit.
        """
        self._acl = acl
        self._rate = changed_table(self._rate, rate)
        self._max_sessions = max_sessions
        self._idle = idle
        self.responses = responses

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Pass a client's datagram on, in its session or a new one."""
        self.received += 1
        if self._rate is not None and not self._rate.allow(
            source_key(addr[0]), self._now()
        ):
            self.dropped[RATE] += 1
            return
        session = self.sessions.get(addr)
        if session is None:
            session = self._begin(addr)
            if session is None:
                return
        session.forward(datagram)

    def _begin(self, addr: Address) -> UDPSession | None:
        """Begin a session for a client, or count why not."""
        if not self._acl.allows(addr[0]):
            reason = DENIED
        elif len(self.sessions) >= self._max_sessions:
            reason = SESSIONS_FULL
        else:
            backend = self._upstream.choose(addr[0].encode())
            if backend is not None:
                return self._connect(addr, backend)
            reason = NO_BACKEND
        self.dropped[reason] += 1
        return None

    def _connect(self, addr: Address, backend: Backend) -> UDPSession | None:
        """Make the session with a backend whose slot is ours."""
        origin = getattr(self.transport, "origin", lambda: None)()
        try:
            session = UDPSession(self, addr, backend, origin)
        except OSError:
            self.dropped[NO_SOCKET] += 1
            self._upstream.failed(backend, Failure.LOCAL)
            return None
        if backend.spec.send_proxy:
            session.header = announce_datagram(addr, self.transport.getHost())
        session.since = self._now()
        self._upstream.connected(backend)
        self.sessions[addr] = session
        self.begun += 1
        self._reactor.addReader(session)
        return session

    def answer(self, datagram: bytes, client: Address, origin: Any) -> None:
        """Send a backend's datagram to a client."""
        if origin is None:
            sent = self.transport.write(datagram, client)
        else:
            sent = self.transport.answer(datagram, origin)
        if sent is False:
            self.dropped[SEND_FAILED] += 1

    def end(self, session: UDPSession, failure: Failure | None = None) -> None:
        """
        End a session.

        @param failure: Why, if it is the backend's fault.
        """
        if self.sessions.get(session.client) is not session:
            return
        del self.sessions[session.client]
        self._reactor.removeReader(session)
        session.close()
        backend = session.backend
        self._count(session)
        if failure is not None and not session.answers:
            self._upstream.failed(backend, failure)
        else:
            self._upstream.ended(
                backend, answered=session.answers > 0, reset=failure is not None
            )

    def _count(self, session: UDPSession) -> None:
        """Count what has moved since the last time."""
        self._upstream.pool.count(session.backend, session.bytes_in, session.bytes_out)
        session.bytes_in = session.bytes_out = 0

    def sweep(self) -> None:
        """End the sessions on which nothing has moved for too long."""
        now = self._now()
        for session in list(self.sessions.values()):
            if session.moved:
                session.moved = False
                session.since = now
                self._count(session)
            elif now - session.since >= self._idle:
                self.end(session)

    def leave(self, backend: Backend) -> None:
        """End the sessions with one backend: their clients get another one."""
        for session in list(self.sessions.values()):
            if session.backend is backend:
                self.end(session)

    def stop(self) -> None:
        """End all sessions."""
        for session in list(self.sessions.values()):
            self.end(session)
