"""
Which algorithms are validated with, and the keys made ready for it.

RSA with SHA-256 and SHA-512, ECDSA with P-256 and P-384, Ed25519 and Ed448 are. A
zone that is signed with others only is insecure (RFC 4035 section 5.2). That goes for
RSA with SHA-1 (5 and 7) too: RFC 9905 section 3 tells operators to treat it so, for
SHA-1 signatures can be forged with enough effort. DS records with SHA-1 digests are
taken where there is no better one (RFC 4509 section 3): an attacker would need a
second preimage there, not a collision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from dns.dnssecalgs import get_algorithm_cls
from dns.dnssecalgs.base import GenericPublicKey
from dns.dnssectypes import Algorithm, DSDigest
from dns.exception import DNSException
from dns.name import Name
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS

from netsvc.dns.dnssec.limits import Limits

RSA: Final = frozenset({Algorithm.RSASHA256, Algorithm.RSASHA512})

SUPPORTED: Final = RSA | {
    Algorithm.ECDSAP256SHA256,
    Algorithm.ECDSAP384SHA384,
    Algorithm.ED25519,
    Algorithm.ED448,
}

#: How a DS record's digest is made, by its type (RFC 4034, RFC 4509, RFC 6605).
DIGESTS: Final[dict[int, Callable[[bytes], bytes]]] = {
    DSDigest.SHA1: lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    DSDigest.SHA256: lambda data: hashlib.sha256(data).digest(),
    DSDigest.SHA384: lambda data: hashlib.sha384(data).digest(),
}

# Flags of a DNSKEY record (RFC 4034 section 2.1.1, RFC 5011 section 3).
ZONE_KEY: Final = 0x0100
REVOKED: Final = 0x0080

#: The only value of a DNSKEY record's protocol field (RFC 4034 section 2.1.2).
PROTOCOL: Final = 3


@dataclass(frozen=True, slots=True)
class Key:
    """A zone's key, ready to verify with."""

    tag: int
    algorithm: int
    public: GenericPublicKey

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Tell whether a signature is this key's, of this data."""
        try:
            self.public.verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


def make_key(record: DNSKEY, limits: Limits) -> Key | None:
    """Make a key ready.

    @return: L{None} for a key that cannot be used: no zone key, revoked, malformed, of
        an algorithm that is not supported or, with RSA, of a size that is not.
    """
    if record.protocol != PROTOCOL or record.flags & (ZONE_KEY | REVOKED) != ZONE_KEY:
        return None
    if record.algorithm not in SUPPORTED:
        return None
    if record.algorithm in RSA and not _rsa_size_is_sane(record.key, limits):
        return None
    try:
        private = get_algorithm_cls(record.algorithm)
        public = private.public_cls.from_dnskey(record)
    except (DNSException, ValueError):
        return None
    return Key(record.key_id(), int(record.algorithm), public)


def _rsa_size_is_sane(key: bytes, limits: Limits) -> bool:
    """Look at the sizes in an RSA key's wire form (RFC 3110 section 2)."""
    start, size = 1, key[0] if key else 0
    if not size:
        start, size = 3, int.from_bytes(key[1:3], "big")
    exponent = int.from_bytes(key[start : start + size], "big").bit_length()
    modulus = int.from_bytes(key[start + size :], "big").bit_length()
    least, most = limits.rsa_bits
    return 2 <= exponent <= limits.rsa_exponent_bits and least <= modulus <= most


def usable_ds(records: Iterable[DS]) -> list[DS]:
    """Choose the DS records to go by.

    @return: those of algorithms and digests that are supported, without SHA-1 where
        there is another (RFC 4509 section 3); none means that the zone is insecure.
    """
    known = [
        record
        for record in records
        if record.algorithm in SUPPORTED and record.digest_type in DIGESTS
    ]
    better = [record for record in known if record.digest_type != DSDigest.SHA1]
    return better or known


def matches(ds: DS, zone: Name, key: DNSKEY) -> bool:
    """Tell whether a DS record is of this key (RFC 4034 section 5.1.4).

    @param zone: the name at which the key stands.
    """
    if ds.algorithm != key.algorithm or ds.key_tag != key.key_id():
        return False
    data = zone.to_digestable() + key.to_digestable()
    return DIGESTS[ds.digest_type](data) == ds.digest
