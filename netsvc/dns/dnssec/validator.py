"""
The way in: is this answer what its zone has signed?

    validator = Validator(fetch, root_anchors(), time.time)
    verdict = await validator.validate(name, rdtype, message)

C{fetch} asks the upstream for DS and DNSKEY records, with the DO and CD bits set; the
message must have been asked for in the same way. Any event loop will do.
"""

from __future__ import annotations

from collections.abc import Callable

from dns.exception import DNSException
from dns.message import Message
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from netsvc.dns.dnssec.anchors import Anchors
from netsvc.dns.dnssec.chain import Chain, Fetch, Insecure, Walk
from netsvc.dns.dnssec.denial import MAX_TTL, Denials
from netsvc.dns.dnssec.limits import Limits, Work
from netsvc.dns.dnssec.nsec import Denial
from netsvc.dns.dnssec.replies import Reply, SignedRRset
from netsvc.dns.dnssec.signatures import Zone, verify
from netsvc.dns.dnssec.status import (
    EDE,
    Bogus,
    Undecided,
    Verdict,
    WorkExceeded,
)
from netsvc.dns.result import Security


class Validator:
    """Judges answers, and remembers the chains of trust between them.

    @ivar counts: how many verdicts there were of each status.
    """

    def __init__(
        self,
        fetch: Fetch,
        anchors: Anchors,
        clock: Callable[[], float],
        limits: Limits | None = None,
    ) -> None:
        """
        @param fetch: asks for the records of the chain; see L{Fetch}.
        @param anchors: what is trusted from the start.
        @param clock: gives POSIX time in seconds: signatures have dates.
        @param limits: how much work an answer may cost.
        """
        self._fetch = fetch
        self._clock = clock
        self._limits = Limits() if limits is None else limits
        self._chain = Chain(anchors, self._limits)
        self.counts = dict.fromkeys(Security, 0)

    def forget(self) -> None:
        """Forget the chains that were found."""
        self._chain.forget()

    async def validate(
        self, name: Name, rdtype: int, message: Message, fetch: Fetch | None = None
    ) -> Verdict:
        """Judge an answer.

        @param name: the name that was asked for, absolute.
        @param rdtype: the type that was asked for.
        @param message: the whole answer, not truncated, to just that question.
        @param fetch: asks instead of the validator's own, for this answer only: to
            have a chain from another upstream than the one that forges.
        @return: the verdict. Nothing that an upstream sends makes this raise; what
            C{fetch} raises, other than L{FetchError}, is passed on.
        """
        now = self._clock()
        walk = Walk(fetch or self._fetch, now, Work(self._limits))
        case = _Case(name, rdtype, Reply(message), self._chain, walk)
        verdict = await case.judge()
        self.counts[verdict.security] += 1
        return verdict


