"""
UDP to one server: a few connected sockets, each for a while.

The kernel hands a connected socket only what comes from the server's address and
port, and reports at once that nobody listens there. A socket is used for a number of
queries and then replaced, so that its port does not stay known; together with random
ids, random letters and cookies that is what a forger has to guess.
"""

from __future__ import annotations

import socket
from collections import Counter
from errno import EAGAIN, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EWOULDBLOCK
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

from netsvc.dns.asked import Asked
from netsvc.dns.entropy import Entropy
from netsvc.dns.errors import Unreachable
from netsvc.dns.memory import Memory
from netsvc.dns.servers import UDP
from netsvc.dns.wire import pack_query
from netsvc.multiplex.datagram import DRAIN

#: Sockets of one server that are in use for new queries; divides 256.
SOCKETS = 4

#: Queries after which a socket is replaced.
QUERIES = 128

#: Seconds after which a socket is replaced.
MAX_AGE = 10.0

#: Sockets that are not used any more but wait for replies. As long as there are so
#: many none is replaced.
MAX_RETIRED = 16

#: Queries that may be pending at one socket, and ids of earlier ones that it remembers:
#: few beside its 65536 ids.
MAX_PENDING = 4096

#: Bytes read of one datagram; we ask for less, and one that is cut is malformed.
READ = 4096

# What is counted here.
LATE = "late"
UNKNOWN_ID = "unknown-id"
NO_SOCKET = "no-socket"
SEND_FAILED = "send-failed"

_NOT_NOW = (EAGAIN, EWOULDBLOCK)
_GONE = (ECONNREFUSED, EHOSTUNREACH, ENETUNREACH)


@implementer(IReadDescriptor)
class _Socket:
    """
    One connected socket.

    @ivar pending: What was asked, by id.
    @ivar over: Ids of queries for which no reply is expected any more.
    @ivar left: How many queries it will still take.
    @ivar born: When it was opened.
    """

    __slots__ = (
        "_counts",
        "_pool",
        "_receive",
        "_socket",
        "_strangers",
        "born",
        "fileno",
        "left",
        "over",
        "pending",
        "send",
    )

    def __init__(self, pool: UDPCarrier, family: int, address: Any) -> None:
        """
        Open it.

        @raise OSError: There is no socket, or no way to the server.
        """
        self._pool = pool
        self.pending: dict[bytes, Asked] = {}
        self.over: set[bytes] = set()
        self._strangers = 0
        self.left = QUERIES
        self.born = 0.0
        self._counts: Counter[str] = pool.memory.counts
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect(address)
        except BaseException:
            self._socket.close()
            raise
        self._receive = self._socket.recv
        self.send = self._socket.send
        self.fileno = self._socket.fileno

    @property
    def local(self) -> str:
        """The address from which it sends."""
        return str(self._socket.getsockname()[0])

    def stalled(self, asked: Asked) -> bool:
        """A datagram that is lost is lost: whoever has asked asks again."""
        return False

    def forget(self, asked: Asked) -> None:
        """Expect no reply to a query any more."""
        ident: Any = asked.ident
        self.pending.pop(ident, None)
        if len(self.over) >= MAX_PENDING:
            self.over.clear()
        self.over.add(ident)
        if not self.left and not self.pending:
            self._pool.discard(self)

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def doRead(self) -> None:
        """Hand over what has come, L{DRAIN} datagrams at most."""
        receive, pending = self._receive, self.pending
        for _ in range(DRAIN):
            try:
                data = receive(READ)
            except OSError as error:
                if error.errno not in _NOT_NOW:
                    self.broken(error)
                return
            asked = pending.get(data[:2])
            if asked is not None:
                asked.conversation.datagram(asked, data)
            elif data[:2] in self.over:
                self._counts[LATE] += 1
            else:
                self._stranger()
            if self.left <= 0 and self.fileno() < 0:
                return  # that was the last one

    def _stranger(self) -> None:
        """
        A datagram has come with an id that was never used.

        After many of them somebody is guessing: no more queries go out from this
        port, and those that have go over TCP, too.
        """
        self._counts[UNKNOWN_ID] += 1
        self._strangers += 1
        if self._strangers >= self._pool.max_mismatches:
            self._strangers = 0
            self._pool.retire(self)
            for asked in list(self.pending.values()):
                asked.conversation.flooded()

    def broken(self, error: OSError) -> None:
        """The network has refused a datagram, and with it all that are pending."""
        if error.errno not in _GONE:
            self._counts[SEND_FAILED] += 1
            return
        pending = list(self.pending.values())
        self.pending.clear()
        for asked in pending:
            asked.failed(Unreachable, error.strerror or "")
        if not self.left and self.fileno() >= 0:
            self._pool.discard(self)

    def logPrefix(self) -> str:
        """Return what marks log lines about it."""
        return "dns"

    def connectionLost(self, reason: Any) -> None:
        """The reactor is shutting down."""
        self._pool.discard(self)


