"""Tests of L{netsvc.relay.tokens}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.tokens import CODE_LENGTH, COOKIE_LENGTH, SLOT, Tokens, normal

HOST = "203.0.113.5"
PORT = 4000

hosts = st.ip_addresses().map(str)
ports = st.integers(0, 65535)
times = st.floats(0, 1e9)


class TokenTests(SynchronousTestCase):
    """What an address is told is right there, for a while, and nowhere else."""

    def setUp(self) -> None:
        """Make tokens."""
        self.tokens = Tokens(b"s" * 32)

    @given(hosts, ports, times, st.floats(0, SLOT))
    def test_holds(self, host: str, port: int, now: float, later: float) -> None:
        """Codes and cookies hold for a slot at least."""
        tokens, then = Tokens(b"s" * 32), now + later
        code, cookie = tokens.code(host, port, now), tokens.cookie(host, port, now)
        self.assertEqual((len(code), len(cookie)), (CODE_LENGTH, COOKIE_LENGTH))
        self.assertTrue(tokens.is_code(code, host, port, then))
        self.assertTrue(tokens.is_cookie(cookie, host, port, then))

    def test_expires(self) -> None:
        """After two slots they do not."""
        code = self.tokens.code(HOST, PORT, 10)
        cookie = self.tokens.cookie(HOST, PORT, 10)
        self.assertFalse(self.tokens.is_code(code, HOST, PORT, 10 + 2 * SLOT))
        self.assertFalse(self.tokens.is_cookie(cookie, HOST, PORT, 10 + 2 * SLOT))

    def test_own(self) -> None:
        """They are another address's, another port's and another server's not."""
        code = self.tokens.code(HOST, PORT, 0)
        cookie = self.tokens.cookie(HOST, PORT, 0)
        other = Tokens(b"t" * 32)
        for tokens, host, port in (
            (self.tokens, "203.0.113.6", PORT),
            (self.tokens, HOST, PORT + 1),
            (other, HOST, PORT),
        ):
            self.assertFalse(tokens.is_code(code, host, port, 0))
            self.assertFalse(tokens.is_cookie(cookie, host, port, 0))

    def test_scope(self) -> None:
        """The scope of a link-local address does not matter."""
        code = self.tokens.code("fe80::1%eth0", PORT, 0)
        self.assertTrue(self.tokens.is_code(code, "fe80::1", PORT, 0))

    def test_typed(self) -> None:
        """A code may be typed in capitals, with spaces, with letters like digits."""
        code = self.tokens.code(HOST, PORT, 0)
        typed = f"  {code.upper().replace('0', 'O').replace('1', 'l')} \r\n"
        self.assertTrue(self.tokens.is_code(typed, HOST, PORT, 0))
        self.assertEqual(normal("OIL234"), "011234")

    def test_other_text(self) -> None:
        """What has not the form of a code or a cookie is none."""
        for text in ("", "hello", "hello world", "abc-23", "\xe9" * 6, "\u0660" * 6):
            self.assertIsNone(normal(text))
            self.assertFalse(self.tokens.is_code(text, HOST, PORT, 0))
        for text in ("", "x", "\xe9" * COOKIE_LENGTH):
            self.assertFalse(self.tokens.is_cookie(text, HOST, PORT, 0))

    def test_secret(self) -> None:
        """A secret that is too short is refused."""
        self.assertRaises(ValueError, Tokens, b"short")
