"""
The hub's state: who is there, in which rooms, and who hears of what.

What each event does to it is told by subject: L{netsvc.chat.state_people},
L{netsvc.chat.state_rooms} and L{netsvc.chat.state_talking}. Nothing is decided there:
commands (L{netsvc.chat.hub}) have decided before they publish. An event that is about
somebody, or a room, who is gone does nothing.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from netsvc.chat import events, state_people, state_rooms, state_talking
from netsvc.chat.courier import Courier
from netsvc.chat.events import Event
from netsvc.chat.masks import Mask
from netsvc.chat.member import Member
from netsvc.chat.names import fold
from netsvc.chat.records import record
from netsvc.chat.rooms import Room, audience


class Archive(Protocol):
    """What knows under which names the history is kept."""

    def room_target(self, room: str) -> str:
        """Give the history's name for a room, by its key."""

    def private(self, room: str, private: bool) -> None:
        """A room is private from now on, or no more."""

    def ended(self, room: str) -> None:
        """A room has ended: what was private in it is sealed."""

    def direct_target(self, first: str, second: str) -> str:
        """Give the history's name for what two accounts say to each other."""


@dataclass(frozen=True, slots=True)
class Past:
    """
    Who had a nick before.

    @ivar source: Who they were.
    @ivar time: When they gave it up, in ms since the epoch.
    @ivar address: Their real address.
    """

    source: events.Source
    time: int
    address: str


