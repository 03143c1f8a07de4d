"""The settings of netsvc-chat."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from netsvc.chat.names import valid_room
from netsvc.daemon.listen import Listen, parse_listen
from netsvc.daemon.service_settings import LIMITS, TIMEOUTS, ServiceSettings
from netsvc.daemon.settings import (
    Count,
    Duration,
    FilePath,
    Flag,
    Parsed,
    Rate,
    RateLimit,
    SettingsError,
    Size,
    Text,
    setting,
)

_IDENTITY = "Identity"
_OPERATORS = "Operators"
_HISTORY = "History and accounts"
_IRC = "IRC"
_FLOOD = "Flood"

#: What Argon2 hashes look like (the PHC string format).
_ARGON2 = re.compile(
    r"\$argon2(id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+"
)

#: A listen string that listens nowhere.
OFF = "off"


def parse_listen_or_off(text: str) -> Listen | None:
    """
    Read a stream's listen string, or C{off}.

    @raise ValueError: If it is neither.
    """
    if text == OFF:
        return None
    listen = parse_listen(text)
    if listen.kind == "udp":
        raise ValueError(
            "it listens on streams only: tcp:, ssl:, tls:, unix:, systemd:"
        )
    return listen


def _show_listen(listen: Listen | None) -> str:
    return OFF if listen is None else str(listen)


@dataclass(frozen=True, slots=True)
class Operator:
    """
    Somebody who may use OPER.

    @ivar name: The name to give.
    @ivar hashed: The password's Argon2 hash.
    """

    name: str
    hashed: str

    def __str__(self) -> str:
        """Show it as it was given."""
        return f"{self.name}:{self.hashed}"


def parse_operator(text: str) -> Operator:
    """
    Read C{NAME:HASH}.

    @raise ValueError: If it is something else.
    """
    name, colon, hashed = text.partition(":")
    if not colon or not name or " " in name:
        raise ValueError(
            "it must be NAME:HASH; make the hash by 'netsvc hash-password'"
        )
    if not _ARGON2.fullmatch(hashed):
        raise ValueError(
            "the hash must be an Argon2 hash ($argon2id$...), as"
            " 'netsvc hash-password' makes it"
        )
    return Operator(name, hashed)


@dataclass(frozen=True, slots=True)
class Gateway:
    """
    A web gateway that may say for whom it connects (WEBIRC).

    @ivar address: From where it connects.
    @ivar password: What it says.
    """

    address: str
    password: str

    def __str__(self) -> str:
        """Show it as it was given."""
        return f"{self.address},{self.password}"


def parse_gateway(text: str) -> Gateway:
    """
    Read C{ADDRESS,PASSWORD}.

    @raise ValueError: If it is something else.
    """
    address, comma, password = text.partition(",")
    if not comma or not address or not password:
        raise ValueError("it must be ADDRESS,PASSWORD")
    return Gateway(address, password)


@dataclass(frozen=True, kw_only=True)
class ChatSettings(ServiceSettings):
    """What a command line or a configuration file says about netsvc-chat."""

    line: tuple[Listen | None, ...] = setting(
        Parsed("ENDPOINT", parse_listen_or_off, _show_listen),
        default=("tcp:7070",),
        repeat=True,
        short="l",
        help="Where to listen for telnet, nc and programs that send lines: tcp:,"
        " ssl:, tls:, unix: or systemd:, with Twisted's endpoint syntax; off for"
        " nowhere.",
    )
    irc: tuple[Listen | None, ...] = setting(
        Parsed("ENDPOINT", parse_listen_or_off, _show_listen),
        default=("tcp:6667",),
        repeat=True,
        short="i",
        help="Where to listen for IRC clients; off for nowhere.",
    )
    server_name: str = setting(
        Text(63, 3),
        default="irc.netsvc.local",
        group=_IDENTITY,
        help="The server's name; it must contain a dot.",
    )
    server_description: str = setting(
        Text(100),
        default="netsvc chat",
        group=_IDENTITY,
        help="What the server is, in a few words.",
    )
    network_name: str = setting(
        Text(32, 1),
        default="netsvc",
        group=_IDENTITY,
        help="What the network is called: one word.",
    )
    motd: Path | None = setting(
        FilePath(),
        default=None,
        group=_IDENTITY,
        help="A file with the message of the day, in UTF-8.",
    )
    lobby: str = setting(
        Text(64, 2),
        default="#lobby",
        group=_IDENTITY,
        help="The room in which clients on lines start.",
    )
    password: Path | None = setting(
        FilePath(),
        default=None,
        group=_IDENTITY,
        help="A file with a password that everybody must give (IRC: PASS).",
    )
    cloak: bool = setting(
        Flag(),
        default=True,
        group=_IDENTITY,
        help="Show others people's addresses, not made-up hosts.",
    )
    admin: str = setting(
        Text(200),
        default="",
        group=_IDENTITY,
        help="Whom to turn to, for the command ADMIN.",
    )
    oper: tuple[Operator, ...] = setting(
        Parsed("NAME:HASH", parse_operator),
        default=(),
        repeat=True,
        group=_OPERATORS,
        help="Who may become a server operator, with the Argon2 hash of the password.",
    )
    webirc: tuple[Gateway, ...] = setting(
        Parsed("ADDRESS,PASSWORD", parse_gateway),
        default=(),
        repeat=True,
        group=_OPERATORS,
        help="A web gateway that may say for whom it connects.",
    )
    store: Path | None = setting(
        FilePath(),
        default=None,
        group=_HISTORY,
        help="The file for history and accounts; ':memory:' for none. By default"
        " chat.sqlite under the user's state directory.",
    )
    store_deadline: float = setting(
        Duration(0.05, 3600),
        default="2s",
        group=_HISTORY,
        help="When the disk takes longer, messages go on unstored.",
    )
    history: bool = setting(
        Flag(),
        default=True,
        group=_HISTORY,
        help="Keep nothing of what is said.",
    )
    history_days: float = setting(
        Duration(3600, 3650 * 86400, zero_means="for ever"),
        default="30d",
        group=_HISTORY,
        help="For how long what is said is kept.",
    )
    history_messages: int = setting(
        Count(1, 10_000_000, zero_means="no limit"),
        default=10_000,
        group=_HISTORY,
        help="How many messages of a room are kept.",
    )
    replay: int = setting(
        Count(0, 500, zero_means="none"),
        default=20,
        group=_HISTORY,
        help="How many of the last lines clients on lines are shown when they join.",
    )
    accounts: bool = setting(
        Flag(),
        default=True,
        group=_HISTORY,
        help="No accounts: nobody can register or log in.",
    )
    plain_login: bool = setting(
        Flag(),
        default=True,
        group=_HISTORY,
        help="Take passwords over encrypted connections only.",
    )
    registration_rate: Rate | None = setting(
        RateLimit(),
        default="60/h:20",
        group=_HISTORY,
        help="Accounts that one address may register.",
    )
    login_rate: Rate | None = setting(
        RateLimit(),
        default="30/m:120",
        group=_HISTORY,
        help="Attempts to log in that may fail, of one address.",
    )
    account_login_rate: Rate | None = setting(
        RateLimit(),
        default="12/m:12",
        group=_HISTORY,
        help="The same, for one account, from addresses that are new to it.",
    )
    min_password: int = setting(
        Count(1, 512),
        default=1,
        group=_HISTORY,
        help="Characters in an account's password, at least.",
    )
    sts_port: int = setting(
        Count(0, 65535, zero_means="off"),
        default=0,
        group=_IRC,
        help="Tell clients to use TLS on this port from now on (STS).",
    )
    sts_name: tuple[str, ...] = setting(
        Text(253, 1),
        default=(),
        repeat=True,
        group=_IRC,
        help="A name by which clients reach this server with TLS, under which they"
        " may note that (STS).",
    )
    sts_duration: float = setting(
        Duration(0, 3650 * 86400, zero_means="no more"),
        default="30d",
        group=_IRC,
        help="For how long they keep to it.",
    )
    registration_timeout: float = setting(
        Duration(1, 3600),
        default="30s",
        group=TIMEOUTS,
        help="Cut an IRC client that has not registered by then.",
    )
    idle_timeout: float = setting(
        Duration(1, 7 * 86400, zero_means="never"),
        default="4m",
        group=TIMEOUTS,
        help="Cut a client that has not answered a ping by then; it is asked at half"
        " that time. Clients on lines are asked nothing visible.",
    )
    drain_timeout: float = setting(
        Duration(0, 86400, zero_means="at once"),
        default="5s",
        group=TIMEOUTS,
        help="At SIGTERM or SIGINT, how long what is written may take to go out.",
    )
    max_rooms: int = setting(
        Count(1, 1_000_000),
        default=10_000,
        group=LIMITS,
        help="Rooms in all.",
    )
    max_rooms_per_member: int = setting(
        Count(1, 10_000),
        default=100,
        group=LIMITS,
        help="Rooms that one person may be in.",
    )
    max_members_per_room: int = setting(
        Count(1, 1_000_000),
        default=10_000,
        group=LIMITS,
        help="People in one room.",
    )
    send_queue: int = setting(
        Size(16 * 1024, 2**30),
        default="1M",
        group=LIMITS,
        help="What may wait for one client to read it; one that is slower is cut.",
    )
    line_limit: int = setting(
        Count(512, 65536),
        default=2048,
        group=LIMITS,
        help="Bytes in a line of a client on lines.",
    )
    command_rate: Rate | None = setting(
        RateLimit(),
        default="50/s:200",
        group=_FLOOD,
        help="What one client may send; what is faster waits.",
    )
    message_rate: Rate | None = setting(
        RateLimit(),
        default="100/s:1000",
        group=_FLOOD,
        help="Messages of one account, or of one address without one; what is more is"
        " refused.",
    )
    join_rate: Rate | None = setting(
        RateLimit(),
        default="50/s:2000",
        group=_FLOOD,
        help="Joins, likewise.",
    )
    nick_rate: Rate | None = setting(
        RateLimit(),
        default="10/s:200",
        group=_FLOOD,
        help="Changes of nick, likewise.",
    )

    def validate(self) -> None:
        """
        Check what holds between the values.

        @raise SettingsError: If it does not.
        """
        name = self.server_name
        if "." not in name or not all(
            char.isascii() and (char.isalnum() or char in "-.") for char in name
        ):
            raise SettingsError(
                "server_name",
                f"'{name}' must be letters, digits, hyphens and at least one dot",
            )
        if any(char <= " " or char == ":" for char in self.network_name):
            raise SettingsError("network_name", "it must be one word")
        if not valid_room(self.lobby):
            raise SettingsError("lobby", f"'{self.lobby}' is no room's name: #name")
        if not any(self.line + self.irc):
            raise SettingsError("irc", "there is nothing to listen on")
