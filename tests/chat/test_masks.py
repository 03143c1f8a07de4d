"""Tests of L{netsvc.chat.masks}."""

from __future__ import annotations

import fnmatch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.masks import Identity, Mask, compiled, full, glob


class GlobTests(SynchronousTestCase):
    """Tests of L{glob}."""

    @given(st.text(alphabet="ab*?", max_size=12), st.text(alphabet="ab", max_size=12))
    def test_as_fnmatch(self, pattern: str, text: str) -> None:
        """It agrees with the standard library's."""
        self.assertEqual(glob(pattern, text), fnmatch.fnmatchcase(text, pattern))

    def test_literal_brackets(self) -> None:
        """Brackets, which nicks may have, mean themselves."""
        self.assertTrue(glob("[a]*", "[a]bc"))
        self.assertFalse(glob("[a]*", "abc"))

    def test_bounded(self) -> None:
        """A mask that would be slow in a naive matcher is none here."""
        # One that tries every way to share the text out would never come back.
        self.assertFalse(glob("*a" * 70 + "b", "a" * 300))


class CompiledTests(SynchronousTestCase):
    """Tests of L{compiled}."""

    @given(
        st.text(alphabet="ab*?[]\n", max_size=12),
        st.text(alphabet="ab[\n", max_size=12),
    )
    def test_as_glob(self, pattern: str, text: str) -> None:
        """A compiled pattern matches what the pattern does."""
        self.assertEqual(
            compiled(pattern).fullmatch(text) is not None, glob(pattern, text)
        )

    def test_bounded(self) -> None:
        """A mask that would be slow with backtracking is none here."""
        for pattern in ("*a" * 75, "*" + "a" * 100, "*a?" * 50, "*" + "?" * 140):
            self.assertIsNone(compiled(pattern + "b").fullmatch("a" * 300))


class FullTests(SynchronousTestCase):
    """Tests of L{full}."""

    def test_forms(self) -> None:
        """Each short form is completed."""
        for short, long in {
            "ann": "ann!*@*",
            "ann!a": "ann!a@*",
            "a@host": "*!a@host",
            "host.example": "*!*@host.example",
            "::1": "*!*@::1",
            "ann!a@host": "ann!a@host",
            "!@": "*!*@*",
            "~a:ann": "~a:ann",
            "~m:ann": "~m:ann!*@*",
            "~m:~a:ann": "~m:~a:ann",
            "~m:~m:~m:ann": "~m:ann!*@*",
        }.items():
            self.assertEqual(full(short), long)

    def test_long(self) -> None:
        """However often a mute is named, it is completed."""
        self.assertEqual(full("~m:" * 20_000 + "ann"), "~m:ann!*@*")

    @given(st.text(alphabet="a!@*.~:m", max_size=12))
    def test_idempotent(self, mask: str) -> None:
        """What is full stays as it is."""
        self.assertEqual(full(full(mask)), full(mask))


class MaskTests(SynchronousTestCase):
    """Tests of L{Mask}."""

    ann = Identity(("ann!a@cloak.ip", "ann!a@192.0.2.1"), "annie")

    def test_hosts(self) -> None:
        """It matches by the host that is shown, and by the real one."""
        self.assertTrue(Mask("*!*@cloak.ip").matches(self.ann))
        self.assertTrue(Mask("*!*@192.0.2.*").matches(self.ann))
        self.assertFalse(Mask("*!*@192.0.3.*").matches(self.ann))

    def test_case(self) -> None:
        """Case does not matter."""
        self.assertTrue(Mask("ANN!*@*").matches(self.ann))

    def test_account(self) -> None:
        """C{~a:} matches the account, and nobody without one."""
        self.assertTrue(Mask("~a:Anni?").matches(self.ann))
        self.assertFalse(Mask("~a:*").matches(Identity(self.ann.names)))

    def test_mute(self) -> None:
        """C{~m:} matches as the mask behind it, and says that it mutes."""
        mask = Mask("~m:ann!*@*")
        self.assertTrue(mask.mutes)
        self.assertTrue(mask.matches(self.ann))
        self.assertTrue(Mask("~m:~a:annie").matches(self.ann))
        self.assertFalse(Mask("ann!*@*").mutes)
