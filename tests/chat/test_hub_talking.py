"""Tests of L{netsvc.chat.hub}: who may speak, and who hears it."""

from __future__ import annotations

from netsvc.chat import events
from netsvc.chat.events import Kind, Reason, Said
from netsvc.chat.limits import HubLimits
from netsvc.chat.member import Member
from netsvc.daemon.limits import Rate
from tests.chat.hub_case import HubCase, last
from tests.chat.hub_fakes import Chat, FakeArchive, FakeKeeper, kinds, seen


class RoomTalkTests(HubCase):
    """Talking in a room."""

    def setUp(self) -> None:
        """A room of three, and one outside."""
        super().setUp()
        self.ann, self.bob, self.cyd = self.chat.room("#a", "ann", "bob", "cyd")
        self.dan = self.chat.enter("dan")

    def heard(self) -> list[str]:
        """Give the nicks of those who have heard or said something."""
        return [
            member.nick
            for member in (self.ann, self.bob, self.cyd, self.dan)
            if "Said" in kinds(member)
        ]

    def test_said(self) -> None:
        """All in the room hear it, nobody else; who says it sees it as its own."""
        said = self.hub.say(self.bob, "#A", "hello", tags=[("+x", "y")])
        self.assertEqual(
            (said.target, said.text, said.kind, said.tags, said.to, said.status),
            ("#a", "hello", Kind.MESSAGE, (("+x", "y"),), None, ""),
        )
        self.assertEqual(self.heard(), ["ann", "bob", "cyd"])
        self.assertEqual(seen(self.bob), [f"own Said {said.msgid}"])

    def test_status(self) -> None:
        """What is for operators is heard by them; for voices, by operators, too."""
        self.modes(self.ann, "#a", "+v bob")
        said = self.hub.say(self.cyd, "@#a", "for operators")
        self.assertEqual((said.target, said.status), ("#a", "@"))
        self.assertEqual(self.heard(), ["ann", "cyd"])
        self.chat.clear(self.ann, self.cyd)
        self.hub.say(self.cyd, "+#a", "for voices")
        self.assertEqual(self.heard(), ["ann", "bob", "cyd"])

    def test_nothing(self) -> None:
        """There must be a text, and a target."""
        self.refused(Reason.NO_TEXT, self.hub.say, self.ann, "#a", "")
        self.refused(Reason.NO_TEXT, self.hub.say, self.ann, "bob", "", Kind.NOTICE)
        self.refused(Reason.NO_SUCH_ROOM, self.hub.say, self.ann, "#b", "x")
        for target in ("nobody", "", "@", "@ann", "@@#a", "+@#a"):
            self.refused(Reason.NO_SUCH_NICK, self.hub.say, self.ann, target, "x")
        self.assertEqual(self.heard(), [])

    def test_tags(self) -> None:
        """Tags alone need no text, and do not count as talking."""
        self.chat.now += 5
        self.hub.say(self.ann, "#a", "", Kind.TAGS, [("+typing", "active")])
        self.assertEqual(self.ann.active, self.ann.since)
        self.hub.say(self.ann, "#a", "x")
        self.assertEqual(self.ann.active, self.ann.since + 5000)

    def cannot(self, member: Member, reason: Reason = Reason.CANNOT_SEND) -> None:
        """Say something, which is refused, to all and to the operators alone."""
        self.refused(reason, self.hub.say, member, "#a", "x")
        self.refused(reason, self.hub.say, member, "@#a", "x")
        self.assertEqual(self.heard(), [])

    def test_outside(self) -> None:
        """Outsiders may not speak under +n; of a secret room they are told nothing."""
        self.cannot(self.dan)
        self.modes(self.ann, "#a", "-n +s")
        self.refused(Reason.NO_SUCH_ROOM, self.hub.say, self.dan, "#a", "x")
        self.modes(self.ann, "#a", "-s")
        self.hub.say(self.dan, "#a", "hello")
        self.assertEqual(self.heard(), ["ann", "bob", "cyd", "dan"])

    def test_moderated(self) -> None:
        """Under +m only operators and voices speak."""
        self.modes(self.ann, "#a", "+m -n +v bob")
        self.cannot(self.cyd)
        self.cannot(self.dan)
        self.hub.say(self.ann, "#a", "x")
        self.hub.say(self.bob, "#a", "x")

    def test_accounts(self) -> None:
        """Under +R only who is logged in, or has a voice, speaks."""
        self.modes(self.ann, "#a", "+R +v bob")
        self.cannot(self.cyd, Reason.ACCOUNT_NEEDED)
        self.hub.say(self.bob, "#a", "x")
        self.hub.set_account(self.cyd, "cyd")
        self.hub.say(self.cyd, "#a", "x")

    def test_banned(self) -> None:
        """Who is banned or muted inside does not speak, but for voice or exception."""
        for mask in ("cyd", "~m:cyd"):
            self.modes(self.ann, "#a", f"+b {mask}")
            self.cannot(self.cyd, Reason.MUTED)
            self.modes(self.ann, "#a", f"+e {mask}")
            self.hub.say(self.cyd, "#a", "x")
            self.modes(self.ann, "#a", f"-e {mask} +v cyd")
            self.hub.say(self.cyd, "#a", "x")
            self.modes(self.ann, "#a", f"-b {mask} -v cyd")
            self.chat.clear(self.ann, self.bob, self.cyd)

    def test_exception_of_mutes(self) -> None:
        """An exception in the form of a mute lets somebody speak."""
        self.modes(self.ann, "#a", "+b ~m:*!*@* +e ~m:cyd")
        self.cannot(self.bob, Reason.MUTED)
        self.hub.say(self.cyd, "#a", "x")

    def test_banned_since(self) -> None:
        """A ban holds by the new nick, and by a new account."""
        self.modes(self.ann, "#a", "+b eve +b ~a:eve")
        self.hub.set_account(self.cyd, "Eve")
        self.refused(Reason.MUTED, self.hub.say, self.cyd, "#a", "x")
        self.hub.set_account(self.cyd, None)
        self.hub.rename(self.cyd, "eve")
        self.refused(Reason.MUTED, self.hub.say, self.cyd, "#a", "x")

    def test_banned_otherwise(self) -> None:
        """Who is silenced speaks by no nick, topic, or reason to leave, either."""
        self.modes(self.ann, "#a", "-t +b ~m:cyd")
        self.refused(Reason.MUTED, self.hub.rename, self.cyd, "free")
        self.refused(Reason.MUTED, self.hub.set_topic, self.cyd, "#a", "free")
        self.hub.part(self.cyd, "#a", "free")
        self.assertEqual(last(self.cyd, events.Parted).reason, "")
        self.hub.join(self.cyd, "#a")
        self.hub.leave(self.cyd, "Quit: free")
        self.assertEqual(last(self.cyd, events.Quit).reason, "Quit")

    def test_ctcp(self) -> None:
        """Under +C nobody sends CTCP."""
        self.modes(self.ann, "#a", "+C")
        self.refused(
            Reason.CANNOT_SEND, self.hub.say, self.ann, "#a", "\x01VERSION\x01"
        )
        self.hub.say(self.ann, "#a", "x")

    def test_rate(self) -> None:
        """Messages are limited; what may not be said costs nothing."""
        chat = Chat(HubLimits(message_rate=Rate(1.0, 2)))
        (ann,) = chat.room("#a", "ann")
        bob = chat.enter("bob", address="192.0.2.1")
        for _ in range(3):
            self.refused(Reason.CANNOT_SEND, chat.hub.say, bob, "#a", "x")
        chat.hub.say(bob, "ann", "x")
        chat.hub.say(bob, "ann", "", Kind.TAGS)
        self.refused(Reason.TOO_FAST, chat.hub.say, bob, "ann", "x")
        self.assertEqual(chat.hub.refused, {"messages": 1})
        self.assertEqual(kinds(ann), ["Said", "Said"])
        chat.hub.say(ann, "#a", "x")


