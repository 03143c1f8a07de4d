"""How lines look."""

from __future__ import annotations

from datetime import datetime

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client.lines import parse
from netsvc.chat.client.look import (
    STYLES,
    Pieces,
    line_pieces,
    nick_style,
    note_pieces,
    own_pieces,
    prompt_pieces,
)
from netsvc.chat.client.people import People


class LookTests(SynchronousTestCase):
    """Pieces of text with styles."""

    def setUp(self) -> None:
        """Be jiwoo, and know minsu."""
        self.people = People()
        for line in ("* jiwoo has joined #seoul", "<minsu> x"):
            self.people.learn(parse(line))

    def pieces(self, text: str, now: datetime | None = None) -> Pieces:
        return line_pieces(parse(text), self.people, now)

    def test_text(self) -> None:
        """What is shown is the line, and all styles are known."""
        for text in (
            "<minsu> hi",
            "#r <x> hi",
            "#r (@ only) <x> hi",
            "#r * minsu waves",
            "[12:34] <minsu> hi",
            "[12:34] other",
            "-minsu- hi",
            "-> minsu: hi",
            "(direct) -minsu- hi",
            "(direct) -> minsu: hi",
            "* minsu waves",
            "* minsu has joined #r",
            "* a greeting",
            "! no",
            "other",
        ):
            pieces = self.pieces(text)
            self.assertEqual("".join(piece for _, piece in pieces), text)
            for style, _ in pieces:
                self.assertIn(style.removeprefix("class:") or "me", STYLES)

    def test_time(self) -> None:
        """The time stands in front when it is wanted."""
        now = datetime(2026, 11, 21, 9, 8, 7)
        self.assertEqual(self.pieces("<a> b", now)[0], ("class:time", "09:08:07 "))
        self.assertEqual(own_pieces("x", self.people, now)[0][1], "09:08:07 ")
        self.assertEqual(note_pieces("x", now)[0][1], "09:08:07 ")

    def test_nick_colour(self) -> None:
        """A nick has one colour in any case, and this user's own is bold."""
        self.assertEqual(
            nick_style("Minsu", self.people), nick_style("MINSU", self.people)
        )
        self.assertEqual(nick_style("JIWOO", self.people), "class:me")
        styles = {nick_style(f"n{index}", self.people) for index in range(100)}
        self.assertGreater(len(styles), 8)

    def test_mention(self) -> None:
        """A message with this user's nick as a word stands out."""
        for body in ("jiwoo: hi", "hi Jiwoo!", "jiwoo야 안녕", "jiwoo"):
            self.assertIn(("class:mention", body), self.pieces(f"<minsu> {body}"))
        for body in ("jiwoon", "xjiwoo", "jiw", "jiwoo_2"):
            self.assertIn(("", body), self.pieces(f"<minsu> {body}"))
        self.assertIn(("", "jiwoo"), self.pieces("<jiwoo> jiwoo"))
        self.people = People()
        self.assertIn(("", "jiwoo"), self.pieces("<minsu> jiwoo"))

    def test_own(self) -> None:
        """What this user says looks as what others say; a command as it was typed."""
        self.assertEqual(
            "".join(text for _, text in own_pieces("hi", self.people)), "<jiwoo> hi"
        )
        self.assertEqual(own_pieces("hi", People())[1], ("class:me", "me"))
        self.assertEqual(
            "".join(text for _, text in own_pieces("/me waves", self.people)),
            "* jiwoo waves",
        )
        self.assertEqual(
            "".join(text for _, text in own_pieces("//x", self.people)), "<jiwoo> /x"
        )
        self.assertEqual(own_pieces("/who", self.people), [("class:typed", "/who")])

    def test_note(self) -> None:
        """What the client says itself begins otherwise than what the server says."""
        self.assertEqual(note_pieces("gone"), [("class:note", "- gone")])

    def test_prompt(self) -> None:
        """The prompt names the room, or that there is no connection."""
        self.assertEqual(prompt_pieces(self.people, True)[0][1], "[#seoul]")
        self.assertEqual(prompt_pieces(self.people, False)[0][1], "[offline]")
        self.assertEqual(prompt_pieces(People(), True)[0][1], "[chat]")
