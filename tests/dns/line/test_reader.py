"""Tests of L{netsvc.dns.line.reader}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.line.reader import MAX_LINE, TOO_LONG, LineReader


class ReaderTests(SynchronousTestCase):
    """Lines out of what telnet and nc send."""

    def setUp(self) -> None:
        self.reader = LineReader()

    def test_ends(self) -> None:
        """Lines end in any of the ways in which lines end; empty ones are left out."""
        found = self.reader.feed(b"a\r\nb\nc\rd\r\0\n\n e \nf")
        self.assertEqual(found, ["a", "b", "c", "d", "e"])
        self.assertEqual(self.reader.finish(), ["f"])
        self.assertEqual(self.reader.finish(), [])

    def test_telnet(self) -> None:
        """telnet's commands are no text."""
        data = b"\xff\xfb\x01\xff\xfa\x18x\xffy\xff\xf0\xff\xf1a\xff\xff\n"
        self.assertEqual(self.reader.feed(data), ["a"])
        for byte in data:
            found = self.reader.feed(bytes((byte,)))
        self.assertEqual(found, ["a"])

    def test_too_long(self) -> None:
        """A line that is too long is told once, and dropped."""
        found = []
        for _ in range(5):
            found += self.reader.feed(b"x" * MAX_LINE)
        self.assertEqual(found, [TOO_LONG])
        self.assertEqual(self.reader.feed(b"x\ny\n"), ["y"])

    def test_charset(self) -> None:
        """UTF-8 and CP949 are told apart."""
        for encoding in ("utf-8", "cp949"):
            found = self.reader.feed("한국어.kr\n".encode(encoding))
            self.assertEqual(found, ["한국어.kr"])
        self.assertEqual(len(self.reader.feed(b"\x80\x81\xfe\n")), 1)

    @given(st.binary(), st.lists(st.integers(0, 50)))
    def test_split(self, data: bytes, places: list[int]) -> None:
        """However bytes are split, the lines are the same."""
        whole, pieces = LineReader(), LineReader()
        expected = whole.feed(data) + whole.finish()
        found: list[str | None] = []
        position = 0
        for place in places:
            found += pieces.feed(data[position : position + place])
            position += place
        found += pieces.feed(data[position:]) + pieces.finish()
        self.assertEqual(found, expected)
