"""Random commands from many sessions, against an independent model of the rooms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.events import Change, HubError, Kind, Reason
from tests.chat.hub_model import Model
from tests.chat.hub_model_parts import (
    ACCOUNT,
    BAD_MASKS,
    BAD_NICKS,
    BAD_ROOMS,
    MASKS,
    NICKS,
    ROOMS,
    Someone,
    key,
)
from tests.chat.hub_world import World

ADDING = st.sampled_from([True, True, False])


def changes(letters: str, *arguments: str | None) -> st.SearchStrategy[Change]:
    """Draw changes of modes."""
    return st.builds(
        Change, ADDING, st.sampled_from(letters), st.sampled_from(arguments)
    )


CHANGES = st.lists(
    st.one_of(
        changes("iiimmRRCnstx", None),
        st.sampled_from(
            [Change(False, "n"), Change(False, "t"), Change(True, "v", "bob")]
        ),
        changes("k", "key", "key", "other", None, "", ":x", "a b", "a,b"),
        changes("l", "1", "2", "3", "+3", None, "0", "-1", "x", "9" * 5000),
        changes("ov", "ann", "bob", "cyd", None, *NICKS),
        changes("bbbeI", "*!*@*", "host?.example", *MASKS, None, *BAD_MASKS),
    ),
    min_size=1,
    max_size=4,
)
WHO = st.integers(0, 5)
#: A number is one of those who are there, or of the rooms that there are.
NICK = st.sampled_from([*range(12), *NICKS])
ROOM = st.sampled_from([*range(24), *ROOMS, *BAD_ROOMS])
STATUS = st.sampled_from(["", "", "@", "+"])
KEY = st.sampled_from([None, "key", "other"])
ACCOUNTS = st.sampled_from([None, "annie", ACCOUNT])
TEXT = st.sampled_from(["hello", "hello", "\x01VERSION\x01", ""])
KIND = st.sampled_from(Kind)
JOINING = ("outside", "outside", "anybody")
LIKELY = st.sampled_from(["operator", "operator", "operator", "inside", "anybody"])
#: What somebody who has left is refused, and what just does nothing then.
LATE_REFUSED = (
    ("rename", "zoe"),
    ("join", "#a"),
    ("say", "ann", "late"),
    ("part", "#a"),
    ("set_topic", "#a", "late"),
    ("invite", "ann", "#a"),
    ("set_modes", "#a", [Change(True, "m")]),
)
LATE_NOTHING = (
    ("leave", "again"),
    ("set_away", "late"),
    ("set_account", "late"),
    ("set_realname", "late"),
    ("set_host", "late", "late.example"),
    ("watch", "ann"),
)
SOMEBODY = precondition(lambda self: self.present)


class HubMachine(RuleBasedStateMachine):
    """The hub does what the model does, and shows what the model shows."""

    def __init__(self) -> None:
        """Start with nobody."""
        super().__init__()
        self.world = World()
        self.model = Model()
        self.everybody: list[Someone] = []
        self.script: list[Callable[[World], object]] = []

    @property
    def present(self) -> list[Someone]:
        """Those who are there."""
        return list(self.model.people.values())

    def someone(self, who: int) -> Someone:
        """Give one of those who are there."""
        present = self.present
        return present[who % len(present)]

    def nick(self, choice: int | str) -> str:
        """Give the nick of somebody who is there, or the nick itself."""
        return choice if isinstance(choice, str) else self.someone(choice).nick

    def room(self, choice: int | str) -> str:
        """Give the name of a room that there is, or the name itself."""
        rooms = [*self.model.rooms.values()]
        if isinstance(choice, str):
            return choice
        return rooms[choice % len(rooms)].name if rooms else ROOMS[0]

    def inside(self, who: int, room: str, likely: str) -> Someone:
        """Give somebody in a room or outside, or an operator; else anybody."""
        place = self.model.rooms.get(key(room))
        if place is None or likely == "anybody":
            return self.someone(who)
        some = {
            "outside": [one for one in self.present if one not in place.inside],
            "inside": [*place.inside],
            "operator": [one for one in place.inside if place.operator(one)],
        }[likely]
        return some[who % len(some)] if some else self.someone(who)

    def told(self, step: Callable[[World], Any]) -> Any:
        """Do something now, and again when all is repeated."""
        self.script.append(step)
        return step(self.world)

    def refused(self, reasons: set[Reason], step: Callable[[World], object]) -> None:
        """What is done is refused for one of some reasons, if there are any."""
        try:
            self.told(step)
        except HubError as error:
            assert error.reason in reasons, (error, reasons)
        else:
            assert not reasons, reasons

    def asked(self, reasons: set[Reason], command: str, one: Someone, *a: Any) -> None:
        """Somebody's command is refused for one of some reasons, if there are any."""
        number = one.number
        self.refused(reasons, lambda world: world.do(command, number, *a))

    # Coming, going, being called.

    @initialize(
        accounts=st.lists(ACCOUNTS, min_size=4, max_size=4),
        rooms=st.lists(st.sampled_from(["#a", "#a", "#b"]), min_size=4, max_size=4),
        watched=st.lists(st.sampled_from(NICKS), min_size=4, max_size=4),
        some=CHANGES,
    )
    def begin(
        self,
        accounts: list[str | None],
        rooms: list[str],
        watched: list[str],
        some: list[Change],
    ) -> None:
        """Some come, watch others, and go into rooms, one of which has some modes."""
        for who, nick in enumerate(("ann", "bob", "cyd", "eve")):
            self.enter(nick, accounts[who], who)
            self.watch(who, watched[who], True)
            self.join(who, rooms[who], None, "anybody")
        self.modes(None, rooms[0], "anybody", some)

    @rule(nick=st.sampled_from([*NICKS, *BAD_NICKS, ""]), account=ACCOUNTS, wire=WHO)
    def enter(self, nick: str, account: str | None, wire: int) -> None:
        """Somebody comes."""
        number = len(self.everybody)
        one = Someone(
            number,
            nick,
            account,
            bool(wire % 2),
            f"host{number % 3}.example",
            f"user{number % 4}",
        )
        reasons = self.model.enter(one)
        self.refused(reasons, lambda world: world.enter(nick, account, wire % 2))
        if not reasons:
            self.everybody.append(one)

    @precondition(lambda self: len(self.present) > 2)
    @rule(who=WHO, reason=st.sampled_from(["", "bye"]))
    def leave(self, who: int, reason: str) -> None:
        """Somebody goes."""
        one = self.someone(who)
        self.model.leave(one, reason)
        self.asked(set(), "leave", one, reason)

    @SOMEBODY
    @rule(who=WHO, nick=st.sampled_from([*NICKS, *BAD_NICKS, ""]))
    def rename(self, who: int, nick: str) -> None:
        """Somebody takes another nick."""
        one = self.someone(who)
        self.asked(self.model.rename(one, nick), "rename", one, nick)

    @SOMEBODY
    @rule(who=WHO, text=st.sampled_from([None, "lunch"]), account=ACCOUNTS)
    def state(self, who: int, text: str | None, account: str | None) -> None:
        """Somebody is away, or back; and logs in, or out."""
        one = self.someone(who)
        self.model.set_away(one, text)
        self.asked(set(), "set_away", one, text)
        self.model.set_account(one, account)
        self.asked(set(), "set_account", one, account)

    @SOMEBODY
    @rule(
        who=WHO,
        name=st.sampled_from(["", "Ann A."]),
        host=st.sampled_from(["host1.example", "new.example"]),
    )
    def looks(self, who: int, name: str, host: str) -> None:
        """Somebody has another real name, and another host."""
        one = self.someone(who)
        self.model.set_realname(one, name)
        self.asked(set(), "set_realname", one, name)
        self.model.set_host(one, host)
        self.asked(set(), "set_host", one, one.user, host)

    @SOMEBODY
    @rule(who=WHO, choice=NICK, watch=st.booleans())
    def watch(self, who: int, choice: int | str, watch: bool) -> None:
        """Somebody watches a nick, or no more."""
        one, nick = self.someone(who), self.nick(choice)
        if watch:
            expected = self.model.watch(one, nick)
            done = self.told(lambda world: world.do("watch", one.number, nick))
            assert done is expected
        else:
            one.watching.discard(key(nick))
            self.asked(set(), "unwatch", one, nick)

    # Rooms.

    @SOMEBODY
    @rule(who=WHO, choice=ROOM, given=KEY, likely=st.sampled_from(JOINING))
    def join(self, who: int, choice: int | str, given: str | None, likely: str) -> None:
        """Somebody joins a room."""
        room = self.room(choice)
        one = self.inside(who, room, likely)
        self.asked(self.model.join(one, room, given), "join", one, room, given)

    @SOMEBODY
    @rule(who=WHO, choice=ROOM, likely=LIKELY)
    def part(self, who: int, choice: int | str, likely: str) -> None:
        """Somebody parts."""
        room = self.room(choice)
        one = self.inside(who, room, likely)
        self.asked(self.model.part(one, room, "so"), "part", one, room, "so")

    @SOMEBODY
    @rule(who=WHO, choice=ROOM, likely=LIKELY, whom=NICK)
    def kick(self, who: int, choice: int | str, likely: str, whom: int | str) -> None:
        """Somebody kicks somebody."""
        room, nick = self.room(choice), self.nick(whom)
        one = self.inside(who, room, likely)
        self.asked(self.model.kick(one, room, nick), "kick", one, room, nick)

    @SOMEBODY
    @rule(who=WHO, choice=ROOM, likely=LIKELY, whom=NICK)
    def invite(self, who: int, choice: int | str, likely: str, whom: int | str) -> None:
        """Somebody invites somebody."""
        room, nick = self.room(choice), self.nick(whom)
        one = self.inside(who, room, likely)
        self.asked(self.model.invite(one, nick, room), "invite", one, nick, room)

    @precondition(lambda self: len(self.present) > 1)
    @rule(who=WHO, choice=ROOM, whom=WHO, given=KEY)
    def bring(self, who: int, choice: int | str, whom: int, given: str | None) -> None:
        """Somebody is invited, and comes."""
        guest = self.inside(whom, self.room(choice), "outside")
        self.invite(who, choice, "operator", guest.nick)
        self.join(self.present.index(guest), choice, given, "anybody")

    @SOMEBODY
    @rule(who=WHO, choice=ROOM, likely=LIKELY, topic=st.sampled_from(["", "tea"]))
    def topic(self, who: int, choice: int | str, likely: str, topic: str) -> None:
        """Somebody sets a topic."""
        room = self.room(choice)
        one = self.inside(who, room, likely)
        self.asked(self.model.topic(one, room, topic), "set_topic", one, room, topic)

    @SOMEBODY
    @rule(who=st.one_of(st.none(), WHO, WHO), choice=ROOM, likely=LIKELY, some=CHANGES)
    def modes(
        self, who: int | None, choice: int | str, likely: str, some: list[Change]
    ) -> None:
        """Somebody changes modes, or the server does."""
        room = self.room(choice)
        one = None if who is None else self.inside(who, room, likely)
        number = None if one is None else one.number
        reasons, refused = self.model.modes(one, room, some)
        try:
            errors = self.told(lambda world: world.do("set_modes", number, room, some))
        except HubError as error:
            assert error.reason in reasons
        else:
            assert not reasons
            assert [error.reason for error in errors] == refused

    # Talking, and what waits.

    @SOMEBODY
    @rule(who=WHO, choice=ROOM, likely=LIKELY, status=STATUS, text=TEXT, kind=KIND)
    def say(
        self,
        who: int,
        choice: int | str,
        likely: str,
        status: str,
        text: str,
        kind: Kind,
    ) -> None:
        """Somebody says something in a room, or to some of it."""
        room = self.room(choice)
        one, to = self.inside(who, room, likely), status + room
        self.asked(self.model.say(one, to, text, kind), "say", one, to, text, kind)

    @SOMEBODY
    @rule(who=WHO, whom=NICK, text=TEXT, kind=KIND)
    def whisper(self, who: int, whom: int | str, text: str, kind: Kind) -> None:
        """Somebody says something to somebody."""
        one, to = self.someone(who), self.nick(whom)
        self.asked(self.model.say(one, to, text, kind), "say", one, to, text, kind)

    @SOMEBODY
    @rule(who=WHO)
    def reply(self, who: int) -> None:
        """Somebody is answered."""
        one = self.someone(who)
        text = f"reply {len(self.script)}"
        self.model.reply(one, text)
        self.told(lambda world: world.reply(one.number, text))

    @SOMEBODY
    @rule(who=WHO, wire=st.integers(0, 1))
    def rewire(self, who: int, wire: int) -> None:
        """Somebody has other capabilities from now on; best while something waits."""
        some = [each.own for each in self.model.waiting if each.own in self.present]
        one = (some and some[who % len(some)]) or self.someone(who)
        one.extended = bool(wire)
        self.told(lambda world: world.rewire(one.number, wire))

    @rule(share=st.floats(0, 1))
    def commit(self, share: float) -> None:
        """The store has written some of what it was given, or all."""
        ticket = round(share * self.model.records)
        self.model.commit(ticket)
        self.told(lambda world: world.commit(ticket))

    @precondition(lambda self: len(self.everybody) > len(self.present))
    @rule(who=WHO, late=st.sampled_from([*LATE_REFUSED, *LATE_NOTHING]))
    def late(self, who: int, late: tuple[Any, ...]) -> None:
        """Somebody who has left does something: nothing happens."""
        gone = [one for one in self.everybody if one not in self.present]
        number = gone[who % len(gone)].number
        try:
            self.told(lambda world: world.do(late[0], number, *late[1:]))
        except HubError:
            return
        assert late in LATE_NOTHING

    # What always holds.

    @invariant()
    def shown(self) -> None:
        """Everybody was shown what the model says, in that order, and no more."""
        for one in self.everybody:
            assert self.world.sessions[one.number].entries == one.shown

    @invariant()
    def one_order(self) -> None:
        """All see events in the order in which they happened."""
        for session in self.world.sessions:
            assert session.order == sorted(session.order)

    @invariant()
    def people(self) -> None:
        """A nick has one owner; the hub knows of people what the model knows."""
        state = self.world.chat.hub.state
        assert {
            nick: (m.nick, m.key, m.account, m.away, m.host, m.realname, [*m.rooms])
            for nick, m in state.members.items()
        } == {
            key(one.nick): (
                one.nick,
                key(one.nick),
                one.account,
                one.away,
                one.host,
                one.realname,
                [*one.rooms],
            )
            for one in self.present
        }
        assert {
            nick: {member.key for member in watchers}
            for nick, watchers in state.watchers.items()
        } == {
            nick: {key(o.nick) for o in self.present if nick in o.watching}
            for nick in {nick for one in self.present for nick in one.watching}
        }
        same = [member for each in state.skeletons.values() for member in each]
        assert sorted(m.key for m in same) == sorted(state.members)

    @invariant()
    def rooms(self) -> None:
        """No room is empty; the hub knows of rooms what the model knows."""
        state = self.world.chat.hub.state
        assert all(room.members for room in state.rooms.values())
        assert {
            name: (
                room.name,
                [(member.nick, statuses) for member, statuses in room.members.items()],
                room.flags,
                room.key,
                room.limit,
                room.topic,
                {letter: [*masks] for letter, masks in room.lists.items()},
                {member.key for member in room.invited},
                {m.key for m in state.members.values() if name in m.invited},
            )
            for name, room in state.rooms.items()
        } == {
            name: (
                room.name,
                [(one.nick, statuses) for one, statuses in room.inside.items()],
                room.flags,
                room.key,
                room.limit,
                room.topic,
                {letter: [*map(key, masks)] for letter, masks in room.lists.items()},
                {key(one.nick) for one in room.invited},
                {key(one.nick) for one in room.invited},
            )
            for name, room in self.model.rooms.items()
        }

    @invariant()
    def kept(self) -> None:
        """What is kept is what the model says, and so is what is private."""
        assert len(self.world.keeper.kept) == self.model.records
        assert self.world.archive.privacy == self.model.private
        assert self.world.archive.sealed == self.model.ended

    def teardown(self) -> None:
        """The same commands again: everybody is shown the same."""
        again = World()
        for step in self.script:
            try:
                step(again)
            except HubError:
                continue
        assert [s.entries for s in again.sessions] == [
            s.entries for s in self.world.sessions
        ]


class HubStateTests(SynchronousTestCase):
    """The hub against the model."""

    def test_as_the_model(self) -> None:
        """Whatever people do, the hub does and shows what the model does."""
        run_state_machine_as_test(
            HubMachine,
            settings=settings(stateful_step_count=50),
        )
