"""Tests of L{netsvc.dns.dnssec} with any bytes changed in honest answers."""

from __future__ import annotations

import dns.message
from dns.exception import DNSException
from dns.message import Message
from dns.name import Name
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from hypothesis import given, settings
from hypothesis import strategies as st

from netsvc.dns.result import Security
from tests.dns.dnssec.case import Case, run
from tests.dns.dnssec.zones import name

#: Places and new values of bytes.
CHANGES = st.lists(
    st.tuples(st.integers(0, 1500), st.integers(1, 255)), min_size=1, max_size=3
)

QUESTIONS = [
    (f"{owner}.{zone}", rdtype)
    for zone in ("nsec.test", "nsec3.test", "optout.test", "child.nsec.test")
    for owner, rdtype in (
        ("www", "A"),
        ("alias2", "A"),
        ("www", "AAAA"),
        ("no", "A"),
        ("x.wild", "A"),
        ("x.tree", "A"),
    )
]

ALIASES = {b"alias2": b"www"}

CHAIN = [
    (".", "DNSKEY"),
    ("test", "DS"),
    ("nsec3.test", "DNSKEY"),
    ("child.nsec3.test", "DS"),
    ("child.nsec3.test", "DNSKEY"),
]


def mutate(message: Message, changes: list[tuple[int, int]]) -> Message | None:
    """Change bytes of a message; L{None} if it is none any more."""
    wire = bytearray(message.to_wire(max_size=65535))
    for place, flips in changes:
        wire[place % len(wire)] ^= flips
    try:
        return dns.message.from_wire(bytes(wire))
    except (DNSException, ValueError):
        return None


def data(message: Message, where: Name) -> set[str]:
    """Give the data at the end of a chain of aliases; TTLs are not signed."""
    labels = (ALIASES.get(where.labels[0], where.labels[0]), *where.labels[1:])
    if labels[1] == b"tree":
        labels = (labels[0], b"wild", *labels[2:])
    rrset = message.get_rrset(message.answer, Name(labels), IN, RdataType.A)
    return {str(record) for record in rrset or ()}


class MutationTests(Case):
    """Whatever is changed, what is called secure is what the zone has signed."""

    @settings(deadline=None, max_examples=400)
    @given(st.sampled_from(QUESTIONS), CHANGES)
    def test_answer(
        self, question: tuple[str, str], changes: list[tuple[int, int]]
    ) -> None:
        """An answer that is secure after a change says what it said before."""
        where, rdtype = name(question[0]), RdataType.make(question[1])
        honest = dns.message.from_wire(self.upstream.answer(where, rdtype).to_wire())
        message = mutate(honest, changes)
        if message is None:
            return
        verdict = run(self, self.validator.validate(where, rdtype, message))
        if verdict.security is Security.SECURE:
            self.assertEqual(data(message, where), data(honest, where), changes)
            self.assertEqual(message.rcode(), honest.rcode())

    @settings(deadline=None, max_examples=300)
    @given(st.sampled_from(CHAIN), CHANGES)
    def test_chain(
        self, question: tuple[str, str], changes: list[tuple[int, int]]
    ) -> None:
        """No change to the chain's records makes a signed zone insecure."""
        self.validator.forget()
        self.upstream.changes.clear()
        self.upstream.change(*question, lambda message: mutate(message, changes))
        where = name("www.child.nsec3.test")
        message = self.upstream.answer(where, RdataType.A)
        verdict = run(self, self.validator.validate(where, RdataType.A, message))
        self.assertIsNot(verdict.security, Security.INSECURE, (changes, verdict))
