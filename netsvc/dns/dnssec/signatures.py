"""One RRset, its signatures, and the keys of the zone (RFC 4035 section 5.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dns.name import Name
from dns.rdtypes.ANY.RRSIG import RRSIG
from dns.rrset import RRset

from netsvc.dns.dnssec.algorithms import SUPPORTED, Key
from netsvc.dns.dnssec.limits import Work
from netsvc.dns.dnssec.replies import SignedRRset
from netsvc.dns.dnssec.status import EDE, Bogus

_WILD = Name((b"*",))

_OWNER_FIELDS = struct.Struct("!HHI")
_LENGTH = struct.Struct("!H")

#: Bytes of an RRSIG record's data before the signer's name (RFC 4034 section 3.1).
_FIXED = 18


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone whose keys are known to be right."""

    name: Name
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Signed:
    """An RRset whose signature is right.

    @ivar ttl: for how many seconds it may be used at most.
    @ivar encloser: if it was made from a wildcard, the name that the wildcard's
        asterisk stands below; that no name is nearer is still to be proven.
    """

    ttl: int
    encloser: Name | None


def verify(found: SignedRRset, zone: Zone, now: float, work: Work) -> Signed:
    """Verify an RRset: one right signature of the zone is enough.

    @param found: the RRset and its signatures.
    @param zone: whose keys must have signed it.
    @param now: POSIX time in seconds.
    @raise Bogus: no signature is right; the reason is that of the last one.
    """
    rrset = found.rrset
    worst = Bogus(f"{found} is not signed by {zone.name}", EDE.RRSIGS_MISSING)
    tried = 0
    for signature in found.signatures:
        if signature.signer != zone.name:
            continue
        problem = _unusable(rrset, signature, now)
        if problem is not None:
            worst = Bogus(f"{found}: {problem[0]}", problem[1])
            continue
        keys = [
            key
            for key in zone.keys
            if key.tag == signature.key_tag and key.algorithm == signature.algorithm
        ]
        if not keys:
            worst = Bogus(
                f"{found}: {zone.name} has no key {signature.key_tag}",
                EDE.DNSKEY_MISSING,
            )
            continue
        tried += 1
        if tried > work.limits.signatures_per_rrset:
            break
        if _right(rrset, signature, keys, work):
            return _signed(rrset, signature, now)
        worst = Bogus(f"{found}: a signature is wrong", EDE.BOGUS)
    raise worst


def _unusable(rrset: RRset, signature: RRSIG, now: float) -> tuple[str, EDE] | None:
    """Say why a signature cannot be right, before any key is looked at."""
    if signature.algorithm not in SUPPORTED:
        text = f"signature of unsupported algorithm {int(signature.algorithm)}"
        return text, EDE.UNSUPPORTED_ALGORITHM
    if signature.labels > _labels(rrset.name):
        return "a signature is for a longer name", EDE.BOGUS
    if signature.labels < _labels(signature.signer):
        return "a signature is for a wildcard outside of its zone", EDE.BOGUS
    # Times are serial numbers of 32 bits (RFC 4034 section 3.1.5).
    if _before(signature.expiration, signature.inception):
        return "a signature expires before it is valid", EDE.EXPIRED_BEFORE_VALID
    if _before(int(now), signature.inception):
        return "a signature is not yet valid", EDE.NOT_YET_VALID
    if _before(signature.expiration, int(now)):
        return "a signature has expired", EDE.EXPIRED
    return None


def _labels(name: Name) -> int:
    """Count the labels as RRSIG does: no root, no asterisk (RFC 4034 section 3.1.3)."""
    return len(name.labels) - 1 - name.is_wild()


def _before(a: int, b: int) -> bool:
    """Compare two times in the arithmetic of RFC 1982."""
    return 0 < (b - a) & 0xFFFFFFFF < 1 << 31


def _right(rrset: RRset, signature: RRSIG, keys: list[Key], work: Work) -> bool:
    """Try the keys that a signature may be of."""
    data = signed_data(rrset, signature)
    for key in keys[: work.limits.keys_per_signature]:
        work.verify()
        if key.verifies(signature.signature, data):
            return True
        work.fail()
    return False


def signed_data(rrset: RRset, signature: RRSIG) -> bytes:
    """Build the bytes that a signature is of (RFC 4034 section 3.1.8.1)."""
    wire = signature.to_wire()
    assert wire is not None
    name = rrset.name
    if signature.labels < _labels(name):
        name = _WILD + name.split(signature.labels + 1)[1]
    owner = name.to_digestable() + _OWNER_FIELDS.pack(
        rrset.rdtype, rrset.rdclass, signature.original_ttl
    )
    parts = [wire[:_FIXED], signature.signer.to_digestable()]
    for data in sorted(record.to_digestable() for record in rrset):
        parts += (owner, _LENGTH.pack(len(data)), data)
    return b"".join(parts)


def _signed(rrset: RRset, signature: RRSIG, now: float) -> Signed:
    left = (signature.expiration - int(now)) & 0xFFFFFFFF
    ttl = min(rrset.ttl, signature.original_ttl, left)
    encloser = None
    if signature.labels < _labels(rrset.name):
        encloser = rrset.name.split(signature.labels + 1)[1]
    return Signed(ttl, encloser)
