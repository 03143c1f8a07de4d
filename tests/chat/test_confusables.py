"""Tests of L{netsvc.chat.confusables}."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.confusables import confusable, key, skeleton
from netsvc.chat.names import fold

#: Cyrillic letters that look like Latin ones.
LOOK_ALIKES = {
    "A": "\u0410",
    "B": "\u0412",
    "I": "\u0406",
    "M": "\u041c",
    "O": "\u041e",
    "a": "\u0430",
    "c": "\u0441",
    "e": "\u0435",
    "i": "\u0456",
    "o": "\u043e",
    "p": "\u0440",
    "x": "\u0445",
    "y": "\u0443",
}

ascii_names = st.text(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789[]{}^_-\\|`",
    min_size=1,
)


class SkeletonTests(SynchronousTestCase):
    """Tests of L{skeleton}."""

    def test_prototypes(self) -> None:
        """Each character becomes its prototype."""
        for text, expected in (
            ("hello", "hello"),
            ("rome", "rorne"),
            ("rn", "rn"),
            ("1Il|", "llll"),
            ("0O", "OO"),
            ("\u0440\u0430\u0443pal", "paypal"),
            ("\U0001d5ba", "a"),
            ("\u2167", "Vlll"),
        ):
            self.assertEqual(skeleton(text), expected)

    def test_decomposed(self) -> None:
        """Composed and decomposed text look alike."""
        for text in ("é", "한글", "Ångström"):
            for form in ("NFC", "NFD"):
                self.assertEqual(
                    skeleton(unicodedata.normalize("NFC", text)),
                    skeleton(unicodedata.normalize("NFD", text)),
                    form,
                )

    def test_hangul(self) -> None:
        """Each syllable has a skeleton of its own; letters look like those in it."""
        syllables = map(chr, range(0xAC00, 0xD7A4))
        self.assertEqual(len({skeleton(each) for each in syllables}), 11172)
        self.assertEqual(skeleton("ㅋㅋ"), "\u110f\u110f")
        self.assertEqual(skeleton("아까"), skeleton("악가"))

    def test_ignorable(self) -> None:
        """What is not seen does not count."""
        self.assertEqual(skeleton("a\u200b\u034f\u3164\ufe0fb\U000e0100"), "ab")

    @given(st.text(st.characters()))
    def test_anything(self, text: str) -> None:
        """A skeleton is its own skeleton, decomposed, whatever the text."""
        found = skeleton(text)
        self.assertEqual(unicodedata.normalize("NFD", found), found)
        self.assertEqual(skeleton(found), found)


class KeyTests(SynchronousTestCase):
    """Tests of L{key}."""

    def test_case(self) -> None:
        """Names that differ in case, and in what a case looks like, have one key."""
        for one, other in (
            ("Ivan", "ivan"),
            ("Ivan", "\u0406van"),
            ("ivan", "\u0406van"),
            ("lvan", "\u0406van"),
            ("bob", "\u0412\u041e\u0412"),
            ("mike", "\u041cike"),
            ("Mike", "rnike"),
        ):
            self.assertEqual(key(one), key(other), ascii(other))

    def test_different(self) -> None:
        """Names that look different have different keys."""
        names = [
            "alice",
            "alicia",
            "bob",
            "한글",
            "한굴",
            "ㅋㅋ",
            "ㅋㅋㅋ",
            "漢字",
            "a-b",
            "a_b",
        ]
        self.assertEqual(len({key(name) for name in names}), len(names))

    def test_hangul(self) -> None:
        """Syllables of Hangul are what they are, composed or not."""
        self.assertEqual(key("한글"), "한글")
        self.assertEqual(key(unicodedata.normalize("NFD", "한글")), "한글")
        self.assertEqual(key("하\u034f\u11ab\u200b글"), "한글")
        for one, other in (("아까", "악가"), ("오빠", "옵바"), ("간", "가ㄴ")):
            self.assertNotEqual(key(one), key(other))
        self.assertEqual(key("한글B0B"), key("한글bob"))
        self.assertEqual(key("한ㅡ글"), key("한\u4e00글"))

    def test_full_width(self) -> None:
        """All full-width forms are what they are the wide forms of."""
        for code in range(0x21, 0x7F):
            self.assertEqual(key(chr(code + 0xFEE0)), key(chr(code)))

    @given(ascii_names, st.data())
    def test_closed(self, name: str, data: st.DataObject) -> None:
        """To change case, or letters for their look-alikes, in any order: one key."""
        other = name
        for _ in range(data.draw(st.integers(0, 3))):
            if data.draw(st.booleans()):
                flags = [data.draw(st.booleans()) for _ in other]
                other = "".join(
                    char.upper() if flag and char.isascii() else fold(char)
                    for char, flag in zip(other, flags, strict=True)
                )
            else:
                other = "".join(
                    LOOK_ALIKES.get(char, char) if data.draw(st.booleans()) else char
                    for char in other
                )
        self.assertEqual(key(name), key(other))

    @given(st.text(st.characters()))
    def test_anything(self, text: str) -> None:
        """Any text has a key, and so has its key."""
        self.assertIsInstance(key(key(text)), str)


class ConfusableTests(SynchronousTestCase):
    """Tests of L{confusable}."""

    def test_ascii(self) -> None:
        """Two ASCII names never are, though their keys may be equal."""
        self.assertEqual(key("bob1"), key("bobl"))
        self.assertFalse(confusable("bob1", "bobl"))
        self.assertFalse(confusable("modern", "rnodern"))
        self.assertFalse(confusable("bob", "bob"))

    def test_others(self) -> None:
        """With another script, names that look alike are."""
        self.assertTrue(confusable("alice", "\u0430lice"))
        self.assertTrue(confusable("\u0430lice", "alice"))
        self.assertTrue(confusable("한글", "한글"))
        self.assertTrue(confusable("kim", "\uff4bim"))
        self.assertFalse(confusable("alice", "\u0431lice"))
        self.assertFalse(confusable("영희", "영회"))


class LoadingTests(SynchronousTestCase):
    """Tests of the data file."""

    def test_lazy(self) -> None:
        """The data are not read before they are needed."""
        program = (
            "from netsvc.chat import confusables as c;"
            "c.confusable('a', 'b');"
            "print(c._tables.cache_info().currsize); c.key('a'); c.key('b');"
            "print(c._tables.cache_info().currsize)"
        )
        run = subprocess.run(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(run.stdout.split(), ["0", "1"])
