"""Tests of L{netsvc.chat.cloak}."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.cloak import cloaker, uncloaked

SECRET = b"0123456789abcdef"


class CloakTests(SynchronousTestCase):
    """Tests of L{cloaker}."""

    cloak = staticmethod(cloaker(SECRET))

    def network(self, address: str) -> str:
        """Give the part that is the same for a network."""
        return self.cloak(address).partition(".")[2]

    def test_the_same(self) -> None:
        """An address has one cloak for as long as the secret is the same."""
        self.assertEqual(self.cloak("192.0.2.1"), cloaker(SECRET)("192.0.2.1"))
        self.assertNotEqual(self.cloak("192.0.2.1"), self.cloak("192.0.2.2"))
        self.assertNotEqual(self.cloak("192.0.2.1"), cloaker(b"x" * 16)("192.0.2.1"))

    def test_networks(self) -> None:
        """Addresses of one /16, or /48, share the end of their cloaks."""
        self.assertEqual(self.network("192.0.2.1"), self.network("192.0.99.1"))
        self.assertNotEqual(self.network("192.0.2.1"), self.network("192.1.2.1"))
        self.assertEqual(self.network("2001:db8::1"), self.network("2001:db8:0:9::1"))
        self.assertNotEqual(self.network("2001:db8::1"), self.network("2001:db8:1::1"))

    def test_one_host(self) -> None:
        """An IPv6 host, which owns a /64, has one cloak; a scope does not matter."""
        self.assertEqual(self.cloak("2001:db8::1"), self.cloak("2001:db8::ffff:1"))
        self.assertEqual(self.cloak("fe80::1%eth0"), self.cloak("fe80::1"))
        self.assertNotEqual(self.cloak("2001:db8::1"), self.cloak("2001:db8:0:1::1"))

    def test_mapped(self) -> None:
        """An IPv4 address is the same however it comes."""
        self.assertEqual(self.cloak("::ffff:192.0.2.1"), self.cloak("192.0.2.1"))

    def test_others(self) -> None:
        """What is no address has a cloak, too."""
        self.assertEqual(self.cloak(None), "local.unix")
        self.assertEqual(self.cloak(""), "local.unix")
        self.assertTrue(self.cloak("host.example").endswith(".host"))
        self.assertNotEqual(self.cloak("host.example"), self.cloak("b.example"))

    @given(st.ip_addresses())
    def test_a_host_name(self, address: object) -> None:
        """A cloak is a host name that tells nothing of the address."""
        cloak = self.cloak(str(address))
        self.assertTrue(re.fullmatch(r"[a-z2-7]{11}\.[a-z2-7]{11}\.ip", cloak), cloak)


class UncloakedTests(SynchronousTestCase):
    """Tests of L{uncloaked}."""

    def test_address(self) -> None:
        """It is the address, which never starts with a colon."""
        self.assertEqual(uncloaked("192.0.2.1"), "192.0.2.1")
        self.assertEqual(uncloaked("::1"), "0::1")
        self.assertEqual(uncloaked(None), "local.unix")
