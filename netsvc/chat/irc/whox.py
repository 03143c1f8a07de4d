"""WHO: what it asks for, and its answers with chosen fields (WHOX, numeric 354)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from netsvc.chat.irc.message import build
from netsvc.chat.irc.numerics import RPL_WHOREPLY, RPL_WHOSPCRPL

FIELDS: Final = "tcuihsnfdlaor"
"""All fields, in the order in which the answer has them."""

TOKEN_LIMIT: Final = 3
"""Digits in the token of a request."""

NO_ADDRESS: Final = "255.255.255.255"
"""Stands for an address that is withheld."""


@dataclass(frozen=True, slots=True)
class WhoRow:
    """
    What WHO may say of somebody.

    @ivar channel: The room asked for, or one that both are in, or C{*}.
    @ivar user: The user name.
    @ivar host: The host that others may see.
    @ivar server: The server's name.
    @ivar nick: The nick.
    @ivar flags: C{H} or C{G}, C{*} for an operator, prefixes, the letter of a bot.
    @ivar realname: What they call themselves.
    @ivar account: The account, or C{None}.
    @ivar address: The real address, or C{None} to withhold it.
    @ivar idle: Seconds since they spoke; C{None} to withhold that.
    """

    channel: str
    user: str
    host: str
    server: str
    nick: str
    flags: str
    realname: str
    account: str | None = None
    address: str | None = None
    idle: int | None = None


@dataclass(frozen=True, slots=True)
class WhoRequest:
    """
    What a WHO asks for.

    @ivar mask: Whom, as the client wrote it.
    @ivar operators: Whether operators alone.
    @ivar fields: The fields of the answer, in their order; C{None} asks for the
        ordinary answer.
    @ivar token: What the answer repeats; C{0} if nothing was given.
    """

    mask: str
    operators: bool = False
    fields: str | None = None
    token: str = "0"

    def reply(self, server: str, client: str, row: WhoRow) -> bytes:
        """
        Write an answer: 354 with the fields that were asked for, else 352.

        @param server: The server's name, its source.
        @param client: The nick of who asked.
        """
        if self.fields is None:
            return build(
                RPL_WHOREPLY,
                client,
                row.channel,
                row.user,
                safe_host(row.host),
                row.server,
                row.nick,
                row.flags,
                source=server,
                trailing=f"0 {row.realname}",
            )
        values = {
            "t": self.token,
            "c": row.channel,
            "u": row.user,
            "i": safe_host(row.address or NO_ADDRESS),
            "h": safe_host(row.host),
            "s": row.server,
            "n": row.nick,
            "f": row.flags,
            "d": "0",
            "l": str(row.idle or 0),
            "a": row.account or "0",
            "o": "n/a",
        }
        return build(
            RPL_WHOSPCRPL,
            client,
            *(values[field] for field in self.fields if field != "r"),
            source=server,
            trailing=row.realname if "r" in self.fields else None,
        )


def safe_host(host: str) -> str:
    """Give a host that can be a parameter: C{::1} is written C{0::1}."""
    return f"0{host}" if host.startswith(":") else host


def parse_who(params: Sequence[str]) -> WhoRequest | None:
    """
    Read the parameters of WHO: C{mask [o][%fields[,token]]}.

    Fields that do not exist are left out, and so is a token that is none.

    @return: The request, or C{None} when nothing is asked for.
    """
    if not params or not params[0]:
        return None
    mask = params[0]
    flags, percent, rest = (params[1] if len(params) > 1 else "").partition("%")
    operators = "o" in flags
    if not percent:
        return WhoRequest(mask, operators)
    wanted, _, token = rest.partition(",")
    fields = "".join(field for field in FIELDS if field in wanted)
    if not (token.isascii() and token.isdigit() and len(token) <= TOKEN_LIMIT):
        token = "0"
    return WhoRequest(mask, operators, fields, token)
