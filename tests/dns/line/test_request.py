"""Tests of L{netsvc.dns.line.request}."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import rrtypes
from netsvc.dns.errors import InvalidName
from netsvc.dns.line.request import Help, LineRequest, Quit, parse_line
from netsvc.dns.names import from_text, reverse_name
from netsvc.dns.result import Question


class RequestTests(SynchronousTestCase):
    """What people type."""

    def asks(self, line: str, name: bytes, *types: int) -> None:
        """See what a line asks."""
        questions = tuple(Question(name, rtype) for rtype in types)
        self.assertEqual(parse_line(line).questions, questions, line)

    def test_name(self) -> None:
        """A name alone asks for its addresses."""
        name = from_text("www.example.com")
        for line in ("www.example.com", " www.example.com. "):
            self.asks(line, name, rrtypes.A, rrtypes.AAAA)
        self.assertEqual(parse_line("help.example").name, "help.example")

    def test_type(self) -> None:
        """A type may stand first or last, in any case."""
        name = from_text("example.com")
        for line in ("MX example.com", "example.com mx"):
            self.asks(line, name, rrtypes.MX)
        self.asks("TYPE1000 example.com", name, 1000)
        self.asks("ns ns", from_text("ns"), rrtypes.NS)

    def test_reverse(self) -> None:
        """An address asks whose it is."""
        name = reverse_name("8.8.8.8")
        for line in ("-x 8.8.8.8", "8.8.8.8", "PTR 8.8.8.8", "8.8.8.8 ptr"):
            self.asks(line, name, rrtypes.PTR)
        self.asks("2001:db8::1", reverse_name("2001:db8::1"), rrtypes.PTR)

    def test_script(self) -> None:
        """Names of other scripts are understood."""
        self.assertIn(b"xn--", parse_line("한국어.kr").questions[0].name)

    def test_words(self) -> None:
        """There is help, and an end."""
        for line in ("help", "?", "HELP"):
            with self.assertRaises(Help):
                parse_line(line)
        for line in ("quit", "Exit"):
            with self.assertRaises(Quit):
                parse_line(line)

    def test_mistakes(self) -> None:
        """What is not understood says what is wrong."""
        for line in (
            "foo bar",
            "a b c",
            "-x",
            "-x name",
            "AXFR example.com",
            "MX a..b",
            "x" * 70,
            "TYPE99999 example.com",
        ):
            with self.assertRaises(InvalidName) as caught:
                parse_line(line)
            self.assertGreater(len(str(caught.exception)), 10)

    @given(st.text(min_size=1).filter(str.strip))
    def test_anything(self, line: str) -> None:
        """Whatever is typed is understood or not."""
        with contextlib.suppress(InvalidName, Help, Quit):
            self.assertIsInstance(parse_line(line), LineRequest)
