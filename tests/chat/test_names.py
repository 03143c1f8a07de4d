"""Tests of L{netsvc.chat.names}."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.names import (
    KEY_LENGTH,
    NICK_LENGTH,
    ROOM_LENGTH,
    fold,
    is_room,
    valid_account,
    valid_key,
    valid_nick,
    valid_room,
)

anything = st.text(st.characters())


class FoldTests(SynchronousTestCase):
    """Tests of L{fold}."""

    def test_ascii(self) -> None:
        """A to Z fold, and nothing else: no brackets, no other letters."""
        self.assertEqual(fold("AlIcE_Z[]\\{}|^~"), "alice_z[]\\{}|^~")
        for name in ("ß", "İ", "É", "\u041a", "한글", "[", "{"):
            self.assertEqual(fold(name), name)

    @given(anything)
    def test_length(self, name: str) -> None:
        """The length stays, and folding again does nothing."""
        self.assertEqual(len(fold(name)), len(name))
        self.assertEqual(fold(fold(name)), fold(name))


class NickTests(SynchronousTestCase):
    """Tests of L{valid_nick} and L{valid_account}."""

    def test_ascii(self) -> None:
        """Letters, digits but not first, and some signs."""
        for nick in ("alice", "a", "A1-", "[x]{y}", "^_^", "_", "\\o|", "`a"):
            self.assertTrue(valid_nick(nick), nick)
            self.assertTrue(valid_nick(nick, unicode=False), nick)

    def test_first(self) -> None:
        """A digit and a hyphen may not be first."""
        for nick in ("1a", "-a", "9", "-"):
            self.assertFalse(valid_nick(nick), nick)

    def test_signs(self) -> None:
        """What IRC gives a meaning is refused at any place, and so are controls."""
        for sign in " ,*?!@.:#&+$%~=/;\"'<>()\0\x01\x02\x07\r\n\t\x1b\x7f":
            for nick in (sign, sign + "a", "a" + sign, "a" + sign + "가"):
                self.assertFalse(valid_nick(nick), ascii(nick))

    def test_length(self) -> None:
        """It has a length, in code points."""
        self.assertFalse(valid_nick(""))
        for char in "a가":
            self.assertTrue(valid_nick(char * NICK_LENGTH))
            self.assertFalse(valid_nick(char * (NICK_LENGTH + 1)))
        self.assertFalse(valid_nick("abc", length=2))

    def test_unicode(self) -> None:
        """Letters of other scripts are allowed, unless they are switched off."""
        for nick in (
            "한글",
            "ㅋㅋ",
            "한글abc_1",
            "漢字",
            "émile",
            "\u0430\u043b",
            "나1",
        ):
            self.assertTrue(valid_nick(nick), ascii(nick))
            self.assertFalse(valid_nick(nick, unicode=False), ascii(nick))

    def test_not_unicode(self) -> None:
        """Signs, spaces, emoji, joiners and controls of other scripts are not."""
        for (
            char
        ) in "\u2603\u3000\xa0😀\u200d\u200c\u200b\u202e\x80\x9b\ue000\ufffd\u0378":
            self.assertFalse(valid_nick("a" + char), ascii(char))
            self.assertFalse(valid_nick(char), ascii(char))
        self.assertFalse(valid_nick("a\ud800"))

    def test_composed(self) -> None:
        """It is composed (NFC), and no mark or digit is first."""
        self.assertFalse(valid_nick(unicodedata.normalize("NFD", "한글")))
        self.assertFalse(valid_nick("e\u0301"))
        self.assertFalse(valid_nick("\u0301a"))
        self.assertFalse(valid_nick("\u0661a"))

    def test_account(self) -> None:
        """An account is called as a nick may be."""
        self.assertTrue(valid_account("alice"))
        self.assertFalse(valid_account("1"))
        self.assertFalse(valid_account("a" * (NICK_LENGTH + 1)))

    @given(anything)
    def test_anything(self, nick: str) -> None:
        """A valid nick is one printable word that IRC can carry as a parameter."""
        if valid_nick(nick):
            self.assertTrue(nick.isprintable())
            self.assertEqual(nick.split(), [nick])
            self.assertFalse(is_room(nick))
            self.assertNotIn(nick[0], ":#&+@%~$")
            self.assertTrue(valid_nick(fold(nick)))
            nick.encode()


class RoomTests(SynchronousTestCase):
    """Tests of L{valid_room} and L{is_room}."""

    def test_valid(self) -> None:
        """A number sign, then what is printable."""
        for room in (
            "#a",
            "##",
            "#한글",
            "#a-b.c!",
            "#" + "x" * (ROOM_LENGTH - 1),
            "#😀",
        ):
            self.assertTrue(valid_room(room), ascii(room))

    def test_invalid(self) -> None:
        """No space, comma, colon, control or separator; not too short, not too long."""
        for room in ("", "#", "a", "a#b", "&a", "#" + "x" * ROOM_LENGTH):
            self.assertFalse(valid_room(room), ascii(room))
        for char in " ,:\0\x07\r\n\x7f\x9b\xa0\u200b\u2028\u3000\u202e\ufeff\ud800":
            self.assertFalse(valid_room(f"#a{char}b"), ascii(char))
        self.assertFalse(valid_room("#abc", length=3))

    def test_is_room(self) -> None:
        """What begins with a number sign is meant as a room."""
        self.assertTrue(is_room("#"))
        self.assertFalse(is_room(""))
        self.assertFalse(is_room("a#"))

    @given(anything)
    def test_anything(self, name: str) -> None:
        """A valid room is one printable word that IRC can carry as a parameter."""
        for room in (name, "#" + name):
            if valid_room(room):
                self.assertTrue(is_room(room))
                self.assertTrue(room.isprintable())
                self.assertEqual(room.split(), [room])
                room.encode()


class KeyTests(SynchronousTestCase):
    """Tests of L{valid_key}."""

    def test_valid(self) -> None:
        """A key is a word."""
        for room_key in ("a", "a:b", "한글", "x" * KEY_LENGTH, "*"):
            self.assertTrue(valid_key(room_key), ascii(room_key))

    def test_invalid(self) -> None:
        """No space, comma or control; no colon in front; not too long."""
        for room_key in ("", " ", "a b", "a,b", ":a", "a\0", "a\x7f", "a\n"):
            self.assertFalse(valid_key(room_key), ascii(room_key))
        self.assertFalse(valid_key("x" * (KEY_LENGTH + 1)))
        self.assertFalse(valid_key("abc", length=2))
