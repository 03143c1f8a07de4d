"""Tests of L{netsvc.daemon.escape}."""

from __future__ import annotations

import json
import re
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.escape import escape, escape_json

# What must never reach a terminal, by Unicode's own tables: controls (Cc),
# surrogates (Cs), line and paragraph separators, and what reorders text.
FORBIDDEN_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
FORBIDDEN_BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
MARKS = {"\N{LEFT-TO-RIGHT MARK}", "\N{RIGHT-TO-LEFT MARK}", "\N{ARABIC LETTER MARK}"}


def is_forbidden(character: str) -> bool:
    """Say if a character must be escaped."""
    return (
        unicodedata.category(character) in FORBIDDEN_CATEGORIES
        or unicodedata.bidirectional(character) in FORBIDDEN_BIDI
        or character in MARKS
    )


hostile = st.text(
    st.one_of(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), st.characters())
)
encodable = hostile.filter(lambda text: text.encode(errors="ignore").decode() == text)


class EscapeTests(SynchronousTestCase):
    """Tests of L{escape}."""

    def test_every_character(self) -> None:
        """Of all of Unicode, just the forbidden characters are changed."""
        for code in range(0x110000):
            character = chr(code)
            if (escape(character) != character) is not is_forbidden(character):
                self.fail(f"U+{code:04X}")

    @given(hostile)
    def test_safe(self, text: str) -> None:
        """No text comes out with a forbidden character, and all can be encoded."""
        escaped = escape(text)
        self.assertFalse(any(map(is_forbidden, escaped)))
        escaped.encode()

    def test_printable(self) -> None:
        """Printable text of any script, and a backslash, stay as they are."""
        for text in ("hello", "안녕하세요", "שלום", "a\\n", "👩\u200d👩\u200d👧"):
            self.assertEqual(escape(text), text)

    def test_visible(self) -> None:
        """Each escaped character is shown by its number, the usual by letters."""
        self.assertEqual(
            escape("a\nb\rc\td\x1b[2J\x00\x7f\x9b\u202e\u2028\ud800"),
            r"a\nb\rc\td\x1b[2J\x00\x7f\x9b\u202e\u2028\ud800",
        )


class EscapeJSONTests(SynchronousTestCase):
    """Tests of L{escape_json}."""

    # Without surrogates: two lone ones that make a pair are read as one character.
    @given(st.recursive(encodable, lambda inner: st.dictionaries(encodable, inner)))
    @example({"안녕": "\x7f\x9b\u202e"})
    @example("\ud800")
    def test_same_value(self, value: object) -> None:
        """An escaped document has no forbidden character and the same value."""
        escaped = escape_json(json.dumps(value, ensure_ascii=False))
        self.assertFalse(any(map(is_forbidden, escaped)))
        self.assertEqual(json.loads(escaped), value)

    def test_readable(self) -> None:
        """Printable text stays readable in the document."""
        self.assertEqual(escape_json('"안녕"'), '"안녕"')
        self.assertTrue(re.fullmatch(r'"안\\u009b"', escape_json('"안\x9b"')))
