"""Tests of L{netsvc.chat.hub}: coming, going, being called."""

from __future__ import annotations

from netsvc.chat import events
from netsvc.chat.events import Reason
from netsvc.chat.limits import HubLimits
from netsvc.chat.masks import Identity
from netsvc.daemon.limits import Rate
from tests.chat.hub_case import HubCase, last, shown
from tests.chat.hub_fakes import Chat, FakeSession, FakeWire, kinds

CYRILLIC_A = "\u0430"


class NickTests(HubCase):
    """Who may have which nick."""

    def test_empty(self) -> None:
        """No nick is no nick."""
        self.refused(Reason.NICK_EMPTY, self.hub.check_nick, "")

    def test_invalid(self) -> None:
        """What IRC cannot carry is no nick, nor is what is too long."""
        for nick in ("a b", "#a", "1a", "a!b", "a" * 33):
            error = self.refused(Reason.NICK_INVALID, self.hub.check_nick, nick)
            self.assertEqual(error.context, (nick,))

    def test_in_use(self) -> None:
        """A nick has one owner, however it is spelled, until that one leaves."""
        ann = self.chat.enter("ann")
        self.refused(Reason.NICK_IN_USE, self.chat.enter, "ANN")
        self.hub.leave(ann, "")
        self.chat.enter("ANN")

    def test_brackets(self) -> None:
        """The brackets that RFC 1459 equates are different nicks."""
        self.chat.enter("a[b")
        self.chat.enter("a{b")

    def test_confusable(self) -> None:
        """A nick that looks like another one is refused, to newcomers and others."""
        self.chat.enter("ann")
        fake = CYRILLIC_A + "nn"
        self.refused(Reason.NICK_CONFUSABLE, self.chat.enter, fake)
        bob = self.chat.enter("bob")
        self.refused(Reason.NICK_CONFUSABLE, self.hub.rename, bob, fake)

    def test_own_look(self) -> None:
        """One's own nick is no obstacle to what looks like it."""
        ann = self.chat.enter("ann")
        self.assertTrue(self.hub.rename(ann, CYRILLIC_A + "nn"))
        self.refused(Reason.NICK_CONFUSABLE, self.chat.enter, "ann")

    def test_ascii_alike(self) -> None:
        """ASCII nicks that look alike are different."""
        self.chat.enter("modern")
        self.chat.enter("modem")


class ReservedTests(HubCase):
    """Nicks that belong to accounts."""

    def setUp(self) -> None:
        """There is an account that is called Dan."""
        self.accounts = {"dan": "Dan", "d\u0430n": "Dan", "dam": "Dan"}
        self.chat = Chat(reserved=self.accounts.get)
        self.hub = self.chat.hub

    def test_owner(self) -> None:
        """Who is logged in to the account may have its nick, however spelled."""
        self.chat.enter("DAN", account="dan")
        other = self.chat.enter("ann", account="DAN")
        self.refused(Reason.NICK_IN_USE, self.hub.rename, other, "dan")

    def test_others(self) -> None:
        """Nobody else may, logged in elsewhere or not."""
        self.refused(Reason.NICK_RESERVED, self.chat.enter, "dan")
        self.refused(Reason.NICK_RESERVED, self.chat.enter, "dan", account="ann")
        ann = self.chat.enter("ann")
        self.refused(Reason.NICK_RESERVED, self.hub.rename, ann, "Dan")

    def test_confusable(self) -> None:
        """Nor a nick that looks like the account's name, though its owner is away."""
        self.refused(Reason.NICK_CONFUSABLE, self.chat.enter, "d\u0430n")
        self.chat.enter("d\u0430n", account="Dan")

    def test_ascii_alike(self) -> None:
        """An ASCII nick is not refused for looking like an ASCII account."""
        self.chat.enter("dam")

    def test_sitting(self) -> None:
        """Who had a nick before it was reserved keeps it, but does not get it back."""
        eve = self.chat.enter("eve")
        self.accounts["eve"] = "eve"
        self.assertFalse(self.hub.rename(eve, "eve"))
        self.assertTrue(self.hub.rename(eve, "adam"))
        self.refused(Reason.NICK_RESERVED, self.hub.rename, eve, "eve")


