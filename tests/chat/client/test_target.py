"""Targets of C{netsvc chat}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client.target import ClientSettings, is_loopback, parse_target


class TargetTests(SynchronousTestCase):
    """HOST[:PORT]."""

    def test_good(self) -> None:
        """Names and addresses are read, with and without a port."""
        for text, target in {
            "localhost": ("localhost", 7070),
            "chat.example:1": ("chat.example", 1),
            "192.0.2.1:65535": ("192.0.2.1", 65535),
            "::1": ("::1", 7070),
            "[::1]": ("::1", 7070),
            "[2001:db8::1]:80": ("2001:db8::1", 80),
            "fe80::1%eth0": ("fe80::1%eth0", 7070),
        }.items():
            self.assertEqual(parse_target(text), target)
        self.assertEqual(parse_target("a", 7075), ("a", 7075))
        self.assertEqual(ClientSettings("a", 7075, udp=True).where, "udp:a:7075")

    def test_bad(self) -> None:
        """What is no target is refused with a sentence."""
        for text in (
            *("", ":1", "a b", "a\nb", "-x", "a:", "a:0", "a:65536", "a:x", "a:٣"),
            *("a:99999999999", "1:2:x", "[::1", "[::1]x", "[::1]:", "[x]:1", "[]"),
        ):
            error = self.assertRaises(ValueError, parse_target, text)
            self.assertIn(repr(text), str(error))

    def test_loopback(self) -> None:
        """This host is known by its name and its addresses."""
        for host in ("localhost", "127.0.0.2", "::1"):
            self.assertTrue(is_loopback(host))
        for host in ("example", "192.0.2.1"):
            self.assertFalse(is_loopback(host))

    def test_where(self) -> None:
        """Host and port are shown as they are written."""
        self.assertEqual(ClientSettings("a").where, "a:7070")
        self.assertEqual(ClientSettings("::1", 80).where, "[::1]:80")
