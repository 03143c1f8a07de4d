"""
The hub's state, and what each event does to it.

Nothing is decided here: commands (L{netsvc.chat.hub}) have decided before they
publish. An event that is about somebody, or a room, who is gone does nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from netsvc.chat import events
from netsvc.chat.courier import Courier
from netsvc.chat.events import Event, Kind, Said
from netsvc.chat.masks import Mask
from netsvc.chat.member import Member
from netsvc.chat.names import fold, party
from netsvc.chat.records import record
from netsvc.chat.rooms import FLAGS, LISTS, OPERATOR, PREFIXES, Room, audience


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
    @ivar past: Who had a nick before, oldest first.
    @ivar most: The most people there were at once.
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
        self._courier = courier
        self._archive = archive
        self._skeleton = skeleton
        self._name = name
        self.members: dict[str, Member] = {}
        self.skeletons: dict[str, tuple[Member, ...]] = {}
        self.rooms: dict[str, Room] = {}
        self.watchers: dict[str, dict[Member, None]] = {}
        self.past: deque[Past] = deque(maxlen=past)
        self.most = 0
        self._arrivals: dict[str, Member] = {}
        self._apply: Final[dict[type[Event], Callable[..., None]]] = {
            events.Said: self._said,
            events.Came: self._came,
            events.Joined: self._joined,
            events.Parted: self._parted,
            events.Kicked: self._kicked,
            events.Quit: self._quit,
            events.Renamed: self._renamed,
            events.TopicSet: self._topic,
            events.ModesSet: self._modes,
            events.Invited: self._invited,
            events.AwaySet: self._away,
            events.AccountSet: self._account,
            events.RealnameSet: self._realname,
            events.HostSet: self._host,
            events.Announced: self._announced,
        }

    def apply(self, event: Event) -> None:
        """Do what an event says, and deliver it."""
        self._apply[type(event)](event)

    def expect(self, member: Member) -> None:
        """Somebody's L{events.Came} is about to be published: it is this one."""
        self._arrivals[member.key] = member

    # Delivery.

    def _to_room(self, event: events.RoomEvent, room: Room, member: Member) -> None:
        """Show an event to a room, and keep it; its causer is a member or not."""
        self._keep(event, room)
        self._courier.deliver(event, room.audience(), member.session)

    def _keep(self, event: Event, room: Room) -> int:
        """Keep an event in a room's history."""
        if self._archive is None:
            return 0
        target = self._archive.room_target(room.fold)
        return self._courier.keep(record(event, target))

    def _to_peers(self, event: Event, member: Member) -> None:
        """Show an event to all who share a room with somebody, and to watchers."""
        peers = self.peers(member)
        for watcher in self.watchers.get(member.key, ()):
            if watcher.session.wire.extended_monitor:
                peers[watcher] = None
        peers.pop(member, None)
        self._courier.deliver(event, audience(peers), member.session)

    def peers(self, member: Member) -> dict[Member, None]:
        """Give all who share a room with somebody, themselves too."""
        found: dict[Member, None] = {}
        for room in member.rooms.values():
            found.update(dict.fromkeys(room.members))
        return found

    def _of(self, source: events.Source) -> Member | None:
        return self.members.get(fold(source.nick))

    def _in(self, event: events.RoomEvent) -> tuple[Member | None, Room | None]:
        return self._of(event.source), self.rooms.get(fold(event.room))

    def regroup(self, member: Member) -> None:
        """Somebody's wire has changed."""
        for room in member.rooms.values():
            room.regroup()

    # Coming, going, being called.

    def _came(self, event: events.Came) -> None:
        member = self._arrivals.pop(fold(event.source.nick), None)
        if member is None:
            return
        self._add(member)
        self.most = max(self.most, len(self.members))
        self._tell_watchers(event, member)

    def _add(self, member: Member) -> None:
        self.members[member.key] = member
        member.skeleton = self._skeleton(member.nick)
        same = self.skeletons.get(member.skeleton, ())
        self.skeletons[member.skeleton] = (*same, member)

    def _remove(self, member: Member) -> None:
        del self.members[member.key]
        same = self.skeletons.pop(member.skeleton)
        if len(same) > 1:
            others = tuple(each for each in same if each is not member)
            self.skeletons[member.skeleton] = others

    def _tell_watchers(self, event: Event, member: Member) -> None:
        watchers = self.watchers.get(member.key)
        if watchers:
            online = not isinstance(event, events.Quit)
            watched = events.Watched(
                event.time, event.msgid, member.source, member.nick, online
            )
            self._courier.deliver(watched, audience(watchers))

    def _forget(self, member: Member, time: int) -> None:
        """Remember who had a nick that is given up."""
        self.past.append(Past(member.source, time, member.person.address))

    def _quit(self, event: events.Quit) -> None:
        member = self._of(event.source)
        if member is None:
            return
        peers = self.peers(member)
        peers.pop(member, None)
        for room in member.rooms.values():
            self._keep(event, room)
        self._courier.deliver(event, audience(peers), member.session)
        for room in list(member.rooms.values()):
            self._leave(member, room)
        for key in member.watching:
            self.unwatch(member, key)
        for key in member.invited:
            room_of = self.rooms.get(key)
            if room_of is not None:
                room_of.invited.discard(member)
        self._forget(member, event.time)
        self._remove(member)
        self._tell_watchers(event, member)

    def _renamed(self, event: events.Renamed) -> None:
        member = self._of(event.source)
        if member is None:
            return
        peers = self.peers(member)
        peers.pop(member, None)
        for room in member.rooms.values():
            self._keep(event, room)
        new = fold(event.nick) != member.key
        if new:
            self._forget(member, event.time)
            gone = events.Quit(event.time, event.msgid, member.source)
            self._tell_watchers(gone, member)
        self._remove(member)
        member.nick = event.nick
        member.key = fold(event.nick)
        member.changed()
        self._add(member)
        self._courier.deliver(event, audience(peers), member.session)
        if new:
            self._tell_watchers(event, member)

    def _away(self, event: events.AwaySet) -> None:
        member = self._of(event.source)
        if member is not None:
            member.away = event.text
            self._to_peers(event, member)

    def _account(self, event: events.AccountSet) -> None:
        member = self._of(event.source)
        if member is not None:
            member.account = event.account
            member.changed()
            self._to_peers(event, member)

    def _realname(self, event: events.RealnameSet) -> None:
        member = self._of(event.source)
        if member is not None:
            member.realname = event.realname
            member.changed()
            self._to_peers(event, member)

    def _host(self, event: events.HostSet) -> None:
        member = self._of(event.source)
        if member is None:
            return
        self._come_again(event, member)
        member.user, member.host = event.user, event.host
        member.changed()
        self._to_peers(event, member)

    def _come_again(self, event: events.HostSet, member: Member) -> None:
        """
        Show a new host to those who know no event for it: as if its bearer had left,
        and come back (IRCv3 chghost, "Fallback").
        """
        time, msgid, source = event.time, event.msgid, event.source
        peers = [
            peer
            for peer in self.peers(member)
            if peer is not member and not peer.session.wire.shows_hosts
        ]
        if not peers:
            return
        quit = events.Quit(time, msgid, source, "Changing host")
        self._courier.deliver(quit, audience(peers))
        again = replace(source, user=event.user, host=event.host)
        for room in member.rooms.values():
            inside = audience(peer for peer in peers if peer in room.members)
            joined = events.Joined(time, msgid, again, room.name, member.away)
            self._courier.deliver(joined, inside)
            given = tuple(
                events.Change(True, letter, member.nick)
                for letter in PREFIXES
                if letter in room.members[member]
            )
            if given:
                server = events.server_source(self._name)
                modes = events.ModesSet(time, msgid, server, room.name, given)
                self._courier.deliver(modes, inside)

    def _announced(self, event: events.Announced) -> None:
        listeners = [
            each for each in self.members.values() if not each.modes.isdisjoint("ow")
        ]
        self._courier.deliver(event, audience(listeners))

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

    # Rooms.

    def _joined(self, event: events.Joined) -> None:
        member = self._of(event.source)
        if member is None:
            return
        key = fold(event.room)
        room = self.rooms.get(key)
        if room is None:
            room = self.rooms[key] = Room(event.room, event.time)
            room.members[member] = {OPERATOR}
        else:
            room.members[member] = set()
        room.invited.discard(member)
        member.invited.pop(key, None)
        room.regroup()
        member.rooms[key] = room
        self._to_room(event, room, member)

    def _leave(self, member: Member, room: Room) -> None:
        del room.members[member]
        del member.rooms[room.fold]
        room.regroup()
        if not room.members:
            del self.rooms[room.fold]
            for guest in room.invited:
                guest.invited.pop(room.fold, None)
            if self._archive is not None:
                self._archive.ended(room.fold)

    def _parted(self, event: events.Parted) -> None:
        member, room = self._in(event)
        if member is not None and room is not None and member in room.members:
            self._to_room(event, room, member)
            self._leave(member, room)

    def _kicked(self, event: events.Kicked) -> None:
        kicker, room = self._in(event)
        member = self.members.get(fold(event.nick))
        if member is None or room is None or member not in room.members:
            return
        self._keep(event, room)
        own = None if kicker is None else kicker.session
        self._courier.deliver(event, room.audience(), own)
        self._leave(member, room)

    def _topic(self, event: events.TopicSet) -> None:
        room = self.rooms.get(fold(event.room))
        if room is None:
            return
        room.topic = event.topic
        room.topic_by = event.source.mask if event.source.nick else event.source.host
        room.topic_time = event.time
        self._show(event, room)

    def _show(self, event: events.RoomEvent, room: Room) -> None:
        """Show a room what a member did, or the server."""
        self._keep(event, room)
        member = self._of(event.source)
        own = member.session if member is not None else None
        self._courier.deliver(event, room.audience(), own)

    def _modes(self, event: events.ModesSet) -> None:
        room = self.rooms.get(fold(event.room))
        if room is None:
            return
        private = room.private
        for change in event.changes:
            self._change(room, change, event)
        if self._archive is not None and private != room.private:
            self._archive.private(room.fold, room.private)
        self._show(event, room)

    def _change(self, room: Room, change: events.Change, event: Event) -> None:
        """Change one mode."""
        letter, argument = change.letter, change.argument
        if letter in FLAGS:
            (room.flags.add if change.adding else room.flags.discard)(letter)
        elif letter == "k":
            room.key = argument if change.adding else None
        elif letter == "l":
            room.limit = int(argument) if change.adding and argument else None
        elif letter in LISTS and argument is not None:
            if change.adding:
                setter = event.source.mask if event.source.nick else event.source.host
                mask = Mask(argument, setter, event.time)
                room.lists[letter][fold(argument)] = mask
            else:
                room.lists[letter].pop(fold(argument), None)
        elif letter in PREFIXES and argument is not None:
            member = self.members.get(fold(argument))
            if member in room.members:
                statuses = room.members[member]
                (statuses.add if change.adding else statuses.discard)(letter)

    def _invited(self, event: events.Invited) -> None:
        member, room = self._in(event)
        target = self.members.get(fold(event.nick))
        if target is None:
            return
        own = None if member is None else member.session
        self._courier.deliver(event, audience([target]), own)
        if room is None:
            return
        if member is None or room.operator(member):
            room.invited.add(target)
            target.invited[room.fold] = None
        seen = events.InvitationSeen(
            event.time, event.msgid, event.source, event.room, event.nick
        )
        others = [each for each in room.members if each not in (member, target)]
        self._courier.deliver(seen, audience(others))

    # Talking.

    def _said(self, event: Said) -> None:
        member = self._of(event.source)
        own = None if member is None else member.session
        if member is not None and event.kind is not Kind.TAGS:
            member.active = event.time
        if event.to is not None:
            self._said_to_one(event, own)
            return
        room = self.rooms.get(fold(event.target))
        if room is None:
            return
        ticket = 0
        if event.status:
            hearers = audience(room.with_status(event.status))
        else:
            hearers = room.audience()
            if event.lasting:
                ticket = self._keep(event, room)
        self._courier.deliver(event, hearers, own, ticket)

    def _said_to_one(self, event: Said, own: events.Session | None) -> None:
        assert event.to is not None
        hearer = self.members.get(fold(event.to.nick))
        ticket = 0
        us, them = event.source, event.to
        if (
            self._archive is not None
            # Two guests could not read it again: nothing says who they were.
            and (us.account is not None or them.account is not None)
            and event.lasting
        ):
            target = self._archive.direct_target(
                party(us.nick, us.account), party(them.nick, them.account)
            )
            ticket = self._courier.keep(record(event, target))
        hearers = {} if hearer is None else audience([hearer])
        self._courier.deliver(event, hearers, own, ticket)
        if hearer is not None and hearer.session is own:
            # To oneself: the message itself, beside the echo.
            self._courier.deliver(event, hearers, None)
