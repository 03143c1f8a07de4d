"""Tests of L{netsvc.chat.rooms}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.masks import Mask
from netsvc.chat.member import Member, Person
from netsvc.chat.rooms import OPERATOR, VOICE, Room, audience
from tests.chat.hub_fakes import FakeSession, FakeWire


def member(nick: str, wire: FakeWire | None = None) -> Member:
    """Make somebody."""
    return Member(FakeSession(wire), nick, Person(user=nick, host="h"), 0)


class RoomTests(SynchronousTestCase):
    """Tests of L{Room}."""

    def setUp(self) -> None:
        """A room with an operator, a voice, both in one, and none."""
        self.room = Room("#A", 1)
        self.wire = FakeWire()
        self.op, self.voice, self.both, self.none = (
            member(nick, self.wire) for nick in ("op", "voice", "both", "none")
        )
        self.room.members = {
            self.op: {OPERATOR},
            self.voice: {VOICE},
            self.both: {OPERATOR, VOICE},
            self.none: set(),
        }
        self.outside = member("outside")

    def test_prefixes(self) -> None:
        """Prefixes are given highest first; outsiders have none."""
        everybody = (*self.room.members, self.outside)
        self.assertEqual(
            [self.room.prefixes(each) for each in everybody], ["@", "+", "@+", "", ""]
        )
        self.assertEqual(
            [self.room.operator(each) for each in everybody],
            [True, False, True, False, False],
        )
        self.assertEqual(
            [self.room.voiced(each) for each in everybody],
            [True, True, True, False, False],
        )

    def test_with_status(self) -> None:
        """A prefix means those who have it or a higher one."""
        self.assertEqual(self.room.with_status("@"), [self.op, self.both])
        self.assertEqual(self.room.with_status("+"), [self.op, self.voice, self.both])

    def test_audience(self) -> None:
        """Sessions are grouped by wire, anew only when somebody says so."""
        first = self.room.audience()
        sessions = [each.session for each in self.room.members]
        self.assertEqual(first, {self.wire: sessions})
        self.assertIs(self.room.audience(), first)
        self.room.members[self.outside] = set()
        self.room.regroup()
        self.assertEqual(
            self.room.audience(),
            {self.wire: sessions, self.outside.session.wire: [self.outside.session]},
        )
        self.assertEqual(first, {self.wire: sessions})
        self.assertEqual(audience([]), {})

    def test_private(self) -> None:
        """A key, +i or +s make it private; +s secret."""
        self.assertEqual((self.room.private, self.room.secret), (False, False))
        self.room.key = "k"
        self.assertEqual((self.room.private, self.room.secret), (True, False))
        self.room.key = None
        self.room.flags.add("i")
        self.assertEqual((self.room.private, self.room.secret), (True, False))
        self.room.flags = {"s"}
        self.assertEqual((self.room.private, self.room.secret), (True, True))

    def test_mode_letters(self) -> None:
        """Modes are shown as in a MODE line, the key to those who may see it."""
        self.assertEqual(self.room.mode_letters(show_key=True), ("+nt", []))
        self.room.flags.clear()
        self.assertEqual(self.room.mode_letters(show_key=True), ("+", []))
        self.room.flags |= {*"sim"}
        self.room.key, self.room.limit = "secret", 5
        self.assertEqual(
            self.room.mode_letters(show_key=True), ("+imskl", ["secret", "5"])
        )
        self.assertEqual(self.room.mode_letters(show_key=False), ("+imskl", ["*", "5"]))

    def test_lists(self) -> None:
        """A ban keeps out and silent, a mute only silent; exceptions lift both."""
        who = self.none.identity

        def listed(bans: str, exceptions: str = "") -> tuple[bool, bool]:
            for letter, masks in (("b", bans), ("e", exceptions)):
                self.room.lists[letter] = {each: Mask(each) for each in masks.split()}
            return self.room.banned(who), self.room.silenced(who)

        self.assertEqual(listed(""), (False, False))
        self.assertEqual(listed("none!*@*"), (True, True))
        self.assertEqual(listed("other!*@*"), (False, False))
        self.assertEqual(listed("~m:none!*@*"), (False, True))
        self.assertEqual(listed("none!*@*", "*!*@h"), (False, False))
        self.assertEqual(listed("~m:none!*@*", "*!*@h"), (False, False))
        self.assertEqual(listed("none!*@*", "~m:*!*@h"), (True, False))
