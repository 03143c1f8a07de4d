"""
Queries over connections: TCP, and TLS and HTTPS on top of it.

One connection to a server is kept and shared (RFC 7766 section 6.2): queries are
pipelined, replies come in any order. What is here is the same for all of them: when
to connect, who has to wait, and what becomes of a query when the connection ends.
The framing is L{netsvc.dns.tcp}'s and L{netsvc.dns.doh}'s.

    - A connection that ends without having answered is a failure at once. One that
      was used before may have been closed by the server while our query was on its
      way: the query is sent once again, over a new one (RFC 7766 section 6.2.4).
    - A connection on which nothing has come for a query that has waited too long is
      given up. If several were pending the server is asked one by one for a while:
      there are some that stall when queries come together.
    - What is not used for some seconds is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.protocol import Protocol as TwistedProtocol

from netsvc.dns.asked import Asked
from netsvc.dns.endings import why
from netsvc.dns.errors import (
    BadReply,
    ConnectionClosed,
    ServerError,
    TLSFailed,
)
from netsvc.dns.memory import Memory
from netsvc.dns.wheel import Timed

#: Queries that are pending on one connection.
WINDOW = 100

#: Queries that wait for a connection.
MAX_QUEUE = 10_000

#: Seconds after which a connection that is not used is closed.
IDLE = 5.0

#: Seconds that a handshake may take.
HANDSHAKE = 2.0

#: Seconds that the other side has to close it, too.
LINGER = 1.0

#: Queries after which another connection is used.
MAX_QUERIES = 10_000

# What is counted here.
RESENT = "resent"
STALLED = "stalled"
CONNECTED = "connected"


class Deadlines(Protocol):
    """Where deadlines are set; see L{netsvc.dns.wheel.Wheel}."""

    def set(self, what: Timed, when: float) -> None:
        """Set one."""

    def clear(self, what: Timed) -> None:
        """Clear one."""


class Connection(TwistedProtocol):
    """
    One connection; subclasses know its framing.

    @ivar ready: Whether queries can be sent.
    @ivar pending: What was asked, by id; L{None} for what nobody waits for any more.
    @ivar window: How many queries the other side takes at once.
    @ivar answered: How many replies have come.
    @ivar has_stalled: Whether it was given up because nothing has come.
    @ivar slot: The wheel's.
    """

    transport: Any

    def __init__(self, carrier: StreamCarrier) -> None:
        """@param carrier: Whose it is."""
        self.carrier = carrier
        self.ready = False
        self.closed = False
        self.pending: dict[Any, Asked | None] = {}
        self.window = WINDOW
        self.answered = 0
        self.has_stalled = False
        self.slot = 0
        self._sent = 0
        self._last_data = 0.0
        self._why: tuple[type[ServerError], str] | None = None

    # For subclasses.

    def write_query(self, asked: Asked) -> Any:
        """
        Send a query.

        @return: What its reply will be known by.
        """
        raise NotImplementedError

    def begin(self) -> None:
        """Queries can be sent from now on."""
        self.ready = True
        self.carrier.began(self)

    def received(self, ident: Any, data: bytes) -> None:
        """
        A reply has come. If it is none to what was asked the connection is closed.

        @param ident: What it is known by.
        """
        try:
            asked = self.pending.pop(ident)
        except KeyError:
            self.give_up(BadReply, "an unknown id")
            return
        self.answered += 1
        if asked is not None and not asked.streamed(data):
            self.give_up(BadReply, "after a wrong answer")
        else:
            self.carrier.idle(self)

    def data_came(self) -> None:
        """Note that the other side is alive."""
        self._last_data = self.carrier.now()

    def give_up(self, kind: type[ServerError], detail: str) -> None:
        """Close the connection; what is pending fails with this."""
        if self._why is None:
            self._why = (kind, detail)
        self.end()
        self.transport.abortConnection()

    # For the carrier.

    @property
    def has_room(self) -> bool:
        """Whether it takes another query now."""
        window = 1 if self.carrier.one_by_one else self.window
        return self.ready and not self.closed and len(self.pending) < window

    def send(self, asked: Asked) -> None:
        """Send a query."""
        asked.via = self
        asked.ident = ident = self.write_query(asked)
        self.pending[ident] = asked
        self._sent += 1
        if self._sent >= MAX_QUERIES:
            self.carrier.replace(self)

    def forget(self, asked: Asked) -> None:
        """Expect no reply; if one comes all the same nothing is wrong."""
        if asked.ident in self.pending:
            self.pending[asked.ident] = None
            self.carrier.idle(self)

    def stalled(self, asked: Asked) -> bool:
        """If nothing has come since a query was sent, give the connection up."""
        if self.closed or self._last_data > asked.sent:
            return False
        memory = self.carrier.memory
        memory.counts[STALLED] += 1
        if len(self.pending) > 1:
            memory.stalled(self.carrier.now())
        self.has_stalled = True
        self.give_up(ConnectionClosed, "it has stalled")
        return asked.via is not None

    def is_unused(self) -> bool:
        """Tell whether nobody waits for a reply."""
        return not any(self.pending.values())

    def due(self, now: float) -> None:
        """It was not used for a while, or does not begin or end."""
        if self.closed:
            self.transport.abortConnection()
        elif not self.ready:
            self.give_up(TLSFailed, "no handshake")
        elif self.is_unused():
            self.lose()

    def lose(self) -> None:
        """Close it in order, but soon."""
        self.end()
        self.transport.loseConnection()
        self.carrier.set_deadline(self, LINGER)

    # The end.

    def end(self) -> None:
        """Take no query any more, and tell those that are pending."""
        if not self.closed:
            self.closed = True
            pending = [asked for asked in self.pending.values() if asked is not None]
            self.pending.clear()
            self.carrier.ended(self, pending, self._why)

    def connectionLost(self, reason: Any = None) -> None:
        """It has ended."""
        if self._why is None:
            kind, detail = why(reason.value)
            if kind is TLSFailed and self.ready:
                kind, detail = ConnectionClosed, ""  # without saying so in TLS
            self._why = kind, detail
        self.end()
        self.carrier.lost(self)


class StreamCarrier:
    """
    Sends queries to one server over connections.

    @ivar memory: What is remembered of the server.
    @ivar transport: C{"tcp"}, C{"tls"} or C{"https"}.
    """

    def __init__(
        self,
        transport: str,
        memory: Memory,
        connect: Callable[[StreamCarrier, Callable[[Exception], None]], Any],
        now: Callable[[], float],
        wheel: Deadlines,
    ) -> None:
        """
        @param connect: Begins to connect a new L{Connection} of the carrier that it is
            given; calls the other argument if that fails, but never before it returns.
            What it returns has C{cancel}.
        @param now: Gives the time.
        @param wheel: For the deadlines of connections that are not used.
        """
        self.transport = transport
        self.memory = memory
        self._connect = connect
        self.now = now
        self._wheel = wheel
        self._queue: dict[Asked, None] = {}
        self._connection: Connection | None = None
        self._open: set[Connection] = set()
        self._attempt: Any = None

    def __len__(self) -> int:
        """Give how many connections there are."""
        return len(self._open)

    @property
    def one_by_one(self) -> bool:
        """Whether queries are not pipelined."""
        return self.memory.takes_one_by_one(self.now())

    def send(self, asked: Asked) -> None:
        """Send a query, now or when there is a connection with room for it."""
        connection = self._connection
        if connection is not None and not self._queue and connection.has_room:
            self._wheel.clear(connection)
            connection.send(asked)
            return
        if len(self._queue) >= MAX_QUEUE:
            asked.failed(ConnectionClosed, "too many queries wait for a connection")
            return
        asked.via = self
        self._queue[asked] = None
        self.flush()

    def stalled(self, asked: Asked) -> bool:
        """A query that waits for a connection goes on waiting."""
        return True

    def forget(self, asked: Asked) -> None:
        """A query that waits for a connection is not to be sent."""
        self._queue.pop(asked, None)
        if not self._queue and self._attempt is not None and self._connection is None:
            attempt, self._attempt = self._attempt, None
            attempt.cancel()

    def flush(self) -> None:
        """Send what waits; connect for it, or plan to close what is not used."""
        connection, queue = self._connection, self._queue
        if connection is None:
            if queue and self._attempt is None:
                self._attempt = self._connect(self, self._failed)
            return
        while queue and connection.has_room and connection is self._connection:
            asked = next(iter(queue))
            del queue[asked]
            self._wheel.clear(connection)
            connection.send(asked)
        if self._connection is not connection:
            self.flush()

    # From connections.

    def began(self, connection: Connection) -> None:
        """Queries can be sent over a connection."""
        self._wheel.clear(connection)
        self.idle(connection)

    def set_deadline(self, connection: Connection, seconds: float) -> None:
        """Have a connection's C{due} called."""
        self._wheel.set(connection, self.now() + seconds)

    def connected(self, connection: Connection) -> None:
        """A connection is there, though perhaps not ready."""
        self._attempt = None
        self._connection = connection
        self._open.add(connection)
        self.set_deadline(connection, HANDSHAKE)
        self.memory.counts[CONNECTED] += 1

    def replace(self, connection: Connection) -> None:
        """Use another connection from now on."""
        if self._connection is connection:
            self._connection = None

    def idle(self, connection: Connection) -> None:
        """A connection has less to do than before."""
        self.flush()
        if connection.closed or not connection.is_unused():
            return
        if connection is not self._connection:
            connection.lose()
        elif not connection.slot:
            self.set_deadline(connection, IDLE)

    def ended(
        self,
        connection: Connection,
        pending: list[Asked],
        why: tuple[type[ServerError], str] | None,
    ) -> None:
        """A connection has ended: send what was pending again, or fail it."""
        is_current = connection is self._connection
        if is_current:
            self._connection = None
        kind, detail = why or (ConnectionClosed, "")
        if not connection.ready and is_current:
            # Not even a handshake: what waits would meet the same.
            pending = [*pending, *self._queue]
            self._queue.clear()
        for asked in pending:
            used = connection.answered or connection.has_stalled
            if used and not asked.retried and kind is ConnectionClosed:
                asked.retried = True
                asked.via = self
                self._queue[asked] = None
                self.memory.counts[RESENT] += 1
            else:
                asked.failed(kind, detail)
        self.flush()

    def lost(self, connection: Connection) -> None:
        """A connection is no more."""
        self._wheel.clear(connection)
        self._open.discard(connection)

    def _failed(self, error: Exception) -> None:
        """No connection could be made."""
        self._attempt = None
        waiting = list(self._queue)
        self._queue.clear()
        kind, detail = why(error)
        for asked in waiting:
            asked.failed(kind, detail)
        self.flush()

    def close(self) -> None:
        """Close all; nothing is pending any more."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.cancel()
        for connection in list(self._open):
            connection.end()
            connection.transport.abortConnection()
