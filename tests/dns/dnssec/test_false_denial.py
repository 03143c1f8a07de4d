"""Tests of L{netsvc.dns.dnssec} with false denials and downgrades."""

from __future__ import annotations

from collections.abc import Callable

import dns.rcode
import dns.rdata
import dns.rrset
from dns.message import Message
from dns.rdatatype import RdataType
from dns.rrset import RRset

from netsvc.dns.dnssec.status import EDE
from tests.dns.dnssec.case import (
    Case,
    anchors_for,
    answering,
    denying,
    flip,
    signed_rrsets,
    without,
)
from tests.dns.dnssec.zones import Signer, name

NSEC, NSEC3, RRSIGS = RdataType.NSEC, RdataType.NSEC3, RdataType.RRSIG

FORGED = dns.rrset.from_text("www.nsec.test.", 300, "IN", "A", "6.6.6.6")


class DenialTests(Case):
    """Claims that something does not exist."""

    def deny(self, source: str, rdtype: str = "A") -> Callable[[Message], Message]:
        return denying(self.upstream, source, rdtype)

    def test_stripped(self) -> None:
        """A denial without proof is bogus."""
        for zone in ("nsec.test", "nsec3.test", "optout.test"):
            for owner, rdtype in (("no", "A"), ("www", "AAAA")):
                if (owner, zone) == ("no", "optout.test"):
                    continue  # where an unsigned delegation may be
                change = without(NSEC, NSEC3)
                self.bogus(EDE.NSEC_MISSING, f"{owner}.{zone}", rdtype, change)

    def test_empty(self) -> None:
        """An empty answer is bogus where data is signed."""
        self.bogus(EDE.NSEC_MISSING, "www.nsec.test", "A", answering())

    def test_flipped(self) -> None:
        """A denial whose signature is wrong is bogus, and says that."""
        self.bogus(EDE.BOGUS, "no.nsec.test", "A", flip)
        self.bogus(EDE.BOGUS, "www.nsec3.test", "AAAA", flip)

    def test_any(self) -> None:
        """That a name has no data at all is not proven by what it has."""
        for zone in ("nsec.test", "nsec3.test"):
            self.secure(f"www.{zone}", "ANY")
            self.secure(f"empty.{zone}", "ANY")
            change = self.deny(f"www.{zone}", "AAAA")
            self.bogus(EDE.NSEC_MISSING, f"www.{zone}", "ANY", change)

    def test_signers(self) -> None:
        """A denial by who is no zone there, or an unsigned one, is none."""
        zone = self.zone("nsec.test")
        for signer, owner in (
            ("www.nsec.test", "www.nsec.test"),
            ("bare.nsec.test", "www.bare.nsec.test"),
        ):
            rrset = dns.rrset.from_text(f"{owner}.", 300, "IN", "NSEC", "a.test. NSEC")
            signature = zone.signers[0].sign(rrset, name(signer), 0, 1 << 31)
            signed = dns.rrset.from_rdata(rrset.name, 300, signature)

            def change(
                reply: Message, rrset: RRset = rrset, signed: RRset = signed
            ) -> Message:
                reply.answer.clear()
                reply.authority[:] = [rrset, signed]
                return reply

            if owner == "www.nsec.test":
                self.bogus(EDE.NSEC_MISSING, owner, "A", change)
            else:
                self.insecure(owner, "A", change)

    def test_other_name(self) -> None:
        """The denial of one name does not deny another."""
        for zone in ("nsec.test", "nsec3.test"):
            for owner in ("www", "x.wild", "empty", "child", "zz", "deep.below.empty"):
                for other in ("no", "aa", "zzz", "a.www", "x.wild"):
                    if owner == other:
                        continue
                    change = self.deny(f"{other}.{zone}", "AAAA")
                    verdict = self.judge(f"{owner}.{zone}", "A", change)
                    self.assertFalse(verdict.usable, (zone, owner, other, verdict))

    def test_other_type(self) -> None:
        """The denial of one type does not deny another."""
        for zone in ("nsec.test", "nsec3.test"):
            for owner, other in (("www", "www"), ("x.wild", "x.wild")):
                change = self.deny(f"{other}.{zone}", "AAAA")
                self.bogus(EDE.NSEC_MISSING, f"{owner}.{zone}", "A", change)

    def test_alias_denied(self) -> None:
        """That a name is an alias cannot be denied with its own record."""
        for zone in ("nsec.test", "nsec3.test"):
            source = self.zone(zone)
            message = Message()
            self.upstream.prove(source, [], [name(f"alias2.{zone}")], message)

            def change(reply: Message, message: Message = message) -> Message:
                reply.answer.clear()
                reply.authority[:] = message.authority
                return reply

            self.bogus(EDE.NSEC_MISSING, f"alias2.{zone}", "A", change)

    def test_nonexistence_of_wildcard(self) -> None:
        """NXDOMAIN needs the proof that no wildcard would match."""

        def first_only(message: Message) -> Message:
            proofs = [
                each for each in message.authority if each.rdtype in (NSEC, NSEC3)
            ]
            covering = proofs[0].name
            message.authority[:] = [
                rrset for rrset in message.authority if rrset.name == covering
            ]
            return message

        self.bogus(EDE.NSEC_MISSING, "no.nsec.test", "A", first_only)
        self.bogus(EDE.NSEC_MISSING, "no.nsec3.test", "A", first_only)

    def test_empty_non_terminal(self) -> None:
        """A name with something below it exists: NXDOMAIN is not what is proven."""

        def claim(message: Message) -> Message:
            message.set_rcode(dns.rcode.NXDOMAIN)
            return message

        def claim_and_strip(message: Message) -> Message:
            return without(NSEC)(claim(message))

        self.assertIsNone(self.secure("empty.nsec.test", "AAAA").rcode)
        for zone, owner in (
            ("nsec.test", "www"),
            ("nsec3.test", "www"),
            ("nsec3.test", "empty"),
        ):
            self.bogus(EDE.NSEC_MISSING, f"{owner}.{zone}", "AAAA", claim)
        # With NSEC, where nothing stands at the name, old servers say so all the
        # same; unbound, too, takes it for what is proven: no data.
        verdict = self.secure("empty.nsec.test", "AAAA", claim)
        self.assertEqual(verdict.rcode, dns.rcode.NOERROR)
        self.bogus(EDE.NSEC_MISSING, "empty.nsec.test", "AAAA", claim_and_strip)

    def test_parent_denies_child(self) -> None:
        """The records of a delegation do not deny what is in the child."""
        for zone in ("nsec.test", "nsec3.test"):
            source = self.zone(zone)
            message = Message()
            self.upstream.prove(
                source,
                [],
                [name(f"child.{zone}"), source.origin],
                message,
            )
            for rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):

                def change(
                    reply: Message,
                    rcode: dns.rcode.Rcode = rcode,
                    message: Message = message,
                ) -> Message:
                    reply.answer.clear()
                    reply.authority[:] = message.authority
                    reply.set_rcode(rcode)
                    return reply

                for owner in ("child", "www.child"):
                    self.bogus(EDE.NSEC_MISSING, f"{owner}.{zone}", "A", change)

    def test_below_dname(self) -> None:
        """The record at a DNAME does not deny what is below it."""
        for zone in ("nsec.test", "nsec3.test"):
            source = self.zone(zone)
            message = Message()
            self.upstream.prove(
                source,
                [name(f"x.tree.{zone}"), name(f"*.tree.{zone}")],
                [name(f"tree.{zone}")],
                message,
            )

            def change(reply: Message, message: Message = message) -> Message:
                reply.answer.clear()
                reply.authority[:] = message.authority
                reply.set_rcode(dns.rcode.NXDOMAIN)
                return reply

            self.bogus(EDE.NSEC_MISSING, f"x.tree.{zone}", "A", change)

    def test_unsigned_below(self) -> None:
        """Where the tree is proven to be unsigned a denial needs no proof."""
        self.insecure("bare.nsec.test", "A", self.deny("www.nsec.test", "AAAA"))


