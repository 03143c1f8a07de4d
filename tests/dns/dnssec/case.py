"""A signed tree in memory, and a short way to have answers from it judged."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import dns.rdata
from dns.message import Message
from dns.name import Name
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.RRSIG import RRSIG
from dns.rrset import RRset
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.dnssec.anchors import Anchors, parse_anchors
from netsvc.dns.dnssec.limits import Limits
from netsvc.dns.dnssec.status import EDE, Verdict
from netsvc.dns.dnssec.validator import Validator
from netsvc.dns.result import Security
from tests.dns.dnssec.upstream import Upstream
from tests.dns.dnssec.zones import NOW, Hashing, Zone, make_ds, make_zone, name

T = TypeVar("T")

RECORDS = (
    "@ MX 10 mail",
    "www A 192.0.2.1",
    "www TXT hello",
    "*.wild A 192.0.2.2",
    "*.alias CNAME www",
    "alias2 CNAME www",
    "out CNAME www.other.test.",
    "loop CNAME loop2",
    "loop2 CNAME loop",
    "tree DNAME wild",
    "deep.below.empty A 192.0.2.3",
    "zz A 192.0.2.4",
)


def run(test: SynchronousTestCase, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never has to wait."""
    return test.successResultOf(Deferred.fromCoroutine(work))


def anchors_for(*zones: Zone) -> Anchors:
    """Make DS anchors for zones."""
    return parse_anchors(
        "\n".join(
            f"{zone.origin} DS {make_ds(zone.origin, signer.record)}"
            for zone in zones
            for signer in zone.signers
        )
    )


class Case(SynchronousTestCase):
    """The tree: C{.} and C{test.}, with a zone of each kind below.

    C{nsec.test.} and C{nsec3.test.} are signed; C{optout.test.} is, with opt-out;
    C{plain.test.} is not. Each has the same records, and a child C{child} with DS and
    one C{bare} without.
    """

    limits = Limits()

    def setUp(self) -> None:
        self.now = float(NOW)
        zones: list[Zone] = []
        tops: list[Zone] = []
        for origin, hashing in (
            ("nsec.test.", None),
            ("nsec3.test.", Hashing(3, b"\xab\xcd")),
            ("optout.test.", Hashing(0, b"", opt_out=True)),
        ):
            child = make_zone(f"child.{origin}", *RECORDS)
            bare = make_zone(f"bare.{origin}", *RECORDS, signed=False)
            top = make_zone(
                origin, *RECORDS, hashing=hashing, children=[child], bare=[bare]
            )
            zones += [child, bare]
            tops.append(top)
        plain = make_zone("plain.test.", *RECORDS, signed=False)
        other = make_zone("other.test.", *RECORDS)
        self.prepare(zones, [*tops, other], [plain])

    def prepare(
        self, zones: list[Zone], children: list[Zone], bare: list[Zone]
    ) -> None:
        """Put zones below C{test.} and C{.}, and make a validator for them.

        @param zones: those that are below the others.
        """
        test = make_zone("test.", children=children, bare=bare)
        self.root = make_zone(".", children=[test])
        self.upstream = Upstream(self.root, test, *zones, *children, *bare)
        self.validator = self.make_validator(anchors_for(self.root))

    def make_validator(self, anchors: Anchors) -> Validator:
        """Make a validator with the limits and the clock of this test."""
        return Validator(
            self.upstream.fetch, anchors, lambda: self.now, limits=self.limits
        )

    def zone(self, origin: str) -> Zone:
        """Give a zone."""
        return self.upstream.zones[name(origin)]

    def judge(
        self,
        where: str,
        rdtype: str = "A",
        change: Callable[[Message], Message | None] | None = None,
    ) -> Verdict:
        """Have the upstream's answer to a question judged.

        @param change: what is done to the answer first.
        """
        owner, kind = name(where), RdataType.make(rdtype)
        if change is not None:
            self.upstream.changes[owner, kind] = change
        message = run(self, self.upstream.fetch(owner, kind))
        return run(self, self.validator.validate(owner, kind, message))

    def secure(self, *args: Any, **more: Any) -> Verdict:
        """Judge, and expect "secure"."""
        verdict = self.judge(*args, **more)
        self.assertIs(verdict.security, Security.SECURE, (args, verdict))
        self.assertTrue(verdict.usable)
        self.assertIsNotNone(verdict.ttl)
        return verdict

    def insecure(self, *args: Any, **more: Any) -> Verdict:
        """Judge, and expect "insecure"."""
        verdict = self.judge(*args, **more)
        self.assertIs(verdict.security, Security.INSECURE, (args, verdict))
        self.assertTrue(verdict.usable)
        return verdict

    def bogus(self, ede: EDE, *args: Any, **more: Any) -> Verdict:
        """Judge, and expect "bogus" for a certain reason."""
        verdict = self.judge(*args, **more)
        self.assertIs(verdict.security, Security.BOGUS, (args, verdict))
        self.assertFalse(verdict.usable)
        self.assertEqual(verdict.ede, ede, verdict)
        return verdict


# Changes to messages.


def without(
    *kinds: RdataType, owner: str | None = None
) -> Callable[[Message], Message]:
    """Make a change that takes away the RRsets of some types.

    @param owner: whose alone.
    """

    def change(message: Message) -> Message:
        for section in (message.answer, message.authority):
            section[:] = [
                rrset
                for rrset in section
                if rrset.rdtype not in kinds
                or (owner is not None and rrset.name != name(owner))
            ]
        return message

    return change


def answering(*rrsets: RRset) -> Callable[[Message], Message]:
    """Make a change that puts other RRsets in the place of the answer."""

    def change(message: Message) -> Message:
        message.answer[:] = list(rrsets)
        return message

    return change


def denying(
    upstream: Upstream, where: str, rdtype: str = "A"
) -> Callable[[Message], Message]:
    """Make a change that takes answer, authority and code from another answer."""

    def change(message: Message) -> Message:
        other = upstream.answer(name(where), RdataType.make(rdtype))
        message.answer[:] = other.answer
        message.authority[:] = other.authority
        message.set_rcode(other.rcode())
        return message

    return change


def signed_rrsets(zone: Zone, owner: Name, rdtype: RdataType) -> list[RRset]:
    """Give an RRset of a zone, followed by its signatures."""
    message = Message()
    Upstream.put(zone, owner, rdtype, message.answer, owner)
    return message.answer


def forge(message: Message) -> Message:
    """Change the data, and leave the signatures."""
    for rrset in message.answer:
        if rrset.rdtype == RdataType.A:
            rrset.clear()
            rrset.add(dns.rdata.from_text(IN, RdataType.A, "6.6.6.6"), 300)
    return message


def flip(message: Message) -> Message:
    """Change a bit of each signature."""
    for rrset in message.answer + message.authority:
        if rrset.rdtype == RdataType.RRSIG:
            records = list(rrset)
            rrset.clear()
            for record in records:
                assert isinstance(record, RRSIG)
                signature = bytes((record.signature[0] ^ 1,)) + record.signature[1:]
                rrset.add(record.replace(signature=signature), 300)
    return message