class PrivateTalkTests(HubCase):
    """Talking to one person."""

    def setUp(self) -> None:
        """Three who share no room; what is said is kept."""
        super().setUp()
        self.keeper = FakeKeeper()
        self.chat = Chat(keeper=self.keeper, archive=FakeArchive())
        self.hub = self.chat.hub
        self.ann = self.chat.enter("ann", account="Annie")
        self.bob = self.chat.enter("bob", account="Bobby")
        self.cyd = self.chat.enter("cyd")

    def test_said(self) -> None:
        """Who is meant hears it, and nobody else."""
        dan = self.chat.enter("dan")
        said = self.hub.say(self.cyd, "DAN", "hello")
        assert said.to is not None
        self.assertEqual((said.target, said.to.nick), ("dan", "dan"))
        self.assertEqual((kinds(dan), kinds(self.cyd)), (["Said"], ["Said"]))
        self.assertEqual(kinds(self.bob), [])

    def test_oneself(self) -> None:
        """What is said to oneself comes twice: the echo, and the message."""
        said = self.hub.say(self.cyd, "cyd", "note")
        self.assertEqual(
            seen(self.cyd), [f"own Said {said.msgid}", f"Said {said.msgid}"]
        )

    def test_kept(self) -> None:
        """It is kept when they are logged in, under both accounts, and waits."""
        self.hub.say(self.ann, "bob", "hello")
        self.hub.say(self.bob, "ann", "and you")
        self.assertEqual(
            [record.target for record in self.keeper.kept], ["annie bobby"] * 2
        )
        self.assertEqual(kinds(self.bob), [])
        self.chat.courier.committed(1)
        self.assertEqual(kinds(self.bob), ["Said"])
        self.assertEqual(last(self.ann, Said).text, "hello")

    def test_kept_for_one(self) -> None:
        """It is kept for the one who is logged in, too; the guest goes by the nick."""
        self.hub.say(self.ann, "CYD", "x")
        self.hub.say(self.cyd, "ann", "x")
        self.assertEqual(
            [record.target for record in self.keeper.kept], ["!cyd annie"] * 2
        )

    def test_not_kept(self) -> None:
        """Between guests it is not kept, nor are tags such as +typing."""
        dan = self.chat.enter("dan")
        self.hub.say(self.cyd, "dan", "x")
        self.hub.say(self.ann, "bob", "", Kind.TAGS, [("+typing", "active")])
        self.assertEqual(self.keeper.kept, [])
        self.assertEqual((kinds(dan), kinds(self.bob)), (["Said"], ["Said"]))

    def test_reaction(self) -> None:
        """Tags that mean something later on, such as a reaction, are kept."""
        reaction = [("+draft/react", "ok"), ("+reply", "m1")]
        self.hub.say(self.ann, "bob", "", Kind.TAGS, reaction)
        (kept,) = self.keeper.kept
        self.assertEqual((kept.kind, kept.text), ("said", ""))

    def test_left(self) -> None:
        """Who leaves before it is safe is shown it still, before their own end."""
        self.hub.say(self.ann, "bob", "hello")
        self.hub.leave(self.bob, "")
        self.assertEqual(kinds(self.bob), [])
        self.chat.courier.committed(1)
        self.assertEqual(kinds(self.bob), ["Said", "Quit"])


