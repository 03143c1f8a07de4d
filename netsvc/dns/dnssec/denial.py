"""The proofs of nonexistence that a reply brings for one zone, with NSEC or NSEC3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, cast

from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.NSEC3 import NSEC3

from netsvc.dns.dnssec.limits import Work
from netsvc.dns.dnssec.nsec import Denial, NsecDenial
from netsvc.dns.dnssec.nsec3 import Nsec3Denial
from netsvc.dns.dnssec.replies import Reply
from netsvc.dns.dnssec.signatures import Zone, verify
from netsvc.dns.dnssec.status import EDE, Bogus, WorkExceeded

Proof = TypeVar("Proof")

#: The longest TTL there is (RFC 2181 section 8).
MAX_TTL: Final = 0x7FFFFFFF


class Denials:
    """The NSEC and NSEC3 records of a zone in a reply, those that are rightly signed.

    @ivar excessive: whether the zone counts as insecure for the number of its NSEC3
        iterations (RFC 9276 section 3.2).
    @ivar ttl: for how many seconds the records may be used.
    @ivar problem: why the last record that was left out is not believed.
    """

    def __init__(self, reply: Reply, zone: Zone, now: float, work: Work) -> None:
        """
        @param reply: whose authority section to read.
        @param zone: whose records to take.
        @param now: POSIX time in seconds.
        @param work: the work done so far.
        @raise Bogus: the NSEC3 records contradict each other, or go beyond a limit.
        """
        self.ttl = MAX_TTL
        self.problem: Bogus | None = None
        nsec: list[tuple[Name, NSEC]] = []
        nsec3: list[tuple[Name, NSEC3]] = []
        for count, found in enumerate(reply.denials(), 1):
            if count > work.limits.denials:
                raise WorkExceeded(f"{work.limits.denials} records of denial")
            if not any(rrsig.signer == zone.name for rrsig in found.signatures):
                continue
            try:
                signed = verify(found, zone, now, work)
            except WorkExceeded:
                raise
            except Bogus as problem:
                self.problem = problem
                continue
            if signed.encloser is not None or not found.name.is_subdomain(zone.name):
                # A record of denial is for its own name: one made from a wildcard
                # would prove anything.
                continue
            if found.rdtype == RdataType.NSEC:
                nsec += [(found.name, cast(NSEC, record)) for record in found.rrset]
            elif found.name != zone.name and found.name.parent() == zone.name:
                nsec3 += [(found.name, cast(NSEC3, record)) for record in found.rrset]
            self.ttl = min(self.ttl, signed.ttl)
        hashed = Nsec3Denial(zone.name, nsec3, work)
        self.excessive = hashed.excessive
        self._kinds: list[Denial] = []
        if nsec:
            self._kinds.append(NsecDenial(zone.name, nsec))
        if nsec3 and not self.excessive:
            self._kinds.append(hashed)

    def prove(self, ask: Callable[[Denial], Proof | None]) -> Proof | None:
        """Give the first proof that there is.

        @param ask: calls one of the methods of L{Denial}.
        """
        for kind in self._kinds:
            proof = ask(kind)
            if proof is not None:
                return proof
        return None

    def missing(self, what: str) -> Bogus:
        """Make the error for a proof that is not there.

        @param what: what would have to be proven.
        """
        if self.problem is not None:
            return Bogus(f"{what}: {self.problem}", self.problem.ede)
        return Bogus(f"{what}: no proof", EDE.NSEC_MISSING)
