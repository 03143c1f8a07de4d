"""
Commands of the hub: into rooms and out of them, and what their operators do.

Each takes the hub, of which it is a method (L{netsvc.chat.hub}).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netsvc.chat import events
from netsvc.chat.admission import check_join, muted
from netsvc.chat.events import Change, HubError, Reason
from netsvc.chat.member import Member
from netsvc.chat.names import fold, valid_room
from netsvc.chat.room_modes import checked
from netsvc.chat.rooms import Room
from netsvc.chat.text import cut

if TYPE_CHECKING:
    from netsvc.chat.hub import Hub


def join(
    hub: Hub,
    member: Member,
    name: str,
    key: str | None = None,
    *,
    force: bool = False,
) -> Room | None:
    """
    Bring somebody into a room, which is made if there is none.

    @param key: The key that they give.
    @param force: Whatever its modes say.
    @return: The room, or C{None} when they were there already.
    @raise HubError: If they may not.
    """
    hub.still_here(member)
    if not valid_room(name, length=hub.limits.room):
        raise HubError(Reason.ROOM_INVALID, name)
    room = hub.state.rooms.get(fold(name))
    if room is not None and member in room.members:
        return None
    if len(member.rooms) >= hub.limits.rooms_per_member:
        raise hub.refusal("rooms-per-member", Reason.TOO_MANY_ROOMS, name)
    # Also for one that is refused: keys are not to be guessed any faster.
    hub.spend("joins", member)
    if room is None:
        if len(hub.state.rooms) >= hub.limits.rooms:
            raise hub.refusal("rooms", Reason.TOO_MANY_ROOMS, name)
    else:
        name = room.name
        if len(room.members) >= hub.limits.members_per_room:
            raise hub.refusal("members-per-room", Reason.ROOM_FULL, name)
        if not force:
            check_join(room, member, key)
    hub.bus.publish(events.Joined(*hub.stamp(), member.source, name, member.away))
    return hub.state.rooms.get(fold(name))


def _inside(hub: Hub, member: Member, name: str) -> Room:
    """
    Give a room that somebody is in.

    @raise HubError: If there is none, or they are not in it.
    """
    room = hub.room(name)
    if member not in room.members:
        raise HubError(Reason.NOT_IN_ROOM, name)
    return room


def part(hub: Hub, member: Member, name: str, reason: str = "") -> None:
    """
    Take somebody out of a room.

    @raise HubError: If they are not in it.
    """
    room = _inside(hub, member, name)
    reason = "" if muted(room, member) else cut(reason, hub.limits.reason)
    hub.bus.publish(events.Parted(*hub.stamp(), member.source, room.name, reason))


def set_topic(hub: Hub, member: Member, name: str, topic: str) -> None:
    """
    Set a room's topic; empty takes it away.

    @raise HubError: If they may not.
    """
    room = _inside(hub, member, name)
    if "t" in room.flags and not room.operator(member):
        raise HubError(Reason.NOT_OPERATOR, name)
    if muted(room, member):
        raise HubError(Reason.MUTED, name)
    hub.spend("messages", member)
    topic = cut(topic, hub.limits.topic)
    hub.bus.publish(events.TopicSet(*hub.stamp(), member.source, room.name, topic))


def kick(hub: Hub, member: Member, name: str, nick: str, reason: str = "") -> None:
    """
    Put somebody out of a room.

    @param reason: By default who does it.
    @raise HubError: If they may not.
    """
    room = _inside(hub, member, name)
    if not room.operator(member):
        raise HubError(Reason.NOT_OPERATOR, name)
    target = hub.state.members.get(fold(nick))
    if target is None or target not in room.members:
        raise HubError(Reason.NOT_ON_ROOM, nick, name)
    reason = cut(reason, hub.limits.reason) or member.nick
    hub.bus.publish(
        events.Kicked(*hub.stamp(), member.source, room.name, target.nick, reason)
    )


def invite(hub: Hub, member: Member, nick: str, name: str) -> Member:
    """
    Invite somebody into a room.

    An operator's invitation lets them in once, past a ban, a limit and
    invite-only; another member's only tells them of the room.

    @return: Whom.
    @raise HubError: If they may not.
    """
    target = hub.member(nick)
    room = _inside(hub, member, name)
    if target in room.members:
        raise HubError(Reason.ALREADY_IN_ROOM, target.nick, name)
    if "i" in room.flags and not room.operator(member):
        raise HubError(Reason.NOT_OPERATOR, name)
    full = len(room.invited) >= hub.limits.invitations
    if full and room.operator(member) and target not in room.invited:
        raise hub.refusal("invitations", Reason.TOO_FAST, "invitations")
    hub.spend("messages", member)
    hub.bus.publish(events.Invited(*hub.stamp(), member.source, room.name, target.nick))
    return target


def set_modes(
    hub: Hub, member: Member | None, name: str, changes: Sequence[Change]
) -> list[HubError]:
    """
    Change modes of a room.

    What can be done is done, as one event with what really changed.

    @param member: Who asks; C{None} is the server, which may.
    @param changes: What to change, in order.
    @return: Why the rest was not done.
    @raise HubError: If they may change none.
    """
    room = hub.room(name)
    if member is not None and not room.operator(member):
        raise HubError(Reason.NOT_OPERATOR, name)
    payer = None if member is None else member.payer
    real, refusals = checked(hub.state, room, changes, hub.limits, payer)
    for refusal in refusals:
        if refusal.reason is Reason.LIST_FULL:
            hub.refused["list-entries"] += 1
    if real:
        if member is not None:
            hub.spend("messages", member)
        source = hub.source if member is None else member.source
        hub.bus.publish(events.ModesSet(*hub.stamp(), source, room.name, tuple(real)))
    return refusals