class KeptTests(HubCase):
    """What of a room is kept."""

    def test_kinds(self) -> None:
        """What happens in a room is kept, but not what is of the moment or for some."""
        keeper = FakeKeeper()
        self.chat = Chat(keeper=keeper, archive=FakeArchive())
        hub = self.hub = self.chat.hub
        ann, bob = self.chat.enter("ann"), self.chat.enter("bob")
        hub.join(ann, "#a")
        hub.join(bob, "#a")
        hub.join(bob, "#b")
        hub.say(ann, "#a", "hello")
        hub.say(ann, "@#a", "psst")
        hub.say(ann, "#a", "", Kind.TAGS)
        hub.say(ann, "#a", "", Kind.TAGS, [("+draft/unreact", "ok")])
        hub.set_topic(ann, "#a", "tea")
        self.modes(ann, "#a", "+v bob")
        hub.set_away(bob, "x")
        hub.rename(bob, "rob")
        hub.kick(ann, "#a", "rob")
        hub.part(ann, "#a")
        hub.leave(bob, "")
        self.assertEqual(
            [(record.kind, record.target) for record in keeper.kept],
            [
                ("joined", "#a"),
                ("joined", "#a"),
                ("joined", "#b"),
                ("said", "#a"),
                ("said", "#a"),
                ("topic", "#a"),
                ("modes", "#a"),
                ("renamed", "#a"),
                ("renamed", "#b"),
                ("kicked", "#a"),
                ("parted", "#a"),
                ("quit", "#b"),
            ],
        )
