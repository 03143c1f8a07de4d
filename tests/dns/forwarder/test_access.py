"""Tests of L{netsvc.dns.forwarder.access}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.forwarder.access import (
    MAX_KNOWN,
    MAX_NETWORKS,
    Access,
    Allowed,
    parse_allowed,
)


def allowing(*texts: str) -> Access:
    """Make a list."""
    return Access(map(parse_allowed, texts))


class AccessTests(SynchronousTestCase):
    """Whom the forwarder serves."""

    def test_local(self) -> None:
        """Loopback, private and link-local addresses are local, and UNIX sockets."""
        access = allowing("local")
        for host in (
            "127.0.0.1",
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.1.1",
            "::1",
            "fd00::1",
            "fe80::1%eth0",
            "::ffff:10.0.0.1",
            "",
            None,
        ):
            self.assertTrue(access.allows(host), host)
        for host in ("8.8.8.8", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8", "?"):
            self.assertFalse(access.allows(host), host)
            self.assertFalse(access.allows(host), host)

    def test_networks(self) -> None:
        """Networks and addresses are served, and nobody else."""
        access = allowing("203.0.113.0/24", "2001:db8::1")
        self.assertTrue(access.allows("203.0.113.7"))
        self.assertTrue(access.allows("2001:db8::1"))
        self.assertFalse(access.allows("127.0.0.1"))
        self.assertFalse(access.allows(None))
        self.assertTrue(allowing("unix").allows(None))

    def test_all(self) -> None:
        """All are served if it says so."""
        self.assertTrue(allowing("all").allows("8.8.8.8"))
        self.assertTrue(allowing("all").allows(""))

    def test_mistakes(self) -> None:
        """What is no network is refused with a line that says what is one."""
        for text in ("10.0.0.1/8", "everybody", "1.2.3.4/33", ""):
            with self.assertRaises(ValueError) as caught:
                parse_allowed(text)
            self.assertIn("192.0.2.0/24", str(caught.exception))
        with self.assertRaises(ValueError):
            Access([parse_allowed("192.0.2.1")] * (MAX_NETWORKS + 1))

    def test_bounded(self) -> None:
        """The verdicts that are remembered are bounded."""
        access = allowing("all")
        for number in range(MAX_KNOWN + 10):
            access.allows(f"10.0.{number >> 8}.{number & 255}")
        self.assertLessEqual(len(access._known), MAX_KNOWN)

    def test_text(self) -> None:
        """It is shown as it was written."""
        self.assertEqual(str(parse_allowed("10.0.0.0/8")), "10.0.0.0/8")
        self.assertEqual(parse_allowed("all"), Allowed("all", ()))
