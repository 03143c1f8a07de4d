"""What the server can do, as clients read it: numeric 005 (ISUPPORT)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from netsvc.chat.irc.message import BODY_LIMIT
from netsvc.chat.irc.numerics import RPL_ISUPPORT, reply
from netsvc.chat.limits import HubLimits
from netsvc.chat.masks import ACCOUNT, EXTENDED, MUTE
from netsvc.chat.names import USER_LENGTH
from netsvc.chat.rooms import FLAGS

LINE_TOKENS: Final = 13
"""Tokens in one line."""

_ESCAPE: Final = str.maketrans({" ": r"\x20", "\\": r"\x5C", "=": r"\x3D"})


@dataclass(frozen=True, kw_only=True)
class Support:
    """
    What the tokens are made of.

    @ivar network: The network's name.
    @ivar limits: The hub's limits.
    @ivar user: Code points in a user name.
    @ivar host: Code points in a host.
    @ivar modes: Modes with a parameter in one MODE.
    @ivar targets: Targets of one message.
    @ivar history: Messages in one answer of CHATHISTORY; 0 when there is no history.
    @ivar denied_tags: Client tags that are not relayed, without C{+}.
    @ivar account_required: Whether nobody gets in without an account.
    """

    network: str
    limits: HubLimits
    user: int = USER_LENGTH
    host: int = 64
    modes: int = 20
    targets: int = 4
    history: int = 0
    denied_tags: tuple[str, ...] = ()
    account_required: bool = False

    def tokens(self) -> dict[str, str | None]:
        """Give the tokens by name, with their values; C{None} when one has none."""
        limits, targets = self.limits, self.targets
        found: dict[str, str | None] = {
            "CHANTYPES": "#",
            "PREFIX": "(ov)@+",
            "CASEMAPPING": "ascii",
            "CHANMODES": f"beI,k,l,{FLAGS}",
            "MODES": str(self.modes),
            "STATUSMSG": "@+",
            "NICKLEN": str(limits.nick),
            "CHANNELLEN": str(limits.room),
            "TOPICLEN": str(limits.topic),
            "KICKLEN": str(limits.reason),
            "AWAYLEN": str(limits.away),
            "KEYLEN": str(limits.key),
            "USERLEN": str(self.user),
            "HOSTLEN": str(self.host),
            "NAMELEN": str(limits.realname),
            "CHANLIMIT": f"#:{limits.rooms_per_member}",
            "MAXLIST": f"beI:{limits.list_entries}",
            "EXCEPTS": "e",
            "INVEX": "I",
            "ELIST": "CMNTU",
            "SAFELIST": None,
            "NETWORK": self.network,
            "TARGMAX": "JOIN:,PART:,KICK:,LIST:,NAMES:1,WHOIS:1,WHOWAS:1,USERHOST:5,"
            f"PRIVMSG:{targets},NOTICE:{targets},TAGMSG:{targets},MONITOR:",
            "WHOX": None,
            "MONITOR": str(limits.watching),
            "BOT": "B",
            "UTF8ONLY": None,
            "EXTBAN": f"{EXTENDED},{ACCOUNT}{MUTE}",
            "ACCOUNTEXTBAN": ACCOUNT,
        }
        if self.history:
            found["CHATHISTORY"] = str(self.history)
            found["MSGREFTYPES"] = "msgid,timestamp"
        if self.denied_tags:
            found["CLIENTTAGDENY"] = ",".join(self.denied_tags)
        if self.account_required:
            found["draft/ACCOUNTREQUIRED"] = None
        return found


def words(tokens: dict[str, str | None]) -> list[str]:
    """Write tokens: C{NAME=value}, with spaces in values as C{\\x20}."""
    return [
        name if value is None else f"{name}={value.translate(_ESCAPE)}"
        for name, value in tokens.items()
    ]


def changed(before: dict[str, str | None], after: dict[str, str | None]) -> list[str]:
    """Write what is to be told after a reload; C{-NAME} withdraws a token."""
    new = {
        name: value
        for name, value in after.items()
        if name not in before or before[name] != value
    }
    return words(new) + [f"-{name}" for name in before if name not in after]


def lines(server: str, client: str, items: Iterable[str]) -> list[bytes]:
    """
    Write 005: at most L{LINE_TOKENS} tokens in a line, and no token cut.

    @param server: The server's name, its source.
    @param client: The nick of who gets them.
    @param items: Tokens, as L{words} or L{changed} write them.
    """
    room = BODY_LIMIT - len(reply(server, RPL_ISUPPORT, client))
    groups: list[list[str]] = [[]]
    for item in items:
        if len(groups[-1]) == LINE_TOKENS or _size([*groups[-1], item]) > room:
            groups.append([])
        groups[-1].append(item)
    return [reply(server, RPL_ISUPPORT, client, *group) for group in groups if group]


def _size(items: Sequence[str]) -> int:
    """How many bytes tokens add to a line."""
    return sum(len(item.encode("utf-8", "replace")) + 1 for item in items)
