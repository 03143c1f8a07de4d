"""Tests of L{netsvc.dns.forwarder.cookies}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.forwarder.cookies import (
    AHEAD,
    LIFE,
    RENEWED,
    ServerCookies,
    well_formed,
)

NOW = 1_700_000_000
MINE = b"mycookie"
HOST = "192.0.2.1"


class CookieTests(SynchronousTestCase):
    """Cookies of a server."""

    def setUp(self) -> None:
        self.cookies = ServerCookies(b"s" * 16)

    def made(self, now: int = NOW) -> bytes:
        """Give a new cookie."""
        return self.cookies.answer(MINE, HOST, now)[0]

    def test_first(self) -> None:
        """A client without a server cookie gets one, of 16 bytes."""
        made, good = self.cookies.answer(MINE, HOST, NOW)
        self.assertEqual((made[:8], len(made), good), (MINE, 24, False))

    def test_given_back(self) -> None:
        """It is good when it comes back, and stays until it is half its age."""
        self.assertEqual(
            self.cookies.answer(self.made(), HOST, NOW + RENEWED - 1),
            (self.made(), True),
        )
        made, good = self.cookies.answer(self.made(), HOST, NOW + RENEWED)
        self.assertTrue(good)
        self.assertNotEqual(made, self.made())

    def test_not_good(self) -> None:
        """One of another address, secret, time or form is not good."""
        made = self.made()
        self.assertFalse(self.cookies.answer(made, "192.0.2.2", NOW)[1])
        self.assertFalse(ServerCookies(b"t" * 16).answer(made, HOST, NOW)[1])
        self.assertFalse(self.cookies.answer(made, HOST, NOW + LIFE + 1)[1])
        self.assertFalse(self.cookies.answer(made, HOST, NOW - AHEAD - 1)[1])
        self.assertTrue(self.cookies.answer(made, HOST, NOW - AHEAD)[1])
        other = bytes((made[-1] ^ 1,))
        self.assertFalse(self.cookies.answer(made[:-1] + other, HOST, NOW)[1])
        self.assertFalse(self.cookies.answer(MINE + b"x" * 16, HOST, NOW)[1])
        self.assertFalse(self.cookies.answer(MINE + b"x" * 32, HOST, NOW)[1])

    def test_length(self) -> None:
        """A cookie option has 8, or 16 to 40 bytes."""
        found = {size for size in range(60) if well_formed(bytes(size))}
        self.assertEqual(found, {8, *range(16, 41)})