class DowngradeTests(Case):
    """Attempts to have a signed zone taken for an unsigned one."""

    def attack(self, zone: str, change: Callable[[Message], Message], ede: EDE) -> None:
        """Forge a child's data, and the answer about its delegation."""
        self.validator.forget()
        owner = f"www.child.{zone}"
        forged = dns.rrset.from_text(f"{owner}.", 300, "IN", "A", "6.6.6.6")
        self.upstream.change(f"child.{zone}", "DS", change)
        self.bogus(ede, owner, "A", answering(forged))
        del self.upstream.changes[name(f"child.{zone}"), RdataType.DS]

    def test_no_ds(self) -> None:
        """Without a proof that there is no DS record a child stays signed."""
        for zone in ("nsec.test", "nsec3.test", "optout.test"):
            self.attack(zone, answering(), EDE.NSEC_MISSING)

    def test_other_delegation(self) -> None:
        """That another child has no DS record says nothing of this one."""
        for zone in ("nsec.test", "nsec3.test", "optout.test"):
            change = denying(self.upstream, f"bare.{zone}", "DS")
            self.attack(zone, change, EDE.NSEC_MISSING)

    def test_childs_own_denial(self) -> None:
        """The child's record at its apex does not say what its parent has."""
        child = self.zone("child.nsec.test")
        message = Message()
        self.upstream.prove(child, [], [child.origin], message)

        def change(reply: Message) -> Message:
            reply.answer.clear()
            reply.authority[:] = message.authority
            return reply

        self.attack("nsec.test", change, EDE.NSEC_MISSING)
        self.secure("child.nsec.test", "DS")
        self.bogus(EDE.NSEC_MISSING, "child.nsec.test", "DS", change)

    def test_own_ds(self) -> None:
        """DS records of the attacker's own are not believed."""
        evil = Signer("evil")
        child = self.zone("child.nsec.test")
        rrset = dns.rrset.from_text(
            child.origin, 300, "IN", "DS", "1 13 2 " + "00" * 32
        )
        signature = evil.sign(rrset, name("nsec.test"), 0, 1 << 31)
        signed = dns.rrset.from_rdata(child.origin, 300, signature)
        self.attack("nsec.test", answering(rrset, signed), EDE.DNSKEY_MISSING)
        self.attack("nsec.test", answering(rrset), EDE.RRSIGS_MISSING)

    def test_alias(self) -> None:
        """A signed alias in the place of a delegation does not make it unsigned."""
        rrsets = signed_rrsets(
            self.zone("nsec.test"), name("alias2.nsec.test"), RdataType.CNAME
        )
        for rrset in rrsets:
            rrset.name = name("child.nsec.test")
        self.attack("nsec.test", answering(*rrsets), EDE.BOGUS)

    def test_keys(self) -> None:
        """A child's keys must be signed by one that a DS record is of."""
        for change, ede in (
            (flip, EDE.BOGUS),
            (without(RRSIGS), EDE.RRSIGS_MISSING),
            (answering(), EDE.DNSKEY_MISSING),
        ):
            self.validator.forget()
            self.upstream.change("child.nsec.test", "DNSKEY", change)
            self.bogus(ede, "www.child.nsec.test")

    def test_added_key(self) -> None:
        """A key that is added to a zone's is not believed with the rest."""
        zone = self.zone("nsec.test")
        zone.put(zone.origin, Signer("evil").record)
        self.bogus(EDE.BOGUS, "www.nsec.test")

    def test_anchor_key(self) -> None:
        """The anchor's zone, too, must sign its keys."""
        self.validator = self.make_validator(anchors_for(self.root))
        self.upstream.change(".", "DNSKEY", without(RRSIGS))
        self.bogus(EDE.RRSIGS_MISSING, "www.nsec.test")
