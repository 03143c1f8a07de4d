"""Tests of L{netsvc.chat.hub}: coming into rooms, and going out of them."""

from __future__ import annotations

from netsvc.chat import events
from netsvc.chat.events import Reason
from netsvc.chat.limits import HubLimits
from netsvc.daemon.limits import Rate
from tests.chat.hub_case import HubCase, last
from tests.chat.hub_fakes import Chat, FakeArchive, FakeKeeper, kinds


class JoinTests(HubCase):
    """Coming into a room."""

    def test_new(self) -> None:
        """A new room has +nt, and who made it is its operator."""
        ann = self.chat.enter("ann")
        room = self.hub.join(ann, "#Room")
        assert room is not None
        self.assertEqual(
            (room.name, room.fold, room.flags), ("#Room", "#room", {*"nt"})
        )
        self.assertTrue(room.operator(ann))
        self.assertEqual(room.created, 1_000_000_000)
        self.assertIs(self.hub.room("#ROOM"), room)
        self.refused(Reason.NO_SUCH_ROOM, self.hub.room, "#other")

    def test_seen(self) -> None:
        """All in the room see it by the room's own name, who joins too."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        cyd = self.chat.enter("cyd")
        self.hub.join(cyd, "#A")
        for member in (ann, bob, cyd):
            self.assertEqual(kinds(member), ["Joined"])
        self.assertEqual(last(cyd, events.Joined).room, "#a")
        self.assertFalse(self.hub.room("#a").voiced(cyd))

    def test_again(self) -> None:
        """Who is there already does not come in again."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        self.assertIsNone(self.hub.join(ann, "#A"))
        self.assertEqual(kinds(bob), [])

    def test_invalid(self) -> None:
        """What is no room's name makes no room."""
        ann = self.chat.enter("ann")
        for name in ("a", "#", "#a b", "#a,b", "#" + "x" * 64):
            self.refused(Reason.ROOM_INVALID, self.hub.join, ann, name)
        self.assertEqual(self.hub.state.rooms, {})

    def test_limits(self) -> None:
        """Rooms of one person, people in one room and rooms in all are bounded."""
        chat = Chat(HubLimits(rooms=2, rooms_per_member=1, members_per_room=1))
        hub, ann, bob = chat.hub, chat.enter("ann"), chat.enter("bob")
        hub.join(ann, "#a")
        self.refused(Reason.TOO_MANY_ROOMS, hub.join, ann, "#b")
        self.refused(Reason.ROOM_FULL, hub.join, bob, "#a")
        self.refused(Reason.ROOM_FULL, hub.join, bob, "#a", force=True)
        hub.join(bob, "#b")
        self.refused(Reason.TOO_MANY_ROOMS, hub.join, chat.enter("cyd"), "#c")
        self.assertEqual(
            hub.refused, {"rooms-per-member": 1, "members-per-room": 2, "rooms": 1}
        )

    def test_rate(self) -> None:
        """Joins are limited; also those with a wrong key: it is not to be guessed."""
        chat = Chat(HubLimits(join_rate=Rate(1.0, 2)))
        hub, ann, bob = chat.hub, chat.enter("ann"), chat.enter("bob", address="::1")
        hub.join(bob, "#a")
        hub.set_modes(bob, "#a", [events.Change(True, "k", "key")])
        self.refused(Reason.ROOM_KEY, hub.join, ann, "#a")
        hub.join(ann, "#a", "key")
        self.refused(Reason.TOO_FAST, hub.join, ann, "#b")
        self.assertEqual(hub.refused, {"joins": 1})

    def test_away(self) -> None:
        """The room is told that who comes is away."""
        ann = self.chat.enter("ann")
        self.hub.set_away(ann, "lunch")
        self.hub.join(ann, "#a")
        self.assertEqual(last(ann, events.Joined).away, "lunch")


