"""
What people and rooms do, written from the rules and not from the hub: the model that
the hub is compared with.

It is slow and simple. A command gives the reasons for which it may be refused; when
there is none it is done, and the model knows what everybody is shown, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from netsvc.chat.events import Change, Kind, Reason
from tests.chat.hub_model_parts import (
    ACCOUNT,
    BAD_NICKS,
    BAD_ROOMS,
    ITS_NICKS,
    LIMITS,
    LOOKS,
    Entry,
    Place,
    Someone,
    change_mode,
    key,
)


@dataclass
class Waiting:
    """What waits for a commit."""

    ticket: int
    entries: list[tuple[Someone, Entry]]
    own: Someone | None


class Model:
    """People, rooms, and what they are shown."""

    def __init__(self) -> None:
        """Start empty."""
        self.people: dict[str, Someone] = {}
        self.rooms: dict[str, Place] = {}
        self.waiting: list[Waiting] = []
        self.records = self.safe = 0
        self.ended: list[str] = []
        self.private: dict[str, bool] = {}

    # Being shown something.

    def show(
        self,
        entry: Entry,
        hearers: Iterable[Someone],
        own: Someone | None = None,
        ticket: int = 0,
    ) -> None:
        """Something happens: whoever caused it sees it in a way of their own."""
        entries = [(each, entry) for each in hearers if each is not own]
        if own is not None:
            entries.append((own, ("own", *entry)))
        self._enqueue(Waiting(ticket, entries, own))

    def reply(self, one: Someone, text: str) -> None:
        """Somebody is answered, behind what they have caused."""
        if any(each.own is one for each in self.waiting):
            self.waiting.append(Waiting(0, [(one, ("reply", text))], one))
        else:
            one.shown.append(("reply", text))

    def commit(self, ticket: int) -> None:
        """What was kept up to there is safe."""
        self.safe = max(self.safe, ticket)
        self._release()

    def _enqueue(self, what: Waiting) -> None:
        self.waiting.append(what)
        self._release()

    def _release(self) -> None:
        while self.waiting and self.waiting[0].ticket <= self.safe:
            for one, entry in self.waiting.pop(0).entries:
                one.shown.append(entry)

    def peers(self, one: Someone) -> list[Someone]:
        """Who shares a room with somebody."""
        return [
            each
            for each in self.people.values()
            if each is not one and each.rooms.keys() & one.rooms.keys()
        ]

    def _told(self, entry: Entry, one: Someone) -> None:
        """Those who share a room or watch with extended-monitor see it."""
        watching = [
            each
            for each in self.people.values()
            if each.extended and key(one.nick) in each.watching and each is not one
        ]
        self.show(entry, dict.fromkeys([*self.peers(one), *watching]), one)

    def _watched(self, nick: str, online: bool) -> None:
        watching = [e for e in self.people.values() if key(nick) in e.watching]
        if watching:
            self.show(("watched", nick, online), watching)

    def _in_room(self, entry: Entry, room: Place, one: Someone | None) -> None:
        self.records += 1
        self.show(entry, room.inside, one)

    # Coming and going.

    def nick_refused(
        self, nick: str, account: str | None, own: Someone | None
    ) -> set[Reason]:
        """Why may somebody not have a nick?"""
        if not nick:
            return {Reason.NICK_EMPTY}
        if nick in BAD_NICKS:
            return {Reason.NICK_INVALID}
        reasons = set()
        if self.people.get(key(nick), own) is not own:
            reasons.add(Reason.NICK_IN_USE)
        if nick in ITS_NICKS and account != ACCOUNT:
            exact = key(nick) == ACCOUNT
            reasons.add(Reason.NICK_RESERVED if exact else Reason.NICK_CONFUSABLE)
        for other in self.people.values():
            if other is not own and not (nick + other.nick).isascii():
                looks = [LOOKS.get(key(n), key(n)) for n in (nick, other.nick)]
                if looks[0] == looks[1]:
                    reasons.add(Reason.NICK_CONFUSABLE)
        return reasons

    def enter(self, one: Someone) -> set[Reason]:
        """Somebody comes."""
        reasons = self.nick_refused(one.nick, one.account, None)
        if len(self.people) >= LIMITS.members:
            reasons.add(Reason.HUB_FULL)
        if not reasons:
            self.people[key(one.nick)] = one
            self._watched(one.nick, True)
        return reasons

    def leave(self, one: Someone, reason: str) -> None:
        """Somebody goes."""
        self.records += len(one.rooms)
        self.show(("quit", one.nick, reason), self.peers(one), one)
        for room in list(one.rooms.values()):
            self._out(one, room)
        for room in self.rooms.values():
            room.invited.discard(one)
        del self.people[key(one.nick)]
        self._watched(one.nick, False)

    def rename(self, one: Someone, nick: str) -> set[Reason]:
        """Somebody takes another nick."""
        if nick == one.nick:
            return set()
        reasons = self.nick_refused(nick, one.account, one)
        if any(self._banned(one, room) for room in one.rooms.values()):
            reasons.add(Reason.MUTED)
        if reasons:
            return reasons
        self.records += len(one.rooms)
        other = key(nick) != key(one.nick)
        old = one.nick
        if other:
            self._watched(old, False)
        # The order of people does not matter: nothing here depends on it.
        del self.people[key(old)]
        self.people[key(nick)] = one
        one.nick = nick
        self.show(("renamed", old, nick), self.peers(one), one)
        if other:
            self._watched(nick, True)
        return set()

    # What others are told of somebody.

    def set_away(self, one: Someone, text: str | None) -> None:
        """Somebody is away, or back."""
        one.away = text
        self._told(("away", one.nick, text), one)

    def set_account(self, one: Someone, account: str | None) -> None:
        """Somebody logs in or out."""
        if account != one.account:
            one.account = account
            self._told(("account", one.nick, account), one)

    def set_realname(self, one: Someone, realname: str) -> None:
        """Somebody has another real name."""
        one.realname = realname
        self._told(("realname", one.nick, realname), one)

    def set_host(self, one: Someone, host: str) -> None:
        """Somebody has another host: some see them leave, and come again."""
        if host == one.host:
            return
        old = [each for each in self.peers(one) if each.extended]
        if old:
            self.show(("quit", one.nick, "Changing host"), old)
            for room in one.rooms.values():
                there = [each for each in old if each in room.inside]
                self.show(("joined", one.nick, host, room.name), there)
                statuses = room.inside[one]
                given = tuple((True, s, one.nick) for s in "ov" if s in statuses)
                if given:
                    self.show(("modes", "", room.name, given), there)
        one.host = host
        new = [each for each in self.peers(one) if not each.extended]
        self.show(("host", one.nick, host), new, one)

    def watch(self, one: Someone, nick: str) -> bool:
        """Somebody wants to know when a nick comes and goes."""
        if key(nick) not in one.watching and len(one.watching) >= LIMITS.watching:
            return False
        one.watching.add(key(nick))
        return True

    # Rooms.

    def join(self, one: Someone, name: str, given: str | None) -> set[Reason]:
        """Somebody wants to come into a room."""
        if name in BAD_ROOMS:
            return {Reason.ROOM_INVALID}
        room = self.rooms.get(key(name))
        if room is not None and one in room.inside:
            return set()
        reasons = set()
        if len(one.rooms) >= LIMITS.rooms_per_member:
            reasons.add(Reason.TOO_MANY_ROOMS)
        if room is None:
            if len(self.rooms) >= LIMITS.rooms:
                reasons.add(Reason.TOO_MANY_ROOMS)
        else:
            reasons |= self._kept_out(one, room, given)
        if reasons:
            return reasons
        if room is None:
            room = self.rooms[key(name)] = Place(name)
            room.inside[one] = {"o"}
        else:
            room.inside[one] = set()
        room.invited.discard(one)
        one.rooms[key(name)] = room
        self._in_room(("joined", one.nick, one.host, room.name), room, one)
        return set()

    def _kept_out(self, one: Someone, room: Place, given: str | None) -> set[Reason]:
        reasons = set()
        if len(room.inside) >= LIMITS.members_per_room:
            reasons.add(Reason.ROOM_FULL)
        if room.key is not None and given != room.key:
            reasons.add(Reason.ROOM_KEY)
        if one in room.invited:
            return reasons
        if "i" in room.flags and not room.names("I", one, True):
            reasons.add(Reason.ROOM_INVITE_ONLY)
        if room.names("b", one, False) and not room.names("e", one, False):
            reasons.add(Reason.BANNED)
        if room.limit is not None and len(room.inside) >= room.limit:
            reasons.add(Reason.ROOM_FULL)
        if "R" in room.flags and one.account is None:
            reasons.add(Reason.ACCOUNT_NEEDED)
        return reasons

    def _out(self, one: Someone, room: Place) -> None:
        del room.inside[one], one.rooms[key(room.name)]
        if not room.inside:
            del self.rooms[key(room.name)]
            self.ended.append(key(room.name))

    def _must_be_in(self, one: Someone, name: str, operator: bool) -> set[Reason]:
        room = self.rooms.get(key(name))
        if room is None:
            return {Reason.NO_SUCH_ROOM}
        if one not in room.inside:
            return {Reason.NOT_IN_ROOM}
        return {Reason.NOT_OPERATOR} if operator and not room.operator(one) else set()

    def part(self, one: Someone, name: str, reason: str) -> set[Reason]:
        """Somebody goes out of a room."""
        reasons = self._must_be_in(one, name, False)
        if not reasons:
            room = self.rooms[key(name)]
            shown = "" if self._unheard(one, room) else reason
            self._in_room(("parted", one.nick, room.name, shown), room, one)
            self._out(one, room)
        return reasons

    def kick(self, one: Someone, name: str, nick: str) -> set[Reason]:
        """Somebody puts somebody out."""
        reasons = self._must_be_in(one, name, True)
        if reasons:
            return reasons
        room = self.rooms[key(name)]
        target = self.people.get(key(nick))
        if target is None or target not in room.inside:
            return {Reason.NOT_ON_ROOM}
        entry = ("kicked", one.nick, room.name, target.nick, one.nick)
        self._in_room(entry, room, one)
        self._out(target, room)
        return set()

    def topic(self, one: Someone, name: str, topic: str) -> set[Reason]:
        """Somebody sets a topic."""
        room = self.rooms.get(key(name))
        reasons = self._must_be_in(one, name, room is not None and "t" in room.flags)
        if not reasons and room is not None and self._unheard(one, room):
            reasons = {Reason.MUTED}
        if not reasons:
            assert room is not None
            room.topic = topic
            self._in_room(("topic", one.nick, room.name, topic), room, one)
        return reasons

    def invite(self, one: Someone, nick: str, name: str) -> set[Reason]:
        """Somebody invites somebody."""
        target = self.people.get(key(nick))
        if target is None:
            return {Reason.NO_SUCH_NICK}
        room = self.rooms.get(key(name))
        reasons = self._must_be_in(one, name, room is not None and "i" in room.flags)
        if room is not None and target in room.inside:
            reasons = reasons or {Reason.ALREADY_IN_ROOM}
            return reasons | {Reason.ALREADY_IN_ROOM}
        if reasons:
            return reasons
        assert room is not None
        if room.operator(one) and target not in room.invited:
            if len(room.invited) >= LIMITS.invitations:
                return {Reason.TOO_FAST}
            room.invited.add(target)
        self.show(("invited", one.nick, room.name, target.nick), [target], one)
        others = [each for each in room.inside if each is not one]
        entry = ("invitation", one.nick, room.name, target.nick)
        self.show(entry, others)
        return set()

    # Modes.

    def modes(
        self, one: Someone | None, name: str, changes: Sequence[Change]
    ) -> tuple[set[Reason], list[Reason]]:
        """Modes are changed: why not at all, and why some are not."""
        room = self.rooms.get(key(name))
        if room is None:
            return {Reason.NO_SUCH_ROOM}, []
        if one is not None and not room.operator(one):
            return {Reason.NOT_OPERATOR}, []
        private = room.private
        done: list[Entry] = []
        refused: list[Reason] = []
        for change in changes:
            outcome = change_mode(
                self.people, room, change.adding, change.letter, change.argument
            )
            if isinstance(outcome, Reason):
                refused.append(outcome)
            elif outcome is not None:
                done.append((change.adding, change.letter, *outcome))
        if room.private != private:
            self.private[key(name)] = room.private
        if done:
            nick = "" if one is None else one.nick
            self._in_room(("modes", nick, room.name, tuple(done)), room, one)
        return set(), refused

    # Talking.

    def say(self, one: Someone, target: str, text: str, kind: Kind) -> set[Reason]:
        """Somebody says something."""
        if not text and kind is not Kind.TAGS:
            return {Reason.NO_TEXT}
        status = target[0] if target[:2] in ("@#", "+#") else ""
        name = target[len(status) :]
        if name[:1] != "#":
            return self._say_to(one, name, text, kind)
        room = self.rooms.get(key(name))
        if room is None:
            return {Reason.NO_SUCH_ROOM}
        reasons = self._silent(one, room, text)
        if not reasons:
            ranks = {"@": {"o"}, "+": {"o", "v"}}.get(status)
            hearers = [
                each
                for each, statuses in room.inside.items()
                if ranks is None or statuses & ranks
            ]
            stored = kind is not Kind.TAGS and not status
            entry = ("said", one.nick, room.name, kind, text, status)
            self._say(entry, hearers, one, stored)
        return reasons

    def _banned(self, one: Someone, room: Place) -> bool:
        """Whether a list keeps somebody without a status from speaking."""
        if room.inside.get(one):
            return False
        return room.names("b", one, True) and not room.names("e", one, True)

    def _unheard(self, one: Someone, room: Place) -> bool:
        """Whether nobody there may hear somebody."""
        return self._banned(one, room) or (
            "m" in room.flags and not room.inside.get(one)
        )

    def _silent(self, one: Someone, room: Place, text: str) -> set[Reason]:
        reasons: set[Reason] = set()
        statuses = room.inside.get(one)
        if statuses is None and "s" in room.flags:
            return {Reason.NO_SUCH_ROOM}
        if statuses is None and "n" in room.flags:
            reasons.add(Reason.CANNOT_SEND)
        if not statuses:
            if "m" in room.flags:
                reasons.add(Reason.CANNOT_SEND)
            if "R" in room.flags and one.account is None:
                reasons.add(Reason.ACCOUNT_NEEDED)
            if self._banned(one, room):
                reasons.add(Reason.MUTED)
        if "C" in room.flags and text.startswith("\x01"):
            reasons.add(Reason.CANNOT_SEND)
        return reasons

    def _say_to(self, one: Someone, nick: str, text: str, kind: Kind) -> set[Reason]:
        target = self.people.get(key(nick))
        if target is None:
            return {Reason.NO_SUCH_NICK}
        known = one.account is not None or target.account is not None
        entry = ("said", one.nick, target.nick, kind, text, "")
        self._say(entry, [target], one, known and kind is not Kind.TAGS)
        if target is one:
            self.show(entry, [one])
        return set()

    def _say(
        self, entry: Entry, hearers: Iterable[Someone], one: Someone, stored: bool
    ) -> None:
        self.records += stored
        self.show(entry, hearers, one, self.records if stored else 0)
