"""What protects direct paths: the AEAD, and the window against replays."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.replay import WIDTH, ReplayWindow
from netsvc.relay.sealing import Seal


class SealTests(SynchronousTestCase):
    """Sealing and opening."""

    def setUp(self) -> None:
        """Make both sides."""
        self.one = Seal(b"k" * 32, b"n" * 8, 0)
        self.two = Seal(b"k" * 32, b"n" * 8, 1)

    def test_both_ways(self) -> None:
        """Each side opens what the other has sealed, and not what it has itself."""
        for number, (a, b) in enumerate([(self.one, self.two), (self.two, self.one)]):
            sealed = a.seal(number, b"head", b"text")
            self.assertNotIn(b"text", sealed)
            self.assertEqual(b.open(number, b"head", sealed), b"text")
            self.assertIsNone(a.open(number, b"head", sealed))

    def test_changed(self) -> None:
        """What was changed on the way, or belongs to another number, is not opened."""
        sealed = self.one.seal(7, b"head", b"text")
        self.assertIsNone(self.two.open(8, b"head", sealed))
        self.assertIsNone(self.two.open(7, b"Head", sealed))
        self.assertIsNone(self.two.open(7, b"head", sealed[:-1] + b"\0"))
        self.assertIsNone(self.two.open(7, b"head", b""))
        for key, name in ((b"K" * 32, b"n" * 8), (b"k" * 32, b"N" * 8)):
            self.assertIsNone(Seal(key, name, 1).open(7, b"head", sealed))

    def test_documented(self) -> None:
        """It is made as the documentation says, so that others can make it."""
        info = b"netsvc direct 1 0"
        key = HKDF(SHA256(), 32, b"n" * 8, info).derive(b"k" * 32)
        nonce = bytes(4) + (7).to_bytes(8, "big")
        sealed = ChaCha20Poly1305(key).encrypt(nonce, b"text", b"head")
        self.assertEqual(self.one.seal(7, b"head", b"text"), sealed)


class ReplayTests(SynchronousTestCase):
    """The window."""

    @settings(deadline=None)
    @given(st.lists(st.integers(0, 400), max_size=200))
    def test_model(self, numbers: list[int]) -> None:
        """No number is new twice, and none is refused that is new and not too old."""
        window, seen = ReplayWindow(), set[int]()
        for number in numbers:
            is_new = window.is_new(number)
            if number in seen:
                self.assertFalse(is_new)
            elif number > max(seen, default=-1) - WIDTH:
                self.assertTrue(is_new)
            if is_new:
                window.add(number)
                seen.add(number)
        self.assertEqual(window.highest, max(seen, default=-1))

    def test_far(self) -> None:
        """A jump ahead forgets what was behind, and refuses it."""
        window = ReplayWindow()
        window.add(0)
        window.add(10**9)
        self.assertFalse(window.is_new(0))
        self.assertTrue(window.is_new(10**9 - WIDTH + 1))
        self.assertFalse(window.is_new(10**9 - WIDTH))