class ComingTests(HubCase):
    """Coming and going."""

    def test_member(self) -> None:
        """Who has come is found by the nick, and what the frontend knew is kept."""
        ann = self.chat.enter("Ann", account="annie", address="192.0.2.1")
        self.assertIs(self.hub.member("aNN"), ann)
        self.assertEqual(ann.source.mask, "Ann!ann@ann.example")
        self.assertEqual(
            ann.identity,
            Identity(("ann!ann@ann.example", "ann!ann@192.0.2.1"), "annie"),
        )
        self.assertEqual((ann.since, ann.active), (1_000_000_000, 1_000_000_000))
        self.refused(Reason.NO_SUCH_NICK, self.hub.member, "bob")

    def test_most(self) -> None:
        """The most people at once are remembered."""
        ann, _ = self.chat.enter("ann"), self.chat.enter("bob")
        self.hub.leave(ann, "")
        self.assertEqual(self.hub.state.most, 2)

    def test_full(self) -> None:
        """There are no more people than the limit, and refusals are counted."""
        chat = Chat(HubLimits(members=1))
        ann = chat.enter("ann")
        self.refused(Reason.HUB_FULL, chat.enter, "bob")
        self.assertEqual(chat.hub.refused["members"], 1)
        chat.hub.leave(ann, "")
        chat.enter("bob")

    def test_leave(self) -> None:
        """Who leaves is seen once by each who shares a room, and by nobody else."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        self.hub.join(ann, "#b")
        self.hub.join(bob, "#b")
        cyd = self.chat.enter("cyd")
        self.chat.clear(ann, bob)
        self.hub.leave(ann, "bye")
        self.assertEqual(kinds(bob), ["Quit"])
        self.assertEqual(kinds(cyd), [])
        self.assertEqual(last(ann, events.Quit).reason, "bye")
        self.assertEqual(ann.rooms, {})

    def test_leave_twice(self) -> None:
        """Who has left already is left alone, even if another has the nick."""
        ann = self.chat.enter("ann")
        self.hub.leave(ann, "")
        other = self.chat.enter("ann")
        self.hub.leave(ann, "again")
        self.assertIs(self.hub.member("ann"), other)

    def test_long_reason(self) -> None:
        """A reason is cut."""
        ann = self.chat.enter("ann")
        self.hub.leave(ann, "\ud55c" * 200)
        self.assertEqual(last(ann, events.Quit).reason, "\ud55c" * 130)

    def test_while_delivering(self) -> None:
        """Who is cut while an event is shown leaves behind that event."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        session = bob.session
        assert isinstance(session, FakeSession)
        send = session.send

        def overflow(data: bytes) -> None:
            session.send = send  # type: ignore[method-assign]
            send(data)
            self.hub.leave(bob, "Send queue exceeded")

        session.send = overflow  # type: ignore[method-assign]
        self.hub.say(ann, "#a", "hello")
        self.assertEqual(kinds(bob), ["Said", "Quit"])
        self.assertEqual(kinds(ann), ["Said", "Quit"])


class LateTests(HubCase):
    """An answer that comes after somebody has left."""

    def setUp(self) -> None:
        """One leaves, and another takes the nick."""
        super().setUp()
        self.gone = self.chat.enter("ann")
        self.hub.leave(self.gone, "")
        (self.other,) = self.chat.room("#a", "ann")

    def test_account(self) -> None:
        """Whoever has the nick now is not logged in for who had it before."""
        self.hub.set_account(self.gone, "annie")
        self.assertIsNone(self.other.account)

    def test_nothing(self) -> None:
        """Nothing else is done to them, either."""
        self.hub.set_away(self.gone, "late")
        self.hub.set_realname(self.gone, "late")
        self.hub.set_host(self.gone, "late", "late")
        self.hub.watch(self.gone, "bob")
        self.assertEqual(kinds(self.other), [])
        self.assertEqual(self.hub.state.watchers, {})

    def test_refused(self) -> None:
        """What can be refused is."""
        for call in (
            lambda: self.hub.rename(self.gone, "late"),
            lambda: self.hub.join(self.gone, "#b"),
            lambda: self.hub.say(self.gone, "#a", "late"),
        ):
            self.refused(Reason.NO_SUCH_NICK, call)
        self.assertEqual(list(self.hub.state.rooms), ["#a"])


