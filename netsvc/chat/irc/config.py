"""What the IRC frontend may be told, with its defaults."""

from __future__ import annotations

from dataclasses import dataclass

from netsvc.chat.names import USER_LENGTH
from netsvc.daemon.limits import Rate

_COMMAND_RATE = Rate(25.0, 100)
_PASSWORD_RATE = Rate(0.5, 120)


@dataclass(frozen=True, slots=True)
class WebGateway:
    """
    Who may say for whom it connects (WEBIRC).

    @ivar address: Its own address.
    @ivar password: What it must say.
    """

    address: str
    password: str


@dataclass(frozen=True, kw_only=True)
class IrcConfig:
    """
    The IRC frontend's settings. Times are in seconds.

    @ivar registration_timeout: Until a connection must be registered, in all.
    @ivar ping_interval: Silence after which a client is asked for a sign of life;
        0 is never.
    @ivar ping_timeout: Silence after which it is given up, in all.
    @ivar command_timeout: How long a command may take that waits for the disk or for
        a password's hash; the connection is not read meanwhile.
    @ivar command_rate: Lines of one connection: what is faster waits, and is not
        refused. C{None} is no limit.
    @ivar flood_patience: How long a connection may go on sending faster than that
        before it is cut; 0 is for ever.
    @ivar send_queue: Bytes that may wait for a client to read them; one that is
        slower is cut.
    @ivar user: Code points in a user name.
    @ivar user_prefix: What stands before a user name, because nobody has verified it.
    @ivar targets: Targets of one PRIVMSG, NOTICE or TAGMSG.
    @ivar history: Messages in one answer of CHATHISTORY.
    @ivar markers: Read markers that are remembered for who has no account.
    @ivar login_tries: How often a connection may fail to log in before it is cut.
    @ivar password_rate: Wrong passwords of the server from one source, or C{None}.
    @ivar registration: Whether accounts may be registered here.
    @ivar sts_port: The port with TLS that clients without it are sent to.
    @ivar sts_duration: How long they shall keep to it; C{None} says nothing.
    @ivar sts_names: Names of this server, in lower case: clients that connect to one
        of them with TLS may note that.
    @ivar sts_preload: Whether that may be put on lists.
    @ivar gateways: Who may use WEBIRC.
    """

    registration_timeout: float = 30.0
    ping_interval: float = 120.0
    ping_timeout: float = 240.0
    command_timeout: float = 10.0
    command_rate: Rate | None = _COMMAND_RATE
    flood_patience: float = 60.0
    send_queue: int = 1024 * 1024
    user: int = USER_LENGTH
    user_prefix: str = "~"
    targets: int = 4
    history: int = 1000
    markers: int = 200
    login_tries: int = 10
    password_rate: Rate | None = _PASSWORD_RATE
    registration: bool = True
    sts_port: int | None = None
    sts_duration: int | None = None
    sts_names: frozenset[str] = frozenset()
    sts_preload: bool = False
    gateways: tuple[WebGateway, ...] = ()
