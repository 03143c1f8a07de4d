"""What one person, one room and the whole hub may use."""

from __future__ import annotations

from dataclasses import dataclass

from netsvc.chat.names import KEY_LENGTH, NICK_LENGTH, ROOM_LENGTH
from netsvc.daemon.limits import Rate


@dataclass(frozen=True, kw_only=True)
class HubLimits:
    """
    The hub's limits. Lengths are bytes of UTF-8 where they are texts.

    @ivar members: People in all.
    @ivar rooms: Rooms in all.
    @ivar rooms_per_member: Rooms one person may be in.
    @ivar members_per_room: People in a room.
    @ivar list_entries: Masks in one list of a room.
    @ivar masks: Masks in all lists of all rooms that one account, or source, has set.
    @ivar nick: Code points in a nick.
    @ivar room: Code points in a room's name.
    @ivar key: Code points in a room's key.
    @ivar topic: Bytes of a topic.
    @ivar reason: Bytes of the reason of a kick, a part or a quit.
    @ivar away: Bytes of an away text.
    @ivar realname: Bytes of a real name.
    @ivar whowas: Past nicks remembered.
    @ivar watching: Nicks that one person may watch.
    @ivar invitations: Invitations open in a room.
    @ivar accepted: People whom one person lets write to them in spite of mode C{R}.
    @ivar message_rate: Messages of one account, or source.
    @ivar join_rate: Joins of one account, or source.
    @ivar nick_rate: Nick changes of one account, or source.
    """

    members: int = 10_000
    rooms: int = 10_000
    rooms_per_member: int = 100
    members_per_room: int = 10_000
    list_entries: int = 100
    masks: int = 10_000
    nick: int = NICK_LENGTH
    room: int = ROOM_LENGTH
    key: int = KEY_LENGTH
    topic: int = 390
    reason: int = 390
    away: int = 390
    realname: int = 150
    whowas: int = 1_000
    watching: int = 100
    invitations: int = 100
    accepted: int = 100
    message_rate: Rate | None = None
    join_rate: Rate | None = None
    nick_rate: Rate | None = None
