"""Tests of L{netsvc.dns.dnssec.algorithms}, and of zones of each algorithm."""

from __future__ import annotations

import dns.rdata
from dns.dnssectypes import Algorithm
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.RRSIG import RRSIG
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.dnssec.algorithms import SUPPORTED, Key, make_key
from netsvc.dns.dnssec.limits import Limits
from netsvc.dns.dnssec.status import EDE
from netsvc.dns.result import Security
from tests.dns.dnssec.case import Case
from tests.dns.dnssec.zones import Signer, make_ds, make_zone, name


class ZoneTests(Case):
    """Zones below C{test.} that are signed in other ways."""

    def make(self, algorithm: int, digests: tuple[int, ...] = (2,)) -> None:
        zone = make_zone("alg.test.", "www A 192.0.2.1", algorithm=algorithm)
        self.prepare([], [zone], [])
        test = make_zone("test.", children=[zone], digests=digests)
        self.upstream.zones[test.origin] = test

    def test_supported(self) -> None:
        """Zones of each supported algorithm are secure."""
        for algorithm in SUPPORTED:
            self.make(algorithm)
            self.secure("www.alg.test")
            self.secure("no.alg.test")

    def test_sha1_signatures(self) -> None:
        """Zones signed with SHA-1 are insecure (RFC 9905)."""
        for algorithm in (Algorithm.RSASHA1, Algorithm.RSASHA1NSEC3SHA1):
            self.make(algorithm)
            verdict = self.insecure("www.alg.test")
            self.assertEqual(verdict.ede, EDE.UNSUPPORTED_ALGORITHM)

    def test_digests(self) -> None:
        """DS records of each digest lead on, SHA-1 where there is no other."""
        for digests in ((1,), (2,), (4,), (1, 2), (1, 2, 4)):
            self.make(Algorithm.ECDSAP256SHA256, digests)
            self.secure("www.alg.test")

    def swap_ds(self, text: str) -> None:
        """Have the parent sign a DS record of ours."""
        self.make(Algorithm.ECDSAP256SHA256)
        test = self.zone("test")
        key = (name("alg.test"), RdataType.DS)
        del test.rrsets[key]
        for line in text.splitlines():
            test.put(key[0], dns.rdata.from_text(IN, RdataType.DS, line))
        test.resign(*key)

    def test_unknown_algorithm(self) -> None:
        """DS records of algorithms that are not known make a zone insecure."""
        self.swap_ds("1 200 2 " + "00" * 32)
        verdict = self.insecure("www.alg.test")
        self.assertEqual(verdict.ede, EDE.UNSUPPORTED_ALGORITHM)

    def test_unknown_digest(self) -> None:
        """DS records of digests that are not known make a zone insecure."""
        self.swap_ds("1 13 200 " + "00" * 32)
        verdict = self.insecure("www.alg.test")
        self.assertEqual(verdict.ede, EDE.UNSUPPORTED_DIGEST)

    def test_wrong_digest(self) -> None:
        """A DS record of another key makes a zone bogus."""
        tag = Signer("alg.test.").record.key_id()
        self.swap_ds(f"{tag} 13 2 " + "00" * 32)
        self.bogus(EDE.DNSKEY_MISSING, "www.alg.test")

    def test_wrong_sha256(self) -> None:
        """Beside a better digest SHA-1 is not looked at (RFC 4509 section 3)."""
        record = Signer("alg.test.").record
        right = make_ds(name("alg.test."), record, 1)
        self.swap_ds(f"{right}\n{record.key_id()} 13 2 " + "00" * 32)
        self.bogus(EDE.DNSKEY_MISSING, "www.alg.test")

    def test_unknown_beside(self) -> None:
        """An algorithm that is not known does not take a known one's place."""
        record = Signer("alg.test.").record
        right = make_ds(name("alg.test."), record, 2)
        self.swap_ds(f"{right}\n1 200 2 " + "00" * 32)
        self.secure("www.alg.test")

    def test_unknown_signature(self) -> None:
        """A signature of an algorithm that is not known is none."""
        self.make(Algorithm.ECDSAP256SHA256)
        zone = self.zone("alg.test")
        key = (name("www.alg.test"), RdataType.A)
        (signature,) = zone.rrsigs[key]
        unknown = signature.replace(algorithm=200)
        assert isinstance(unknown, RRSIG)
        zone.rrsigs[key] = [unknown]
        self.bogus(EDE.UNSUPPORTED_ALGORITHM, "www.alg.test")

    def flags(self, flags: int) -> None:
        zone = make_zone("alg.test.", "www A 192.0.2.1", signed=False)
        zone.signers = [Signer("alg.test.", flags=flags)]
        self.prepare([], [zone.sign()], [])

    def test_no_zone_key(self) -> None:
        """A key that is no zone key signs nothing."""
        self.flags(0)
        self.bogus(EDE.NO_ZONE_KEY_BIT, "www.alg.test")

    def test_revoked(self) -> None:
        """A key that is revoked signs nothing (RFC 5011)."""
        self.flags(0x0181)
        self.bogus(EDE.DNSKEY_MISSING, "www.alg.test")

    def test_zone_signing_key(self) -> None:
        """A key without the SEP flag is as good as one with it."""
        self.flags(256)
        self.secure("www.alg.test")

    def test_other_keys(self) -> None:
        """Data may be signed with a key that no DS record is of."""
        zone = make_zone("alg.test.", "www A 192.0.2.1", signed=False)
        key, data = Signer("key", flags=257), Signer("data", flags=256)
        zone.signers = [key]
        zone.put(zone.origin, data.record)
        self.prepare([], [zone.sign()], [])
        zone.signers = [data]
        zone.resign(name("www.alg.test"), RdataType.A)
        self.secure("www.alg.test")
        self.assertIs(self.judge("no.alg.test").security, Security.SECURE)