class UDPCarrier:
    """
    Sends queries to one server over UDP.

    @ivar memory: What is remembered of the server.
    @ivar max_mismatches: After how many datagrams with an unknown id the queries of
        a socket go over TCP, too.
    """

    transport = UDP
    connected = True

    def __init__(
        self, mux: Any, memory: Memory, entropy: Entropy, max_mismatches: int
    ) -> None:
        """
        @param mux: Polls sockets (C{IReactorFDSet}), and has the time.
        @param memory: Of the server, whose host is a literal address.
        @param entropy: For ids and the choice of a socket.
        @param max_mismatches: See there.
        """
        self._mux = mux
        self.max_mismatches = max_mismatches
        self._entropy = entropy
        self.memory = memory
        server = memory.server
        found = socket.getaddrinfo(
            server.host,
            server.port,
            type=socket.SOCK_DGRAM,
            flags=socket.AI_NUMERICHOST,
        )
        self._family, self._address = int(found[0][0]), found[0][4]
        self._sockets: list[_Socket] = []
        self._retired: set[_Socket] = set()
        self._local = ""
        # Queries that are sent together wake the server once.
        self._batches = hasattr(mux, "late")
        self._batch: list[tuple[_Socket, Asked, bytes]] = []

    def __len__(self) -> int:
        """Give how many sockets are open."""
        return len(self._sockets) + len(self._retired)

    def send(self, asked: Asked) -> None:
        """Send a query."""
        sockets = self._sockets
        noise = self._entropy.take(3)
        choice = noise[0] % SOCKETS
        try:
            used = sockets[choice] if choice < len(sockets) else self._open(asked.sent)
        except OSError as error:
            self.memory.counts[NO_SOCKET] += 1
            if not sockets or error.errno in _GONE:
                asked.failed(Unreachable, error.strerror or "")
                return
            used = sockets[choice % len(sockets)]
        pending = used.pending
        if len(pending) >= MAX_PENDING:
            self.memory.counts[NO_SOCKET] += 1
            asked.failed(Unreachable, "too many queries are pending")
            return
        ident = noise[1:]
        while ident in pending or ident in used.over:
            ident = self._entropy.take(2)
        asked.ident = ident
        asked.via = used
        pending[ident] = asked
        query = pack_query(ident, asked.question, asked.rest, asked.flags)
        if self._batches and self._mux.dispatching:
            self._batch.append((used, asked, query))
            self._mux.late[self] = None
        else:
            try:
                used.send(query)
            except OSError as error:
                self._refused(used, asked, query, error)
        used.left -= 1
        if used.left <= 0 or asked.sent - used.born > MAX_AGE:
            self.retire(used)

    def doWrite(self) -> None:
        """Send what was asked while replies were handled."""
        batch, self._batch = self._batch, []
        for used, asked, query in batch:
            if asked.via is used:
                try:
                    used.send(query)
                except OSError as error:
                    self._refused(used, asked, query, error)

    arm = doWrite

    def _refused(
        self, used: _Socket, asked: Asked, query: bytes, error: OSError
    ) -> None:
        """The kernel has not sent a query: perhaps it speaks of an earlier one."""
        if error.errno == ECONNREFUSED:
            del used.pending[asked.ident]  # type: ignore[arg-type]
            used.broken(error)
            if asked.conversation.is_over:
                return
            used.pending[asked.ident] = asked  # type: ignore[index]
            try:
                used.send(query)
                return
            except OSError as again:
                error = again
        if error.errno in _NOT_NOW:
            self.memory.counts[SEND_FAILED] += 1  # as good as lost on the way
        else:
            asked.forget()
            asked.failed(Unreachable, error.strerror or "")

    def _open(self, now: float) -> _Socket:
        """
        Open another socket.

        @raise OSError: There is none to be had.
        """
        opened = _Socket(self, self._family, self._address)
        opened.born = now
        self._sockets.append(opened)
        self._mux.addReader(opened)
        if opened.local != self._local:
            # Our address is not to be recognized by our cookie (RFC 9018 section 3).
            if self._local and self.memory.client_cookie:
                self.memory.renew(self._entropy.take(8))
            self._local = opened.local
        return opened

    def retire(self, used: _Socket) -> None:
        """Use a socket no more, unless too many wait for replies already."""
        if used.pending and len(self._retired) >= MAX_RETIRED:
            return
        if used in self._sockets:
            self._sockets.remove(used)
            used.left = 0
            if used.pending:
                self._retired.add(used)
            else:
                self.discard(used)

    def discard(self, used: _Socket) -> None:
        """Close a socket."""
        if used in self._sockets:
            self._sockets.remove(used)
        self._retired.discard(used)
        if used.fileno() >= 0:
            self._mux.removeReader(used)
            used.close()

    def close(self) -> None:
        """Close all sockets; nothing is pending any more."""
        for used in [*self._sockets, *self._retired]:
            self.discard(used)
