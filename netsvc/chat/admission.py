"""
Who may join a room, who may speak in it, and who to whom: what modes and lists say.
"""

from __future__ import annotations

from netsvc.chat.events import HubError, Reason
from netsvc.chat.member import Member
from netsvc.chat.rooms import Room
from netsvc.chat.text import action, is_ctcp


def check_join(room: Room, member: Member, key: str | None) -> None:
    """
    Check whether somebody may come in.

    @param key: The key that they give.
    @raise HubError: If not.
    """
    who = member.identity
    invited = member in room.invited
    if "i" in room.flags and not (invited or room.listed("I", who)):
        raise HubError(Reason.ROOM_INVITE_ONLY, room.name)
    if room.banned(who) and not invited:
        raise HubError(Reason.BANNED, room.name)
    if room.key is not None and key != room.key:
        raise HubError(Reason.ROOM_KEY, room.name)
    full = room.limit is not None and len(room.members) >= room.limit
    if full and not invited:
        raise HubError(Reason.ROOM_FULL, room.name)
    if "R" in room.flags and member.account is None and not invited:
        raise HubError(Reason.ACCOUNT_NEEDED, room.name)


def muted(room: Room, member: Member) -> bool:
    """
    Say whether nobody in a room may hear somebody who is in it: by their words, nor by
    a topic, another nick or the reason why they leave.
    """
    if room.voiced(member):
        return False
    return "m" in room.flags or room.silenced(member.identity)


def check_say(room: Room, member: Member, text: str) -> None:
    """
    Check whether somebody may say something.

    @raise HubError: If not.
    """
    inside = member in room.members
    if not inside:
        if room.secret:
            raise HubError(Reason.NO_SUCH_ROOM, room.name)
        if "n" in room.flags:
            raise HubError(Reason.CANNOT_SEND, room.name, "you are not in it")
    if not (inside and room.voiced(member)):
        if "m" in room.flags:
            raise HubError(Reason.CANNOT_SEND, room.name, "it is moderated (+m)")
        if "R" in room.flags and member.account is None:
            raise HubError(Reason.ACCOUNT_NEEDED, room.name)
        if room.silenced(member.identity):
            raise HubError(Reason.MUTED, room.name)
    if "C" in room.flags and is_ctcp(text) and action(text) is None:
        raise HubError(Reason.CANNOT_SEND, room.name, "no CTCP there (+C)")


def check_tell(hearer: Member, member: Member, text: str) -> None:
    """
    Check whether somebody may say something to a person.

    @raise HubError: If not.
    """
    if member is hearer:
        return
    modes = hearer.modes
    if "R" in modes and member.account is None and not hearer.accepts(member):
        raise HubError(Reason.ACCOUNTS_ONLY, hearer.nick)
    if "T" in modes and is_ctcp(text) and action(text) is None:
        raise HubError(Reason.NO_CTCP, hearer.nick)
