"""Tests of L{netsvc.chat.charset}."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.charset import CP949, UTF8, Charset, Decoded, encode, encoding_of

HELLO = "안녕하세요"
HELLO_UTF8 = HELLO.encode("utf-8")
HELLO_CP949 = HELLO.encode("cp949")
NEITHER = b"\xff\xfe\xff"
BOTH = "친구".encode()

syllables = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3))


class DecodeTests(SynchronousTestCase):
    """Tests of L{Charset.decode}."""

    def setUp(self) -> None:
        """Make a charset."""
        self.charset = Charset()

    def test_ascii(self) -> None:
        """ASCII is read and decides nothing."""
        self.assertEqual(self.charset.decode(b"hello"), Decoded("hello", None))
        self.assertEqual(self.charset.encoding, UTF8)
        self.assertFalse(self.charset.decided)
        self.charset.decode(HELLO_CP949)
        self.charset.decode(b"hello")
        self.assertEqual(self.charset.encoding, CP949)

    def test_utf8(self) -> None:
        """UTF-8 is read at once, and there is nothing to say about it."""
        self.assertEqual(self.charset.decode(HELLO_UTF8), Decoded(HELLO, None))
        self.assertEqual(self.charset.encoding, UTF8)
        self.assertTrue(self.charset.decided)

    def test_cp949(self) -> None:
        """A line that only CP949 can read switches, and says so once."""
        self.assertEqual(self.charset.decode(HELLO_CP949), Decoded(HELLO, CP949))
        self.assertEqual(self.charset.encoding, CP949)
        self.assertTrue(self.charset.decided)
        self.assertEqual(self.charset.decode(HELLO_CP949), Decoded(HELLO, None))
        self.assertEqual(self.charset.encode(HELLO), HELLO_CP949)

    def test_all_syllables(self) -> None:
        """The syllables that KS X 1001 lacks are read, too."""
        self.assertEqual(self.charset.decode(b"\x8c\x63"), Decoded("똠", CP949))

    def test_back(self) -> None:
        """From CP949, a line that only UTF-8 can read switches back."""
        self.charset.decode(HELLO_CP949)
        line = "나는 학생".encode()
        self.assertRaises(UnicodeDecodeError, line.decode, "cp949")
        self.assertEqual(self.charset.decode(line), Decoded("나는 학생", UTF8))
        self.assertEqual(self.charset.encoding, UTF8)

    def test_order(self) -> None:
        """A line that both can read is read with what is used already."""
        self.assertEqual(self.charset.decode(BOTH), Decoded("친구", None))
        self.charset.decode(HELLO_CP949)
        self.assertEqual(self.charset.decode(BOTH), Decoded(BOTH.decode("cp949"), None))

    def test_neither(self) -> None:
        """What neither can read becomes U+FFFD, is counted and decides nothing."""
        self.assertEqual(
            self.charset.decode(b"a" + NEITHER), Decoded("a\ufffd\ufffd\ufffd", None)
        )
        self.assertEqual(self.charset.unreadable, 1)
        self.assertFalse(self.charset.decided)
        self.charset.decode(HELLO_CP949)
        text, switched = self.charset.decode(NEITHER)
        self.assertIn("\ufffd", text)
        self.assertIsNone(switched)
        self.assertEqual(self.charset.encoding, CP949)
        self.assertEqual(self.charset.unreadable, 2)

    def test_pin(self) -> None:
        """Pinned, nothing switches; what cannot be read is counted."""
        self.charset.pin(CP949)
        self.assertTrue(self.charset.decided)
        self.assertTrue(self.charset.pinned)
        self.assertEqual(self.charset.decode(HELLO_CP949), Decoded(HELLO, None))
        text, switched = self.charset.decode("나는 학생".encode())
        self.assertIn("\ufffd", text)
        self.assertIsNone(switched)
        self.assertEqual(self.charset.encoding, CP949)
        self.assertEqual(self.charset.unreadable, 1)
        self.charset.pin(UTF8)
        self.assertEqual(self.charset.decode(HELLO_UTF8), Decoded(HELLO, None))
        self.assertIn("\ufffd", self.charset.decode(HELLO_CP949).text)

    def test_auto(self) -> None:
        """After auto, what comes decides again."""
        self.charset.pin(UTF8)
        self.charset.auto()
        self.assertFalse(self.charset.pinned)
        self.assertEqual(self.charset.decode(HELLO_CP949), Decoded(HELLO, CP949))

    @given(st.lists(st.binary() | syllables.map(lambda text: text.encode("cp949"))))
    def test_anything(self, lines: list[bytes]) -> None:
        """Whatever comes is read as text that can be sent on."""
        charset = Charset()
        for line in lines:
            before = charset.encoding
            text, switched = charset.decode(line)
            text.encode("utf-8")
            self.assertEqual(switched is not None, charset.encoding != before)
            charset.encode(text)

    @given(syllables)
    def test_utf8_always(self, text: str) -> None:
        """Somebody who writes UTF-8 from the start is always read right."""
        self.assertEqual(Charset().decode(text.encode()), Decoded(text, None))


class EncodeTests(SynchronousTestCase):
    """Tests of L{Charset.encode}."""

    def test_utf8(self) -> None:
        """UTF-8 carries all but lone surrogates."""
        self.assertEqual(Charset().encode("가😀"), "가😀".encode())
        self.assertEqual(Charset().encode("a\ud800"), b"a?")

    def test_cp949(self) -> None:
        """What CP949 lacks is a question mark."""
        self.assertEqual(encode("똠 😀 é", CP949), b"\x8c\x63 ? ?")

    def test_composed(self) -> None:
        """Decomposed Hangul is composed, as CP949 has no other."""
        text = unicodedata.normalize("NFD", HELLO) + "😀"
        self.assertEqual(encode(text, CP949), HELLO_CP949 + b"?")

    @given(st.text(st.characters()))
    def test_anything(self, text: str) -> None:
        """Any text can be written in both."""
        for charset in (UTF8, CP949):
            if charset == CP949 or text.isascii():
                self.assertNotIn(b"\xff", encode(text, "cp949"))
            encode(text, "utf-8")


class NameTests(SynchronousTestCase):
    """Tests of L{encoding_of}."""

    def test_names(self) -> None:
        """People write names of encodings in many ways."""
        for name in ("utf-8", "UTF8", "utf_8"):
            self.assertEqual(encoding_of(name), UTF8)
        for name in ("cp949", "CP-949", "949", "UHC", "euc-kr", "EUC_KR", "ms949"):
            self.assertEqual(encoding_of(name), CP949)

    def test_unknown(self) -> None:
        """Other names are none."""
        for name in ("", "latin1", "utf-16", "cp\uff19\uff14\uff19", "가"):
            self.assertIsNone(encoding_of(name))
