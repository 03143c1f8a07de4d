"""Tests of L{netsvc.dns.dnssec} with forged and replayed data."""

from __future__ import annotations

import dns.rcode
import dns.rdata
import dns.rrset
from dns.message import Message
from dns.rdataclass import IN
from dns.rdatatype import RdataType

from netsvc.dns.dnssec.status import EDE
from tests.dns.dnssec.case import (
    Case,
    answering,
    flip,
    forge,
    signed_rrsets,
    without,
)
from tests.dns.dnssec.zones import Hashing, Signer, make_zone, name

NSEC, NSEC3, RRSIGS = RdataType.NSEC, RdataType.NSEC3, RdataType.RRSIG

FORGED = dns.rrset.from_text("www.nsec.test.", 300, "IN", "A", "6.6.6.6")


class ForgeryTests(Case):
    """Positive answers that are not the zone's."""

    def test_data(self) -> None:
        """Other data under the same signature is bogus."""
        for zone in ("nsec.test", "nsec3.test", "child.optout.test"):
            self.bogus(EDE.BOGUS, f"www.{zone}", "A", forge)

    def test_signature(self) -> None:
        """A signature with one bit changed is bogus."""
        self.bogus(EDE.BOGUS, "www.nsec.test", "A", flip)

    def test_stripped(self) -> None:
        """Data without signatures is bogus where it should have them."""
        for zone in ("nsec.test", "nsec3.test", "child.optout.test"):
            self.bogus(EDE.RRSIGS_MISSING, f"www.{zone}", "A", without(RRSIGS))
        self.bogus(EDE.RRSIGS_MISSING, "www.nsec.test", "A", answering(FORGED))

    def test_made_up_name(self) -> None:
        """Data for a name that does not exist is bogus."""
        forged = dns.rrset.from_text("no.nsec3.test.", 300, "IN", "A", "6.6.6.6")
        self.bogus(EDE.RRSIGS_MISSING, "no.nsec3.test", "A", answering(forged))

    def test_moved(self) -> None:
        """A signed RRset under another name of the zone is bogus."""
        zone = self.zone("nsec.test")
        rrsets = signed_rrsets(zone, name("zz.nsec.test"), RdataType.A)
        for rrset in rrsets:
            rrset.name = name("www.nsec.test")
        self.bogus(EDE.BOGUS, "www.nsec.test", "A", answering(*rrsets))

    def test_foreign_signer(self) -> None:
        """A signature by a key of the attacker's own is bogus, whoever it names."""
        for signer in ("www.nsec.test.", "nsec.test.", "evil.", "plain.test."):
            key = Signer("evil")
            signature = key.sign(FORGED, name(signer), 0, 1 << 31)
            change = answering(
                FORGED, dns.rrset.from_rdata(FORGED.name, 300, signature)
            )
            self.judge("www.nsec.test", "A", change)
            verdict = self.judge("www.nsec.test", "A", change)
            self.assertFalse(verdict.usable, signer)

    def test_many_signers(self) -> None:
        """Made-up signers do not lead the validator about."""
        signature = Signer("evil").sign(FORGED, FORGED.name, 0, 1 << 31)
        owner = name("a.b.c.d.e.f.nsec.test")
        forged = dns.rrset.from_text(owner, 300, "IN", "A", "6.6.6.6")
        made = [
            signature.replace(signer=owner.split(depth)[1]) for depth in range(4, 10)
        ]
        change = answering(forged, dns.rrset.from_rdata_list(owner, 300, made))
        self.bogus(EDE.BOGUS, str(owner), "A", change)

    def test_longer_name(self) -> None:
        """A signature with more labels than its name has is bogus."""

        def lengthen(message: Message) -> Message:
            signature = message.answer[1][0].replace(labels=9)
            message.answer[1] = dns.rrset.from_rdata(
                message.answer[0].name, 300, signature
            )
            return message

        self.bogus(EDE.BOGUS, "www.nsec.test", "A", lengthen)

    def test_parent_key(self) -> None:
        """A zone's data signed with its child's key is bogus."""
        child = self.zone("child.nsec.test")
        signature = child.signers[0].sign(FORGED, child.origin, 0, 1 << 31)
        change = answering(FORGED, dns.rrset.from_rdata(FORGED.name, 300, signature))
        self.bogus(EDE.RRSIGS_MISSING, "www.nsec.test", "A", change)

    def test_alias(self) -> None:
        """An alias is judged like data, and so is what it leads to."""
        self.bogus(EDE.BOGUS, "alias2.nsec.test", "A", forge)
        change = without(RRSIGS, owner="alias2.nsec.test")
        self.bogus(EDE.RRSIGS_MISSING, "alias2.nsec.test", "A", change)
        change = without(RdataType.A, RRSIGS, owner="www.nsec.test")
        self.bogus(EDE.NSEC_MISSING, "alias2.nsec.test", "A", change)

    def test_dname(self) -> None:
        """The CNAME beside a DNAME must be the one that it makes."""

        def redirect(message: Message) -> Message:
            for rrset in message.answer:
                if rrset.rdtype == RdataType.CNAME:
                    rrset.clear()
                    target = "www.nsec.test."
                    rrset.add(dns.rdata.from_text(IN, "CNAME", target), 300)
            return message

        verdict = self.bogus(EDE.BOGUS, "x.tree.nsec.test", "A", redirect)
        self.assertIn("DNAME", verdict.reason)
        self.secure("x.tree.nsec.test", "A", without(RdataType.CNAME))

    def test_two_dnames(self) -> None:
        """Of two DNAMEs above a name one is forged."""

        def add(message: Message) -> Message:
            forged = dns.rrset.from_text("nsec.test.", 300, "IN", "DNAME", "evil.")
            message.answer[:] = [
                forged,
                *(each for each in message.answer if each.rdtype != RdataType.CNAME),
            ]
            return message

        verdict = self.bogus(EDE.BOGUS, "x.tree.nsec.test", "A", add)
        self.assertIn("two DNAME", verdict.reason)

    def test_long_dname(self) -> None:
        """A DNAME that makes too long a name leads nowhere."""
        long = ".".join(["x" * 60] * 3) + ".nsec.test."
        zone = make_zone("nsec.test.", f"d DNAME {long}")
        self.prepare([], [zone], [])
        owner = ".".join(["y" * 30] * 3) + ".d.nsec.test"
        rrsets = signed_rrsets(zone, name("d.nsec.test"), RdataType.DNAME)

        def change(message: Message) -> Message:
            message.set_rcode(dns.rcode.NOERROR)
            return answering(*rrsets)(message)

        self.upstream.zones[zone.origin].rrsets.pop(
            (name("d.nsec.test"), RdataType.DNAME)
        )
        verdict = self.bogus(EDE.BOGUS, owner, "A", change)
        self.assertIn("too far", verdict.reason)

        def say(message: Message) -> Message:
            message.set_rcode(dns.rcode.YXDOMAIN)
            return answering(*rrsets)(message)

        self.secure(owner, "A", say)
        self.bogus(EDE.NSEC_MISSING, "x.d.nsec.test", "A", without())

    def test_code(self) -> None:
        """The response code, which is not signed, must fit what is."""
        for rcode in (dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN):

            def change(message: Message, rcode: dns.rcode.Rcode = rcode) -> Message:
                message.set_rcode(rcode)
                return message

            for where in ("www.nsec.test", "alias2.nsec.test", "x.wild.nsec3.test"):
                self.bogus(EDE.BOGUS, where, "A", change)
            self.insecure("www.plain.test", "A", change)
            self.insecure("www.plain.test", "AAAA", change)
        self.bogus(EDE.NSEC_MISSING, "no.nsec.test", "A", change)
        self.bogus(EDE.NSEC_MISSING, "www.nsec.test", "AAAA", change)

    def test_dname_from_wildcard(self) -> None:
        """A DNAME is not made from a wildcard."""
        zone = make_zone("nsec.test.", "*.d DNAME www")
        self.prepare([], [zone], [])
        self.bogus(EDE.BOGUS, "x.d.nsec.test", "DNAME")


