"""
From a trust anchor down to the zone that holds a name (RFC 4035 section 5.2).

The walk goes label by label and asks the parent zone for a DS record at each. There
are four ways on: a DS record leads to the child's keys; a proof that there is none at
a delegation ends it, for all below is insecure; where there is no delegation the zone
is still the same; and where there is no name at all the walk is at its end.

What was found is remembered, for as long as the records allow.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS

from netsvc.dns.dnssec.algorithms import (
    SUPPORTED,
    ZONE_KEY,
    Key,
    make_key,
    matches,
    usable_ds,
)
from netsvc.dns.dnssec.anchors import Anchor, Anchors
from netsvc.dns.dnssec.denial import Denials
from netsvc.dns.dnssec.limits import Limits, Work
from netsvc.dns.dnssec.nsec import Cut
from netsvc.dns.dnssec.replies import Reply
from netsvc.dns.dnssec.signatures import Zone, verify
from netsvc.dns.dnssec.status import EDE, Bogus, FetchError, Undecided, WorkExceeded

#: Asks for a name and type, with DO and CD set, and gives the whole reply of the kind
#: "the upstream's answer, whatever its rcode"; raises L{FetchError} when there is none.
Fetch = Callable[[Name, RdataType], Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class Insecure:
    """A part of the tree that is not signed, or not with anything known here."""

    reason: str
    ede: EDE | None = None


@dataclass(frozen=True, slots=True)
class Same:
    """No delegation: what is here belongs to the zone above.

    @ivar end: whether there is nothing below either.
    """

    end: bool


Link = Zone | Insecure | Same


@dataclass(slots=True)
class Walk:
    """What a walk needs: how to ask, when it is, and what it has cost so far.

    @ivar now: POSIX time in seconds.
    """

    fetch: Fetch
    now: float
    work: Work

    async def ask(self, name: Name, rdtype: RdataType) -> Reply:
        """Ask for records of the chain.

        @raise Undecided: there is no answer.
        """
        self.work.fetch()
        what = f"{name} {rdtype.name}"
        try:
            reply = Reply(await self.fetch(name, rdtype))
        except FetchError as error:
            raise Undecided(f"{what}: {error}", EDE.NO_REACHABLE_AUTHORITY) from error
        if not reply.is_answer:
            raise Undecided(f"{what}: {reply.said}", EDE.NO_REACHABLE_AUTHORITY)
        return reply


class Chain:
    """Zones and delegations that were found, by name, below the trust anchors."""

    def __init__(self, anchors: Anchors, limits: Limits) -> None:
        """
        @param anchors: where to start.
        @param limits: how many links to remember, and for how long.
        """
        self._anchors = anchors
        self._limits = limits
        self._links: OrderedDict[Name, tuple[float, Link]] = OrderedDict()

    def __len__(self) -> int:
        """Count the links that are remembered."""
        return len(self._links)

    def start(self, name: Name) -> Name | None:
        """Give the zone of the trust anchor for a name; L{None} if it has none."""
        anchor = self._anchors.closest(name)
        return None if anchor is None else anchor.zone

    def forget(self) -> None:
        """Forget all that was found."""
        self._links.clear()

    async def walk(self, target: Name, walk: Walk) -> Zone | Insecure:
        """Find the zone that holds a name.

        @param target: a name that an anchor covers.
        @return: the zone nearest above C{target}, or of its own name; or why there is
            nothing signed there.
        @raise Undecided: the chain is broken, or could not be had.
        """
        anchor = self._anchors.closest(target)
        if anchor is None:
            raise Undecided(f"no trust anchor covers {target}", EDE.INDETERMINATE)
        link = self._remembered(anchor.zone, walk.now)
        if link is None:
            link = await self._anchored(anchor, walk)
        zone = cast(Zone, link)
        for depth in range(len(anchor.zone.labels) + 1, len(target.labels) + 1):
            child = target.split(depth)[1]
            link = self._remembered(child, walk.now)
            if link is None:
                link = await self._step(child, zone, walk)
            if isinstance(link, Insecure):
                return link
            if isinstance(link, Zone):
                zone = link
            elif link.end:
                break
        return zone

    def _remembered(self, name: Name, now: float) -> Link | None:
        found = self._links.get(name)
        if found is None:
            return None
        expires, link = found
        if now >= expires:
            del self._links[name]
            return None
        self._links.move_to_end(name)
        return link

    def _remember(self, name: Name, link: Link, ttl: int, now: float) -> Link:
        self._links[name] = (now + min(ttl, self._limits.link_ttl), link)
        self._links.move_to_end(name)
        if len(self._links) > self._limits.links:
            self._links.popitem(last=False)
        return link

    async def _anchored(self, anchor: Anchor, walk: Walk) -> Link:
        """Ask for the keys of an anchor's zone."""

        def trusted(key: DNSKEY) -> bool:
            return key in anchor.keys or _is_of(anchor.ds, anchor.zone, key)

        zone, ttl = await self._keys(anchor.zone, trusted, walk)
        return self._remember(anchor.zone, zone, ttl, walk.now)

    async def _step(self, child: Name, zone: Zone, walk: Walk) -> Link:
        """Go one label down: ask a zone what it delegates at a name."""
        reply = await walk.ask(child, RdataType.DS)
        found = reply.answer(child, RdataType.DS)
        link: Link
        if found is None:
            link, ttl = self._unsigned(child, zone, reply, walk)
            return self._remember(child, link, ttl, walk.now)
        signed = verify(found, zone, walk.now, walk.work)
        if signed.encloser is not None:
            raise Bogus(f"{child} DS is made from a wildcard", EDE.BOGUS)
        records = cast("list[DS]", list(found.rrset))
        if len(records) > self._limits.ds_per_delegation:
            raise WorkExceeded(f"{self._limits.ds_per_delegation} DS records")
        usable = usable_ds(records)
        ttl = signed.ttl
        if usable:
            link, key_ttl = await self._keys(
                child, lambda key: _is_of(usable, child, key), walk
            )
            ttl = min(ttl, key_ttl)
        elif any(record.algorithm in SUPPORTED for record in records):
            reason = f"{child}: DS records of unsupported digests only"
            link = Insecure(reason, EDE.UNSUPPORTED_DIGEST)
        else:
            reason = f"{child}: DS records of unsupported algorithms only"
            link = Insecure(reason, EDE.UNSUPPORTED_ALGORITHM)
        return self._remember(child, link, ttl, walk.now)

    def _unsigned(
        self, child: Name, zone: Zone, reply: Reply, walk: Walk
    ) -> tuple[Link, int]:
        """Find out what an answer without DS record proves.

        Only "insecure" has to be proven with care. To say that there is no delegation
        makes the zone above responsible for all below: that can hide data, but it can
        have no forged data believed.
        """
        for depth in range(len(zone.name.labels), len(child.labels)):
            alias = reply.answer(child.split(depth)[1], RdataType.DNAME)
            if alias is not None:
                return Same(end=True), verify(alias, zone, walk.now, walk.work).ttl
        alias = reply.answer(child, RdataType.CNAME)
        if alias is not None:
            return Same(end=False), verify(alias, zone, walk.now, walk.work).ttl
        denials = Denials(reply, zone, walk.now, walk.work)
        ttl = denials.ttl
        if denials.excessive:
            reason = f"{zone.name}: NSEC3 iterations beyond what is computed"
            return Insecure(reason, EDE.NSEC3_ITERATIONS), ttl
        cut = denials.prove(lambda denial: denial.cut(child))
        if cut is None:
            raise denials.missing(f"{child} has no DS record")
        if cut is Cut.UNSIGNED:
            return Insecure(f"{child} is delegated without DS record"), ttl
        return Same(end=cut is Cut.NOTHING), ttl

    async def _keys(
        self, zone: Name, trusted: Callable[[DNSKEY], bool], walk: Walk
    ) -> tuple[Zone, int]:
        """Ask for a zone's keys; one that is trusted must have signed them all."""
        reply = await walk.ask(zone, RdataType.DNSKEY)
        found = reply.answer(zone, RdataType.DNSKEY)
        if found is None:
            raise Bogus(f"{zone} has no DNSKEY records", EDE.DNSKEY_MISSING)
        records = cast("list[DNSKEY]", list(found.rrset))
        if len(records) > self._limits.keys_per_zone:
            raise WorkExceeded(f"{self._limits.keys_per_zone} DNSKEY records")
        believed = [record for record in records if trusted(record)]
        if not believed:
            reason = f"none of {zone}'s DNSKEY records is one that is trusted"
            raise Bogus(reason, EDE.DNSKEY_MISSING)
        if not any(record.flags & ZONE_KEY for record in believed):
            raise Bogus(f"{zone}: no zone key", EDE.NO_ZONE_KEY_BIT)
        entry = Zone(zone, _ready(believed, self._limits))
        ttl = verify(found, entry, walk.now, walk.work).ttl
        return Zone(zone, _ready(records, self._limits)), ttl


def _is_of(ds: tuple[DS, ...] | list[DS], zone: Name, key: DNSKEY) -> bool:
    return any(matches(record, zone, key) for record in ds)


def _ready(records: list[DNSKEY], limits: Limits) -> tuple[Key, ...]:
    """Make the keys ready that can be used."""
    keys = (make_key(record, limits) for record in records)
    return tuple(key for key in keys if key is not None)
