"""Signed zones in memory."""

from __future__ import annotations

import hashlib
from base64 import b32hexencode
from collections.abc import Iterable
from dataclasses import dataclass, field

import dns.dnssec
import dns.dnssectypes
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataset
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from dns.dnssectypes import Algorithm, DSDigest
from dns.name import Name
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.NSEC import NSEC, Bitmap
from dns.rdtypes.ANY.NSEC3 import NSEC3
from dns.rdtypes.ANY.RRSIG import RRSIG
from dns.rrset import RRset

#: When the tests take place, POSIX time.
NOW = 1_800_000_000

DAY = 86_400

SOA = "ns admin 1 3600 600 86400 300"

_WILD = Name((b"*",))


def name(text: str) -> Name:
    """Make an absolute name."""
    return dns.name.from_text(text)


class Signer:
    """A key of a zone, made from its label: the same each time."""

    def __init__(
        self, label: str, algorithm: int = Algorithm.ECDSAP256SHA256, flags: int = 257
    ) -> None:
        self.private = _private(label, algorithm)
        public = self.private.public_key()
        self.record: DNSKEY = dns.dnssec.make_dnskey(public, algorithm, flags)

    def sign(self, rrset: RRset, zone: Name, inception: int, expiration: int) -> RRSIG:
        """Sign an RRset."""
        return dns.dnssec.sign(
            rrset,
            self.private,
            zone,
            self.record,
            inception=inception,
            expiration=expiration,
            policy=dns.dnssec.allow_all_policy,
        )


_MADE: dict[int, rsa.RSAPrivateKey] = {}


def _private(
    label: str, algorithm: int
) -> (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
):
    seed = hashlib.shake_256(label.encode()).digest(57)
    if algorithm == Algorithm.ECDSAP256SHA256:
        number = int.from_bytes(seed[:31], "big")
        return ec.derive_private_key(number, ec.SECP256R1())
    if algorithm == Algorithm.ECDSAP384SHA384:
        number = int.from_bytes(seed[:47], "big")
        return ec.derive_private_key(number, ec.SECP384R1())
    if algorithm == Algorithm.ED25519:
        return ed25519.Ed25519PrivateKey.from_private_bytes(seed[:32])
    if algorithm == Algorithm.ED448:
        return ed448.Ed448PrivateKey.from_private_bytes(seed)
    # RSA keys cannot be derived and take long to make.
    if 0 not in _MADE:
        _MADE[0] = rsa.generate_private_key(65537, 1024)
    return _MADE[0]


@dataclass(frozen=True)
class Hashing:
    """Parameters of NSEC3."""

    iterations: int = 0
    salt: bytes = b""
    opt_out: bool = False

    def digest(self, owner: Name) -> bytes:
        """Hash a name."""
        digest = owner.to_digestable()
        for _ in range(self.iterations + 1):
            digest = hashlib.sha1(digest + self.salt).digest()
        return digest


