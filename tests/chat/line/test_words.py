"""What happens, in words."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat import events
from netsvc.chat.client import lines
from netsvc.chat.events import Change, Kind, Said, Source
from netsvc.chat.line.speech import pieces
from netsvc.chat.line.words import days, own_words, people, stamp, words

ALICE = Source("alice", "line", "a.example")
BOB = Source("bob", "line", "b.example")
SERVER = events.server_source("irc.test.example")
AT = (1_000, "m1")


def said(text: str, **more: object) -> Said:
    """Make a message of alice to the lobby."""
    values: dict[str, object] = {"target": "#lobby", "kind": Kind.MESSAGE}
    return Said(*AT, ALICE, text=text, **(values | more))  # type: ignore[arg-type]


def modes(*changes: Change, source: Source = ALICE) -> str:
    """Say that modes of the lobby were changed."""
    return words(events.ModesSet(*AT, source, "#lobby", changes))


class MessageTests(SynchronousTestCase):
    """Messages."""

    def test_room(self) -> None:
        """A message is shown with its nick, and its room if one talks in another."""
        self.assertEqual(words(said("hi"), here=True), "<alice> hi")
        self.assertEqual(words(said("hi")), "#lobby <alice> hi")
        self.assertEqual(words(said("hi", kind=Kind.NOTICE), here=True), "<alice> hi")

    def test_action(self) -> None:
        """An action is shown behind a star."""
        waves = said("\x01ACTION waves\x01")
        self.assertEqual(words(waves, here=True), "* alice waves")
        self.assertEqual(words(waves), "#lobby * alice waves")

    def test_private(self) -> None:
        """A private message is shown between hyphens; its author sees an arrow."""
        one = said("hi", target="bob", to=BOB)
        self.assertEqual(words(one), "-alice- hi")
        self.assertEqual(own_words(one), "-> bob: hi")
        done = said("\x01ACTION waves\x01", target="bob", to=BOB)
        self.assertEqual(words(done), "-alice- * alice waves")
        self.assertEqual(own_words(done), "-> bob: * alice waves")

    def test_not_shown(self) -> None:
        """CTCP, and messages of tags alone, are not shown; nor what one has said."""
        self.assertEqual(words(said("\x01VERSION\x01")), "")
        self.assertEqual(words(said("", kind=Kind.TAGS)), "")
        self.assertEqual(own_words(said("hi")), "")
        self.assertEqual(own_words(said("", kind=Kind.TAGS, to=BOB)), "")

    def test_status(self) -> None:
        """A message for operators alone says so."""
        self.assertEqual(words(said("hi", status="@"), True), "(@ only) <alice> hi")

    def test_clean(self) -> None:
        """Formatting is taken out, and what would do something to a terminal."""
        text = "\x02bold\x02 \x0304red\x03 \x1b[2J \u202egnp\n\x9b"
        self.assertEqual(words(said(text), True), "<alice> bold red ^[[2J gnp^J")

    @given(st.text())
    def test_one_line(self, text: str) -> None:
        """No text makes a second line, or reaches a terminal raw."""
        for event in (
            said(text),
            said(text, target="bob", to=BOB),
            said(f"\x01ACTION {text}\x01"),
            events.TopicSet(*AT, ALICE, "#lobby", text),
            events.Quit(*AT, ALICE, text),
            events.Announced(*AT, ALICE, text),
            events.ModesSet(*AT, ALICE, "#lobby", (Change(True, "b", text),)),
        ):
            for line in (words(event), own_words(event)):
                self.assertFalse(set(line) & set("\n\r\x1b\x00\x01\x07\x85\u2028"))


class EventTests(SynchronousTestCase):
    """What else happens."""

    def test_read_back(self) -> None:
        """The terminal client reads what happens out of the lines."""
        quit_ = words(events.Quit(*AT, ALICE, "bye"))
        self.assertIsInstance(lines.parse(quit_), lines.Gone)
        self.assertEqual(quit_, "* alice has quit (bye)")
        joined = lines.parse(words(events.Joined(*AT, ALICE, "#lobby")))
        self.assertIsInstance(joined, lines.Entered)
        for event in (
            events.Parted(*AT, ALICE, "#lobby", "bye"),
            events.Parted(*AT, ALICE, "#lobby"),
            events.Kicked(*AT, BOB, "#lobby", "alice", "flood"),
        ):
            line = lines.parse(words(event))
            assert isinstance(line, lines.Left)
            self.assertEqual((line.nick, line.room), ("alice", "#lobby"))
        renamed = lines.parse(words(events.Renamed(*AT, ALICE, "alicia")))
        assert isinstance(renamed, lines.Renamed)
        self.assertEqual((renamed.nick, renamed.new), ("alice", "alicia"))

    def test_kick(self) -> None:
        """A kick names who did it, and the reason if there is one."""
        kicked = events.Kicked(*AT, BOB, "#lobby", "alice", "bob")
        self.assertEqual(words(kicked), "* alice was kicked from #lobby by bob")

    def test_topic(self) -> None:
        """A topic is told as set, or as taken away."""
        topic = events.TopicSet(*AT, ALICE, "#lobby", "x")
        self.assertEqual(words(topic), "* alice set the topic of #lobby to: x")
        topic = events.TopicSet(*AT, ALICE, "#lobby", "")
        self.assertEqual(words(topic), "* alice took the topic of #lobby away")

    def test_modes(self) -> None:
        """Each change of a mode is a sentence, of whoever made it."""
        self.assertEqual(
            modes(Change(True, "o", "bob"), Change(False, "i"), source=SERVER),
            "* irc.test.example made bob an operator of #lobby\n"
            "* irc.test.example opened #lobby to people who are not invited",
        )
        self.assertEqual(
            modes(Change(True, "b", "~m:*!*@h"), Change(False, "b", "~m:*!*@h")),
            "* alice has muted *!*@h in #lobby\n"
            "* alice has lifted the mute of *!*@h in #lobby",
        )
        self.assertEqual(
            modes(Change(True, "l", "5"), Change(False, "Z")),
            "* alice limited #lobby to 5 people\n* alice changed the mode -Z of #lobby",
        )
        for letter in "CimnRstklovbeI":
            for adding in (True, False):
                self.assertIn("#lobby", modes(Change(adding, letter, "x")))

    def test_invitations(self) -> None:
        """An invitation tells each side what it means for them."""
        invited = events.Invited(*AT, ALICE, "#x", "bob")
        self.assertEqual(words(invited), "* alice invites you to #x: /join #x")
        self.assertEqual(own_words(invited), "* you have invited bob to #x")
        seen = events.InvitationSeen(*AT, ALICE, "#x", "bob")
        self.assertEqual(words(seen), "* alice has invited bob to #x")

    def test_own(self) -> None:
        """One's own away text and account are told to oneself alone."""
        for event, own in (
            (events.AwaySet(*AT, ALICE, "tea"), "* you are away: tea"),
            (events.AwaySet(*AT, ALICE, None), "* you are back"),
            (events.AccountSet(*AT, ALICE, "alice"), "* logged in as alice"),
            (events.AccountSet(*AT, ALICE, None), "* you are logged out"),
            (events.Quit(*AT, ALICE, "bye"), ""),
            (events.Came(*AT, ALICE), ""),
        ):
            self.assertEqual(own_words(event), own)
            if type(event) is not events.Quit:
                self.assertEqual(words(event), "")
        announced = events.Announced(*AT, ALICE, "soon")
        self.assertEqual(words(announced), "* alice says to everybody: soon")