def rsa_key(exponent: bytes, modulus: bytes, long: bool = False) -> DNSKEY:
    size = len(exponent)
    head = b"\0" + size.to_bytes(2, "big") if long else bytes((size,))
    return DNSKEY(IN, RdataType.DNSKEY, 257, 3, 8, head + exponent + modulus)


class KeyTests(SynchronousTestCase):
    """Tests of L{make_key}."""

    def test_rsa_size(self) -> None:
        """RSA keys are taken in sizes that are neither weak nor slow."""
        limits = Limits()
        modulus = b"\xff" * 128
        for key, good in (
            (rsa_key(b"\1\0\1", modulus), True),
            (rsa_key(b"\1\0\1", modulus, long=True), True),
            (rsa_key(b"\3", modulus), True),
            (rsa_key(b"\3", b"\xff" * 512), True),
            (rsa_key(b"\3", b"\xff" * 513), False),
            (rsa_key(b"\3", b"\x7f" + b"\xff" * 127), False),
            (rsa_key(b"\xff" * 9, modulus), False),
            (rsa_key(b"\1", modulus), False),
            (rsa_key(b"", modulus), False),
            (rsa_key(b"\3", b""), False),
        ):
            self.assertEqual(make_key(key, limits) is not None, good, key.key[:9])

    def test_not_usable(self) -> None:
        """Keys of other protocols or algorithms are not taken."""
        key = b"\0" * 32
        for flags, protocol, algorithm in ((257, 2, 15), (257, 3, 200), (0, 3, 15)):
            record = DNSKEY(IN, RdataType.DNSKEY, flags, protocol, algorithm, key)
            self.assertIsNone(make_key(record, Limits()))

    @settings(deadline=None)
    @given(st.sampled_from(sorted(SUPPORTED)), st.binary(max_size=300), st.binary())
    def test_any_bytes(self, algorithm: int, key: bytes, signature: bytes) -> None:
        """Whatever a key and a signature are, nothing is raised."""
        record = DNSKEY(IN, RdataType.DNSKEY, 257, 3, algorithm, key)
        made = make_key(record, Limits())
        self.assertFalse(made is not None and made.verifies(signature, b"data"))

    @settings(deadline=None)
    @given(st.sampled_from(sorted(SUPPORTED)), st.binary(max_size=600))
    def test_any_signature(self, algorithm: int, signature: bytes) -> None:
        """Whatever a signature is, a good key says no, and raises nothing."""
        made = make_key(Signer("x", algorithm).record, Limits())
        assert isinstance(made, Key)
        self.assertFalse(made.verifies(signature, b"data"))