@dataclass
class Zone:
    """A zone: text in, signed records out."""

    origin: Name
    signers: list[Signer]
    hashing: Hashing | None = None
    inception: int = NOW - DAY
    expiration: int = NOW + DAY
    rrsets: dict[tuple[Name, RdataType], RRset] = field(default_factory=dict)
    rrsigs: dict[tuple[Name, RdataType], list[RRSIG]] = field(default_factory=dict)
    cuts: set[Name] = field(default_factory=set)

    def add(self, text: str) -> None:
        """Add a record: owner (C{@} is the origin), type, data."""
        owner, kind, data = text.split(" ", 2)
        where = dns.name.from_text(owner, self.origin)
        rdtype = RdataType.make(kind)
        record = dns.rdata.from_text(IN, rdtype, data, self.origin, relativize=False)
        self.put(where, record)

    def put(self, where: Name, record: dns.rdata.Rdata, ttl: int = 300) -> None:
        """Add a record."""
        key = (where, record.rdtype)
        if key not in self.rrsets:
            self.rrsets[key] = RRset(where, IN, record.rdtype)
            self.rrsets[key].update_ttl(ttl)
        self.rrsets[key].add(record, ttl)
        if record.rdtype == RdataType.NS and where != self.origin:
            self.cuts.add(where)

    def delegate(self, child: Zone, digests: Iterable[int] = (2,)) -> None:
        """Add a child: NS records, and a DS record for each kind of digest."""
        self.put(child.origin, _name_server(child.origin))
        for digest in digests:
            for signer in child.signers:
                self.put(child.origin, make_ds(child.origin, signer.record, digest))

    def sign(self) -> Zone:
        """Make keys, denial and signatures."""
        if not self.signers:
            return self
        for signer in self.signers:
            self.put(self.origin, signer.record)
        if self.hashing is None:
            self._make_nsec()
        else:
            self._make_nsec3(self.hashing)
        for key in list(self.rrsets):
            self.resign(*key)
        return self

    def resign(self, where: Name, rdtype: RdataType) -> None:
        """Sign one RRset (again), if it is the zone's to sign."""
        if self._is_signed(where, rdtype):
            self.rrsigs[where, rdtype] = [
                signer.sign(
                    self.rrsets[where, rdtype],
                    self.origin,
                    self.inception,
                    self.expiration,
                )
                for signer in self.signers
            ]

    def _is_signed(self, where: Name, rdtype: RdataType) -> bool:
        for cut in self.cuts:
            if where == cut:
                return rdtype in (RdataType.DS, RdataType.NSEC)
            if where.is_subdomain(cut):
                return False
        return True

    def names(self) -> dict[Name, set[RdataType]]:
        """Give the names that are the zone's, cuts included, with their types."""
        found: dict[Name, set[RdataType]] = {}
        for where, rdtype in self.rrsets:
            if any(where != cut and where.is_subdomain(cut) for cut in self.cuts):
                continue
            found.setdefault(where, set()).add(rdtype)
        return found

    def _make_nsec(self) -> None:
        names = self.names()
        ordered = sorted(names)
        for where, following in zip(ordered, [*ordered[1:], ordered[0]], strict=True):
            types = {*names[where], RdataType.NSEC, RdataType.RRSIG}
            bitmap = Bitmap.from_rdtypes(list(types))
            self.put(where, NSEC(IN, RdataType.NSEC, following, bitmap.windows))

    def _make_nsec3(self, hashing: Hashing) -> None:
        names = self.names()
        for where in list(names):
            unsigned = where in self.cuts and RdataType.DS not in names[where]
            if unsigned and hashing.opt_out:
                del names[where]
                continue
            if RdataType.DS in names[where] or where not in self.cuts:
                names[where].add(RdataType.RRSIG)
            above = where
            while above != self.origin:
                above = above.parent()
                names.setdefault(above, set())
        hashed = sorted(
            (hashing.digest(where), types) for where, types in names.items()
        )
        for (digest, types), (following, _) in zip(
            hashed, [*hashed[1:], hashed[0]], strict=True
        ):
            owner = Name((b32hexencode(digest).lower(),)) + self.origin
            bitmap = Bitmap.from_rdtypes(list(types))
            record = NSEC3(
                IN,
                RdataType.NSEC3,
                1,
                int(hashing.opt_out),
                hashing.iterations,
                hashing.salt,
                following,
                bitmap.windows,
            )
            self.put(owner, record)

    def exists(self, where: Name) -> bool:
        """Tell whether a name exists, be it with nothing at it."""
        return any(
            owner.is_subdomain(where)
            for owner, rdtype in self.rrsets
            if rdtype != RdataType.NSEC3
        )

    def has_hash(self, where: Name) -> bool:
        """Tell whether there is an NSEC3 record for a name."""
        assert self.hashing is not None
        label = b32hexencode(self.hashing.digest(where)).lower()
        return (Name((label,)) + self.origin, RdataType.NSEC3) in self.rrsets

    def encloser(self, where: Name) -> Name:
        """Find the nearest existing name above one."""
        while not self.exists(where):
            where = where.parent()
        return where


def make_ds(origin: Name, key: DNSKEY, digest: int = 2) -> DS:
    """Make a DS record of any kind."""
    return dns.dnssec.make_ds(
        origin,
        key,
        DSDigest(digest),
        policy=dns.dnssec.allow_all_policy,
        validating=True,
    )


def make_zone(
    origin: str,
    *records: str,
    hashing: Hashing | None = None,
    signed: bool = True,
    algorithm: int = Algorithm.ECDSAP256SHA256,
    children: Iterable[Zone] = (),
    bare: Iterable[Zone] = (),
    digests: Iterable[int] = (2,),
    inception: int = NOW - DAY,
    expiration: int = NOW + DAY,
) -> Zone:
    """Make a zone with a SOA and an NS record, and sign it.

    @param children: zones delegated with DS records, if they are signed.
    @param bare: zones delegated without.
    """
    where = name(origin)
    signers = [Signer(origin, algorithm)] if signed else []
    zone = Zone(where, signers, hashing, inception, expiration)
    zone.add(f"@ SOA {SOA}")
    zone.add("@ NS ns")
    for record in records:
        zone.add(record)
    for child in children:
        zone.delegate(child, digests)
    for child in bare:
        zone.delegate(child, ())
    return zone.sign()


def _name_server(origin: Name) -> dns.rdata.Rdata:
    return dns.rdata.from_text(IN, RdataType.NS, "ns", origin, relativize=False)
