"""Tests of L{netsvc.dns.forwarder.special}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import rrtypes
from netsvc.dns.codes import NOERROR, NXDOMAIN
from netsvc.dns.forwarder.special import ZONES, SpecialNames
from netsvc.dns.names import from_text, reverse_name
from netsvc.dns.result import Question

A = rrtypes.A


class SpecialTests(SynchronousTestCase):
    """Names that are never asked upstream."""

    def setUp(self) -> None:
        self.special = SpecialNames([from_text("home.arpa"), from_text("a.test")])

    def rcode(self, name: str, rtype: int = A) -> int | None:
        """Give the response code; L{None} if it is asked upstream."""
        found = self.special.answer(Question(from_text(name), rtype))
        return None if found is None else found.rcode

    def test_ordinary(self) -> None:
        """Other names are asked upstream."""
        for name in (".", "com", "www.example.com", "mytest", "arpa", "in-addr.arpa"):
            self.assertIsNone(self.rcode(name), name)
        for host in ("8.8.8.8", "172.15.0.1", "100.63.0.1", "2001:4860::8888"):
            question = Question(reverse_name(host), rrtypes.PTR)
            self.assertIsNone(self.special.answer(question), host)

    def test_not_there(self) -> None:
        """Names below special zones do not exist, and the zone's SOA says so."""
        for zone in ZONES:
            if zone in ("localhost", "home.arpa"):
                continue
            found = self.special.answer(Question(from_text(f"x.{zone}"), A))
            assert found is not None
            self.assertEqual((found.rcode, found.answer), (NXDOMAIN, ()), zone)
            self.assertEqual(found.authority[0].owner, from_text(zone))
            self.assertEqual(self.rcode(zone), NOERROR)

    def test_private_reverse(self) -> None:
        """Reverse names of private addresses do not leak."""
        for host in ("10.1.2.3", "192.168.1.1", "172.20.0.1", "fd00::1", "fe80::1"):
            found = self.special.answer(Question(reverse_name(host), rrtypes.PTR))
            assert found is not None
            self.assertEqual(found.rcode, NXDOMAIN)

    def test_case(self) -> None:
        """The case of letters does not matter."""
        self.assertEqual(self.rcode("X.OnIoN"), NXDOMAIN)

    def test_localhost(self) -> None:
        """localhost, and all below it, has the loopback addresses."""
        for name in ("localhost", "x.LOCALHOST"):
            wire = from_text(name)
            found = self.special.answer(Question(wire, A))
            assert found is not None
            self.assertEqual(found.answer[0].common_text, "127.0.0.1")
            self.assertEqual(found.answer[0].owner, wire)
            found = self.special.answer(Question(wire, rrtypes.AAAA))
            assert found is not None
            self.assertEqual(found.answer[0].common_text, "::1")
            self.assertEqual(self.rcode(name, rrtypes.MX), NOERROR)

    def test_reverse_loopback(self) -> None:
        """The loopback addresses are localhost's."""
        for host in ("127.0.0.1", "::1"):
            found = self.special.answer(Question(reverse_name(host), rrtypes.PTR))
            assert found is not None
            self.assertEqual(found.answer[0].common_text, "localhost.")
            found = self.special.answer(Question(reverse_name(host), A))
            assert found is not None
            self.assertEqual((found.rcode, found.answer), (NOERROR, ()))

    def test_apex(self) -> None:
        """A zone has its SOA and NS records, and its parent the DS record."""
        for rtype in (rrtypes.SOA, rrtypes.NS):
            found = self.special.answer(Question(from_text("onion"), rtype))
            assert found is not None
            self.assertEqual([each.rtype for each in found.answer], [rtype])
        self.assertIsNone(self.rcode("onion", rrtypes.DS))

    def test_forwarded(self) -> None:
        """What the operator names is asked upstream, with all below it."""
        self.assertIsNone(self.rcode("home.arpa"))
        self.assertIsNone(self.rcode("printer.Home.arpa"))
        self.assertIsNone(self.rcode("b.a.test"))
        self.assertEqual(self.rcode("b.test"), NXDOMAIN)
