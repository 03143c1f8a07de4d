"""Lines in bytes."""

from __future__ import annotations

from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client import framing
from netsvc.chat.client.framing import MAX_LINE, Framing


class FramingTests(SynchronousTestCase):
    """Bytes to lines and back."""

    def test_split(self) -> None:
        """However the bytes are split, the lines are the same."""
        data = "* 안녕\r\n<a> b\n\n! c".encode()
        for index in range(len(data) + 1):
            lines = Framing()
            found = lines.feed(data[:index]) + lines.feed(data[index:]) + lines.end()
            self.assertEqual(found, ["* 안녕", "<a> b", "", "! c"])

    def test_encode(self) -> None:
        """Lines end with CR LF, and lose what the character set lacks."""
        self.assertEqual(Framing().encode("안"), "안\r\n".encode())
        self.assertEqual(Framing("cp949").encode("똠é"), b"\x8cc?\r\n")

    def test_cp949(self) -> None:
        """CP949 is read where it is asked for; what it is not is replaced."""
        self.assertEqual(
            Framing("cp949").feed("똠방각하\n".encode("cp949")), ["똠방각하"]
        )
        self.assertEqual(Framing().feed(b"\xb0\xa1\n"), ["\ufffd\ufffd"])

    def test_telnet(self) -> None:
        """Telnet commands are left out."""
        data = b"\xff\xfb\x01a\xff\xf1b\xff\xfa\x18\x01\xff\xf0c\xff\n"
        self.assertEqual(Framing().feed(data), ["abc"])

    def test_limit(self) -> None:
        """Of a line that is too long the beginning is kept, and it is counted."""
        lines = Framing()
        with mock.patch.object(framing, "MAX_LINE", 8):
            self.assertEqual(lines.feed(b"12345"), [])
            self.assertEqual(lines.feed(b"67890"), [])
            self.assertEqual(lines.feed(b"1"), [])
            self.assertEqual(lines.feed(b"\n12345678\n"), ["12345678 ...", "12345678"])
        self.assertEqual(lines.cut, 1)

    @given(st.lists(st.binary(max_size=50), max_size=5))
    def test_anything(self, parts: list[bytes]) -> None:
        """Any bytes become as many lines as they have line feeds, and no more."""
        lines = Framing()
        found = [line for part in parts for line in lines.feed(part)]
        self.assertEqual(len(found), b"".join(parts).count(b"\n"))
        self.assertLess(max(map(len, found), default=0), MAX_LINE)