class AdmissionTests(HubCase):
    """Whom the modes of a room keep out."""

    def setUp(self) -> None:
        """A room, and somebody outside."""
        super().setUp()
        (self.ann,) = self.chat.room("#a", "ann")
        self.bob = self.chat.enter("bob")

    def test_key(self) -> None:
        """Only who knows the key comes in, invited or not."""
        self.modes(self.ann, "#a", "+k key")
        self.refused(Reason.ROOM_KEY, self.hub.join, self.bob, "#a")
        self.refused(Reason.ROOM_KEY, self.hub.join, self.bob, "#a", "KEY")
        self.hub.invite(self.ann, "bob", "#a")
        self.refused(Reason.ROOM_KEY, self.hub.join, self.bob, "#a", "other")
        self.hub.join(self.bob, "#a", "key")

    def test_key_given_for_nothing(self) -> None:
        """A key for a room that has none does no harm."""
        self.hub.join(self.bob, "#a", "key")

    def test_limit(self) -> None:
        """Nobody comes in when there are as many as the limit, or more."""
        self.modes(self.ann, "#a", "+l 1")
        self.refused(Reason.ROOM_FULL, self.hub.join, self.bob, "#a")
        self.modes(self.ann, "#a", "+l 2")
        self.hub.join(self.bob, "#a")

    def test_invite_only(self) -> None:
        """Only who is invited, or on the list of invitations, comes in."""
        self.modes(self.ann, "#a", "+i")
        self.refused(Reason.ROOM_INVITE_ONLY, self.hub.join, self.bob, "#a")
        self.modes(self.ann, "#a", "+I bob")
        self.hub.join(self.bob, "#a")

    def test_ban(self) -> None:
        """Who is banned does not come in, unless an exception names them."""
        self.modes(self.ann, "#a", "+b bob")
        self.refused(Reason.BANNED, self.hub.join, self.bob, "#a")
        self.modes(self.ann, "#a", "+e *!bob@*")
        self.hub.join(self.bob, "#a")

    def test_other_lists(self) -> None:
        """An invitation mask is no exception to a ban, nor the other way round."""
        self.modes(self.ann, "#a", "+b bob +I bob")
        self.refused(Reason.BANNED, self.hub.join, self.bob, "#a")
        self.modes(self.ann, "#a", "-b bob +e bob -I bob +i")
        self.refused(Reason.ROOM_INVITE_ONLY, self.hub.join, self.bob, "#a")

    def test_mute(self) -> None:
        """Who is muted comes in; an exception for mutes does not lift a ban."""
        self.modes(self.ann, "#a", "+b ~m:bob")
        self.hub.join(self.bob, "#a")
        self.hub.part(self.bob, "#a")
        self.modes(self.ann, "#a", "+b bob +e ~m:bob")
        self.refused(Reason.BANNED, self.hub.join, self.bob, "#a")

    def test_accounts(self) -> None:
        """A room for accounts is for who is logged in."""
        self.modes(self.ann, "#a", "+R")
        self.refused(Reason.ACCOUNT_NEEDED, self.hub.join, self.bob, "#a")
        self.hub.set_account(self.bob, "bobby")
        self.hub.join(self.bob, "#a")

    def test_force(self) -> None:
        """Whoever is brought in passes all that."""
        self.modes(self.ann, "#a", "+i +R +k key +l 1 +b bob")
        self.hub.join(self.bob, "#a", force=True)


