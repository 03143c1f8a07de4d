"""Tests of L{netsvc.chat.hub}: watching others, and operators of the server."""

from __future__ import annotations

from netsvc.chat import events
from netsvc.chat.limits import HubLimits
from tests.chat.hub_case import HubCase, shown
from tests.chat.hub_fakes import Chat, FakeWire, kinds


class WatchTests(HubCase):
    """MONITOR."""

    def setUp(self) -> None:
        """One watches a nick that nobody has."""
        super().setUp()
        self.wire = FakeWire()
        self.ann = self.chat.enter("ann", wire=self.wire)
        self.assertTrue(self.hub.watch(self.ann, "Bob"))

    def watched(self) -> list[tuple[str, bool]]:
        """Give what was shown."""
        return [(e.nick, e.online) for e in shown(self.wire, events.Watched)]

    def test_comes_and_goes(self) -> None:
        """The watcher is told of both, once."""
        bob = self.chat.enter("bob")
        self.hub.leave(bob, "")
        self.assertEqual(self.watched(), [("bob", True), ("bob", False)])
        self.assertEqual(kinds(self.ann), ["Watched", "Watched"])

    def test_rename(self) -> None:
        """Another nick is going and coming; another case is neither."""
        bob = self.chat.enter("bob")
        self.hub.rename(bob, "BOB")
        self.hub.rename(bob, "rob")
        self.hub.rename(bob, "bob")
        self.assertEqual(self.watched(), [("bob", True), ("BOB", False), ("bob", True)])

    def test_unwatch(self) -> None:
        """Who watches no more is told no more; so is who has left."""
        eve = self.chat.enter("eve")
        self.hub.watch(eve, "bob")
        self.hub.unwatch(self.ann, "BOB")
        self.hub.unwatch(self.ann, "BOB")
        self.hub.leave(eve, "")
        self.chat.enter("bob")
        self.assertEqual(self.watched(), [])
        self.assertEqual(self.hub.state.watchers, {})

    def test_limit(self) -> None:
        """The list is bounded; what is in it already takes no more place."""
        chat = Chat(HubLimits(watching=1))
        ann = chat.enter("ann")
        self.assertTrue(chat.hub.watch(ann, "bob"))
        self.assertTrue(chat.hub.watch(ann, "BOB"))
        self.assertFalse(chat.hub.watch(ann, "cyd"))
        self.assertEqual(chat.hub.refused["watching"], 1)

    def test_extended(self) -> None:
        """With extended-monitor all is told, once, though they share a room."""
        self.wire.extended_monitor = True
        bob = self.chat.enter("bob")
        self.chat.clear(self.ann)
        self.hub.set_away(bob, "x")
        self.hub.set_account(bob, "bob")
        self.hub.set_realname(bob, "B")
        self.hub.set_host(bob, "b", "h")
        self.assertEqual(
            kinds(self.ann), ["AwaySet", "AccountSet", "RealnameSet", "HostSet"]
        )
        for member in (self.ann, bob):
            self.hub.join(member, "#a")
        self.chat.clear(self.ann)
        self.hub.set_away(bob, None)
        self.assertEqual(kinds(self.ann), ["AwaySet"])

    def test_not_extended(self) -> None:
        """Without it only coming and going is told."""
        bob = self.chat.enter("bob")
        self.chat.clear(self.ann)
        self.hub.set_away(bob, "x")
        self.assertEqual(kinds(self.ann), [])


class OperatorTests(HubCase):
    """Operators of the server."""

    def test_oper(self) -> None:
        """An operator has a name and the mode, until it is given up."""
        ann = self.chat.enter("ann")
        self.assertTrue(self.hub.set_operator(ann, "root"))
        self.assertFalse(self.hub.set_operator(ann, "root"))
        self.assertEqual((ann.oper, ann.modes), ("root", {"o"}))
        self.assertTrue(self.hub.set_operator(ann, None))
        self.assertEqual((ann.oper, ann.modes), (None, set()))

    def test_wallops(self) -> None:
        """Operators hear it, and those who listen, each once; nobody else does."""
        ann, bob, cyd, dan = (self.chat.enter(n) for n in ("ann", "bob", "cyd", "dan"))
        self.hub.set_operator(ann, "root")
        self.hub.set_user_modes(bob, True, "w")
        self.hub.set_operator(cyd, "root")
        self.hub.set_user_modes(cyd, True, "w")
        self.hub.announce(ann, "hear")
        self.hub.announce(None, "the server")
        for member in (ann, bob, cyd):
            self.assertEqual(kinds(member), ["Announced", "Announced"])
        self.assertEqual(kinds(dan), [])
