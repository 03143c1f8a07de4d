"""What the client learns of people and rooms."""

from __future__ import annotations

from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client import people
from netsvc.chat.client.lines import parse
from netsvc.chat.client.people import People


class PeopleTests(SynchronousTestCase):
    """One connection's tale."""

    def setUp(self) -> None:
        """Come in as a guest."""
        self.people = People()
        self.learn("* Welcome", "* guest1 has joined #lobby")

    def learn(self, *lines: str) -> None:
        for line in lines:
            self.people.learn(parse(line))

    def test_first_join(self) -> None:
        """The first who is seen to join is this user."""
        self.assertEqual((self.people.nick, self.people.room), ("guest1", "#lobby"))
        self.assertTrue(self.people.is_me("GUEST1"))
        self.assertTrue(self.people.is_in("#LOBBY"))
        self.assertEqual(self.people.nicks, [])

    def test_first_nick(self) -> None:
        """A new nick before any join is this user's."""
        self.people = People()
        self.learn("* guest1 is now known as jiwoo")
        self.assertEqual(self.people.nick, "jiwoo")

    def test_rename(self) -> None:
        """This user's nick and those of others are followed."""
        self.learn("* a has joined #lobby", "* a is now known as b")
        self.learn("* guest1 is now known as a")
        self.assertEqual((self.people.nick, self.people.nicks), ("a", ["b"]))

    def test_forged(self) -> None:
        """What somebody says to do themselves changes nothing about this user."""
        self.learn("* evil is now known as guest2", "* evil has joined #ops")
        self.assertEqual((self.people.nick, self.people.room), ("guest1", "#lobby"))
        self.assertFalse(self.people.is_in("#ops"))

    def test_order(self) -> None:
        """Who was heard of last comes first; who is only listed comes last."""
        self.learn("<a> x", "#r <b> x", "-c- x", "* in #r: @d, a, guest1", "<guest1> x")
        self.assertEqual(self.people.nicks, ["c", "b", "a", "d"])
        self.learn("* a waves", "* nobody in particular")
        self.learn("[12:34] <guest0> x", "[12:34] * guest1 has left #lobby")
        self.assertEqual(
            (self.people.room, self.people.nicks.pop()), ("#lobby", "guest0")
        )
        self.learn("* guest0 has quit")
        self.assertEqual(self.people.nicks, ["a", "c", "b", "d"])
        self.assertTrue(self.people.knows("B"))
        self.assertTrue(self.people.knows("guest1"))
        self.assertFalse(self.people.knows("e"))

    def test_gone(self) -> None:
        """Who quits is forgotten; who leaves a room comes last."""
        self.learn("<a> x", "<b> x", "<c> x", "* b has quit", "* c has left #lobby")
        self.assertEqual(self.people.nicks, ["a", "c"])

    def test_rooms(self) -> None:
        """The current room is the one entered last, or again, of those not left."""
        self.learn("* guest1 has joined #a", "* guest1 has joined #b")
        self.assertEqual(self.people.rooms, ["#lobby", "#a", "#b"])
        self.learn("* guest1 has joined #A")
        self.assertEqual(self.people.rooms, ["#lobby", "#b", "#A"])
        self.learn("* guest1 has left #a (bye)")
        self.assertEqual(self.people.room, "#b")
        self.learn("* guest1 has left #lobby")
        self.assertEqual(self.people.room, "#b")
        self.learn("* guest1 was kicked from #b by x")
        self.assertEqual((self.people.room, self.people.rooms), ("", []))
        self.assertEqual(self.people.known_rooms, ["#A", "#b", "#lobby"])

    def test_forget(self) -> None:
        """After a loss nothing is sure but what rooms there are."""
        self.learn("<a> x")
        self.people.forget()
        self.assertEqual(
            (self.people.nick, self.people.room, self.people.nicks), ("", "", [])
        )
        self.assertEqual(self.people.known_rooms, ["#lobby"])

    def test_limits(self) -> None:
        """Nicks and rooms are bounded: the oldest are forgotten, new ones not taken."""
        with mock.patch.multiple(people, MAX_NICKS=2, MAX_ROOMS=2, MAX_SEEN_ROOMS=2):
            self.people = People()
            self.learn("* me has joined #a", "* me has joined #b", "* me has joined #c")
            self.learn("<x> 1", "<y> 1", "<z> 1", "* in #a: w, v")
        self.assertEqual(self.people.nicks, ["z", "y"])
        self.assertEqual(self.people.rooms, ["#a", "#b"])
        self.assertEqual(self.people.known_rooms, ["#a", "#c"])