class _Case:
    """One answer under examination."""

    def __init__(
        self, name: Name, rdtype: int, reply: Reply, chain: Chain, walk: Walk
    ) -> None:
        self._name = name
        self._rdtype = rdtype
        self._reply = reply
        self._chain = chain
        self._walk = walk
        self._insecure: Insecure | None = None
        self._ttl = MAX_TTL
        self._rrsets: set[tuple[bytes, int]] = set()
        self._denials: dict[Name, Denials] = {}
        self._rcode: int | None = None

    async def judge(self) -> Verdict:
        """Examine all parts; the worst decides."""
        if self._chain.start(self._holder(self._name)) is None:
            return Verdict(
                security=Security.INDETERMINATE,
                reason=f"no trust anchor covers {self._name}",
                ede=EDE.INDETERMINATE,
                anchored=False,
            )
        try:
            await self._follow()
        except Undecided as problem:
            return Verdict(
                security=problem.security, reason=str(problem), ede=problem.ede
            )
        if self._insecure is not None:
            found = self._insecure
            return Verdict(
                security=Security.INSECURE, reason=found.reason, ede=found.ede
            )
        return Verdict(
            security=Security.SECURE,
            reason="signed by its zone",
            ttl=self._ttl,
            rrsets=frozenset(self._rrsets),
            rcode=self._rcode,
        )

    async def _follow(self) -> None:
        """Follow the aliases from the question to the data, or to the denial."""
        if not self._reply.is_answer:
            reason = f"no answer to judge: {self._reply.said}"
            raise Undecided(reason, EDE.INDETERMINATE)
        if self._rdtype == RdataType.RRSIG:
            self._found_insecure(Insecure("RRSIG records are not signed themselves"))
            return
        name = self._name
        limit = self._walk.work.limits.aliases
        for _ in range(limit + 1):
            if self._rdtype == RdataType.ANY:
                everything = list(self._reply.answers(name))
            else:
                found = self._reply.answer(name, self._rdtype)
                everything = [] if found is None else [found]
            if everything:
                for found in everything:
                    if found.rdtype == RdataType.CNAME and self._dname(name):
                        await self._alias(name)
                    else:
                        await self._rrset(found)
                if self._reply.rcode != Rcode.NOERROR:
                    # The header is not signed: it must fit what is.
                    problem = Bogus(f"{name}: data, and {self._reply.said}", EDE.BOGUS)
                    await self._unless_insecure(name, problem)
                return
            if self._reply.rcode == Rcode.YXDOMAIN and await self._too_long(name):
                return
            target = await self._alias(name)
            if target is None:
                await self._denial(name)
                return
            if self._chain.start(self._holder(target)) is None:
                self._found_insecure(Insecure(f"no trust anchor covers {target}"))
                return
            name = target
        raise WorkExceeded(f"{limit} aliases")

    async def _alias(self, name: Name) -> Name | None:
        """Judge the alias that stands at a name, or a DNAME above it, and follow it."""
        alias = self._reply.answer(name, RdataType.CNAME)
        found = self._dname(name)
        if found is not None:
            await self._rrset(found)
            target = _made(name, found)
            if target is None:
                raise Bogus(f"{name}: its DNAME leads too far", EDE.BOGUS)
            # The server makes this CNAME itself, unsigned (RFC 6672 section 5.3.1).
            if alias is not None and alias.rrset[0].target != target:
                raise Bogus(f"{name}: not the CNAME that its DNAME makes", EDE.BOGUS)
            self._rrsets.add((name.to_digestable(), RdataType.CNAME))
            return target
        if alias is None:
            return None
        await self._rrset(alias)
        followed: Name = alias.rrset[0].target
        return followed

    async def _too_long(self, name: Name) -> bool:
        """Judge the claim that a DNAME makes too long a name, if it stands here."""
        found = self._dname(name)
        if found is None or _made(name, found) is not None:
            return False
        await self._rrset(found)
        return True

    def _dname(self, name: Name) -> SignedRRset | None:
        """Find the DNAME above a name.

        @raise Bogus: there are two: nothing stands below a DNAME (RFC 6672 section
            2.4), and who reads the message might follow the other one.
        """
        above = [name.split(depth)[1] for depth in range(1, len(name.labels))]
        found = [
            dname
            for owner in above
            if (dname := self._reply.answer(owner, RdataType.DNAME)) is not None
        ]
        if len(found) > 1:
            raise Bogus(f"{name}: two DNAME records above it", EDE.BOGUS)
        return found[0] if found else None

    async def _rrset(self, found: SignedRRset) -> None:
        """Judge one RRset of the answer."""
        problem: Bogus | None = None
        for signer in self._signers([found], found.name):
            zone = await self._zone(signer)
            if isinstance(zone, Insecure):
                self._found_insecure(zone)
                return
            if zone.name != signer:
                problem = Bogus(f"{signer}, a signer, is no zone", EDE.BOGUS)
                continue
            try:
                signed = verify(found, zone, self._walk.now, self._walk.work)
            except WorkExceeded:
                raise
            except Bogus as error:
                problem = error
                continue
            self._found_secure(signed.ttl)
            self._rrsets.add((found.name.to_digestable(), found.rdtype))
            if signed.encloser is not None:
                self._expansion(found, zone, signed.encloser)
            return
        if problem is None:
            problem = Bogus(f"{found} is not signed", EDE.RRSIGS_MISSING)
        await self._unless_insecure(found.name, problem)

    def _expansion(self, found: SignedRRset, zone: Zone, encloser: Name) -> None:
        """See that a wildcard was rightly used (RFC 4035 section 5.3.4)."""
        what = f"{found.name} is made from a wildcard of {encloser}"
        if found.rdtype in _NEVER_EXPANDED:
            raise Bogus(what, EDE.BOGUS)
        denials = self._denials_of(zone)
        proven = self._proven(
            denials, lambda denial: denial.expansion(found.name, encloser)
        )
        if not proven:
            raise denials.missing(what)

    async def _denial(self, name: Name) -> None:
        """Judge the claim that a name, or its type, does not exist."""
        rdtype = self._rdtype
        missing = self._reply.rcode == Rcode.NXDOMAIN

        def ask(denial: Denial) -> Security | None:
            if missing:
                return denial.nxdomain(name)
            return denial.nodata(name, rdtype)

        said = "does not exist" if missing else "has no such data"
        problem = Bogus(f"{name} {said}: no proof", EDE.NSEC_MISSING)
        if self._reply.rcode == Rcode.YXDOMAIN:
            await self._unless_insecure(name, problem)
            return
        for signer in self._signers(list(self._reply.denials()), name):
            zone = await self._zone(signer)
            if isinstance(zone, Insecure):
                self._found_insecure(zone)
                return
            if zone.name != signer:
                continue
            denials = self._denials_of(zone)
            if self._proven(denials, ask):
                return
            if missing and denials.prove(lambda denial: denial.is_empty(name)):
                # As RFC 4035 section 5.4 reads, no name matches; but what has names
                # below it exists (RFC 8020), and the header is not signed.
                self._rcode = Rcode.NOERROR
                self._found_secure(denials.ttl)
                return
            problem = denials.missing(f"{name} {said}")
        await self._unless_insecure(name, problem)

    def _denials_of(self, zone: Zone) -> Denials:
        """Read the proofs of a zone, once."""
        found = self._denials.get(zone.name)
        if found is None:
            found = Denials(self._reply, zone, self._walk.now, self._walk.work)
            self._denials[zone.name] = found
        return found

    def _proven(
        self, denials: Denials, ask: Callable[[Denial], Security | None]
    ) -> bool:
        """Look for a proof, and take down what it is worth."""
        proof = denials.prove(ask)
        if proof is Security.SECURE:
            self._found_secure(denials.ttl)
        elif proof is Security.INSECURE:
            self._found_insecure(Insecure("an opt-out span may hide a delegation"))
        elif denials.excessive:
            reason = "NSEC3 iterations beyond what is computed"
            self._found_insecure(Insecure(reason, EDE.NSEC3_ITERATIONS))
            return True
        return proof is not None

    def _signers(self, found: list[SignedRRset], name: Name) -> list[Name]:
        """Choose the zones that may answer for a name, of those that have signed.

        @return: the nearest first.
        """
        holder = self._holder(name)
        start = self._chain.start(holder)
        signers = {
            signature.signer
            for entry in found
            for signature in entry.signatures
            if holder.is_subdomain(signature.signer)
            and start is not None
            and signature.signer.is_subdomain(start)
        }
        nearest = sorted(signers, key=lambda signer: -len(signer.labels))
        return nearest[: self._walk.work.limits.signers_per_rrset]

    async def _zone(self, name: Name) -> Zone | Insecure:
        return await self._chain.walk(name, self._walk)

    def _holder(self, name: Name) -> Name:
        """Give the name whose zone answers: a DS record is the parent's."""
        if self._rdtype == RdataType.DS and name != _ROOT:
            return name.parent()
        return name

    async def _unless_insecure(self, name: Name, problem: Bogus) -> None:
        """Forgive a problem where the tree is not signed; raise it elsewhere."""
        zone = await self._zone(self._holder(name))
        if isinstance(zone, Zone):
            raise problem
        self._found_insecure(zone)

    def _found_insecure(self, why: Insecure) -> None:
        if self._insecure is None:
            self._insecure = why

    def _found_secure(self, ttl: int) -> None:
        self._ttl = min(self._ttl, ttl)


def _made(name: Name, dname: SignedRRset) -> Name | None:
    """Give the name that a DNAME makes of one below it; L{None} if it is too long."""
    target: Name = dname.rrset[0].target
    try:
        return name.relativize(dname.name).derelativize(target)
    except DNSException:
        return None


_ROOT = Name((b"",))

#: Types that make no sense when made from a wildcard (of DNAME: RFC 6672 section 3.3).
_NEVER_EXPANDED = frozenset({RdataType.DS, RdataType.DNSKEY, RdataType.DNAME})