class FigureTests(SynchronousTestCase):
    """Times and numbers."""

    def test_stamp(self) -> None:
        """A time has its date unless that is today's, in the zone."""
        self.assertEqual(stamp(0, 1000, UTC), "[00:00]")
        self.assertEqual(stamp(0, 86_400_000, UTC), "[1970-01-01 00:00]")
        self.assertEqual(stamp(0, 0, timezone(timedelta(hours=9))), "[09:00]")

    def test_days(self) -> None:
        """How long something is kept is told in days, or hours, or as for ever."""
        self.assertEqual(
            [days(each) for each in (0, 1, 30, 0.04, 0.25)],
            ["for ever", "for 1 day", "for 30 days", "for 1 hour", "for 6 hours"],
        )
        self.assertEqual([people(1), people(2)], ["1 person", "2 people"])

    @given(st.text(), st.integers(8, 200))
    def test_pieces(self, text: str, limit: int) -> None:
        """A long text comes in pieces that fit, and loses but spaces."""
        found = pieces(text, limit)
        rest = "".join(found).replace(" ", "")
        self.assertEqual(rest, text.replace(" ", ""))
        for piece in found:
            self.assertLessEqual(len(piece.encode("utf-8", "replace")), limit)

    def test_pieces_at_spaces(self) -> None:
        """A long text is split at a space where one is near the limit."""
        self.assertEqual(pieces("aaaa bbbb cccc", 11), ["aaaa bbbb", "cccc"])
        self.assertEqual(pieces("a bbbbbbbbbbbb", 8), ["a bbbbbb", "bbbbbb"])
