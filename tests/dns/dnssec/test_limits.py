"""Tests of L{netsvc.dns.dnssec.limits}: each limit, reached."""

from __future__ import annotations

from base64 import b32hexencode
from dataclasses import replace
from typing import Any

import dns.dnssec
import dns.rrset
from dns.message import Message
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.RRSIG import RRSIG
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.dnssec.limits import Limits, Work
from netsvc.dns.dnssec.status import EDE, WorkExceeded
from netsvc.dns.result import Security
from tests.dns.dnssec.case import Case, anchors_for
from tests.dns.dnssec.upstream import Upstream
from tests.dns.dnssec.zones import Hashing, Signer, Zone, make_zone, name

RSA = dns.dnssec.RSASHA256


def lookalikes(record: DNSKEY, count: int) -> list[DNSKEY]:
    """Make keys with the tag of another: the sum of words does not see an exchange."""
    words = [record.key[at : at + 2] for at in range(20, len(record.key) - 20, 2)]
    found = []
    for at in range(count):
        mixed = words[at + 1 :] + words[: at + 1]
        key = record.key[:20] + b"".join(mixed) + record.key[20 + 2 * len(words) :]
        other = record.replace(key=key)
        assert isinstance(other, DNSKEY)
        assert other.key_id() == record.key_id()
        found.append(other)
    return found


def bend(signature: RRSIG, count: int) -> list[RRSIG]:
    """Make wrong signatures from a right one."""
    found = []
    for at in range(count):
        wrong = bytearray(signature.signature)
        wrong[at + 1] ^= 1
        other = signature.replace(signature=bytes(wrong))
        assert isinstance(other, RRSIG)
        found.append(other)
    return found


class KeyTrapTests(Case):
    """Answers that would keep a validator busy (CVE-2023-50387, CVE-2023-50868)."""

    def many_keys(self, count: int) -> None:
        signer = Signer("trap", RSA)
        zone = Zone(name("trap.test."), [signer])
        zone.add("@ SOA ns admin 1 3600 600 86400 300")
        zone.add("www A 192.0.2.1")
        for record in lookalikes(signer.record, count):
            zone.put(zone.origin, record)
        self.prepare([], [zone.sign()], [])

    def test_keys(self) -> None:
        """Of keys with one tag only so many are tried, the right one or not."""
        for count, security in ((3, Security.SECURE), (4, Security.BOGUS)):
            self.many_keys(count)
            self.upstream.in_order = True
            verdict = self.judge("www.trap.test")
            self.assertIs(verdict.security, security, count)

    def test_signatures(self) -> None:
        """Of an RRset's signatures only so many are tried."""
        zone = self.zone("nsec.test")
        self.upstream.in_order = True
        where = (name("www.nsec.test"), RdataType.A)
        (right,) = zone.rrsigs[where]
        for count, security in ((7, Security.SECURE), (8, Security.BOGUS)):
            wrong = bend(right, count)

            def change(message: Message, wrong: list[RRSIG] = wrong) -> Message:
                message.answer[1] = dns.rrset.from_rdata_list(
                    where[0], 300, [*wrong, right]
                )
                return message

            verdict = self.judge("www.nsec.test", "A", change)
            self.assertIs(verdict.security, security, count)

    def test_failures(self) -> None:
        """After so many wrong signatures nothing more of an answer is looked at."""
        zone = self.zone("nsec.test")
        for count, (owner, rdtype) in enumerate(list(zone.rrsigs)):
            if rdtype == RdataType.NSEC and count:
                wrong = bend(zone.rrsigs[owner, rdtype][0], 3)
                zone.rrsigs[owner, rdtype] = wrong

        def change(message: Message) -> Message:
            message.answer.clear()
            message.authority.clear()
            for owner, rdtype in zone.rrsigs:
                if rdtype == RdataType.NSEC:
                    Upstream.put(zone, owner, rdtype, message.authority, owner)
            return message

        verdict = self.bogus(EDE.BOGUS, "www.nsec.test", "AAAA", change)
        self.assertIn("16 wrong signatures", verdict.reason)


