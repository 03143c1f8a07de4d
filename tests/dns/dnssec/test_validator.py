"""Tests of L{netsvc.dns.dnssec.validator} with honest answers."""

from __future__ import annotations

import dns.flags
import dns.rcode
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType
from twisted.internet.defer import CancelledError, Deferred

from netsvc.dns.dnssec.status import EDE
from netsvc.dns.result import Security
from tests.dns.dnssec.case import Case, anchors_for, run
from tests.dns.dnssec.upstream import Upstream
from tests.dns.dnssec.zones import DAY, NOW, make_zone, name

SIGNED = ("nsec.test", "nsec3.test", "optout.test", "child.nsec3.test")


class HonestTests(Case):
    """What honest zones answer."""

    def test_data(self) -> None:
        """Data of a signed zone is secure, for as long as its TTL says."""
        for zone in SIGNED:
            for owner, rdtype in (
                ("www.", "A"),
                ("www.", "TXT"),
                ("", "MX"),
                ("", "SOA"),
                ("", "DNSKEY"),
                ("www.", "ANY"),
            ):
                verdict = self.secure(owner + zone, rdtype)
                self.assertEqual(verdict.ttl, 300)
                self.assertEqual((verdict.ede, verdict.anchored), (None, True))

    def test_root(self) -> None:
        """The root's own records are judged like others."""
        self.secure(".", "SOA")
        self.secure(".", "DS")
        self.secure("nothing", "A")
        self.secure("test", "DS")

    def test_wildcard(self) -> None:
        """What is made from a wildcard is secure with the proof that comes with it."""
        for zone in ("nsec.test", "nsec3.test", "child.nsec.test"):
            self.secure(f"some.wild.{zone}")
            self.secure(f"a.b.c.wild.{zone}")
            self.secure(f"*.wild.{zone}")
            self.secure(f"x.alias.{zone}")
            self.secure(f"x.alias.{zone}", "AAAA")
        self.secure("x.wild.nsec.test", "NSEC")

    def test_wildcard_in_opt_out(self) -> None:
        """What is made from a wildcard in an opt-out span is insecure."""
        self.insecure("some.wild.optout.test")

    def test_nodata(self) -> None:
        """That a name has no such data is secure when it is proven."""
        for zone in SIGNED:
            self.secure(f"www.{zone}", "AAAA")
            self.secure(zone, "AAAA")
            self.secure(f"empty.{zone}")
            self.secure(f"below.empty.{zone}", "TXT")
        for zone in ("nsec.test", "nsec3.test"):
            self.secure(f"some.wild.{zone}", "TXT")

    def test_nxdomain(self) -> None:
        """That a name does not exist is secure when it is proven."""
        for zone in ("nsec.test", "nsec3.test", "child.nsec.test"):
            for owner in ("aa", "no", "zzz", "a.b.c.www", "x.below.empty"):
                self.secure(f"{owner}.{zone}")

    def test_nxdomain_in_opt_out(self) -> None:
        """That a name in an opt-out span does not exist is insecure."""
        verdict = self.insecure("no.optout.test")
        self.assertIn("opt-out", verdict.reason)

    def test_aliases(self) -> None:
        """A chain of aliases is secure when each of its links is."""
        for zone in SIGNED:
            self.secure(f"alias2.{zone}")
            self.secure(f"alias2.{zone}", "AAAA")
            self.secure(f"alias2.{zone}", "CNAME")
            self.secure(f"out.{zone}")
        for zone in ("nsec.test", "nsec3.test"):
            self.secure(f"x.tree.{zone}")
            self.secure(f"tree.{zone}", "DNAME")
            self.secure(f"x.tree.{zone}", "CNAME")

    def test_rrsets(self) -> None:
        """A verdict names the RRsets that it is about."""
        for where, found in (
            ("www.nsec.test", {("www.nsec.test", "A")}),
            (
                "alias2.nsec.test",
                {("alias2.nsec.test", "CNAME"), ("www.nsec.test", "A")},
            ),
            (
                "X.Tree.nsec.test",
                {
                    ("tree.nsec.test", "DNAME"),
                    ("x.tree.nsec.test", "CNAME"),
                    ("x.wild.nsec.test", "A"),
                },
            ),
            ("no.nsec.test", set()),
        ):
            self.assertEqual(
                self.secure(where).rrsets,
                {
                    (name(owner).to_wire(), RdataType.make(rdtype))
                    for owner, rdtype in found
                },
            )

    def test_alias_loop(self) -> None:
        """Aliases without an end are followed so far and no further."""
        verdict = self.bogus(EDE.BOGUS, "loop.nsec.test")
        self.assertIn("16 aliases", verdict.reason)

    def test_unsigned(self) -> None:
        """What is below a delegation without DS record is insecure."""
        for zone in ("bare.nsec.test", "bare.nsec3.test", "bare.optout.test"):
            for owner in ("www", "no", "x.wild", "alias2", "x.tree"):
                verdict = self.insecure(f"{owner}.{zone}")
                self.assertIn("delegated without DS", verdict.reason)
        self.insecure("plain.test", "DNSKEY")

    def test_delegation(self) -> None:
        """DS records are the parent's, and so is the proof that there is none."""
        for zone in ("nsec", "nsec3", "optout"):
            self.secure(f"child.{zone}.test", "DS")
        self.secure("bare.nsec.test", "DS")
        self.secure("bare.nsec3.test", "DS")
        self.insecure("bare.optout.test", "DS")
        self.insecure("child.plain.test", "DS")

    def test_alias_into_unsigned(self) -> None:
        """A chain of aliases is as insecure as its weakest part."""
        zone = make_zone("mixed.test.", "a CNAME www.plain.test.", "b CNAME c.no.")
        plain = make_zone("plain.test.", "www A 192.0.2.1", signed=False)
        self.prepare([], [zone], [plain])
        self.insecure("a.mixed.test")
        self.secure("b.mixed.test")

    def test_rrsig(self) -> None:
        """Signatures that are asked for cannot be judged."""
        self.assertIn("not signed", self.insecure("www.nsec.test", "RRSIG").reason)

    def test_counts(self) -> None:
        """Verdicts are counted."""
        self.secure("www.nsec.test")
        self.insecure("www.plain.test")
        self.assertEqual(
            self.validator.counts,
            {
                Security.UNCHECKED: 0,
                Security.SECURE: 1,
                Security.INSECURE: 1,
                Security.BOGUS: 0,
                Security.INDETERMINATE: 0,
            },
        )