class RenameTests(HubCase):
    """Taking another nick."""

    def test_seen(self) -> None:
        """It is seen once by each who shares a room; the source has the old nick."""
        ann, bob = self.chat.room("#a", "ann", "bob")
        self.assertTrue(self.hub.rename(ann, "Anna"))
        self.assertEqual(kinds(bob), ["Renamed"])
        renamed = last(ann, events.Renamed)
        self.assertEqual((renamed.source.nick, renamed.nick), ("ann", "Anna"))
        self.assertEqual(ann.source.nick, "Anna")
        self.assertIs(self.hub.member("anna"), ann)
        self.refused(Reason.NO_SUCH_NICK, self.hub.member, "ann")

    def test_same(self) -> None:
        """The same nick again is nothing; another case of it is a change."""
        ann = self.chat.enter("ann")
        self.assertFalse(self.hub.rename(ann, "ann"))
        self.assertEqual(kinds(ann), [])
        self.assertTrue(self.hub.rename(ann, "Ann"))
        self.assertEqual(len(self.hub.state.past), 0)

    def test_rate(self) -> None:
        """Changes are limited for each source, or account; refusals are counted."""
        chat = Chat(HubLimits(nick_rate=Rate(1.0, 1)))
        ann = chat.enter("ann", address="192.0.2.1")
        bob = chat.enter("bob", address="192.0.2.1")
        cyd = chat.enter("cyd", address="192.0.2.1", account="cyd")
        chat.hub.rename(ann, "ann2")
        error = self.refused(Reason.TOO_FAST, chat.hub.rename, bob, "bob2")
        self.assertEqual(error.context, ("nick-changes",))
        self.assertEqual(chat.hub.refused["nick-changes"], 1)
        self.assertEqual(bob.nick, "bob")
        chat.hub.rename(cyd, "cyd2")
        chat.now += 1
        chat.hub.rename(bob, "bob2")

    def test_while_waiting(self) -> None:
        """A private message that was said before goes to who was meant."""
        ann, bob = self.chat.enter("ann"), self.chat.enter("bob")
        said = self.hub.say(ann, "bob", "hello")
        self.hub.rename(bob, "rob")
        self.chat.enter("bob")
        self.assertEqual(said.target, "bob")
        self.assertEqual(kinds(bob), ["Said", "Renamed"])


class WhowasTests(HubCase):
    """Who had a nick before."""

    def test_remembered(self) -> None:
        """Going and taking another nick are remembered, in order, with the address."""
        ann = self.chat.enter("ann", address="192.0.2.1")
        self.hub.rename(ann, "anna")
        self.chat.now += 1
        self.hub.leave(ann, "")
        past = [(e.source.nick, e.time, e.address) for e in self.hub.state.past]
        self.assertEqual(
            past,
            [("ann", 1_000_000_000, "192.0.2.1"), ("anna", 1_000_001_000, "192.0.2.1")],
        )

    def test_bounded(self) -> None:
        """The oldest are forgotten."""
        chat = Chat(HubLimits(whowas=2))
        for nick in ("a", "b", "c"):
            chat.hub.leave(chat.enter(nick), "")
        self.assertEqual([e.source.nick for e in chat.hub.state.past], ["b", "c"])


class TimeTests(HubCase):
    """The times of events."""

    def test_never_back(self) -> None:
        """A clock that is set back makes no event earlier than the one before."""
        ann = self.chat.enter("ann")
        self.hub.set_away(ann, "x")
        self.chat.now -= 1000
        self.hub.set_away(ann, None)
        self.assertEqual(last(ann, events.AwaySet).time, 1_000_000_000)