class InviteTests(HubCase):
    """Invitations."""

    def setUp(self) -> None:
        """A room with an operator and another, and somebody outside."""
        super().setUp()
        self.ann, self.bob = self.chat.room("#a", "ann", "bob")
        self.cyd = self.chat.enter("cyd")

    def test_seen(self) -> None:
        """The invited one is told, and the room as far as it wants to know."""
        self.assertIs(self.hub.invite(self.ann, "CYD", "#A"), self.cyd)
        self.assertEqual(kinds(self.cyd), ["Invited"])
        self.assertEqual(kinds(self.bob), ["InvitationSeen"])
        self.assertEqual(kinds(self.ann), ["Invited"])
        self.assertEqual(last(self.ann, events.Invited).room, "#a")

    def test_once(self) -> None:
        """An operator's lets them in once, past a ban, a limit and all but a key."""
        self.modes(self.ann, "#a", "+i +R +b cyd +l 1")
        self.hub.invite(self.ann, "cyd", "#a")
        self.hub.join(self.cyd, "#a")
        self.hub.part(self.cyd, "#a")
        self.assertRaises(events.HubError, self.hub.join, self.cyd, "#a")

    def test_members(self) -> None:
        """Another member's tells them of the room, and opens nothing."""
        self.modes(self.ann, "#a", "+b cyd")
        self.hub.invite(self.bob, "cyd", "#a")
        self.assertEqual(kinds(self.cyd), ["Invited"])
        self.refused(Reason.BANNED, self.hub.join, self.cyd, "#a")
        self.modes(self.ann, "#a", "-b cyd +i")
        self.refused(Reason.ROOM_INVITE_ONLY, self.hub.join, self.cyd, "#a")

    def test_refused(self) -> None:
        """Who is invited must be there and outside; who invites inside."""
        hub = self.hub
        self.refused(Reason.NO_SUCH_NICK, hub.invite, self.ann, "dan", "#a")
        self.refused(Reason.NO_SUCH_ROOM, hub.invite, self.ann, "cyd", "#b")
        self.refused(Reason.NOT_IN_ROOM, hub.invite, self.cyd, "cyd", "#a")
        self.refused(Reason.ALREADY_IN_ROOM, hub.invite, self.ann, "bob", "#a")
        self.modes(self.ann, "#a", "+i")
        self.refused(Reason.NOT_OPERATOR, hub.invite, self.bob, "cyd", "#a")

    def test_limit(self) -> None:
        """Open invitations of a room are bounded: other members cannot use them up."""
        chat = Chat(HubLimits(invitations=1))
        ann, bob = chat.room("#a", "ann", "bob")
        chat.enter("cyd"), chat.enter("dan")
        chat.hub.invite(bob, "dan", "#a")
        chat.hub.invite(ann, "cyd", "#a")
        chat.hub.invite(ann, "cyd", "#a")
        self.refused(Reason.TOO_FAST, chat.hub.invite, ann, "dan", "#a")
        self.assertEqual(chat.hub.refused["invitations"], 1)
        chat.hub.invite(bob, "dan", "#a")

    def test_quit(self) -> None:
        """Who leaves takes their invitations along: nobody else uses them."""
        self.hub.invite(self.ann, "cyd", "#a")
        self.hub.leave(self.cyd, "")
        self.assertEqual(self.hub.room("#a").invited, set())
        self.modes(self.ann, "#a", "+i")
        other = self.chat.enter("cyd")
        self.refused(Reason.ROOM_INVITE_ONLY, self.hub.join, other, "#a")

    def test_rename(self) -> None:
        """An invitation follows its bearer to another nick."""
        self.modes(self.ann, "#a", "+i")
        self.hub.invite(self.ann, "cyd", "#a")
        self.hub.rename(self.cyd, "dan")
        self.hub.join(self.cyd, "#a")

    def test_room_ended(self) -> None:
        """An invitation into a room ends with it."""
        self.hub.invite(self.ann, "cyd", "#a")
        self.hub.part(self.bob, "#a")
        self.hub.part(self.ann, "#a")
        self.assertEqual(self.cyd.invited, {})
        self.hub.join(self.bob, "#a")
        self.modes(self.bob, "#a", "+i")
        self.refused(Reason.ROOM_INVITE_ONLY, self.hub.join, self.cyd, "#a")
        self.hub.leave(self.cyd, "")


class PartTests(HubCase):
    """Going out of a room."""

    def test_part(self) -> None:
        """All who are there see it; the reason is cut."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        self.hub.part(ann, "#A", "x" * 500)
        self.assertEqual((kinds(ann), kinds(bob)), (["Parted"], ["Parted"]))
        parted = last(ann, events.Parted)
        self.assertEqual((parted.room, parted.reason), ("#a", "x" * 390))
        self.assertEqual(ann.rooms, {})
        self.hub.say(bob, "#a", "hello")
        self.assertEqual(kinds(ann), ["Parted"])

    def test_refused(self) -> None:
        """One must be in the room."""
        ann = self.chat.enter("ann")
        self.refused(Reason.NO_SUCH_ROOM, self.hub.part, ann, "#a")
        self.chat.room("#a", "bob")
        self.refused(Reason.NOT_IN_ROOM, self.hub.part, ann, "#a")

    def test_last(self) -> None:
        """An empty room is gone, with its modes; the next one is new."""
        (ann,) = self.chat.room("#a", "ann")
        self.modes(ann, "#a", "+k key")
        self.hub.part(ann, "#a")
        self.assertEqual(self.hub.state.rooms, {})
        bob = self.chat.enter("bob")
        room = self.hub.join(bob, "#A")
        assert room is not None
        self.assertEqual((room.name, room.key), ("#A", None))

    def test_no_operator(self) -> None:
        """A room whose last operator has gone goes on without one."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        self.hub.part(ann, "#a")
        self.assertFalse(self.hub.room("#a").operator(bob))
        self.hub.join(ann, "#a")
        self.assertFalse(self.hub.room("#a").operator(ann))


