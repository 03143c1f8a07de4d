"""
One proxied connection: a client, a backend, and what moves between them.

A client is not read from before its backend is connected, so that another
backend can be tried while no byte has been lost to the first. Then the two
connections become two flows (L{netsvc.multiplex.flow}), and nothing of what
they carry passes through this module. Where that cannot be (TLS, UNIX sockets,
another system) each end copies to the other, and is paused while the other
does not take it.

Either direction may end before the other: the rest of an answer is delivered
after the question's end. When one end breaks, the other is aborted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IHandshakeListener
from zope.interface import implementer

from netsvc.balance.announce import Announced, announce
from netsvc.balance.backend import Backend, Failure
from netsvc.balance.far_end import FarEnd
from netsvc.balance.pool import Refusal
from netsvc.balance.presence import has_left
from netsvc.balance.upstream import Upstream, kind_of
from netsvc.daemon.connections import ServiceProtocol
from netsvc.multiplex import forward, pending

if TYPE_CHECKING:
    from netsvc.balance.dialer import Dialer

#: Why a client got no backend, beside what a L{Refusal} says.
CONNECT_FAILED = "connect-failed"
NO_ROUTE = "no-route"

# Which direction has ended, as bits.
_INPUT = 1  # the client has sent all, and the backend has been told
_OUTPUT = 2  # the reverse
_BOTH = 3


# The ends of a backend's connection that are not its fault.
_IN_ORDER = (ConnectionDone, ConnectionAborted)


class _Copied:
    """Counts what is copied; a flow counts by itself."""

    __slots__ = ("moved",)

    def __init__(self) -> None:
        self.moved = 0


_NOTHING = _Copied()


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class Session(ServiceProtocol):
    """
    A client's connection, and what is behind it.

    @ivar upstream: The pool that serves it, once that is known.
    @ivar backend: The backend whose slot it has.
    """

    begins_paused = True  # see netsvc.multiplex.stream
    upstream: Upstream | None = None
    backend: Backend | None = None
    _far: FarEnd | None = None
    _attempt: Any = None
    _early = b""
    _waiting: Any = None
    _tried: tuple[Backend, ...] = ()
    _tries = 0
    _up: Any = _NOTHING  # of the client, to the backend
    _down: Any = _NOTHING
    _up_counted = 0
    _down_counted = 0
    _over = 0
    _finished = False
    _near_lost = False

    def __init__(
        self,
        dialer: Dialer,
        routes: Any,
        upstream: Upstream | None = None,
        announced: Announced | None = None,
    ) -> None:
        """
        @param dialer: Connects to backends.
        @param routes: The pools (L{netsvc.balance.routes.Routes}).
        @param upstream: The pool, if it is known before TLS.
        @param announced: What a PROXY header or a ClientHello has said.
        """
        self._dialer = dialer
        self._routes = routes
        self.upstream = upstream
        self._announced = announced

    # The client comes.

    def connectionMade(self) -> None:
        """Begin, unless TLS comes first."""
        super().connectionMade()
        if not self._handshaking:
            self._begin(self.upstream or self._routes.default)

    def handshakeCompleted(self) -> None:
        """TLS is there: begin."""
        super().handshakeCompleted()
        self._announced = Announced.by_tls(self.transport, self._announced)
        names, protocols = self._announced.name, self._announced.protocols
        self._begin(self._routes.find(names, protocols))

    def _begin(self, upstream: Upstream | None) -> None:
        """Find a backend in a pool."""
        self.transport.pauseProducing()
        if upstream is None:
            self._refuse(NO_ROUTE)
            return
        self.upstream = upstream
        self._tries = self._dialer.tries
        self._choose(upstream)

    @property
    def key(self) -> bytes:
        """The client's address, for policies that depend on it."""
        return (self.host or "").encode()

    # A backend is chosen.

    def _choose(self, upstream: Upstream) -> None:
        """Take a backend, or wait for one."""
        backend = upstream.choose(self.key, self._tried)
        if backend is not None:
            self._connect(backend)
        elif self._tried and upstream.has_other(self.key):
            # Each one has failed this client: not at once again.
            self._tried = ()
            self._dialer.pausing.set(self)
        else:
            waiting = upstream.wait(self._given, self.key, self._tried)
            if isinstance(waiting, Refusal):
                self._refuse(waiting.value)
            else:
                self._waiting = waiting
                self._dialer.waiting.set(self)

    def look(self) -> None:
        """See whether the client that waits is still there: it is not read from."""
        if has_left(self.transport, self._dialer.end_leaves):
            self.transport.abortConnection()
        else:
            self._dialer.waiting.set(self)

    def try_again(self) -> None:
        """The pause is over."""
        assert self.upstream is not None
        self._choose(self.upstream)

    def _given(self, outcome: Backend | Refusal) -> None:
        """The wait is over."""
        self._waiting = None
        self._dialer.waiting.clear(self)
        if isinstance(outcome, Refusal):
            self._refuse(outcome.value)
        else:
            self._connect(outcome)

    def _refuse(self, reason: str) -> None:
        """There is no backend for this client."""
        self._dialer.refuse(reason, self.upstream)
        self.close()

    # A backend is connected.

    def _connect(self, backend: Backend) -> None:
        """Connect to a backend whose slot is ours."""
        self.backend = backend
        dialer, spec = self._dialer, backend.spec
        far = self._far = FarEnd(self, spec.tls)
        preamble = (
            announce(self.transport, self._announced, spec.send_proxy)
            if spec.tls
            else b""
        )
        self._attempt = dialer.connect(backend, far, self._attempt_failed, preamble)
        dialer.connecting.set(self)

    def connect_timed_out(self) -> None:
        """The backend has taken too long."""
        self._give_up()
        self._next(Failure.TIMEOUT)

    def _give_up(self) -> None:
        """End an attempt that has not ended by itself."""
        attempt, self._attempt = self._attempt, None
        far, self._far = self._far, None
        if far is not None:
            far.forget()
        if attempt is not None:
            attempt.cancel()

    def _attempt_failed(self, error: Exception) -> None:
        """The backend cannot be reached."""
        self._attempt = self._far = None
        self._dialer.connecting.clear(self)
        self._next(kind_of(error))

    def _next(self, failure: Failure) -> None:
        """Try another backend, if there are tries left."""
        backend, self.backend = self.backend, None
        assert backend is not None and self.upstream is not None
        self.upstream.failed(backend, failure)
        self._tries -= 1
        if self._tries > 0:
            self._tried += (backend,)
            self._choose(self.upstream)
        else:
            self._refuse(CONNECT_FAILED)

    def far_connected(self) -> None:
        """The backend is connected: let the bytes flow."""
        self._attempt = None
        self._dialer.connecting.clear(self)
        backend, far = self.backend, self._far
        assert backend is not None and far is not None and self.upstream is not None
        self.upstream.connected(backend)
        near, there = self.transport, far.transport
        spec = backend.spec
        if spec.send_proxy and not spec.tls:
            there.write(announce(self.transport, self._announced, spec.send_proxy))
        early, self._early = self._early, b""
        if early:
            there.write(early)
        up = forward(near, there, self.input_ended)
        if up is None:
            self._copy(near, there, len(early))
        else:
            up.moved = len(early)
            self._up = up
            self._over = 0  # an end that was seen before is read again
            self._down = forward(there, near, self.output_ended)
        self.since = self.connections.now()
        if up is None or not there.producerPaused:
            near.resumeProducing()
        # Else what was written leaves first; then the flow goes on by itself.

    def _copy(self, near: Any, there: Any, early: int) -> None:
        """Copy, as there can be no flow."""
        self._up, self._down = _Copied(), _Copied()
        self._up.moved = early
        near.registerProducer(there, True)
        there.registerProducer(near, True)
        if self._over & _INPUT:  # before there was a backend
            self._over &= ~_INPUT
            self.input_ended()

    @property
    def is_joined(self) -> bool:
        """Whether the bytes flow."""
        return self._up is not _NOTHING

    @property
    def is_tunnel(self) -> bool:
        """Whether both sides have sent something, and neither has ended."""
        return bool(self._up.moved and self._down.moved and not self._over)

    # Bytes that do not flow by themselves.

    def dataReceived(self, data: bytes) -> None:
        """Copy to the backend, or keep what came with what was read before."""
        if self._finished:
            return
        if self.is_joined:
            if self._far is not None:
                self._up.moved += len(data)
                self._far.transport.write(data)
        else:
            # It is paused: no more than what had been read by then, with the
            # ClientHello or with the end of the handshake.
            self._early += data

    def far_received(self, data: bytes) -> None:
        """Copy to the client."""
        if self._finished:
            return
        self._down.moved += len(data)
        self.transport.write(data)

    def readConnectionLost(self) -> None:
        """The client has sent all."""
        if self.is_joined:
            self.input_ended()
        else:
            self._over |= _INPUT

    def writeConnectionLost(self) -> None:
        """The client knows that the backend has sent all."""

    # Ends.

    def input_ended(self) -> None:
        """The client has sent all: tell the backend."""
        if not self._over & _INPUT and self._far is not None:
            self._ended(_INPUT, self._far.transport)

    def output_ended(self) -> None:
        """The backend has sent all: tell the client."""
        if not self._over & _OUTPUT and not self._near_lost:
            self._ended(_OUTPUT, self.transport)

    def _ended(self, direction: int, sink: Any) -> None:
        """One direction has ended; when both have, close."""
        self._over |= direction
        if isinstance(self._up, _Copied):
            sink.unregisterProducer()
        if self._over == _BOTH:
            self._finish()
        else:
            sink.loseWriteConnection()

    def _finish(self) -> None:
        """Close both connections when what was written is sent."""
        self._finished = True
        super().close()
        if self._far is not None:
            self._far.transport.loseConnection()

    def close(self) -> None:
        """Close both connections, of which nothing is expected any more."""
        if self._closing:
            return
        far = self._far
        if far is None or not self.is_joined:
            self._finished = True
            super().close()
            return
        if pending(self.transport) or pending(far.transport):
            self.abort()  # one of them has not taken it for long
            return
        if isinstance(self._up, _Copied):
            self.transport.unregisterProducer()
            far.transport.unregisterProducer()
        else:
            self._up.stop()
            self._down.stop()
        self._finish()

    def abort(self) -> None:
        """End both connections at once."""
        if not self._near_lost:
            self.transport.abortConnection()
        if self.is_joined and self._far is not None:
            self._far.transport.abortConnection()

    def connectionLost(self, reason: Any = None) -> None:
        """The client's connection is gone: end the backend's, too."""
        self._near_lost = True
        if self.is_joined:
            if self._far is not None:
                if not self._finished:
                    self._far.transport.abortConnection()
                return
        else:
            self._withdraw()
        self._gone(reason)

    def _gone(self, reason: Any) -> None:
        """Both connections are gone."""
        # They refer to this: to be freed at once it must not refer to them.
        self._up = self._down = _NOTHING
        super().connectionLost(reason)

    def _withdraw(self) -> None:
        """The client has left before there was a backend."""
        upstream = self.upstream
        self._dialer.connecting.clear(self)
        self._dialer.pausing.clear(self)
        self._dialer.waiting.clear(self)
        self._give_up()
        if upstream is None:
            return
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            upstream.forget(waiting)
        backend, self.backend = self.backend, None
        if backend is not None:
            upstream.ended(backend, answered=False, reset=False)

    def far_lost(self, reason: Any) -> None:
        """The backend's connection is gone: end the client's, too."""
        self._far = None
        if not self.is_joined:
            # In the TLS handshake.
            self._attempt = None
            self._dialer.connecting.clear(self)
            self._next(Failure.TLS)
            return
        self._count()
        backend, self.backend = self.backend, None
        assert backend is not None and self.upstream is not None
        reset = reason.type not in _IN_ORDER
        answered = self._down.moved > 0
        self.upstream.ended(backend, answered=answered, reset=reset)
        if self._near_lost:
            self._gone(reason)
        elif not self._finished:
            self.transport.abortConnection()

    # Counting.

    def progress(self) -> int:
        """Give a number that changes when bytes move."""
        moved: int = self._up.moved + self._down.moved
        if not moved:
            return 0
        if moved != self._up_counted + self._down_counted:
            self._count()
        held = 0
        if self.transport.producerPaused or self._closing:
            held = pending(self.transport)
        far = self._far
        if far is not None and (far.transport.producerPaused or self._closing):
            held += pending(far.transport)
        return 2 * moved - held

    def _count(self) -> None:
        """Count what has moved since the last time."""
        up, down = self._up.moved, self._down.moved
        if self.backend is not None and self.upstream is not None:
            self.upstream.pool.count(
                self.backend, up - self._up_counted, down - self._down_counted
            )
        self._up_counted, self._down_counted = up, down
        self.received = up

    def describe(self) -> str:
        """Name the backend, once there is one."""
        return "no backend yet" if self.backend is None else f"to {self.backend.name}"
