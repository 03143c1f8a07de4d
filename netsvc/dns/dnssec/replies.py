"""A reply's records, with each RRset beside its signatures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from dns.message import Message
from dns.name import Name
from dns.rcode import Rcode
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.RRSIG import RRSIG
from dns.rrset import RRset

from netsvc.dns.codes import ANSWERS, TC


@dataclass(slots=True)
class SignedRRset:
    """An RRset and what claims to sign it."""

    rrset: RRset
    signatures: list[RRSIG] = field(default_factory=list)

    @property
    def name(self) -> Name:
        """The owner."""
        return self.rrset.name

    @property
    def rdtype(self) -> RdataType:
        """The type."""
        return self.rrset.rdtype

    def __str__(self) -> str:
        """Name and type, escaped as in zone files."""
        return f"{self.name} {RdataType.to_text(self.rdtype)}"


Section = dict[tuple[Name, int], SignedRRset]


class Reply:
    """The sections of a message that validation looks at, of class IN.

    @ivar rcode: the extended response code.
    @ivar truncated: whether the message says that something was left out.
    """

    def __init__(self, message: Message) -> None:
        """
        @param message: the reply, as it came.
        """
        self.rcode: int = message.rcode()
        self.truncated = bool(message.flags & TC)
        self._answer = _group(message.answer)
        self._authority = _group(message.authority)

    @property
    def is_answer(self) -> bool:
        """Whether the message answers its question, be it with "no"."""
        return not self.truncated and self.rcode in ANSWERS

    @property
    def said(self) -> str:
        """What the message says when it is no answer."""
        return "truncated" if self.truncated else Rcode.to_text(Rcode.make(self.rcode))

    def answer(self, name: Name, rdtype: int) -> SignedRRset | None:
        """Find an RRset in the answer section."""
        return self._answer.get((name, rdtype))

    def answers(self, name: Name) -> Iterator[SignedRRset]:
        """Give each RRset in the answer section that has this owner."""
        for (owner, _), found in self._answer.items():
            if owner == name:
                yield found

    def denials(self) -> Iterator[SignedRRset]:
        """Give each NSEC and NSEC3 RRset in the authority section."""
        for (_, rdtype), found in self._authority.items():
            if rdtype in (RdataType.NSEC, RdataType.NSEC3):
                yield found


def _group(rrsets: list[RRset]) -> Section:
    """Put the RRsets of a section together with their signatures."""
    section: Section = {}
    signatures: list[RRset] = []
    for rrset in rrsets:
        if rrset.rdclass != RdataClass.IN or not rrset:
            continue
        if rrset.rdtype == RdataType.RRSIG:
            signatures.append(rrset)
        else:
            section[rrset.name, rrset.rdtype] = SignedRRset(rrset)
    for rrset in signatures:
        found = section.get((rrset.name, rrset.covers))
        if found is not None:
            found.signatures.extend(cast("list[RRSIG]", list(rrset)))
    return section
