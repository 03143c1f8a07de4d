"""
The hub: what people may do, and what happens when they do it.

A command checks, and refuses with L{HubError} or publishes one event on the bus; the
event changes the state (L{netsvc.chat.state}) and is delivered
(L{netsvc.chat.courier}). Frontends call commands, and read members and rooms.

The hub reads no clock and draws no random numbers: both are given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from netsvc.chat import confusables, events
from netsvc.chat.admission import check_join, check_say, check_tell, muted
from netsvc.chat.bus import Bus, LocalBus
from netsvc.chat.courier import Courier
from netsvc.chat.events import Change, HubError, Kind, Reason, Said, Session, Source
from netsvc.chat.limits import HubLimits
from netsvc.chat.member import USER_MODES, Member, Person
from netsvc.chat.names import fold, is_room, valid_nick, valid_room
from netsvc.chat.room_modes import checked
from netsvc.chat.rooms import PREFIXES, Room
from netsvc.chat.state import Archive, State
from netsvc.chat.text import cut
from netsvc.daemon.limits import Rate, RateTable, source_key


class Hub:
    """
    One namespace of people and rooms.

    @ivar state: Members and rooms; to be read.
    @ivar courier: Delivers events, and replies behind them.
    @ivar limits: What one may use.
    @ivar refused: How often each limit bit, by name.
    """

    def __init__(
        self,
        *,
        name: str,
        courier: Courier,
        milliseconds: Callable[[], int],
        seconds: Callable[[], float],
        new_id: Callable[[], str],
        limits: HubLimits | None = None,
        archive: Archive | None = None,
        reserved: Callable[[str], str | None] = lambda nick: None,
        bus: Bus | None = None,
    ) -> None:
        """
        Start empty.

        @param name: The server's name, which speaks for it.
        @param courier: Delivers events.
        @param milliseconds: The wall clock, in ms since the epoch.
        @param seconds: A clock that only goes forwards, for rates.
        @param new_id: Makes a msgid that never was before.
        @param limits: What one may use.
        @param archive: Names what the history keeps; C{None} keeps nothing.
        @param reserved: Gives the account whose name a nick is, or looks like, by the
            nick's key.
        @param bus: Carries the events; by default one of this process.
        """
        self.courier = courier
        self.limits = limits = limits or HubLimits()
        self.source = events.server_source(name)
        self.state = State(courier, archive, confusables.key, limits.whowas, name)
        self.refused: Counter[str] = Counter()
        self._now = milliseconds
        self._seconds = seconds
        self._new_id = new_id
        self._reserved = reserved
        self._bus = bus or LocalBus()
        self._bus.subscribe(self.state.apply)
        self._rates = {
            "messages": _table(limits.message_rate),
            "joins": _table(limits.join_rate),
            "nick-changes": _table(limits.nick_rate),
        }
        self._last = 0

    # What events are made of.

    def _stamp(self) -> tuple[int, str]:
        """A time, never before the last one, and a msgid."""
        self._last = max(self._last, self._now())
        return self._last, self._new_id()

    def _spend(self, what: str, member: Member) -> None:
        """
        Take one from a budget.

        @raise HubError: If it is empty.
        """
        table = self._rates[what]
        if table is None:
            return
        key: str | bytes
        if member.account is not None:
            key = "account " + fold(member.account)
        else:
            key = source_key(member.person.address)
        if not table.allow(key, self._seconds()):
            self.refused[what] += 1
            raise HubError(Reason.TOO_FAST, what)

    def _limit(self, name: str, reason: Reason, *context: str) -> HubError:
        """Count a limit that bites, and make the refusal."""
        self.refused[name] += 1
        return HubError(reason, *context)

    # Looking.

    def member(self, nick: str) -> Member:
        """
        Give who has a nick.

        @raise HubError: If nobody has.
        """
        member = self.state.members.get(fold(nick))
        if member is None:
            raise HubError(Reason.NO_SUCH_NICK, nick)
        return member

    def room(self, name: str) -> Room:
        """
        Give a room.

        @raise HubError: If there is none of that name.
        """
        room = self.state.rooms.get(fold(name))
        if room is None:
            raise HubError(Reason.NO_SUCH_ROOM, name)
        return room

    def visible(self, room: Room, viewer: Member | None) -> bool:
        """Say whether somebody may know of a room."""
        return not room.secret or (viewer is not None and viewer in room.members)

    def share_room(self, first: Member, second: Member) -> bool:
        """Say whether two are in the same room."""
        return not first.rooms.keys().isdisjoint(second.rooms)

    def regroup(self, session_member: Member) -> None:
        """A member's session has another wire now."""
        self.state.regroup(session_member)

    # Coming and going.

    def check_nick(
        self, nick: str, account: str | None = None, own: Member | None = None
    ) -> None:
        """
        Say whether somebody may take a nick.

        @param account: The account that they are logged in to.
        @param own: Who asks, when they are a member: their own nick is no obstacle.
        @raise HubError: If not.
        """
        if not nick:
            raise HubError(Reason.NICK_EMPTY)
        if not valid_nick(nick, length=self.limits.nick):
            raise HubError(Reason.NICK_INVALID, nick)
        key = fold(nick)
        holder = self.state.members.get(key)
        if holder is not None and holder is not own:
            raise HubError(Reason.NICK_IN_USE, nick)
        owner = self._reserved(key)
        if owner is not None and (account is None or fold(account) != fold(owner)):
            if fold(owner) == key:
                raise HubError(Reason.NICK_RESERVED, nick)
            if confusables.confusable(nick, owner):
                raise HubError(Reason.NICK_CONFUSABLE, nick)
        skeleton = confusables.key(nick)
        for other in self.state.skeletons.get(skeleton, ()):
            if other is not own and confusables.confusable(nick, other.nick):
                raise HubError(Reason.NICK_CONFUSABLE, nick)

    def enter(self, session: Session, nick: str, person: Person) -> Member:
        """
        Let somebody in.

        @raise HubError: If they may not have the nick, or the hub is full.
        """
        self.check_nick(nick, person.account)
        if len(self.state.members) >= self.limits.members:
            raise self._limit("members", Reason.HUB_FULL)
        time, msgid = self._stamp()
        member = Member(session, nick, person, time)
        self.state.expect(member)
        self._bus.publish(events.Came(time, msgid, member.source))
        return member

    def _here(self, member: Member) -> bool:
        """
        Say whether somebody has not left.

        Events name people by their nicks: what is done for one who has left, by an
        answer that came late, would be done to whoever has that nick now.
        """
        return self.state.members.get(member.key) is member

    def _still_here(self, member: Member) -> None:
        """
        Check that somebody has not left.

        @raise HubError: If they have.
        """
        if not self._here(member):
            raise HubError(Reason.NO_SUCH_NICK, member.nick)

    def leave(self, member: Member, reason: str) -> None:
        """Somebody leaves altogether; who has left already is left alone."""
        if self._here(member):
            reason = cut(reason, self.limits.reason)
            if reason.startswith("Quit: ") and any(
                muted(room, member) for room in member.rooms.values()
            ):
                reason = "Quit"
            self._bus.publish(events.Quit(*self._stamp(), member.source, reason))

    def rename(self, member: Member, nick: str) -> bool:
        """
        Give somebody another nick.

        @return: Whether anything changed.
        @raise HubError: If they may not have it.
        """
        self._still_here(member)
        if nick == member.nick:
            return False
        self.check_nick(nick, member.account, member)
        for room in member.rooms.values():
            # Under another nick the ban, or the mute, might mean somebody else.
            if not room.voiced(member) and room.silenced(member.identity):
                raise HubError(Reason.MUTED, room.name)
        self._spend("nick-changes", member)
        self._bus.publish(events.Renamed(*self._stamp(), member.source, nick))
        return True

    def set_away(self, member: Member, text: str | None) -> None:
        """Mark somebody away; empty or C{None} is back."""
        text = cut(text, self.limits.away) if text else None
        if self._here(member):
            if member.rooms:
                self._spend("messages", member)
            self._bus.publish(events.AwaySet(*self._stamp(), member.source, text))

    def set_account(self, member: Member, account: str | None) -> None:
        """Somebody has logged in, or out."""
        if account == member.account or not self._here(member):
            return
        source = Source(
            member.nick,
            member.user,
            member.host,
            account,
            member.realname,
            "B" in member.modes,
        )
        self._bus.publish(events.AccountSet(*self._stamp(), source, account))

    def set_realname(self, member: Member, realname: str) -> None:
        """Somebody calls themselves otherwise."""
        realname = cut(realname, self.limits.realname)
        if self._here(member):
            if member.rooms:
                self._spend("messages", member)
            self._bus.publish(
                events.RealnameSet(*self._stamp(), member.source, realname)
            )

    def set_host(self, member: Member, user: str, host: str) -> None:
        """Show others another user and host for somebody."""
        if self._here(member) and (user, host) != (member.user, member.host):
            self._bus.publish(events.HostSet(*self._stamp(), member.source, user, host))

    def set_user_modes(self, member: Member, adding: bool, letters: str) -> str:
        """
        Change somebody's own modes; letters that are unknown are passed over.

        @return: The letters that changed.
        """
        changed = ""
        for letter in letters:
            if letter not in USER_MODES or (letter in member.modes) == adding:
                continue
            member.modes ^= {letter}
            changed += letter
        if changed:
            member.changed()
        return changed

    def set_operator(self, member: Member, name: str | None) -> bool:
        """
        Make somebody an operator of the server, or none any more (C{None}).

        @param name: The name under which they are one.
        @return: Whether their mode C{o} changed.
        """
        member.oper = name
        return bool(self.set_user_modes(member, name is not None, "o"))

    def announce(self, member: Member | None, text: str) -> None:
        """
        Speak to all operators, and to all who listen to them (WALLOPS).

        @param member: Who speaks; C{None} is the server.
        """
        source = self.source if member is None else member.source
        self._bus.publish(events.Announced(*self._stamp(), source, text))

    # Watching.

    def watch(self, member: Member, nick: str) -> bool:
        """
        Tell somebody when a nick comes and goes.

        @return: Whether there was place in their list.
        """
        if fold(nick) in member.watching or not self._here(member):
            return True
        if len(member.watching) >= self.limits.watching:
            self.refused["watching"] += 1
            return False
        self.state.watch(member, nick)
        return True

    def unwatch(self, member: Member, nick: str) -> None:
        """Tell them no more."""
        if member.watching.pop(fold(nick), None) is not None:
            self.state.unwatch(member, fold(nick))

    # Rooms.

    def join(
        self,
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
        self._still_here(member)
        if not valid_room(name, length=self.limits.room):
            raise HubError(Reason.ROOM_INVALID, name)
        room = self.state.rooms.get(fold(name))
        if room is not None and member in room.members:
            return None
        if len(member.rooms) >= self.limits.rooms_per_member:
            raise self._limit("rooms-per-member", Reason.TOO_MANY_ROOMS, name)
        # Also for one that is refused: keys are not to be guessed any faster.
        self._spend("joins", member)
        if room is None:
            if len(self.state.rooms) >= self.limits.rooms:
                raise self._limit("rooms", Reason.TOO_MANY_ROOMS, name)
        else:
            name = room.name
            if len(room.members) >= self.limits.members_per_room:
                raise self._limit("members-per-room", Reason.ROOM_FULL, name)
            if not force:
                check_join(room, member, key)
        self._bus.publish(
            events.Joined(*self._stamp(), member.source, name, member.away)
        )
        return self.state.rooms.get(fold(name))

    def _inside(self, member: Member, name: str) -> Room:
        """
        Give a room that somebody is in.

        @raise HubError: If there is none, or they are not in it.
        """
        room = self.room(name)
        if member not in room.members:
            raise HubError(Reason.NOT_IN_ROOM, name)
        return room

    def part(self, member: Member, name: str, reason: str = "") -> None:
        """
        Take somebody out of a room.

        @raise HubError: If they are not in it.
        """
        room = self._inside(member, name)
        reason = "" if muted(room, member) else cut(reason, self.limits.reason)
        self._bus.publish(
            events.Parted(*self._stamp(), member.source, room.name, reason)
        )

    def set_topic(self, member: Member, name: str, topic: str) -> None:
        """
        Set a room's topic; empty takes it away.

        @raise HubError: If they may not.
        """
        room = self._inside(member, name)
        if "t" in room.flags and not room.operator(member):
            raise HubError(Reason.NOT_OPERATOR, name)
        if muted(room, member):
            raise HubError(Reason.MUTED, name)
        self._spend("messages", member)
        topic = cut(topic, self.limits.topic)
        self._bus.publish(
            events.TopicSet(*self._stamp(), member.source, room.name, topic)
        )

    def kick(self, member: Member, name: str, nick: str, reason: str = "") -> None:
        """
        Put somebody out of a room.

        @param reason: By default who does it.
        @raise HubError: If they may not.
        """
        room = self._inside(member, name)
        if not room.operator(member):
            raise HubError(Reason.NOT_OPERATOR, name)
        target = self.state.members.get(fold(nick))
        if target is None or target not in room.members:
            raise HubError(Reason.NOT_ON_ROOM, nick, name)
        reason = cut(reason, self.limits.reason) or member.nick
        self._bus.publish(
            events.Kicked(*self._stamp(), member.source, room.name, target.nick, reason)
        )

    def invite(self, member: Member, nick: str, name: str) -> Member:
        """
        Invite somebody into a room.

        An operator's invitation lets them in once, past a ban, a limit and
        invite-only; another member's only tells them of the room.

        @return: Whom.
        @raise HubError: If they may not.
        """
        target = self.member(nick)
        room = self._inside(member, name)
        if target in room.members:
            raise HubError(Reason.ALREADY_IN_ROOM, target.nick, name)
        if "i" in room.flags and not room.operator(member):
            raise HubError(Reason.NOT_OPERATOR, name)
        full = len(room.invited) >= self.limits.invitations
        if full and room.operator(member) and target not in room.invited:
            raise self._limit("invitations", Reason.TOO_FAST, "invitations")
        self._spend("messages", member)
        self._bus.publish(
            events.Invited(*self._stamp(), member.source, room.name, target.nick)
        )
        return target

    def set_modes(
        self, member: Member | None, name: str, changes: Sequence[Change]
    ) -> list[HubError]:
        """
        Change modes of a room.

        What can be done is done, as one event with what really changed.

        @param member: Who asks; C{None} is the server, which may.
        @param changes: What to change, in order.
        @return: Why the rest was not done.
        @raise HubError: If they may change none.
        """
        room = self.room(name)
        if member is not None and not room.operator(member):
            raise HubError(Reason.NOT_OPERATOR, name)
        real, refusals = checked(self.state, room, changes, self.limits)
        for refusal in refusals:
            if refusal.reason is Reason.LIST_FULL:
                self.refused["list-entries"] += 1
        if real:
            if member is not None:
                self._spend("messages", member)
            source = self.source if member is None else member.source
            self._bus.publish(
                events.ModesSet(*self._stamp(), source, room.name, tuple(real))
            )
        return refusals

    # Talking.

    def say(
        self,
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
        self._still_here(member)
        if not text and kind is not Kind.TAGS:
            raise HubError(Reason.NO_TEXT)
        status = ""
        if target[:1] in PREFIXES.values() and is_room(target[1:]):
            status, target = target[0], target[1:]
        if is_room(target):
            room = self.room(target)
            check_say(room, member, text)
            self._spend("messages", member)
            said = Said(
                *self._stamp(),
                member.source,
                room.name,
                kind,
                text,
                status,
                tuple(tags),
            )
        else:
            hearer = self.member(target)
            check_tell(hearer, member, text)
            self._spend("messages", member)
            if "R" in member.modes:
                # So that they can answer.
                member.accept(hearer, self.limits.accepted)
            said = Said(
                *self._stamp(),
                member.source,
                hearer.nick,
                kind,
                text,
                "",
                tuple(tags),
                hearer.source,
            )
        self._bus.publish(said)
        return said


def _table(rate: Rate | None) -> RateTable | None:
    """The buckets of a rate; none when it is off."""
    return None if rate is None else RateTable(rate)
