"""Tests of L{netsvc.chat.state}: events that come out of a bus late."""

from __future__ import annotations

from netsvc.chat import events
from netsvc.chat.events import Change, Event, HubError, Kind, Reason, Said, Source
from tests.chat.hub_case import HubCase
from tests.chat.hub_fakes import kinds

GONE = Source("gone", "g", "gone.example")


class GoneTests(HubCase):
    """What is about somebody, or a room, who is gone."""

    def setUp(self) -> None:
        """A room of two."""
        super().setUp()
        self.ann, self.bob = self.chat.room("#a", "ann", "bob")

    def test_nobody(self) -> None:
        """Events of somebody who is gone do nothing."""
        for event in (
            events.Came(0, "m", GONE),
            events.Joined(0, "m", GONE, "#a"),
            events.Parted(0, "m", GONE, "#a"),
            events.Quit(0, "m", GONE),
            events.Renamed(0, "m", GONE, "ann"),
            events.AwaySet(0, "m", GONE, "x"),
            events.AccountSet(0, "m", GONE, "x"),
            events.RealnameSet(0, "m", GONE, "x"),
            events.HostSet(0, "m", GONE, "x", "y"),
            events.Invited(0, "m", self.ann.source, "#a", "gone"),
            events.Kicked(0, "m", self.ann.source, "#a", "gone", "x"),
        ):
            self.hub.state.apply(event)
        self.assertEqual(list(self.hub.state.members), ["ann", "bob"])
        self.assertEqual(list(self.hub.room("#a").members), [self.ann, self.bob])
        self.assertEqual((kinds(self.ann), kinds(self.bob)), ([], []))

    def test_nowhere(self) -> None:
        """Events of a room that is gone do nothing; an invitation opens nothing."""
        source = self.ann.source
        for event in (
            events.Parted(0, "m", source, "#gone"),
            events.Kicked(0, "m", source, "#gone", "bob", "x"),
            events.TopicSet(0, "m", source, "#gone", "x"),
            events.ModesSet(0, "m", source, "#gone", (Change(True, "i"),)),
            Said(0, "m", source, "#gone", Kind.MESSAGE, "x"),
        ):
            self.hub.state.apply(event)
        self.assertEqual((kinds(self.ann), kinds(self.bob)), ([], []))
        self.hub.state.apply(events.Invited(0, "m", source, "#gone", "bob"))
        self.assertEqual(kinds(self.bob), ["Invited"])
        self.assertEqual(self.bob.invited, {})

    def test_source_gone(self) -> None:
        """What somebody did to others before they went is done."""
        for event in (
            events.TopicSet(0, "m", GONE, "#a", "tea"),
            events.ModesSet(0, "m", GONE, "#a", (Change(True, "i"),)),
            Said(0, "m", GONE, "#a", Kind.MESSAGE, "x"),
            Said(0, "m", GONE, "bob", Kind.MESSAGE, "x", to=self.bob.source),
            events.Kicked(0, "m", GONE, "#a", "bob", "x"),
        ):
            self.hub.state.apply(event)
        self.assertEqual(
            kinds(self.bob), ["TopicSet", "ModesSet", "Said", "Said", "Kicked"]
        )
        self.assertEqual(self.hub.room("#a").topic, "tea")
        self.assertEqual(list(self.hub.room("#a").members), [self.ann])

    def test_hearer_gone(self) -> None:
        """A message for somebody who is gone is shown to who said it."""
        said = Said(0, "m", self.ann.source, "gone", Kind.MESSAGE, "x", to=GONE)
        self.hub.state.apply(said)
        self.assertEqual(kinds(self.ann), ["Said"])

    def test_strange_modes(self) -> None:
        """Modes of a later release, or without their argument, change nothing."""
        room = self.hub.room("#a")
        before = room.mode_letters(show_key=True)
        changes = (
            Change(True, "z", "x"),
            Change(True, "b"),
            Change(True, "o"),
            Change(True, "o", "gone"),
            Change(True, "l"),
        )
        event: Event = events.ModesSet(0, "m", self.ann.source, "#a", changes)
        self.hub.state.apply(event)
        self.assertEqual(room.mode_letters(show_key=True), before)
        self.assertEqual(room.lists["b"], {})


class LookTests(HubCase):
    """Who looks like whom."""

    def test_several(self) -> None:
        """ASCII nicks that look alike are remembered one by one."""
        first, second = self.chat.enter("modem"), self.chat.enter("modern")
        fake = "m\u043edem"
        self.assertEqual(first.skeleton, second.skeleton)
        self.hub.leave(first, "")
        error = self.assertRaises(HubError, self.chat.enter, fake)
        self.assertIs(error.reason, Reason.NICK_CONFUSABLE)
        self.assertEqual(str(error), f"{fake}: {Reason.NICK_CONFUSABLE.value}")
        self.hub.leave(second, "")
        self.assertEqual(self.hub.state.skeletons, {})
        self.chat.enter(fake)