class ChangeTests(HubCase):
    """What others are told of somebody."""

    def setUp(self) -> None:
        """Two in a room, and one outside."""
        super().setUp()
        self.ann, self.bob = self.chat.room("#a", "ann", "bob")
        self.cyd = self.chat.enter("cyd")

    def seen(self, *expected: str) -> None:
        """Those in the room see this, and nobody outside does."""
        self.assertEqual(kinds(self.ann), [*expected])
        self.assertEqual(kinds(self.bob), [*expected])
        self.assertEqual(kinds(self.cyd), [])

    def test_away(self) -> None:
        """Being away is seen by those who share a room; its text is cut."""
        self.hub.set_away(self.ann, "x" * 500)
        self.assertEqual(self.ann.away, "x" * 390)
        self.seen("AwaySet")
        self.hub.set_away(self.ann, "")
        self.assertIsNone(self.ann.away)

    def test_account(self) -> None:
        """Logging in is seen once, by the new account; the same again is nothing."""
        self.hub.set_account(self.ann, "annie")
        self.hub.set_account(self.ann, "annie")
        self.seen("AccountSet")
        self.assertEqual(last(self.ann, events.AccountSet).source.account, "annie")
        self.assertEqual(self.ann.identity.account, "annie")

    def test_realname(self) -> None:
        """A real name is seen, and is cut."""
        self.hub.set_realname(self.ann, "y" * 500)
        self.assertEqual(self.ann.source.realname, "y" * 150)
        self.seen("RealnameSet")

    def test_host(self) -> None:
        """A new host is seen with the old one as its source; the same is nothing."""
        self.hub.set_host(self.ann, "u", "h")
        self.hub.set_host(self.ann, "u", "h")
        self.seen("HostSet")
        self.assertEqual(last(self.ann, events.HostSet).source.host, "ann.example")
        self.assertEqual(self.ann.source.mask, "ann!u@h")

    def test_user_modes(self) -> None:
        """Only known modes that differ are changed; nobody else is told."""
        self.assertEqual(self.hub.set_user_modes(self.ann, True, "iBxi"), "iB")
        self.assertTrue(self.ann.source.bot)
        self.assertEqual(self.hub.set_user_modes(self.ann, False, "Bw"), "B")
        self.assertFalse(self.ann.source.bot)
        self.assertEqual(self.hub.set_user_modes(self.ann, False, "B"), "")
        self.seen()


class HostFallbackTests(HubCase):
    """A new host as it is shown to those who know no event for it."""

    def test_as_if(self) -> None:
        """They see its bearer leave, and come again with the same status."""
        old = FakeWire()
        old.shows_hosts = False
        ann, bob = self.chat.room("#a", "ann", "bob")
        cyd, dan = (self.chat.enter(nick, wire=old) for nick in ("cyd", "dan"))
        self.hub.join(cyd, "#a")
        self.hub.join(ann, "#b")
        self.hub.set_away(ann, "lunch")
        self.hub.join(cyd, "#b")
        self.hub.join(dan, "#b")
        self.modes(ann, "#b", "-o ann")
        self.chat.clear(ann, bob, cyd, dan)
        self.hub.set_host(ann, "u", "h")
        self.assertEqual(kinds(ann), ["HostSet"])
        self.assertEqual(kinds(bob), ["HostSet"])
        # A wire that does not show an event encodes it to nothing: not this fake.
        self.assertEqual(
            kinds(cyd), ["Quit", "Joined", "ModesSet", "Joined", "HostSet"]
        )
        self.assertEqual(kinds(dan), ["Quit", "Joined", "HostSet"])
        (quit,) = shown(old, events.Quit)
        self.assertEqual(
            (quit.source.host, quit.reason), ("ann.example", "Changing host")
        )
        joined = shown(old, events.Joined)[-1]
        self.assertEqual(
            (joined.source.mask, joined.room, joined.away), ("ann!u@h", "#b", "lunch")
        )
        modes = shown(old, events.ModesSet)[-1]
        self.assertEqual(modes.changes, (events.Change(True, "o", "ann"),))
        self.assertEqual(modes.source.host, "irc.test.example")
