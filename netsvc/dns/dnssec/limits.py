"""
How much work an answer may cost.

Who sends an answer decides how many signatures, keys and hashes it takes to judge
it. KeyTrap (CVE-2023-50387) and its NSEC3 sister (CVE-2023-50868) kept resolvers
busy for hours with one message. Whatever goes beyond a limit here is bogus.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from netsvc.dns.dnssec.status import WorkExceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits, with defaults that honest zones stay far below."""

    #: Keys of one tag and algorithm that are tried for one signature. Two keys of a
    #: zone share a tag by chance once in 65,536 zones.
    keys_per_signature: int = 4
    #: Signatures of one RRset that are tried.
    signatures_per_rrset: int = 8
    #: Zones that the signatures of one RRset may name, all together.
    signers_per_rrset: int = 2
    #: DNSKEY records of a zone.
    keys_per_zone: int = 32
    #: DS records of a delegation.
    ds_per_delegation: int = 16
    #: NSEC and NSEC3 RRsets of one answer.
    denials: int = 32
    #: Signatures verified for one answer, its whole chain included. The deepest name
    #: of C{ip6.arpa} needs about 100 when nothing of its chain is known yet.
    verifications: int = 256
    #: Of those, how many may be found wrong.
    failures: int = 16
    #: NSEC3 hashes computed for one answer.
    nsec3_hashes: int = 256
    #: Questions asked for one answer.
    fetches: int = 96
    #: CNAME and DNAME records followed.
    aliases: int = 16
    #: NSEC3 iterations above which a zone counts as insecure (RFC 9276 section 3.2).
    nsec3_iterations: int = 100
    #: NSEC3 iterations above which a zone is bogus.
    nsec3_iterations_bogus: int = 500
    #: Bits of an RSA modulus, at least and at most (RFC 5702 section 2).
    rsa_bits: tuple[int, int] = (1024, 4096)
    #: Bits of an RSA exponent; a long one makes verification slow.
    rsa_exponent_bits: int = 64
    #: Delegations that are remembered.
    links: int = 4096
    #: Seconds for which a delegation is remembered at most.
    link_ttl: int = 3600


class Work:
    """What one answer has cost so far; raises when it is too much."""

    __slots__ = (
        "_hashed",
        "failures",
        "fetches",
        "limits",
        "nsec3_hashes",
        "verifications",
    )

    def __init__(self, limits: Limits) -> None:
        """
        @param limits: the limits.
        """
        self.limits = limits
        self.verifications = 0
        self.failures = 0
        self.nsec3_hashes = 0
        self.fetches = 0
        self._hashed: dict[tuple[bytes, bytes, int], bytes] = {}

    def verify(self) -> None:
        """Count a signature that is about to be verified.

        @raise WorkExceeded: there have been too many.
        """
        self.verifications += 1
        if self.verifications > self.limits.verifications:
            raise WorkExceeded(f"{self.limits.verifications} signatures to verify")

    def fail(self) -> None:
        """Count a signature that was found wrong.

        @raise WorkExceeded: there have been too many.
        """
        self.failures += 1
        if self.failures > self.limits.failures:
            raise WorkExceeded(f"{self.limits.failures} wrong signatures")

    def fetch(self) -> None:
        """Count a question that is about to be asked.

        @raise WorkExceeded: there have been too many.
        """
        self.fetches += 1
        if self.fetches > self.limits.fetches:
            raise WorkExceeded(f"{self.limits.fetches} questions to ask")

    def nsec3_hash(self, name: bytes, salt: bytes, iterations: int) -> bytes:
        """Hash a name for NSEC3, with SHA-1 (RFC 5155 section 5).

        @param name: in wire form and lower case.
        @param salt: appended in each round.
        @param iterations: additional rounds.
        @return: 20 bytes.
        @raise WorkExceeded: there have been too many; one that was asked for before
            is remembered and not counted again.
        """
        key = (name, salt, iterations)
        found = self._hashed.get(key)
        if found is not None:
            return found
        self.nsec3_hashes += 1
        if self.nsec3_hashes > self.limits.nsec3_hashes:
            raise WorkExceeded(f"{self.limits.nsec3_hashes} NSEC3 hashes to compute")
        digest = name
        for _ in range(iterations + 1):
            digest = hashlib.sha1(digest + salt, usedforsecurity=False).digest()
        self._hashed[key] = digest
        return digest