class State:
    """
    Members and rooms.

    @ivar members: People by the key of their nick.
    @ivar rooms: Rooms by key.
    @ivar watchers: Who watches a nick, by its key.
    @ivar masks: How many masks in rooms' lists count on whose account.
    @ivar past: Who had a nick before, oldest first.
    @ivar most: The most people there were at once.
    @ivar skeletons: People by what the names that look like theirs have in common.
    @ivar arrivals: Whose L{events.Came} is on its way, by the key of their nick.
    @ivar courier: Delivers events.
    @ivar archive: Names what is kept; C{None} keeps nothing.
    @ivar name: The server's name.
    """

    def __init__(
        self,
        courier: Courier,
        archive: Archive | None,
        skeleton: Callable[[str], str],
        past: int,
        name: str,
    ) -> None:
        """
        Start empty.

        @param courier: Delivers events.
        @param archive: Names what is kept; C{None} keeps nothing.
        @param skeleton: Gives what two names that look alike have in common.
        @param past: How many past nicks to remember.
        @param name: The server's name.
        """
        self.courier = courier
        self.archive = archive
        self._skeleton = skeleton
        self.name = name
        self.members: dict[str, Member] = {}
        self.skeletons: dict[str, tuple[Member, ...]] = {}
        self.rooms: dict[str, Room] = {}
        self.watchers: dict[str, dict[Member, None]] = {}
        self.masks: Counter[str | bytes] = Counter()
        self.past: deque[Past] = deque(maxlen=past)
        self.most = 0
        self.arrivals: dict[str, Member] = {}

    def apply(self, event: Event) -> None:
        """Do what an event says, and deliver it."""
        _EFFECTS[type(event)](self, event)

    # Looking.

    def of(self, source: events.Source) -> Member | None:
        """Give whom a source means, by their nick; C{None} if they are gone."""
        return self.members.get(fold(source.nick))

    def within(self, event: events.RoomEvent) -> tuple[Member | None, Room | None]:
        """Give who caused an event in a room, and the room."""
        return self.of(event.source), self.rooms.get(fold(event.room))

    def peers(self, member: Member) -> dict[Member, None]:
        """Give all who share a room with somebody, themselves too."""
        found: dict[Member, None] = {}
        for room in member.rooms.values():
            found.update(dict.fromkeys(room.members))
        return found

    # People.

    def expect(self, member: Member) -> None:
        """Somebody's L{events.Came} is about to be published: it is this one."""
        self.arrivals[member.key] = member

    def add(self, member: Member) -> None:
        """Somebody has a nick from now on, and what looks like it."""
        self.members[member.key] = member
        member.skeleton = self._skeleton(member.nick)
        same = self.skeletons.get(member.skeleton, ())
        self.skeletons[member.skeleton] = (*same, member)

    def remove(self, member: Member) -> None:
        """Somebody has their nick no more."""
        del self.members[member.key]
        same = self.skeletons.pop(member.skeleton)
        if len(same) > 1:
            others = tuple(each for each in same if each is not member)
            self.skeletons[member.skeleton] = others

    def remember(self, member: Member, time: int) -> None:
        """Remember who had a nick that is given up."""
        self.past.append(Past(member.source, time, member.person.address))

    # Rooms.

    def leave(self, member: Member, room: Room) -> None:
        """Somebody is in a room no more; an empty room is no more."""
        del room.members[member]
        del member.rooms[room.fold]
        room.regroup()
        if not room.members:
            del self.rooms[room.fold]
            for guest in room.invited:
                guest.invited.pop(room.fold, None)
            for masks in room.lists.values():
                for mask in masks.values():
                    self.unlist(mask)
            if self.archive is not None:
                self.archive.ended(room.fold)

    def regroup(self, member: Member) -> None:
        """Somebody's wire has changed."""
        for room in member.rooms.values():
            room.regroup()

    def unlist(self, mask: Mask) -> None:
        """A mask is in its list no more."""
        self.masks[mask.payer] -= 1
        if not self.masks[mask.payer]:
            del self.masks[mask.payer]

    # Watching (MONITOR).

    def watch(self, member: Member, nick: str) -> None:
        """Tell somebody from now on when a nick comes and goes."""
        key = fold(nick)
        member.watching[key] = nick
        self.watchers.setdefault(key, {})[member] = None

    def unwatch(self, member: Member, key: str) -> None:
        """Tell them no more. Their own list is the caller's."""
        watchers = self.watchers.get(key)
        if watchers is not None:
            watchers.pop(member, None)
            if not watchers:
                del self.watchers[key]

    # Delivery.

    def keep(self, event: Event, room: Room) -> int:
        """Keep an event in a room's history."""
        if self.archive is None:
            return 0
        target = self.archive.room_target(room.fold)
        return self.courier.keep(record(event, target))

    def to_room(self, event: events.RoomEvent, room: Room, member: Member) -> None:
        """Show an event to a room, and keep it; its causer is a member or not."""
        self.keep(event, room)
        self.courier.deliver(event, room.audience(), member.session)

    def show_room(self, event: events.RoomEvent, room: Room) -> None:
        """Show a room what a member did, or the server."""
        self.keep(event, room)
        member = self.of(event.source)
        own = member.session if member is not None else None
        self.courier.deliver(event, room.audience(), own)

    def to_peers(self, event: Event, member: Member) -> None:
        """Show an event to all who share a room with somebody, and to watchers."""
        peers = self.peers(member)
        for watcher in self.watchers.get(member.key, ()):
            if watcher.session.wire.extended_monitor:
                peers[watcher] = None
        peers.pop(member, None)
        self.courier.deliver(event, audience(peers), member.session)

    def tell_watchers(self, event: Event, member: Member) -> None:
        """Tell who watches a nick that it has come, or gone."""
        watchers = self.watchers.get(member.key)
        if watchers:
            online = not isinstance(event, events.Quit)
            watched = events.Watched(
                event.time, event.msgid, member.source, member.nick, online
            )
            self.courier.deliver(watched, audience(watchers))


#: What each kind of event does.
_EFFECTS: Final[dict[type[Event], Callable[..., None]]] = {
    events.Said: state_talking.said,
    events.Came: state_people.came,
    events.Joined: state_rooms.joined,
    events.Parted: state_rooms.parted,
    events.Kicked: state_rooms.kicked,
    events.Quit: state_people.left,
    events.Renamed: state_people.renamed,
    events.TopicSet: state_rooms.topic_set,
    events.ModesSet: state_rooms.modes_set,
    events.Invited: state_rooms.invited,
    events.AwaySet: state_people.away_set,
    events.AccountSet: state_people.account_set,
    events.RealnameSet: state_people.realname_set,
    events.HostSet: state_people.host_set,
    events.Announced: state_people.announced,
}
