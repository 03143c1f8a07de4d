"""
What events in rooms do to the hub's state, and who is shown them.

Nothing is decided here. An event about somebody, or a room, who is gone does nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat import events
from netsvc.chat.events import Event
from netsvc.chat.masks import Mask
from netsvc.chat.names import fold
from netsvc.chat.rooms import FLAGS, LISTS, OPERATOR, PREFIXES, Room, audience

if TYPE_CHECKING:
    from netsvc.chat.state import State


def joined(state: State, event: events.Joined) -> None:
    """Somebody comes into a room; who is its first is its operator."""
    member = state.of(event.source)
    if member is None:
        return
    key = fold(event.room)
    room = state.rooms.get(key)
    if room is None:
        room = state.rooms[key] = Room(event.room, event.time)
        room.members[member] = {OPERATOR}
    else:
        room.members[member] = set()
    room.invited.discard(member)
    member.invited.pop(key, None)
    room.regroup()
    member.rooms[key] = room
    state.to_room(event, room, member)


def parted(state: State, event: events.Parted) -> None:
    """Somebody goes out of a room."""
    member, room = state.within(event)
    if member is not None and room is not None and member in room.members:
        state.to_room(event, room, member)
        state.leave(member, room)


def kicked(state: State, event: events.Kicked) -> None:
    """Somebody is put out of a room."""
    kicker, room = state.within(event)
    member = state.members.get(fold(event.nick))
    if member is None or room is None or member not in room.members:
        return
    state.keep(event, room)
    own = None if kicker is None else kicker.session
    state.courier.deliver(event, room.audience(), own)
    state.leave(member, room)


def topic_set(state: State, event: events.TopicSet) -> None:
    """A room has another topic."""
    room = state.rooms.get(fold(event.room))
    if room is None:
        return
    room.topic = event.topic
    room.topic_by = event.source.mask if event.source.nick else event.source.host
    room.topic_time = event.time
    state.show_room(event, room)


def modes_set(state: State, event: events.ModesSet) -> None:
    """A room has other modes."""
    room = state.rooms.get(fold(event.room))
    if room is None:
        return
    private = room.private
    for change in event.changes:
        _change(state, room, change, event)
    if state.archive is not None and private != room.private:
        state.archive.private(room.fold, room.private)
    state.show_room(event, room)


def _change(state: State, room: Room, change: events.Change, event: Event) -> None:
    """Change one mode."""
    letter, argument = change.letter, change.argument
    if letter in FLAGS:
        (room.flags.add if change.adding else room.flags.discard)(letter)
    elif letter == "k":
        room.key = argument if change.adding else None
    elif letter == "l":
        room.limit = int(argument) if change.adding and argument else None
    elif letter in LISTS and argument is not None:
        masks, key = room.lists[letter], fold(argument)
        gone = masks.pop(key, None)
        if gone is not None:
            state.unlist(gone)
        if change.adding:
            setter = event.source.mask if event.source.nick else event.source.host
            member = state.of(event.source)
            payer = "" if member is None else member.payer
            masks[key] = Mask(argument, setter, event.time, payer)
            state.masks[payer] += 1
    elif letter in PREFIXES and argument is not None:
        member = state.members.get(fold(argument))
        if member in room.members:
            statuses = room.members[member]
            (statuses.add if change.adding else statuses.discard)(letter)


def invited(state: State, event: events.Invited) -> None:
    """Somebody is invited; an operator's invitation lets them in once."""
    member, room = state.within(event)
    target = state.members.get(fold(event.nick))
    if target is None:
        return
    own = None if member is None else member.session
    state.courier.deliver(event, audience([target]), own)
    if room is None:
        return
    if member is None or room.operator(member):
        room.invited.add(target)
        target.invited[room.fold] = None
    seen = events.InvitationSeen(
        event.time, event.msgid, event.source, event.room, event.nick
    )
    others = [each for each in room.members if each not in (member, target)]
    state.courier.deliver(seen, audience(others))
