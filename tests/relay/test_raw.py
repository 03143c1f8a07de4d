"""Tests of L{netsvc.relay.raw}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netsvc.relay import stun
from netsvc.relay.raw import CONTROL, is_control
from tests.relay.relay_case import ANN, BOB, DAN, EVE, RelayCase


class RawTests(RelayCase):
    """Payloads."""

    settings = {"raw": True}  # noqa: RUF012

    def test_byte_for_byte(self) -> None:
        """A payload goes to the others in the room as it is, and to nobody else."""
        self.say(ANN, b"x")
        self.say(BOB, b"/join #games")
        self.say(EVE, b"x")
        self.skt.sent.clear()
        for data in (
            b"\0\1\2",
            b"\x05frame?",
            b"text\r\n",
            b"/unknown command",
            bytes(range(256)) * 200,
            stun.message(stun.REQUEST, b"x" * 16),
        ):
            self.assertEqual(self.say(BOB, data), [])
        self.assertEqual(self.got(EVE), [])
        self.say(BOB, b"/join #lobby")
        self.skt.sent.clear()
        self.say(ANN, b"\0\xffpayload\n")
        self.assertEqual(self.got(BOB), [b"\0\xffpayload\n"])
        self.assertEqual(self.got(ANN), [])

    def test_silent(self) -> None:
        """Who sends payloads only is never sent any text."""
        self.assertEqual(self.say(ANN, b"\0first"), [])
        self.assertEqual(self.say(BOB, b"\0first"), [])
        self.assertEqual(self.got(ANN), [b"\0first"])
        self.say(BOB, b"/nick bobby")
        self.say(BOB, b"/quit")
        self.assertEqual(self.got(ANN), [])

    def test_control(self) -> None:
        """Commands are answered, and change rooms."""
        (answer,) = self.say(ANN, b"/join #games\n")
        self.assertIn(b"guest1 has joined #games", answer)
        self.say(BOB, b"\0")
        self.assertIn(b"in #games: @guest1", self.say(ANN, b"/who")[0])
        self.say(BOB, b"\0payload")
        self.assertEqual(self.got(ANN), [])
        self.say(ANN, b"/part")
        self.say(BOB, b"\0payload")
        self.assertEqual(self.got(ANN)[-1], b"\0payload")

    def test_no_room(self) -> None:
        """A payload of somebody in no room, or who may not speak, is dropped."""
        self.say(ANN, b"\0")
        self.say(BOB, b"/part")
        self.say(BOB, b"\0")
        self.assertEqual(self.count("raw-no-room"), 1)
        self.say(BOB, b"/join #lobby")
        self.relay.network.hub.room("#lobby").flags.add("m")
        self.say(BOB, b"\0")
        self.assertEqual(self.count("raw-refused"), 1)

    def test_strangers(self) -> None:
        """A stranger is sent payloads as far as the credit goes, and no challenge."""
        self.say(ANN, b"\0")
        self.assertEqual(self.say(EVE, b"\0" * 10), [])
        self.skt.sent.clear()
        for _ in range(5):
            self.say(ANN, b"\1" * 10)
        self.assertEqual(len(self.got(EVE)), 3)
        self.assertEqual(self.count("no-credit"), 2)
        (answer,) = self.say(EVE, b"/cookie" + b" " * 10)
        self.say(EVE, b"/" + answer)
        self.skt.sent.clear()
        for _ in range(5):
            self.say(ANN, b"\1" * 10)
        self.assertEqual(len(self.got(EVE)), 5)

    def test_strangers_apart(self) -> None:
        """Strangers do not hear strangers: two echo services cannot go on for ever."""
        self.say(ANN, b"\0")
        self.say(DAN, b"\0" * 100)
        self.say(EVE, b"\0" * 100)
        self.assertEqual(self.got(DAN), [])
        self.assertEqual(len(self.got(ANN)), 2)

    def test_foreign(self) -> None:
        """A payload may be anything, also what looks like another service's request."""
        self.say(ANN, b"\0")
        self.say(BOB, b"GET / HTTP/1.1\r\n")
        self.assertEqual(self.got(ANN), [b"GET / HTTP/1.1\r\n"])

    def test_cookie(self) -> None:
        """Where a cookie is needed, strangers' payloads go nowhere."""
        self.make(raw=True, admission="cookie")
        self.assertEqual(self.say(ANN, b"hello"), [])
        self.assertEqual(len(self.relay.peers), 0)

    def test_stun(self) -> None:
        """STUN is answered on the same port; what only looks like it is a payload."""
        request = stun.message(stun.REQUEST, b"transaction!")
        self.assertEqual(len(self.say(ANN, request)), 1)
        self.assertEqual(len(self.relay.peers), 0)

    def test_rate(self) -> None:
        """What a room gets too fast is dropped."""
        self.make(raw=True, room_rate="1/s:2")
        self.say(ANN, b"\0")
        self.say(BOB, b"/who")
        self.skt.sent.clear()
        for _ in range(5):
            self.say(ANN, b"\0")
        self.assertEqual(len(self.got(BOB)), 1)

    @given(st.binary())
    def test_is_control(self, data: bytes) -> None:
        """Only a short line of text that begins with a command's name is one."""
        if is_control(data):
            word = data[1:].split()[0].decode()
            self.assertIn(word, CONTROL)

    def test_is_control_examples(self) -> None:
        """A command has a space or the end behind its name, and one line."""
        for data in (b"/join #a", b"/who", b"/quit\n", b"/nick ann\r\n"):
            self.assertTrue(is_control(data))
        for data in (b"/joined", b"/join\0", b"join", b"/join a\nb", b"/join " * 99):
            self.assertFalse(is_control(data))
