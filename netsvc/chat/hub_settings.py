"""The settings of a hub, whichever service has it: identity, history, limits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from netsvc.chat.names import valid_room
from netsvc.daemon.service_settings import LIMITS
from netsvc.daemon.settings import (
    Count,
    Duration,
    FilePath,
    Flag,
    Parsed,
    Rate,
    RateLimit,
    Settings,
    SettingsError,
    Text,
    setting,
)

IDENTITY = "Identity"
OPERATORS = "Operators"
HISTORY = "History and accounts"
FLOOD = "Flood"

#: What Argon2 hashes look like (the PHC string format).
_ARGON2 = re.compile(
    r"\$argon2(id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+"
)


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


@dataclass(frozen=True, kw_only=True)
class HubSettings(Settings):
    """What a command line or a configuration file says about a hub."""

    server_name: str = setting(
        Text(63, 3),
        default="irc.netsvc.local",
        group=IDENTITY,
        help="The server's name; it must contain a dot.",
    )
    server_description: str = setting(
        Text(100),
        default="netsvc chat",
        group=IDENTITY,
        help="What the server is, in a few words.",
    )
    network_name: str = setting(
        Text(32, 1),
        default="netsvc",
        group=IDENTITY,
        help="What the network is called: one word.",
    )
    motd: Path | None = setting(
        FilePath(),
        default=None,
        group=IDENTITY,
        help="A file with the message of the day, in UTF-8.",
    )
    lobby: str = setting(
        Text(64, 2),
        default="#lobby",
        group=IDENTITY,
        help="The room in which clients on lines start.",
    )
    password: Path | None = setting(
        FilePath(),
        default=None,
        group=IDENTITY,
        help="A file with a password that everybody must give (IRC: PASS).",
    )
    cloak: bool = setting(
        Flag(),
        default=True,
        group=IDENTITY,
        help="Show other people's addresses, not made-up hosts.",
    )
    admin: str = setting(
        Text(200),
        default="",
        group=IDENTITY,
        help="Whom to turn to, for the command ADMIN.",
    )
    oper: tuple[Operator, ...] = setting(
        Parsed("NAME:HASH", parse_operator),
        default=(),
        repeat=True,
        group=OPERATORS,
        help="Who may become a server operator, with the Argon2 hash of the password.",
    )
    store: Path | None = setting(
        FilePath(),
        default=None,
        group=HISTORY,
        help="The file for history and accounts; ':memory:' for none. By default"
        " chat.sqlite under the user's state directory.",
    )
    store_deadline: float = setting(
        Duration(0.05, 3600),
        default="2s",
        group=HISTORY,
        help="When the disk takes longer, messages go on unstored.",
    )
    history: bool = setting(
        Flag(),
        default=True,
        group=HISTORY,
        help="Keep nothing of what is said.",
    )
    history_days: float = setting(
        Duration(3600, 3650 * 86400, zero_means="for ever"),
        default="30d",
        group=HISTORY,
        help="For how long what is said is kept.",
    )
    history_messages: int = setting(
        Count(1, 10_000_000, zero_means="no limit"),
        default=10_000,
        group=HISTORY,
        help="How many messages of a room are kept.",
    )
    replay: int = setting(
        Count(0, 500, zero_means="none"),
        default=20,
        group=HISTORY,
        help="How many of the last lines clients on lines are shown when they join.",
    )
    accounts: bool = setting(
        Flag(),
        default=True,
        group=HISTORY,
        help="No accounts: nobody can register or log in.",
    )
    plain_login: bool = setting(
        Flag(),
        default=True,
        group=HISTORY,
        help="Take passwords over encrypted connections only.",
    )
    registration_rate: Rate | None = setting(
        RateLimit(),
        default="60/h:20",
        group=HISTORY,
        help="Accounts that one address may register.",
    )
    login_rate: Rate | None = setting(
        RateLimit(),
        default="30/m:120",
        group=HISTORY,
        help="Attempts to log in that may fail, of one address.",
    )
    account_login_rate: Rate | None = setting(
        RateLimit(),
        default="12/m:12",
        group=HISTORY,
        help="The same, for one account, from addresses that are new to it.",
    )
    min_password: int = setting(
        Count(1, 512),
        default=1,
        group=HISTORY,
        help="Characters in an account's password, at least.",
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
    message_rate: Rate | None = setting(
        RateLimit(),
        default="100/s:1000",
        group=FLOOD,
        help="Messages of one account, or of one address without one; what is more is"
        " refused.",
    )
    join_rate: Rate | None = setting(
        RateLimit(),
        default="50/s:2000",
        group=FLOOD,
        help="Joins, likewise.",
    )
    nick_rate: Rate | None = setting(
        RateLimit(),
        default="10/s:200",
        group=FLOOD,
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
