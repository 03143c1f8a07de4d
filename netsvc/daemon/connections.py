"""
The live connections of a service, and what ends them.

A service's stream protocols derive from L{ServiceProtocol}, its factories from
L{ServiceFactory}; both share a L{Connections}, which

  - admits or refuses each connection (L{netsvc.daemon.limits}),
  - ends those that make no progress: in their TLS handshake, when idle, while
    they are being closed,
  - lets them finish when the service is drained, and cuts the rest.

A sweep twice a second looks at those with a short deadline, and now and then at
all of them. A connection costs nothing per message for that: it only counts its
bytes, and the sweep sees whether the count has changed.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

from twisted.internet import defer, task
from twisted.internet.interfaces import IFileDescriptorReceiver, IHandshakeListener
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.logger import Logger
from zope.interface import implementer

from netsvc.daemon.limits import ConnectionLimits
from netsvc.daemon.logs import OncePer
from netsvc.multiplex import pending

#: Seconds between two looks at the connections that are in a handshake or being
#: closed, and at the least between two looks at all of them.
SWEEP = 0.5

#: How often in an idle timeout all connections are looked at, and how many seconds
#: lie between two such looks at the most: many idle ones should cost nothing.
IDLE_SWEEPS = 60
LONGEST_SWEEP = 5.0

#: Seconds between two sweeps while draining: of all.
DRAIN_SWEEP = 0.1

#: Seconds without progress after which a connection is finished, for a drain.
DRAIN_QUIET = 1.0

#: How many closing timeouts a connection may take to close although its peer goes on
#: taking what is left, a little at a time.
CLOSE_TOTAL = 10

#: Seconds between two log lines about refused connections.
LOG_INTERVAL = 1.0


@dataclass(frozen=True)
class Timeouts:
    """
    How long a connection may go without progress, in seconds.

    @ivar idle: With nothing received or sent; 0 is for ever.
    @ivar handshake: Until its TLS handshake is done, in all.
    @ivar close: While it is being closed.
    """

    idle: float = 300.0
    handshake: float = 10.0
    close: float = 10.0


@implementer(IHandshakeListener, IFileDescriptorReceiver)
class ServiceProtocol(Protocol):
    """
    A stream connection whose life L{Connections} watches.

    @ivar received: The bytes received so far. Subclasses count them.
    @ivar began: When the connection was made.
    @ivar since: When the last progress was seen.
    @ivar held: Whether it is we who keep it from being read, so that its silence
        means nothing.
    """

    connections: Connections
    transport: Any
    host: str | None
    received = 0
    began = 0.0
    since = 0.0
    held = False
    _progress = 0
    _handshaking = False
    _closing = False
    _closing_since = 0.0

    def connectionMade(self) -> None:
        """Start to be watched."""
        self.connections.add(self)

    def handshakeCompleted(self) -> None:
        """The TLS handshake is done."""
        self._handshaking = False
        self.since = self.connections.now()
        self.connections.relax(self)

    def connectionLost(self, reason: Any = None) -> None:
        """Stop to be watched."""
        self.connections.remove(self)

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """Close what a peer on a UNIX socket has passed and nobody asked for."""
        os.close(descriptor)

    def progress(self) -> int:
        """Give a number that changes when bytes come in or go out."""
        return self.received * 2 - pending(self.transport)

    def note_progress(self, now: float) -> None:
        """Look whether bytes have come or gone since somebody looked last."""
        progress = self.progress()
        if progress != self._progress:
            self._progress = progress
            if not self._handshaking:
                self.since = now

    def describe(self) -> str:
        """
        Say in a few words what the connection is for, for who looks at them all.

        @return: Text that may have come from a stranger.
        """
        return ""

    def close(self) -> None:
        """
        Close the connection when what was written is sent.

        If the peer does not take it, the connection is aborted once it has made
        no progress for the closing timeout, and after L{CLOSE_TOTAL} times as long
        whatever it takes.
        """
        if not self._closing:
            self._closing = True
            self.since = self._closing_since = self.connections.now()
            self.connections.attend(self)
            self.transport.loseConnection()

    def abort(self) -> None:
        """End the connection at once; what was written may be lost."""
        self.transport.abortConnection()


class _Refused(Protocol):
    """What serves a connection that was refused below TLS: ends it at once."""

    transport: Any

    def connectionMade(self) -> None:
        """Cut."""
        self.transport.abortConnection()


class ServiceFactory(ServerFactory):
    """
    Makes the protocols of one listen string.

    @ivar secure: Whether TLS is between it and the port.
    """

    noisy = False

    def __init__(self, connections: Connections, transport: str) -> None:
        """
        @param connections: What watches them.
        @param transport: C{tcp}, C{tls} or C{unix}.
        """
        self.connections = connections
        self.secure = transport == "tls"

    def make(self) -> ServiceProtocol:
        """Make a protocol; for subclasses."""
        raise NotImplementedError

    def buildProtocol(self, addr: Any) -> Protocol | None:
        """Make a protocol, or refuse."""
        host = getattr(addr, "host", None)
        if not self.connections.admit(host):
            # TLS's factory cannot do with none.
            return _Refused() if self.secure else None
        try:
            protocol = self.make()
        except Exception:
            self.connections.limits.release(host or "")
            raise
        protocol.connections = self.connections
        protocol.host = host
        if self.secure:
            protocol._handshaking = True
        return protocol


class Connections:
    """
    The set of live connections.

    @ivar live: Them.
    @ivar ended: How many were ended by us, by reason: C{idle-timeout},
        C{handshake-timeout}, C{close-timeout}, C{drain-timeout}.
    @ivar accepted: How many were admitted so far.
    @ivar received: The bytes that came over those that have ended.
    """

    _log = Logger()

    def __init__(
        self, service: str, limits: ConnectionLimits, timeouts: Timeouts, reactor: Any
    ) -> None:
        """
        @param service: The service's name, for messages.
        @param limits: Who is admitted.
        @param timeouts: Who is ended.
        @param reactor: Gives the time (L{IReactorTime}).
        """
        self.service = service
        self.limits = limits
        self._reactor = reactor
        self.now = reactor.seconds
        self.live: dict[Any, None] = {}
        self.ended: Counter[str] = Counter()
        self.accepted = 0
        self.received = 0
        self._sweeping = task.LoopingCall(self.sweep)
        self._sweeping.clock = reactor
        self._refusals = OncePer(LOG_INTERVAL, reactor.seconds)
        self._empty: list[defer.Deferred[None]] = []
        self._cut_at: float | None = None
        self._drain_from = 0.0
        self._attended: dict[Any, None] = {}
        self._sweeps = 0
        self.change(timeouts)

    def change(self, timeouts: Timeouts) -> None:
        """
        Go by other timeouts from now on, also for those who are connected.

        @param timeouts: Who is ended.
        """
        self._timeouts = timeouts
        longest = min(timeouts.idle / IDLE_SWEEPS, LONGEST_SWEEP)
        # 0: only when draining, for there is nothing to see.
        self._look_every = max(1, int(longest / SWEEP)) if timeouts.idle else 0

    # Coming and going.

    def admit(self, host: str | None) -> bool:
        """
        Decide about a new connection.

        @param host: Its address; L{None} for a UNIX socket.
        """
        refusal = self.limits.acquire(host or "", self.now())
        if refusal is None:
            return True
        ready, suppressed = self._refusals.ready()
        if ready:
            self._log.warn(
                "{service} refused a connection from {host}: {reason}"
                " ({suppressed} more since the last such line)",
                service=self.service,
                host=host or "a UNIX socket",
                reason=refusal,
                suppressed=suppressed,
                event="connection-refused",
            )
        return False

    def add(self, connection: ServiceProtocol) -> None:
        """Watch a connection."""
        self.accepted += 1
        connection.began = connection.since = self.now()
        self.live[connection] = None
        if connection._handshaking:
            self.attend(connection)

    def attend(self, connection: ServiceProtocol) -> None:
        """Look at a connection in every sweep: it has a short deadline."""
        if connection in self.live:
            self._attended[connection] = None

    def relax(self, connection: ServiceProtocol) -> None:
        """Look at a connection only now and then again."""
        if not connection._closing:
            self._attended.pop(connection, None)

    def remove(self, connection: ServiceProtocol) -> None:
        """Forget a connection."""
        self.live.pop(connection, None)  # absent if it was never connected
        self.received += connection.received
        self._attended.pop(connection, None)
        self.limits.release(connection.host or "")
        if not self.live:
            empty, self._empty = self._empty, []
            for waiting in empty:
                waiting.callback(None)

    def all_received(self) -> int:
        """Give the bytes that have come over all connections so far."""
        return self.received + sum(int(each.received) for each in self.live)

    # Watching.

    def start(self) -> None:
        """Start to sweep."""
        self._sweeping.start(SWEEP, now=False)

    def stop(self) -> None:
        """Stop to sweep, and cut what is left."""
        if self._sweeping.running:
            self._sweeping.stop()
        self.cut()

    def cut(self) -> None:
        """Abort every connection."""
        for connection in list(self.live):
            connection.abort()

    def sweep(self) -> None:
        """End the connections whose time is up."""
        now = self.now()
        cut = self._cut_at is not None and now >= self._cut_at
        looked_at = self._attended
        self._sweeps += 1
        every = self._look_every
        if self._cut_at is not None or (every and self._sweeps % every == 0):
            looked_at = self.live
        for connection in list(looked_at):
            try:
                if cut:
                    self._abort(connection, "drain-timeout")
                else:
                    self._check(connection, now)
            except Exception:
                # Of this one alone: the others' timeouts depend on the sweep.
                self._log.failure(
                    "while looking at a connection", event="internal-error"
                )

    def _check(self, connection: ServiceProtocol, now: float) -> None:
        """End a connection if its time is up."""
        times = self._timeouts
        connection.note_progress(now)
        quiet = now - connection.since
        if connection._closing:
            longest = CLOSE_TOTAL * times.close
            if quiet >= times.close or now - connection._closing_since >= longest:
                self._abort(connection, "close-timeout")
        elif connection._handshaking:
            # In all: a byte now and then is no progress.
            if quiet >= times.handshake:
                self._abort(connection, "handshake-timeout")
        elif connection.held:
            connection.since = now
        elif times.idle and quiet >= times.idle:
            self.ended["idle-timeout"] += 1
            connection.close()
        elif (
            self._cut_at is not None
            # Since the drain began: what came before it may still be unread.
            and min(quiet, now - self._drain_from) >= DRAIN_QUIET
            and not pending(connection.transport)
        ):
            connection.close()

    def _abort(self, connection: ServiceProtocol, reason: str) -> None:
        """End a connection at once."""
        self.ended[reason] += 1
        connection.abort()

    def drain(self, timeout: float) -> defer.Deferred[None]:
        """
        Let the connections finish.

        One on which nothing has moved for L{DRAIN_QUIET} since the drain began, and
        that has nothing left to send, is closed.

        @param timeout: Seconds after which those still there are cut.
        @return: A Deferred that fires when none is left.
        """
        self._drain_from = self.now()
        self._cut_at = self._drain_from + timeout
        if self._sweeping.running:
            self._sweeping.stop()
        self._sweeping.start(DRAIN_SWEEP)
        if not self.live:
            return defer.succeed(None)
        done: defer.Deferred[None] = defer.Deferred()
        self._empty.append(done)
        return done
