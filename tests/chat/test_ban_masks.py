"""Tests of the masks and durations of bans from the server."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.ban_masks import LENGTH, LONGEST, full_mask, means, parse_duration


class DurationTests(SynchronousTestCase):
    """How long a ban holds."""

    def test_forms(self) -> None:
        """A duration is in minutes, or in weeks, days, hours, minutes and seconds."""
        for text, seconds in (
            ("0", 0),
            ("90", 5400),
            ("45s", 45),
            ("1d2h", 93_600),
            ("1W1d1H1m1S", 694_861),
            ("999999999w", LONGEST),
        ):
            self.assertEqual(parse_duration(text), seconds)
        for text in ("", "-1", "1x", "d", "1.5h", "9999999999", "\u0661", "1h ", "h1"):
            self.assertIsNone(parse_duration(text))


class MaskTests(SynchronousTestCase):
    """Whom a ban means."""

    def test_full(self) -> None:
        """A mask is completed to user and host, without a nick."""
        for text, mask in (
            ("a.example", "*@a.example"),
            ("u@a.example", "u@a.example"),
            ("n!u@a.example", "u@a.example"),
            ("@a.example", "*@a.example"),
            ("192.0.2.0/24", "*@192.0.2.0/24"),
            ("u@2001:db8::/32", "u@2001:db8::/32"),
            ("bad@*", "bad@*"),
        ):
            self.assertEqual(full_mask(text), mask)

    def test_refused(self) -> None:
        """What is no mask, or means nearly everybody, is none."""
        for text in (
            "",
            "u@",
            "*",
            "*@*",
            "ab@*",
            "*@*.?",
            "a b@c.example",
            "x" * LENGTH,
            "x/y",
            "0.0.0.0/0",
            "10.0.0.0/7",
            "::/0",
            "2000::/15",
            "192.0.2.0/33",
        ):
            self.assertIsNone(full_mask(text), text)

    def test_meant(self) -> None:
        """A mask means who has such a user and such a host or address."""
        hosts = ("Abc.ip", "192.0.2.7")
        for mask, meant in (
            ("*@abc.ip", True),
            ("*@192.0.2.?", True),
            ("B?B@*.IP", True),
            ("al*@*.ip", False),
            ("*@192.0.2.0/24", True),
            ("bob@192.0.2.0/25", True),
            ("bob@192.0.2.128/25", False),
            ("al@192.0.2.0/24", False),
            ("*@2001:db8::/32", False),
            ("*@no/network", False),
            ("192.0.2.*", True),
        ):
            self.assertEqual(means(mask, "bob", hosts), meant, mask)

    def test_addresses(self) -> None:
        """An IPv6 address is in its network, a mapped one in that of IPv4."""
        self.assertTrue(means("*@2001:db8::/32", "u", ["2001:db8::1"]))
        self.assertTrue(means("*@fe80::/16", "u", ["fe80::1%eth0"]))
        self.assertTrue(means("*@192.0.2.0/24", "u", ["::ffff:192.0.2.1"]))
        self.assertFalse(means("*@192.0.2.0/24", "u", ["name.example", ""]))

    @given(st.text(), st.text(), st.lists(st.text(), max_size=3))
    def test_any(self, text: str, user: str, hosts: list[str]) -> None:
        """Whatever is given, it is a mask or none, and means somebody or not."""
        parse_duration(text)
        mask = full_mask(text)
        if mask is not None:
            self.assertEqual(full_mask(mask), mask)
            self.assertIn(means(mask, user, hosts), (True, False))
