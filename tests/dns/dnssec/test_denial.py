"""Tests of L{netsvc.dns.dnssec.nsec}, C{nsec3} and C{chain}: the smaller rules."""

from __future__ import annotations

from base64 import b32hexencode

from dns.name import Name
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NSEC import NSEC, Bitmap
from dns.rdtypes.ANY.NSEC3 import NSEC3
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.dnssec.anchors import Anchors
from netsvc.dns.dnssec.chain import Chain, Walk
from netsvc.dns.dnssec.limits import Limits, Work
from netsvc.dns.dnssec.nsec import Cut, NsecDenial, has_type
from netsvc.dns.dnssec.nsec3 import Nsec3Denial
from netsvc.dns.dnssec.status import Bogus, Undecided
from netsvc.dns.result import Security
from tests.dns.dnssec.upstream import Upstream
from tests.dns.dnssec.zones import NOW, Hashing, name

ZONE = name("test")


def nsec(owner: str, following: str, *types: str) -> tuple[Name, NSEC]:
    bitmap = Bitmap.from_rdtypes([RdataType.make(kind) for kind in types])
    following_name = name(following)
    return name(owner), NSEC(IN, RdataType.NSEC, following_name, bitmap.windows)


def nsec3(
    digest: bytes,
    following: bytes,
    algorithm: int = 1,
    flags: int = 0,
    iterations: int = 0,
    label: bytes | None = None,
) -> tuple[Name, NSEC3]:
    owner = Name((label or b32hexencode(digest),)) + ZONE
    record = NSEC3(
        IN, RdataType.NSEC3, algorithm, flags, iterations, b"", following, []
    )
    return owner, record


class BitmapTests(SynchronousTestCase):
    """Tests of L{has_type}."""

    @given(st.sets(st.integers(1, 65535)), st.integers(1, 65535))
    def test_types(self, types: set[int], other: int) -> None:
        """A bitmap has the types that it was made of, and no others."""
        bitmap = Bitmap.from_rdtypes([RdataType.make(kind) for kind in types])
        for kind in types:
            self.assertTrue(has_type(bitmap.windows, kind))
        self.assertEqual(has_type(bitmap.windows, other), other in types)


class NsecTests(SynchronousTestCase):
    """Tests of L{NsecDenial}."""

    def test_compact(self) -> None:
        """A name that is said not to exist at itself does not (RFC 9824)."""
        owner = name("no.test")
        made = nsec("no.test", "\\000.no.test", "RRSIG", "NSEC", "TYPE128")
        denial = NsecDenial(ZONE, [made])
        self.assertIs(denial.nxdomain(owner), Security.SECURE)
        self.assertIs(denial.nodata(owner, RdataType.A), Security.SECURE)
        other = nsec("no.test", "\\000.no.test", "RRSIG", "NSEC")
        self.assertIsNone(NsecDenial(ZONE, [other]).nxdomain(owner))

    def test_beyond(self) -> None:
        """A record whose next name is beyond its zone denies nothing."""
        denial = NsecDenial(ZONE, [nsec("m.test", "a.zone", "A")])
        self.assertIsNone(denial.cut(name("z.test")))
        self.assertIsNone(denial.nodata(name("m.test"), RdataType.MX))

    def test_last(self) -> None:
        """The zone's last record covers all that stands behind it."""
        denial = NsecDenial(ZONE, [nsec("m.test", "test", "A")])
        self.assertIs(denial.cut(name("z.test")), Cut.NOTHING)
        self.assertIsNone(denial.cut(name("a.test")))

    def test_cut(self) -> None:
        """A record tells of the delegation at its own name, if it is the parent's."""
        for types, cut in (
            (("NS",), Cut.UNSIGNED),
            (("A",), Cut.NONE),
            (("NS", "DS"), None),
            (("NS", "SOA"), None),
        ):
            denial = NsecDenial(ZONE, [nsec("a.test", "b.test", *types)])
            self.assertIs(denial.cut(name("a.test")), cut)
        denial = NsecDenial(ZONE, [nsec("a.test", "x.b.test", "A")])
        self.assertIs(denial.cut(name("b.test")), Cut.NONE)

    def test_wildcard_is_no_name(self) -> None:
        """An empty name above a wildcard does not make the wildcard missing."""
        records = [nsec("test", "x.*.test", "SOA"), nsec("x.*.test", "test", "A")]
        denial = NsecDenial(ZONE, records)
        self.assertIsNone(denial.nxdomain(name("a.test")))


class Nsec3Tests(SynchronousTestCase):
    """Tests of L{Nsec3Denial}."""

    def setUp(self) -> None:
        self.work = Work(Limits())

    def make(self, *records: tuple[Name, NSEC3]) -> Nsec3Denial:
        return Nsec3Denial(ZONE, records, self.work)

    def test_unknown(self) -> None:
        """Records of unknown hashes and flags, or with no hash, are left out."""
        where = name("a.test")
        digest = Hashing().digest(where)
        following = bytes(20)
        good = nsec3(digest, following)
        self.assertIs(self.make(good).nodata(where, 1), Security.SECURE)
        for other in (
            nsec3(digest, following, algorithm=2),
            nsec3(digest, following, flags=2),
            nsec3(digest, following, label=b"!not base32!"),
        ):
            denial = self.make(other)
            self.assertIsNone(denial.nodata(where, 1))
            self.assertIsNone(denial.nodata(ZONE, 1))

    def test_parameters(self) -> None:
        """Records with different parameters contradict each other."""
        one, two = (nsec3(bytes((at,)) * 20, bytes(20), iterations=at) for at in (1, 2))
        self.assertRaises(Bogus, self.make, one, two)

    def test_single(self) -> None:
        """The only record of a zone covers all names but its own."""
        apex = Hashing().digest(ZONE)
        denial = self.make(nsec3(apex, apex))
        self.assertIs(denial.nxdomain(name("a.test")), Security.SECURE)
        self.assertIs(denial.cut(name("a.test")), Cut.NOTHING)
        self.assertIsNone(denial.nxdomain(ZONE))

    def test_encloser_only(self) -> None:
        """An encloser without a record for what is below it proves nothing."""
        apex = Hashing().digest(ZONE)
        denial = self.make(nsec3(apex, apex[:-1] + bytes((apex[-1] ^ 1,))))
        where = name("a.test")
        covered = denial.nxdomain(where) is not None
        self.assertEqual(covered, apex > denial._by_hash[apex].next)


class WalkTests(SynchronousTestCase):
    """Tests of L{Chain}."""

    def test_no_anchor(self) -> None:
        """Without an anchor there is nowhere to begin."""
        limits = Limits()
        chain = Chain(Anchors([]), limits)
        walk = Walk(Upstream().fetch, NOW, Work(limits))
        work = chain.walk(ZONE, walk)
        self.failureResultOf(Deferred.fromCoroutine(work), Undecided)