class AnchorTests(Case):
    """Where trust begins."""

    def test_no_anchor(self) -> None:
        """Without an anchor above it an answer is indeterminate, and usable."""
        self.validator = self.make_validator(anchors_for(self.zone("nsec.test")))
        for where in ("www.other.test", "test", "."):
            verdict = self.judge(where)
            self.assertIs(verdict.security, Security.INDETERMINATE)
            self.assertEqual((verdict.anchored, verdict.usable), (False, True))
        self.secure("www.nsec.test")
        self.assertFalse(self.judge("nsec.test", "DS").anchored)
        self.assertNotIn((name("test"), RdataType.DS), self.upstream.asked)

    def test_alias_out(self) -> None:
        """An alias that leads out of what anchors cover is insecure."""
        self.validator = self.make_validator(anchors_for(self.zone("nsec.test")))
        verdict = self.insecure("out.nsec.test")
        self.assertIn("www.other.test.", verdict.reason)

    def test_nearest(self) -> None:
        """The nearest anchor counts, and what is above it is not asked for."""
        anchors = anchors_for(self.root, self.zone("nsec.test"))
        self.validator = self.make_validator(anchors)
        self.secure("www.nsec.test")
        self.assertEqual(
            self.upstream.asked,
            [
                (name("www.nsec.test"), RdataType.A),
                (name("nsec.test"), RdataType.DNSKEY),
            ],
        )
        self.secure("www.nsec3.test")

    def test_wrong_key(self) -> None:
        """Keys that no anchor is of make all below them bogus."""
        other = make_zone(".", algorithm=15)
        self.validator = self.make_validator(anchors_for(other))
        self.bogus(EDE.DNSKEY_MISSING, "www.nsec.test")


class ClockTests(Case):
    """Signatures have dates."""

    def test_expired(self) -> None:
        """After its expiration a signature is worth nothing."""
        self.now = NOW + DAY
        self.secure("www.nsec.test")
        self.validator.forget()
        self.now += 1
        self.bogus(EDE.EXPIRED, "www.nsec.test")

    def test_not_yet_valid(self) -> None:
        """Before its inception a signature is worth nothing."""
        self.now = NOW - DAY
        self.secure("www.nsec.test")
        self.validator.forget()
        self.now -= 1
        self.bogus(EDE.NOT_YET_VALID, "www.nsec.test")

    def test_ttl(self) -> None:
        """A verdict holds no longer than the signatures do."""
        self.now = NOW + DAY - 20
        self.assertEqual(self.secure("www.nsec.test").ttl, 20)
        self.assertEqual(self.secure("no.nsec3.test").ttl, 20)

    def test_wrap(self) -> None:
        """Dates are compared round the end of their 32 bits, in 2106."""
        end = 1 << 32
        zone = make_zone(
            "wrap.test.", "www A 192.0.2.1", inception=end - 10, expiration=20
        )
        self.upstream = Upstream(zone)
        self.validator = self.make_validator(anchors_for(zone))
        for now in (end - 10, end, end + 20):
            self.now = now
            self.secure("www.wrap.test")
            self.validator.forget()
        for now, ede in ((end - 11, EDE.NOT_YET_VALID), (end + 21, EDE.EXPIRED)):
            self.now = now
            self.bogus(ede, "www.wrap.test")

    def test_never_valid(self) -> None:
        """A signature that expires before it is valid says so."""
        zone = make_zone(
            "never.test.",
            "www A 192.0.2.1",
            inception=NOW + 10,
            expiration=NOW - 10,
        )
        self.upstream = Upstream(zone)
        self.validator = self.make_validator(anchors_for(zone))
        self.bogus(EDE.EXPIRED_BEFORE_VALID, "www.never.test")


