"""Who may be shown what: rooms, people, addresses; and what WHO says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat.cloak import uncloaked
from netsvc.chat.irc.whox import WhoRow
from netsvc.chat.member import Member
from netsvc.chat.rooms import Room

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession


def is_oper(session: IrcSession) -> bool:
    """Say whether somebody is an operator of the server."""
    return session.me.oper is not None


def may_see(session: IrcSession, room: Room) -> bool:
    """Say whether somebody may know of a room."""
    return session.hub.visible(room, session.me)


def may_find(session: IrcSession, member: Member) -> bool:
    """Say whether somebody may find a person whom they cannot name."""
    return (
        "i" not in member.modes
        or member is session.me
        or session.hub.share_room(member, session.me)
    )


def address_of(session: IrcSession, member: Member) -> str | None:
    """Give a person's real address, if it may be told: to operators and themselves."""
    address = member.person.address
    if not address or not (member is session.me or is_oper(session)):
        return None
    return uncloaked(address)


def common_room(session: IrcSession, member: Member) -> Room | None:
    """Give a room that both are in."""
    mine = session.me.rooms
    for key, room in member.rooms.items():
        if key in mine:
            return room
    return None


def prefixes(session: IrcSession, room: Room, member: Member) -> str:
    """Give a person's prefixes in a room: the highest, or all (C{multi-prefix})."""
    found = room.prefixes(member)
    return found if "multi-prefix" in session.caps else found[:1]


def flags(session: IrcSession, member: Member, room: Room | None) -> str:
    """Give what WHO says of a person: here or gone, operator, prefixes, bot."""
    return (
        ("H" if member.away is None else "G")
        + ("*" if "o" in member.modes else "")
        + ("" if room is None else prefixes(session, room, member))
        + ("B" if "B" in member.modes else "")
    )


def idle(session: IrcSession, member: Member) -> int:
    """Give the seconds since a person said something."""
    return max(0, session.network.milliseconds() - member.active) // 1000


def who_row(session: IrcSession, member: Member, room: Room | None) -> WhoRow:
    """
    Give what WHO says of a person.

    @param room: The room that is asked for; or one that both are in, or C{None}.
    """
    return WhoRow(
        channel="*" if room is None else room.name,
        user=member.user,
        host=member.host,
        server=session.network.name,
        nick=member.nick,
        flags=flags(session, member, room),
        realname=member.realname,
        account=member.account,
        address=address_of(session, member),
        idle=idle(session, member),
    )
