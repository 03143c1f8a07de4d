"""Tests of L{netsvc.chat.text}."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.text import (
    MAX_CLUSTER,
    MAX_MARKS,
    action,
    clean,
    cut,
    is_ctcp,
)

ACUTE = "\u0301"
ZWJ = "\u200d"

#: Text with more of what is special than chance would give.
texts = st.text(
    st.characters()
    | st.sampled_from("a1,\x00\x01\x02\x03\x04\x0f\x1b\x7f\x9b\u0301\u200d\u202e가")
)


class CleanTests(SynchronousTestCase):
    """Tests of L{clean}."""

    def test_ordinary(self) -> None:
        """What people ordinarily write stays as it is."""
        for text in (
            "",
            "hello, world\tand more",
            "안녕하세요 ㅋㅋㅋ",
            "日本語 カタカナ ひらがな",
            "Привет, Γειά, šš, ﬁ",
            "שלום",
            "नमस्ते",
            "👩\u200d👩\u200d👧 👍🏽 🇰🇷 ❤\ufe0f",
            "\u0645\u06cc\u200c\u062e\u0648",
            "\uff5e\uff20\uffe6",
        ):
            self.assertEqual(clean(text), text)

    def test_c0(self) -> None:
        """C0 controls and DEL are shown, and TAB stays."""
        self.assertEqual(clean("\x1b[2J"), "^[[2J")
        self.assertEqual(clean("a\0b\rc\nd\te"), "a^@b^Mc^Jd\te")
        self.assertEqual(clean("\x01VERSION\x01"), "^AVERSION^A")
        self.assertEqual(clean("rm\x7f"), "rm^?")

    def test_c1(self) -> None:
        """C1 controls are dropped: U+009B is what ESC and a bracket are."""
        self.assertEqual(clean("a\x9b2Jb\x80\x9f"), "a2Jb")

    def test_line_ends(self) -> None:
        """The other ends of lines become spaces."""
        self.assertEqual(clean("a\x85b\u2028c\u2029d"), "a b c d")

    def test_dropped(self) -> None:
        """Bidi controls, invisible and tag characters and noncharacters are dropped."""
        for dropped in (
            "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
            "\u200b\u2060\u2061\u2062\u2063\u2064\ufeff\ufff9\ufffa\ufffb",
            "\U000e0001\U000e0041\U000e007f\U000e0000",
            "\ufdd0\ufdef\ufffe\uffff\U0001fffe\U0010ffff",
        ):
            for char in dropped:
                self.assertEqual(clean(f"가{char}나"), "가나", ascii(char))

    def test_surrogate(self) -> None:
        """A lone surrogate, which no encoding can carry, becomes U+FFFD."""
        self.assertEqual(clean("a\ud800b"), "a\ufffdb")

    def test_formatting(self) -> None:
        """IRC formatting is stripped with its colours, and no digit more."""
        self.assertEqual(clean("\x02b\x1di\x1fu\x1es\x11m\x16r\x0f"), "biusmr")
        self.assertEqual(clean("\x034red\x03"), "red")
        self.assertEqual(clean("\x0304,12both\x03,no"), "both,no")
        self.assertEqual(clean("\x031234"), "34")
        self.assertEqual(clean("\x031,2,3 \x031,x"), ",3 ,x")
        self.assertEqual(clean("\x04ff00AAhex\x04"), "hex")
        self.assertEqual(clean("\x04ff00AA,001122both"), "both")
        self.assertEqual(clean("\x04ff00A"), "ff00A")
        self.assertEqual(clean("\x03\uff11"), "\uff11")

    def test_keep_format(self) -> None:
        """On request formatting stays, and nothing else that is unsafe."""
        text = "\x02b\x034,5c\x04ff00aah\x0f"
        self.assertEqual(clean(text, keep_format=True), text)
        self.assertEqual(clean("\x02\x1b\u202e", keep_format=True), "\x02^[")

    def test_marks(self) -> None:
        """Of the marks on a character a few stay, whatever stands between them."""
        self.assertEqual(clean("a" + ACUTE * 100 + "b"), "a" + ACUTE * MAX_MARKS + "b")
        self.assertEqual(
            clean("a" + (ACUTE + ZWJ) * 100), "a" + (ACUTE + ZWJ) * (MAX_MARKS // 2)
        )
        self.assertEqual(clean("a" + (ACUTE + "\u200b") * 100), "a" + ACUTE * MAX_MARKS)
        run = "é" + ACUTE * MAX_MARKS
        self.assertEqual(clean(run + run), run + run)

    def test_decomposed_hangul(self) -> None:
        """Decomposed Hangul stays; its vowels cannot be piled up either."""
        text = unicodedata.normalize("NFD", "한글 읽었다")
        self.assertEqual(clean(text), text)
        self.assertEqual(len(clean("\u1112" + "\u1161" * 50)), 1 + MAX_MARKS)
        self.assertEqual(len(clean("\u1112" + "\ud7b0" * 50)), 1 + MAX_MARKS)

    @given(texts, st.booleans())
    def test_safe(self, text: str, keep_format: bool) -> None:
        """Whatever comes, nothing unsafe is left, and cleaning again does nothing."""
        cleaned = clean(text, keep_format=keep_format)
        allowed = "\t\x02\x03\x04\x0f\x11\x16\x1d\x1e\x1f" if keep_format else "\t"
        for char in cleaned:
            if char in allowed:
                continue
            category = unicodedata.category(char)
            self.assertNotIn(category, ("Cc", "Cs", "Zl", "Zp"), ascii(char))
            self.assertFalse(
                unicodedata.bidirectional(char)
                in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"),
                ascii(char),
            )
        self.assertEqual(clean(cleaned, keep_format=keep_format), cleaned)
        cleaned.encode("utf-8")

    @given(st.characters(min_codepoint=0x20))
    def test_single(self, char: str) -> None:
        """A character is kept, unless the table names it."""
        self.assertIn(clean(char), (char, "", " ", "^?", "\ufffd"))
        if char.isprintable():
            self.assertEqual(clean(char), char)


class CutTests(SynchronousTestCase):
    """Tests of L{cut}."""

    def test_fits(self) -> None:
        """What fits stays whole."""
        self.assertEqual(cut("hello", 5), "hello")
        self.assertEqual(cut("한글", 6), "한글")
        self.assertEqual(cut("hello", 400), "hello")
        self.assertEqual(cut("", 0), "")

    def test_code_point(self) -> None:
        """It cuts between characters, not in one."""
        self.assertEqual(cut("hello", 3), "hel")
        self.assertEqual(cut("한글", 5), "한")
        self.assertEqual(cut("한글", 3), "한")
        self.assertEqual(cut("한글", 2), "")
        self.assertEqual(cut("한", 0), "")
        self.assertEqual(cut("한", -1), "")

    def test_grapheme(self) -> None:
        """What is seen as one character is cut off as one."""
        for last in (
            "e" + ACUTE,
            "e" + ACUTE * 3,
            "❤\ufe0f",
            "👍🏽",
            "👩\u200d👩\u200d👧",
            "🏴\U000e0067\U000e0062\U000e007f",
            unicodedata.normalize("NFD", "한"),
            "🇰🇷",
        ):
            text = "가나" + last
            whole = len(text.encode())
            self.assertEqual(cut(text, whole), text)
            for size in range(6, whole):
                self.assertEqual(cut(text, size), "가나", ascii(last))

    def test_flags(self) -> None:
        """Flags are pairs, counted from the first."""
        flags = "🇰🇷🇯🇵🇺🇸"
        for size in range(24):
            self.assertEqual(
                cut(flags, size), (flags[: size // 8 * 2] or cut(flags, size))
            )
        self.assertEqual(cut("🇰🇷🇯", 11), "🇰🇷")

    def test_joined_to_ascii(self) -> None:
        """A ZWJ joins nothing to a letter of ASCII."""
        self.assertEqual(cut("가\u200dab", 7), "가\u200da")
        self.assertEqual(cut("가\u200da", 6), "가\u200d")

    def test_no_end(self) -> None:
        """A grapheme that is far too long, or alone too long, is cut all the same."""
        text = "a" + ACUTE * 100
        self.assertEqual(cut(text, 81), text[:41])
        self.assertEqual(cut("e" + ACUTE * 5, 5), "e" + ACUTE * 2)
        self.assertEqual(len(cut("🇰" * 200, 401)), 100)

    def test_surrogate(self) -> None:
        """A lone surrogate counts as the one byte that it will be sent as."""
        self.assertEqual(cut("\ud800\ud800가", 2), "\ud800\ud800")

    @given(texts, st.integers(-1, 80))
    def test_size(self, text: str, size: int) -> None:
        """The result is a beginning of the text, fits, and is as long as can be."""
        result = cut(text, size)
        self.assertTrue(text.startswith(result))
        length = len(result.encode("utf-8", "replace"))
        self.assertLessEqual(length, max(size, 0))
        if len(result) < len(text):
            more = text[: len(result) + 1 + MAX_CLUSTER]
            if len(more) == len(result) + 1 + MAX_CLUSTER:
                self.assertGreater(len(more.encode("utf-8", "replace")), size)


class CtcpTests(SynchronousTestCase):
    """Tests of L{is_ctcp} and L{action}."""

    def test_action(self) -> None:
        """An action is what somebody does, also when its end was cut off."""
        self.assertEqual(action("\x01ACTION waves\x01"), "waves")
        self.assertEqual(action("\x01ACTION waves  twice \x01"), "waves  twice ")
        self.assertEqual(action("\x01ACTION waves"), "waves")
        self.assertEqual(action("\x01ACTION \x01"), "")
        self.assertEqual(action("\x01ACTION\x01"), "")

    def test_no_action(self) -> None:
        """Other messages are no actions."""
        for text in (
            "",
            "waves",
            "\x01VERSION\x01",
            "\x01ACTIONS x\x01",
            "\x01action x",
        ):
            self.assertIsNone(action(text))
        self.assertIsNone(action("\x01ACTION a\x01b\x01"))

    def test_is_ctcp(self) -> None:
        """CTCP is what begins with 0x01."""
        self.assertTrue(is_ctcp("\x01VERSION\x01"))
        self.assertTrue(is_ctcp("\x01ACTION x\x01"))
        self.assertFalse(is_ctcp("a\x01"))
        self.assertFalse(is_ctcp(""))

    @given(texts)
    def test_anything(self, text: str) -> None:
        """Every action is CTCP; nothing raises."""
        if action(text) is not None:
            self.assertTrue(is_ctcp(text))