class NumberTests(Case):
    """Limits that are set low, to be reached by honest zones."""

    def limited(self, said: str, where: str, rdtype: str = "A", **limits: int) -> None:
        """Judge with a limit that is just too low, and with one that is not."""
        for number, enough in ((0, True), (-1, False)):
            ((limit, value),) = limits.items()
            changed: dict[str, Any] = {limit: value + number}
            self.limits = replace(Limits(), **changed)
            self.validator = self.make_validator(anchors_for(self.root))
            if enough:
                self.secure(where, rdtype)
            else:
                verdict = self.bogus(EDE.BOGUS, where, rdtype)
                self.assertIn("too much work", verdict.reason)
                self.assertIn(said, verdict.reason)

    def test_verifications(self) -> None:
        """Signatures verified for one answer are limited."""
        # Keys of three zones, two delegations, the data.
        self.limited("signatures", "www.nsec.test", verifications=6)

    def test_fetches(self) -> None:
        """Questions asked for one answer are limited."""
        self.limited("questions", "www.nsec.test", fetches=5)

    def test_hashes(self) -> None:
        """NSEC3 hashes computed for one answer are limited."""
        # The name, its encloser, the wildcard.
        self.limited("NSEC3 hashes", "no.nsec3.test", nsec3_hashes=3)

    def test_denials(self) -> None:
        """Records of denial in one answer are limited."""
        self.limited("records of denial", "no.nsec3.test", denials=3)

    def test_aliases(self) -> None:
        """Aliases followed for one answer are limited."""
        self.limited("aliases", "alias2.nsec.test", aliases=1)

    def test_zone_keys(self) -> None:
        """Keys of a zone are limited."""
        zone = self.zone("nsec.test")
        zone.put(zone.origin, Signer("second").record)
        zone.resign(zone.origin, RdataType.DNSKEY)
        self.limited("DNSKEY records", "www.nsec.test", keys_per_zone=2)

    def test_ds(self) -> None:
        """DS records of a delegation are limited."""
        child = make_zone("nsec.test.", "www A 192.0.2.1")
        self.prepare([], [child], [])
        test = make_zone("test.", children=[child], digests=(1, 2, 4))
        self.upstream.zones[test.origin] = test
        self.limited("DS records", "www.nsec.test", ds_per_delegation=3)

    def test_links(self) -> None:
        """Delegations that are remembered are limited, in number and in time."""
        self.limits = Limits(links=2, link_ttl=10)
        self.validator = self.make_validator(anchors_for(self.root))
        for where in ("www.nsec.test", "www.nsec3.test", "www.bare.nsec.test"):
            self.judge(where)
            self.assertEqual(len(self.validator._chain), 2)
        self.secure("www.nsec.test")
        self.secure("www.nsec.test")
        self.upstream.asked.clear()
        self.now += 10
        self.secure("www.nsec.test")
        self.assertEqual(len(self.upstream.asked), 6)


class IterationTests(Case):
    """Zones with many NSEC3 iterations (RFC 9276)."""

    def iterations(self, number: int) -> None:
        hashing = Hashing(number, b"\x01")
        child = make_zone("child.many.test.", "www A 192.0.2.1")
        records = ("www A 192.0.2.1", "*.wild A 192.0.2.2")
        zone = make_zone("many.test.", *records, hashing=hashing, children=[child])
        self.prepare([child], [zone], [])

    def test_few(self) -> None:
        """Up to the limit proofs are computed."""
        self.iterations(100)
        for owner in ("www", "no", "x.wild", "www.child"):
            self.secure(f"{owner}.many.test")

    def test_many(self) -> None:
        """Above it the zone's proofs count for nothing, and it for insecure."""
        self.iterations(101)
        self.secure("www.many.test")
        self.secure("www.child.many.test")
        for owner in ("no", "x.wild", "wild"):
            verdict = self.insecure(f"{owner}.many.test")
            self.assertEqual(verdict.ede, EDE.NSEC3_ITERATIONS)
        zone = self.zone("many.test")
        zone.rrsigs.pop((name("www.many.test"), RdataType.A))
        self.validator.forget()
        verdict = self.insecure("www.many.test")
        self.assertEqual(verdict.ede, EDE.NSEC3_ITERATIONS)

    def test_too_many(self) -> None:
        """Far above it they are bogus."""
        self.iterations(500)
        self.insecure("no.many.test")
        self.iterations(501)
        self.bogus(EDE.NSEC3_ITERATIONS, "no.many.test")

    def test_forged(self) -> None:
        """Many iterations that the zone has not signed make nothing insecure."""
        self.iterations(101)
        zone = self.zone("many.test")
        for key in list(zone.rrsigs):
            if key[1] == RdataType.NSEC3:
                del zone.rrsigs[key]
        self.bogus(EDE.NSEC_MISSING, "no.many.test")


class WorkTests(SynchronousTestCase):
    """Tests of L{Work}."""

    def test_hash(self) -> None:
        """Names are hashed as RFC 5155 appendix A shows, each once."""
        work = Work(Limits(nsec3_hashes=1))
        wire = name("example").to_digestable()
        for _ in range(2):
            digest = work.nsec3_hash(wire, b"\xaa\xbb\xcc\xdd", 12)
        shown = dns.dnssec.nsec3_hash("example", "aabbccdd", 12, 1)
        self.assertEqual(shown, "0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM")
        self.assertEqual(b32hexencode(digest).decode(), shown)
        self.assertRaises(WorkExceeded, work.nsec3_hash, wire, b"", 12)