class KickTests(HubCase):
    """Putting somebody out."""

    def test_kick(self) -> None:
        """All see it, who is put out as well; by default the reason is who did it."""
        ann, bob, cyd = self.chat.room("#a", "ann", "bob", "cyd")
        self.hub.kick(ann, "#A", "BOB")
        for member in (ann, bob, cyd):
            self.assertEqual(kinds(member), ["Kicked"])
        kicked = last(ann, events.Kicked)
        self.assertEqual(
            (kicked.room, kicked.nick, kicked.reason), ("#a", "bob", "ann")
        )
        self.assertEqual(bob.rooms, {})
        self.hub.join(bob, "#a")

    def test_oneself(self) -> None:
        """One can put oneself out, and sees it once; the room may end by it."""
        (ann,) = self.chat.room("#a", "ann")
        self.hub.kick(ann, "#a", "ann", "enough")
        self.assertEqual(kinds(ann), ["Kicked"])
        self.assertEqual(last(ann, events.Kicked).reason, "enough")
        self.assertEqual(self.hub.state.rooms, {})

    def test_refused(self) -> None:
        """Only operators may, and only those who are there."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        self.chat.enter("cyd")
        hub = self.hub
        self.refused(Reason.NOT_OPERATOR, hub.kick, bob, "#a", "ann")
        self.refused(Reason.NOT_ON_ROOM, hub.kick, ann, "#a", "cyd")
        self.refused(Reason.NOT_ON_ROOM, hub.kick, ann, "#a", "nobody")
        self.refused(Reason.NO_SUCH_ROOM, hub.kick, ann, "#b", "bob")
        self.modes(ann, "#a", "+v bob")
        self.refused(Reason.NOT_OPERATOR, hub.kick, bob, "#a", "ann")


class TopicTests(HubCase):
    """Topics."""

    def test_topic(self) -> None:
        """All see it; who set it and when is kept; it is cut, and can be taken away."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        self.chat.now += 1
        self.hub.set_topic(ann, "#A", "t" * 500)
        room = self.hub.room("#a")
        self.assertEqual(
            (room.topic, room.topic_by, room.topic_time),
            ("t" * 390, "ann!ann@ann.example", 1_000_001_000),
        )
        self.assertEqual((kinds(ann), kinds(bob)), (["TopicSet"], ["TopicSet"]))
        self.hub.set_topic(ann, "#a", "")
        self.assertEqual(room.topic, "")

    def test_refused(self) -> None:
        """Under +t only operators may; outsiders never."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        cyd = self.chat.enter("cyd")
        self.refused(Reason.NOT_OPERATOR, self.hub.set_topic, bob, "#a", "x")
        self.modes(ann, "#a", "-t")
        self.hub.set_topic(bob, "#a", "x")
        self.refused(Reason.NOT_IN_ROOM, self.hub.set_topic, cyd, "#a", "y")


class LookingTests(HubCase):
    """What one may know of rooms."""

    def test_secret(self) -> None:
        """A secret room is known to who is in it alone."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        cyd = self.chat.enter("cyd")
        room = self.hub.room("#a")
        self.assertTrue(self.hub.visible(room, cyd))
        self.assertTrue(self.hub.visible(room, None))
        self.modes(ann, "#a", "+s")
        self.assertTrue(self.hub.visible(room, bob))
        self.assertFalse(self.hub.visible(room, cyd))
        self.assertFalse(self.hub.visible(room, None))

    def test_shared(self) -> None:
        """Two share a room when both are in one."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        (cyd,) = self.chat.room("#b", "cyd")
        self.assertTrue(self.hub.share_room(ann, bob))
        self.assertFalse(self.hub.share_room(ann, cyd))

    def test_other_wire(self) -> None:
        """Whose wire changes sees what comes then by the new one."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        self.hub.say(ann, "#a", "one")
        session, other = bob.session, self.chat.enter("cyd").session
        session.wire = other.wire  # type: ignore[misc]
        self.hub.regroup(bob)
        self.hub.say(ann, "#a", "two")
        encoded = other.wire.encoded  # type: ignore[attr-defined]
        self.assertEqual([event.text for event in encoded], ["two"])
        self.assertEqual(kinds(bob), ["Said", "Said"])


class PrivateTests(HubCase):
    """What the history is told of private rooms."""

    def setUp(self) -> None:
        """A room whose history is kept."""
        super().setUp()
        self.archive = FakeArchive()
        self.chat = Chat(keeper=FakeKeeper(), archive=self.archive)
        self.hub = self.chat.hub
        (self.ann,) = self.chat.room("#a", "ann")

    def test_private(self) -> None:
        """A key, +i or +s make a room private, and the last of them ends it."""
        told = []
        for change in ("+k key", "+i", "-k", "+s", "-i", "-s"):
            self.archive.privacy.clear()
            self.modes(self.ann, "#a", change)
            told.append(self.archive.privacy.get("#a"))
        self.assertEqual(told, [True, None, None, None, None, False])

    def test_ended(self) -> None:
        """That a room has ended is told once, behind its last event."""
        self.hub.leave(self.ann, "")
        self.assertEqual(self.archive.sealed, ["#a"])
