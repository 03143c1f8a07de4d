"""KLINE and UNKLINE: who may not connect to this server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netsvc.chat.ban_masks import full_mask, means, parse_duration
from netsvc.chat.irc import numerics
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.commands.operators import NO_REASON, may_operate, note, tell
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.times import format_seconds
from netsvc.chat.member import Member
from netsvc.chat.network import Ban
from netsvc.chat.store.errors import StoreError
from netsvc.chat.text import cut

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

_NO_MASK: Final = (
    "A mask is user@host, a host, or an address with /bits; with at least three"
    " letters or digits, and not too wide"
)


def meant(member: Member, mask: str) -> bool:
    """
    Say whether a ban means somebody who is here.

    @param mask: As L{full_mask} gives it.
    """
    return means(mask, member.user, (member.host, member.person.address))


@command("KLINE", least=1)
async def kline(session: IrcSession, message: Message) -> None:
    """KLINE [<duration>] <mask> [<reason>]: ban from the server, and put out."""
    if not may_operate(session):
        return
    bans, params = session.network.bans, message.params
    seconds = parse_duration(params[0]) if len(params) > 1 else None
    if seconds is not None:
        params = params[1:]
    mask = full_mask(params[0])
    reason = " ".join(params[1:])
    reason = cut(reason or NO_REASON, session.hub.limits.reason // 2)
    if bans is None:
        tell(session, "No bans are kept here")
    elif mask is None:
        tell(session, _NO_MASK)
    elif meant(session.me, mask):
        tell(session, f"{mask} means you")
    else:
        now = session.network.milliseconds()
        until = now + seconds * 1000 if seconds else None
        setter = session.me.oper or session.me.nick
        await _ban(session, Ban(mask, reason, setter, now, until))


async def _ban(session: IrcSession, ban: Ban) -> None:
    """Set a ban, and put out those whom it means."""
    network = session.network
    assert network.bans is not None
    try:
        await network.bans.add(ban)
    except StoreError as error:
        session.numeric(numerics.ERR_UNKNOWNERROR, "KLINE", text=str(error))
        return
    until = "for ever"
    if ban.expires is not None:
        until = f"until {format_seconds(ban.expires // 1000)}Z"
    note(session, "kline", f"{ban.mask} {until}: {ban.reason}")
    victims = [
        member
        for member in network.hub.state.members.values()
        if meant(member, ban.mask)
    ]
    for victim in victims:
        network.kill(victim, f"K-lined: {ban.reason}")
    network.counters["oper-kline-killed"] += len(victims)
    tell(session, f"{ban.mask} is banned {until}; {len(victims)} put out")


@command("UNKLINE", least=1)
async def unkline(session: IrcSession, message: Message) -> None:
    """UNKLINE <mask>: lift a ban from the server."""
    if not may_operate(session):
        return
    bans = session.network.bans
    mask = full_mask(message.params[0])
    if bans is None or mask is None or not await bans.remove(mask):
        tell(session, "There is no such ban: see STATS k")
        return
    note(session, "unkline", mask)
    tell(session, f"{mask} is banned no more")
