"""What a line of the server means."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client.lines import (
    MAX_NAMES,
    Acted,
    Entered,
    Farewell,
    Gone,
    Info,
    Left,
    Line,
    Locked,
    Past,
    Present,
    Refused,
    Renamed,
    Spoken,
    Whispered,
    parse,
)


class ParseTests(SynchronousTestCase):
    """Lines as the line frontend writes them."""

    def test_said(self) -> None:
        """A message has a nick, a text, and a room when it is not the current one."""
        text = "<지우> 안녕 <b> -x-"
        self.assertEqual(parse(text), Spoken(text, "지우", "안녕 <b> -x-"))
        text = "#seoul <a-b> hi"
        self.assertEqual(parse(text), Spoken(text, "a-b", "hi", "#seoul"))
        self.assertEqual(parse("<a>"), Spoken("<a>", "a", ""))

    def test_whispered(self) -> None:
        """A private message is from somebody, or from this user to somebody."""
        self.assertEqual(
            parse("-a-b- psst - x"), Whispered("-a-b- psst - x", "a-b", "psst - x")
        )
        self.assertEqual(
            parse("-> a: hm: x"), Whispered("-> a: hm: x", "a", "hm: x", own=True)
        )

    def test_direct(self) -> None:
        """What did not go by the server is marked in front, where nobody can write."""
        for text, own in (("(direct) -b- x", False), ("(direct) -> b: x", True)):
            self.assertEqual(
                parse(text), Whispered(text, "b", "x", own=own, direct=True)
            )
        for text in ("-b- (direct) -c- x", "<b> (direct) -c- x"):
            self.assertFalse(getattr(parse(text), "direct", False))

    def test_came_and_went(self) -> None:
        """Joins, parts, kicks, quits and new nicks are told apart."""
        for text, line in {
            "* a has joined #r": Entered("", "a", "#r"),
            "* a has left #r": Left("", "a", "#r"),
            "* a has left #r (to eat)": Left("", "a", "#r"),
            "* a was kicked from #r by b (spam)": Left("", "a", "#r"),
            "* a has quit": Gone("", "a"),
            "* a has quit (Ping timeout)": Gone("", "a"),
            "* a is now known as b": Renamed("", "a", "b"),
        }.items():
            found = parse(text)
            self.assertIs(type(found), type(line), text)
            self.assertEqual(dataclasses.replace(found, text=""), line)

    def test_present(self) -> None:
        """Who is in a room is given without the prefixes of their ranks."""
        text = "* in #r: @op, +voice, nick"
        self.assertEqual(parse(text), Present(text, "", "#r", ("op", "voice", "nick")))
        empty = parse("* in #r: ")
        self.assertEqual(empty, Present("* in #r: ", "", "#r", ()))

    def test_many_present(self) -> None:
        """No more nicks are read from a line than there is a limit for."""
        line = parse("* in #r: " + ", ".join(["x"] * (MAX_NAMES + 5)))
        assert isinstance(line, Present)
        self.assertEqual(len(line.nicks), MAX_NAMES)

    def test_elsewhere(self) -> None:
        """Actions in other rooms have a room, messages to operators say so."""
        text = "#r * a waves"
        self.assertEqual(parse(text), Acted(text, "a", "waves", "#r"))
        text = "#r (@ only) <a> hi"
        self.assertEqual(parse(text), Spoken(text, "a", "hi", "#r"))
        text = "(+ only) <a> hi"
        self.assertEqual(parse(text), Spoken(text, "a", "hi"))

    def test_past(self) -> None:
        """A line of the history is one of another time, and once only."""
        for when in ("[12:34]", "[2026-11-21 12:34]"):
            text = f"{when} <a> hi"
            self.assertEqual(parse(text), Past(text, when, Spoken("<a> hi", "a", "hi")))
        text = "[12:34] " * 5000
        self.assertEqual(parse(text), Past(text, "[12:34]", Line(text[8:])))

    def test_server(self) -> None:
        """What the server says of itself is known by its first words."""
        for text, kind in (
            ("* this server has a password: type it", Locked),
            ("* goodbye", Farewell),
            ("* bye, jiwoo", Farewell),
        ):
            self.assertEqual(parse(text), kind(text, ""))

    def test_others(self) -> None:
        """The rest is information, a refusal, or a line without a meaning."""
        self.assertEqual(parse("* a waves"), Info("* a waves", "a"))
        self.assertEqual(parse("! no"), Refused("! no"))
        for text in ("", "hello", "*", "!", "<a b> x", "#r hello", "-> x", "- -"):
            self.assertEqual(parse(text), Line(text))

    @given(st.text(alphabet="*!<>-:#@+, ()ahasjoinedleft", max_size=40))
    def test_anything(self, text: str) -> None:
        """Every line can be read, and keeps its text."""
        self.assertEqual(parse(text).text, text)
