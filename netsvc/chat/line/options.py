"""What the line frontend may be told, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netsvc.chat.line.reader import LINE_LIMIT
from netsvc.daemon.limits import Rate

#: Lines of one connection.
COMMAND_RATE: Final = Rate(50, 200)

#: Wrong passwords of one source.
PASSWORD_RATE: Final = Rate(12 / 60, 12)


@dataclass(frozen=True, kw_only=True)
class LineOptions:
    """
    The options. Times are seconds; 0 is never, or none, where that makes sense.

    @ivar user: The user name that masks show for all who come by it.
    @ivar frontend: What the hub calls it.
    @ivar line_limit: Bytes in a line.
    @ivar replay: How many of the last messages one is shown on joining.
    @ivar history: How many messages C{/history} and C{/search} give at most.
    @ivar send_queue: Bytes that may wait for a client; who is slower is cut.
    @ivar command_rate: Lines that a connection may send, or C{None}; what is faster
        waits.
    @ivar flood_patience: How long a connection may go on sending faster than that
        before it is cut.
    @ivar command_timeout: How long a command may take.
    @ivar flush_after: After how long without more the beginning of a line is a line,
        of a client that has never ended one.
    @ivar idle_timeout: After how long without any sign of life a peer's host counts
        as dead (TCP's keepalive; a silent user is no dead host).
    @ivar ping_interval: How often a telnet client is sent something invisible.
    @ivar password_timeout: How long the server's password may be waited for.
    @ivar password_tries: How many passwords a connection may try.
    @ivar password_rate: Wrong passwords of one source, or C{None}.
    @ivar names: How many people C{/who} names at most.
    @ivar rooms: How many rooms C{/list} lists at most.
    @ivar masks: How many bans C{/ban} lists at most.
    """

    user: str = "line"
    frontend: str = "line"
    line_limit: int = LINE_LIMIT
    replay: int = 20
    history: int = 100
    send_queue: int = 2**20
    command_rate: Rate | None = COMMAND_RATE
    flood_patience: float = 60.0
    command_timeout: float = 10.0
    flush_after: float = 0.3
    idle_timeout: float = 240.0
    ping_interval: float = 60.0
    password_timeout: float = 30.0
    password_tries: int = 3
    password_rate: Rate | None = PASSWORD_RATE
    names: int = 500
    rooms: int = 100
    masks: int = 100
