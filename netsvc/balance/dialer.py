"""How sessions reach their backends, with the limits that hold for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from netsvc.balance.backend import Backend
from netsvc.balance.backends import BackendSpec
from netsvc.balance.deadlines import Deadlines
from netsvc.balance.pool_log import PoolLog
from netsvc.balance.tls import LayerFactory
from netsvc.multiplex.dial import dial

if TYPE_CHECKING:
    from netsvc.balance.session import Session
    from netsvc.balance.upstream import Upstream

#: Seconds until a backend is tried again by a client that has tried all others.
RETRY_PAUSE = 0.5

#: Seconds between two looks whether a client in the queue is still there.
PRESENCE = 0.25


class Dialer:
    """
    Connects to backends.

    @ivar tls: The TLS configurations of those backends that have one.
    @ivar tries: How many backends are tried for one client at the most.
    @ivar connecting: The sessions whose backend has not answered yet.
    @ivar pausing: Those that have tried all backends, and will try again.
    @ivar waiting: Those that wait in a queue.
    @ivar end_leaves: Whether a client that has sent all has left the queue.
    @ivar refused: How many clients got no backend, by reason.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        service: Callable[[], str],
        retries: int,
        connect_timeout: float,
        tls: Mapping[BackendSpec, LayerFactory] | None = None,
        end_leaves: bool = False,
        connect: Callable[..., Any] = dial,
    ) -> None:
        """
        @param reactor: The reactor.
        @param service: Gives what the balancer is called.
        @param retries: How many more backends to try when one fails.
        @param connect_timeout: Seconds that each may take.
        @param tls: The TLS configurations of those backends that have one.
        @param end_leaves: Whether a client that has sent all has left the queue.
        @param connect: What makes connections; see L{dial}.
        """
        self._reactor = reactor
        self.tls = tls or {}
        self._connect = connect
        self.tries = retries + 1
        self.connecting: Deadlines[Session] = Deadlines(
            connect_timeout, lambda session: session.connect_timed_out(), reactor
        )
        self.pausing: Deadlines[Session] = Deadlines(
            RETRY_PAUSE, lambda session: session.try_again(), reactor
        )
        self.waiting: Deadlines[Session] = Deadlines(
            PRESENCE, lambda session: session.look(), reactor
        )
        self.end_leaves = end_leaves
        self.refused: Counter[str] = Counter()
        self._pool_log = PoolLog(service, reactor.seconds)

    def connect(
        self,
        backend: Backend,
        protocol: Any,
        failed: Callable[[Exception], None],
        preamble: bytes = b"",
    ) -> Any:
        """
        Connect a protocol to a backend, with TLS if it has that.

        @param protocol: With TLS its C{handshakeCompleted} is called, too.
        @param failed: See L{dial}.
        @param preamble: What to send before TLS.
        @return: See L{dial}.
        """
        if backend.spec.tls:
            protocol = self.tls[backend.spec].wrap(protocol, preamble)
        return self._connect(
            self._reactor, backend.host, backend.port, protocol, failed
        )

    def refuse(self, reason: str, upstream: Upstream | None = None) -> None:
        """
        Count a client that got no backend.

        @param upstream: The pool that had none for it; L{None} if it had no pool.
        """
        self.refused[reason] += 1
        log = self._pool_log if upstream is None else upstream.log
        log.unserved(reason)

    def stop(self) -> None:
        """Forget all deadlines."""
        self.connecting.stop()
        self.pausing.stop()
        self.waiting.stop()
