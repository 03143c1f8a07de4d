"""
The hub's command to talk: to a room, to some of it, or to a person.

It takes the hub, of which it is a method (L{netsvc.chat.hub}).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netsvc.chat.admission import check_say, check_tell
from netsvc.chat.events import HubError, Kind, Reason, Said
from netsvc.chat.member import Member
from netsvc.chat.names import is_room
from netsvc.chat.rooms import PREFIXES

if TYPE_CHECKING:
    from netsvc.chat.hub import Hub


def say(
    hub: Hub,
    member: Member,
    target: str,
    text: str,
    kind: Kind = Kind.MESSAGE,
    tags: Iterable[tuple[str, str]] = (),
) -> Said:
    """
    Say something to a room, to those of a room with a prefix, or to a person.

    @param target: C{#room}, C{@#room} or a nick.
    @param text: The text, which the frontend has cut; empty for L{Kind.TAGS}.
    @param tags: Client-only tags.
    @return: What was said.
    @raise HubError: If they may not.
    """
    hub.still_here(member)
    if not text and kind is not Kind.TAGS:
        raise HubError(Reason.NO_TEXT)
    status = ""
    if target[:1] in PREFIXES.values() and is_room(target[1:]):
        status, target = target[0], target[1:]
    if is_room(target):
        room = hub.room(target)
        check_say(room, member, text)
        hub.spend("messages", member)
        said = Said(
            *hub.stamp(),
            member.source,
            room.name,
            kind,
            text,
            status,
            tuple(tags),
        )
    else:
        hearer = hub.member(target)
        check_tell(hearer, member, text)
        hub.spend("messages", member)
        if "R" in member.modes:
            # So that they can answer.
            member.accept(hearer, hub.limits.accepted)
        said = Said(
            *hub.stamp(),
            member.source,
            hearer.nick,
            kind,
            text,
            "",
            tuple(tags),
            hearer.source,
        )
    hub.bus.publish(said)
    return said
