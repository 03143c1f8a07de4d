"""The live sessions of a balancer, and when their time is up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netsvc.daemon.connections import Connections, Timeouts

IDLE_TIMEOUT = "idle-timeout"
TUNNEL_TIMEOUT = "tunnel-timeout"
CLIENT_TIMEOUT = "client-timeout"
CLOSE_TIMEOUT = "close-timeout"


@dataclass(frozen=True)
class SessionTimeouts(Timeouts):
    """
    How long a session may go without progress, in seconds; 0 is for ever.

    @ivar idle: Before both sides have sent something, or after one has ended.
    @ivar tunnel: In between.
    @ivar handshake: Until the client's TLS handshake is done, in all.
    @ivar close: While it is being closed.
    """

    tunnel: float = 3600.0


class Sessions(Connections):
    """
    What L{Connections} does, for pairs of connections.

    While it is drained a session may stay as long as the drain: that nothing
    moves for a second does not mean that nobody waits for an answer.
    """

    _timeouts: SessionTimeouts

    def _check(self, connection: Any, now: float) -> None:
        """End a session if its time is up."""
        times = self._timeouts
        progress = connection.progress()
        if progress != connection._progress:
            connection._progress = progress
            if not connection._handshaking:
                connection.since = now
                return
        quiet = now - connection.since
        if connection._closing:
            if quiet >= times.close:
                self._abort(connection, CLOSE_TIMEOUT)
        elif connection._handshaking:
            if quiet >= times.handshake:
                self._abort(connection, CLIENT_TIMEOUT)
        elif not connection.is_joined:
            pass  # it has its own deadlines: to connect, to wait in the queue
        elif connection.is_tunnel:
            if 0 < times.tunnel <= quiet:
                self.ended[TUNNEL_TIMEOUT] += 1
                connection.close()
        elif 0 < times.idle <= quiet:
            self.ended[IDLE_TIMEOUT] += 1
            connection.close()
