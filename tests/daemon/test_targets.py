"""Servers as users name them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.targets import is_address, is_loopback, parse_target


class TargetTests(SynchronousTestCase):
    """HOST[:PORT] in all its forms."""

    def test_forms(self) -> None:
        """Names, IPv4 and IPv6 addresses go with and without a port."""
        for text, expected in {
            "echo.example": ("echo.example", 7007),
            "echo.example:7": ("echo.example", 7),
            "192.0.2.7:65535": ("192.0.2.7", 65535),
            "::1": ("::1", 7007),
            "2001:db8::7": ("2001:db8::7", 7007),
            "fe80::1%eth0": ("fe80::1%eth0", 7007),
            "[::1]": ("::1", 7007),
            "[::1]:7": ("::1", 7),
            "[fe80::1%eth0]:7": ("fe80::1%eth0", 7),
        }.items():
            self.assertEqual(parse_target(text, 7007), expected, text)

    def test_refused(self) -> None:
        """What names no host or port is refused with a sentence that shows it."""
        for text in (
            *("", ":7", "-x", "a b", "a\nb", "a\x1b[2J", "host:", "host:0"),
            *("host:65536", "host:123456", "host:99999999999", "host:http"),
            *("host:-1", "host:٣", "[::1", "[::1]7", "[::1]:", "[host]:7", "[]"),
            *("1:2:3", "1:2:x"),
        ):
            error = self.assertRaises(ValueError, parse_target, text, 7007)
            self.assertIn(repr(text), str(error))

    def test_ipv6_hint(self) -> None:
        """An IPv6 address that does not parse gets the form with a port shown."""
        error = self.assertRaises(ValueError, parse_target, "::1:70077", 7007)
        self.assertIn("[::1]:7007", str(error))


class HostTests(SynchronousTestCase):
    """What a host is, by its text alone."""

    def test_loopback(self) -> None:
        """This machine is known by its name and its addresses."""
        for host in ("127.0.0.1", "127.9.9.9", "::1", "::1%lo", "localhost"):
            self.assertTrue(is_loopback(host))
        self.assertTrue(is_loopback("LocalHost"))
        for host in ("", "0.0.0.0", "::", "192.0.2.1", "name"):
            self.assertFalse(is_loopback(host))

    def test_address(self) -> None:
        """Addresses are told from names."""
        for host in ("192.0.2.1", "2001:db8::1", "fe80::1%eth0"):
            self.assertTrue(is_address(host))
        for host in ("", "name", "192.0.2", "1.2.3.4.5", "[::1]"):
            self.assertFalse(is_address(host))