class ChainTests(Case):
    """What is asked for, remembered, and done when it cannot be had."""

    def test_asked_once(self) -> None:
        """The chain is asked for once, label by label."""
        self.secure("www.child.nsec.test")
        chain = [(str(owner), kind.name) for owner, kind in self.upstream.asked[1:]]
        self.assertEqual(
            chain,
            [
                (".", "DNSKEY"),
                ("test.", "DS"),
                ("test.", "DNSKEY"),
                ("nsec.test.", "DS"),
                ("nsec.test.", "DNSKEY"),
                ("child.nsec.test.", "DS"),
                ("child.nsec.test.", "DNSKEY"),
            ],
        )
        self.upstream.asked.clear()
        self.secure("zz.child.nsec.test")
        self.assertEqual(len(self.upstream.asked), 1)

    def test_expires(self) -> None:
        """What is remembered of a chain is asked for again after its TTL."""
        self.secure("www.nsec.test")
        self.upstream.asked.clear()
        self.now += 299
        self.secure("www.nsec.test")
        self.assertEqual(len(self.upstream.asked), 1)
        self.now += 1
        self.secure("www.nsec.test")
        self.assertEqual(len(self.upstream.asked), 7)

    def test_no_cut(self) -> None:
        """Names that are no delegation are passed, and nothing is asked below none."""
        self.upstream.zones[name("nsec.test")].rrsigs.pop(
            (name("deep.below.empty.nsec.test"), RdataType.A)
        )
        self.bogus(EDE.RRSIGS_MISSING, "deep.below.empty.nsec.test")
        asked = [str(owner) for owner, _ in self.upstream.asked[-3:]]
        self.assertEqual(
            asked,
            [
                "empty.nsec.test.",
                "below.empty.nsec.test.",
                "deep.below.empty.nsec.test.",
            ],
        )

    def test_alias_is_no_cut(self) -> None:
        """A name that is an alias is no delegation."""
        zone = self.zone("nsec.test")
        zone.rrsigs.pop((name("alias2.nsec.test"), RdataType.CNAME))
        owner = name("alias2.nsec.test")
        message = run(self, self.upstream.fetch(owner, RdataType.A))
        zone.resign(owner, RdataType.CNAME)
        verdict = run(self, self.validator.validate(owner, RdataType.A, message))
        self.assertEqual(verdict.ede, EDE.RRSIGS_MISSING)
        self.assertIn((owner, RdataType.DS), self.upstream.asked)

    def test_nobody_answers(self) -> None:
        """When a part of the chain cannot be had, nothing is believed."""
        for where, rdtype in ((".", "DNSKEY"), ("nsec.test", "DS")):
            self.validator.forget()
            self.upstream.change(where, rdtype, lambda message: None)
            verdict = self.judge("www.nsec.test")
            self.assertIs(verdict.security, Security.INDETERMINATE)
            self.assertEqual(verdict.ede, EDE.NO_REACHABLE_AUTHORITY)
            self.assertEqual((verdict.anchored, verdict.usable), (True, False))
            self.upstream.changes.clear()

    def test_failure_code(self) -> None:
        """A part of the chain that is answered with an error is not there."""

        def refuse(message: Message) -> Message:
            message.set_rcode(dns.rcode.REFUSED)
            return message

        self.upstream.change("nsec.test", "DNSKEY", refuse)
        verdict = self.judge("www.nsec.test")
        self.assertIs(verdict.security, Security.INDETERMINATE)
        self.assertIn("nsec.test. DNSKEY: REFUSED", verdict.reason)

    def test_other_fetch(self) -> None:
        """One answer can be judged with the chain that another upstream gives."""
        self.upstream.change("nsec.test", "DNSKEY", lambda message: None)
        owner = name("www.nsec.test")
        message = self.upstream.answer(owner, RdataType.A)
        honest = Upstream(*self.upstream.zones.values())
        verdict = run(
            self,
            self.validator.validate(owner, RdataType.A, message, fetch=honest.fetch),
        )
        self.assertIs(verdict.security, Security.SECURE)

    def test_fetch_raises(self) -> None:
        """What the fetch function raises beside its own error is passed on."""

        async def fetch(where: Name, rdtype: RdataType) -> Message:
            raise CancelledError

        owner = name("www.nsec.test")
        message = self.upstream.answer(owner, RdataType.A)
        work = self.validator.validate(owner, RdataType.A, message, fetch)
        self.failureResultOf(Deferred.fromCoroutine(work), CancelledError)

    def test_no_answer(self) -> None:
        """A message that is no answer is not judged."""

        def fail(message: Message) -> Message:
            message.set_rcode(dns.rcode.SERVFAIL)
            return message

        def cut(message: Message) -> Message:
            message.flags |= dns.flags.TC
            return message

        for change, said in ((fail, "SERVFAIL"), (cut, "truncated")):
            verdict = self.judge("www.nsec.test", "A", change)
            self.assertIs(verdict.security, Security.INDETERMINATE)
            self.assertFalse(verdict.usable)
            self.assertIn(said, verdict.reason)