class WildcardTests(Case):
    """Wildcards where they do not belong."""

    def test_above_zone(self) -> None:
        """A zone does not sign wildcards that stand above it."""

        def shorten(message: Message) -> Message:
            record = message.answer[1][0].replace(labels=1)
            message.answer[1] = dns.rrset.from_rdata(
                message.answer[0].name, 300, record
            )
            return message

        verdict = self.bogus(EDE.BOGUS, "www.nsec.test", "A", shorten)
        self.assertIn("outside", verdict.reason)

    def test_no_proof(self) -> None:
        """What is made from a wildcard is bogus without the proof beside it."""
        for zone in ("nsec.test", "nsec3.test"):
            change = without(NSEC, NSEC3)
            self.bogus(EDE.NSEC_MISSING, f"x.wild.{zone}", "A", change)
            self.bogus(EDE.BOGUS, f"x.wild.{zone}", "A", self.flip_authority)

    @staticmethod
    def flip_authority(message: Message) -> Message:
        answer = message.answer[:]
        message.answer.clear()
        flip(message)
        message.answer[:] = answer
        return message

    def test_instead_of_data(self) -> None:
        """A wildcard cannot take the place of a name that exists."""
        for origin, hashing in (("a.test.", None), ("b.test.", Hashing())):
            records = ("* A 192.0.2.9", "www A 192.0.2.1", "x.sub A 192.0.2.2")
            zone = make_zone(origin, *records, hashing=hashing)
            self.prepare([], [zone], [])
            self.secure(f"no.{origin}")
            for owner in ("www", "no.www", "no.sub", "sub"):

                def replay(
                    message: Message,
                    owner: str = f"{owner}.{origin}",
                    origin: str = origin,
                ) -> Message:
                    other = self.upstream.answer(name(f"no.{origin}"), RdataType.A)
                    proof = self.upstream.answer(name(owner), RdataType.TXT)
                    for rrset in other.answer:
                        rrset.name = name(owner)
                    message.answer[:] = other.answer
                    message.authority[:] = other.authority + proof.authority
                    message.set_rcode(dns.rcode.NOERROR)
                    return message

                verdict = self.judge(f"{owner}.{origin}", "A", replay)
                self.assertFalse(verdict.usable, (owner, verdict))

    def test_denial_from_wildcard(self) -> None:
        """An NSEC record that is made from a wildcard's proves nothing."""
        zone = self.zone("nsec.test")
        rrsets = signed_rrsets(zone, name("*.wild.nsec.test"), NSEC)
        for rrset in rrsets:
            rrset.name = name("zy.wild.nsec.test")

        def change(message: Message) -> Message:
            message.answer.clear()
            message.authority[:] = rrsets
            return message

        self.bogus(EDE.NSEC_MISSING, "zy.wild.nsec.test", "TXT", change)

    def test_key_from_wildcard(self) -> None:
        """Keys and delegations are not made from wildcards."""
        child = make_zone("x.nsec.test.", "www A 6.6.6.6")
        fake = make_zone("fake.test.")
        ds = dns.rdata.from_text(IN, "DS", "1 13 2 " + "00" * 32)
        zone = make_zone("nsec.test.", f"* DS {ds}", "*.k DNSKEY 257 3 13 AAAA")
        self.prepare([child], [zone, fake], [])
        self.bogus(EDE.BOGUS, "x.nsec.test", "DS")
        self.bogus(EDE.BOGUS, "y.k.nsec.test", "DNSKEY")
        self.bogus(EDE.BOGUS, "www.x.nsec.test")
