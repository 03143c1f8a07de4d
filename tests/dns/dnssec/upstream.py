"""An upstream in memory, which answers from signed zones."""

from __future__ import annotations

from base64 import b32hexencode
from collections.abc import Callable, Iterable
from typing import cast

import dns.message
import dns.rcode
import dns.rrset
from dns.message import Message
from dns.name import Name
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from dns.rrset import RRset

from netsvc.dns.dnssec.status import FetchError
from tests.dns.dnssec.zones import Zone, name

_WILD = Name((b"*",))

Change = Callable[[Message], Message | None]


class Upstream:
    """Answers as a recursive server does that does not validate (CD).

    @ivar asked: each question that came.
    @ivar changes: by question, what is done to the answer before it is sent.
    @ivar in_order: whether records stay in their order: the wire form shuffles them.
    """

    def __init__(self, *zones: Zone) -> None:
        self.zones = {zone.origin: zone for zone in zones}
        self.asked: list[tuple[Name, RdataType]] = []
        self.changes: dict[tuple[Name, RdataType], Change] = {}
        self.in_order = False

    def change(self, where: str, rdtype: str, change: Change) -> None:
        """Have an answer changed."""
        self.changes[name(where), RdataType.make(rdtype)] = change

    async def fetch(self, where: Name, rdtype: RdataType) -> Message:
        """Answer; L{FetchError} if a change gives L{None}."""
        self.asked.append((where, rdtype))
        message: Message | None = self.answer(where, rdtype)
        change = self.changes.get((where, rdtype))
        if change is not None and message is not None:
            message = change(message)
        if message is None:
            raise FetchError("nobody answers")
        if self.in_order:
            return message
        return dns.message.from_wire(message.to_wire(max_size=65535))

    def answer(self, where: Name, rdtype: RdataType) -> Message:
        """Answer a question, following aliases."""
        query = dns.message.make_query(where, rdtype, want_dnssec=True)
        reply = dns.message.make_response(query)
        for _ in range(40):
            zone = self._zone(where, rdtype)
            target = self._step(zone, where, rdtype, reply)
            if target is None or rdtype == RdataType.CNAME:
                break
            where = target
        return reply

    def _zone(self, where: Name, rdtype: RdataType) -> Zone:
        if rdtype == RdataType.DS and where in self.zones and len(where.labels) > 1:
            where = where.parent()
        while where not in self.zones:
            where = where.parent()
        return self.zones[where]

    def _step(
        self, zone: Zone, where: Name, rdtype: RdataType, reply: Message
    ) -> Name | None:
        owner = where
        if not zone.exists(where):
            encloser = zone.encloser(where)
            for above in _between(where, zone.origin):
                dname = zone.rrsets.get((above, RdataType.DNAME))
                if dname is not None:
                    return self._dname(zone, where, above, reply)
            owner = _WILD + encloser
            if not zone.exists(owner):
                reply.set_rcode(dns.rcode.NXDOMAIN)
                self._deny(zone, where, [where, owner], [encloser], reply)
                return None
        if rdtype == RdataType.ANY and (types := zone.names().get(owner)):
            for each in types:
                self.put(zone, owner, each, reply.answer, where)
            return None
        if (owner, rdtype) in zone.rrsets:
            self.put(zone, owner, rdtype, reply.answer, where)
        elif (owner, RdataType.CNAME) in zone.rrsets:
            self.put(zone, owner, RdataType.CNAME, reply.answer, where)
        else:
            self._deny(zone, where, [] if owner == where else [where], [owner], reply)
            return None
        if owner != where:
            closer = where.split(len(owner.labels))[1]
            self.prove(zone, [closer if zone.hashing else where], [], reply)
        if (owner, rdtype) in zone.rrsets:
            return None
        record = zone.rrsets[owner, RdataType.CNAME][0]
        return cast(Name, record.target)

    def _dname(self, zone: Zone, where: Name, above: Name, reply: Message) -> Name:
        self.put(zone, above, RdataType.DNAME, reply.answer, above)
        made: Name = zone.rrsets[above, RdataType.DNAME][0].target
        target = where.relativize(above).derelativize(made)
        reply.answer.append(
            dns.rrset.from_text(where, 300, IN, "CNAME", target.to_text())
        )
        return target

    def _deny(
        self,
        zone: Zone,
        where: Name,
        covered: list[Name],
        matched: list[Name],
        reply: Message,
    ) -> None:
        self.put(zone, zone.origin, RdataType.SOA, reply.authority, zone.origin)
        if zone.hashing and not covered and not zone.has_hash(where):
            # Not in the chain of hashes, for an opt-out span covers it.
            covered = [where]
            matched = []
        if zone.hashing and covered:
            encloser = zone.encloser(where)
            if encloser == where:
                encloser = where.parent()
            closer = where.split(len(encloser.labels) + 1)[1]
            covered = [closer, *covered[1:]]
            matched = [encloser, *matched]
        elif covered and len(covered) == 2:
            matched = []
        self.prove(zone, covered, matched, reply)

    def prove(
        self, zone: Zone, covered: list[Name], matched: list[Name], reply: Message
    ) -> None:
        """Add the records of a zone that cover some names and match others."""
        if not zone.signers:
            return
        for where in [*covered, *matched]:
            owner = self._denial(zone, where)
            rdtype = RdataType.NSEC3 if zone.hashing else RdataType.NSEC
            if not any(
                rrset.name == owner and rrset.rdtype == rdtype
                for rrset in reply.authority
            ):
                self.put(zone, owner, rdtype, reply.authority, owner)

    @staticmethod
    def _denial(zone: Zone, where: Name) -> Name:
        """Find the NSEC or NSEC3 record that matches or covers a name."""
        if zone.hashing is None:
            owners = [
                owner for owner, rdtype in zone.rrsets if rdtype == RdataType.NSEC
            ]
            return max(owner for owner in owners if owner <= where)
        label = b32hexencode(zone.hashing.digest(where)).lower()
        labels = sorted(
            owner.labels[0]
            for owner, rdtype in zone.rrsets
            if rdtype == RdataType.NSEC3
        )
        lower = [other for other in labels if other <= label]
        found: Name = Name((lower[-1] if lower else labels[-1],)) + zone.origin
        return found

    @staticmethod
    def put(
        zone: Zone, owner: Name, rdtype: RdataType, section: list[RRset], shown: Name
    ) -> None:
        """Add an RRset and its signatures to a section, shown under a name."""
        rrset = zone.rrsets[owner, rdtype]
        section.append(dns.rrset.from_rdata_list(shown, rrset.ttl, list(rrset)))
        signatures = zone.rrsigs.get((owner, rdtype))
        if signatures:
            section.append(dns.rrset.from_rdata_list(shown, rrset.ttl, signatures))


def _between(where: Name, origin: Name) -> Iterable[Name]:
    while where != origin:
        where = where.parent()
        yield where
