"""
Proofs by NSEC records that something does not exist (RFC 4034, 4035, 6840).

An NSEC record stands at a name that exists, lists the types there, and names the
next name in the zone's canonical order: between the two there is nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Protocol

from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NSEC import NSEC

from netsvc.dns.result import Security

_WILD = Name((b"*",))

#: The types that a name has for being denied, and nothing else.
_DENIAL_ITSELF = {RdataType.NSEC, RdataType.RRSIG}

#: The type in a bitmap that says "this name does not exist" (RFC 9824 section 3).
NXNAME = 128


class Cut(Enum):
    """What a zone's denial says about the delegation of a name below it."""

    UNSIGNED = "a delegation without DS, or possibly one (opt-out)"
    NONE = "no delegation; names below it may exist"
    NOTHING = "no such name, so nothing below it either"


class Denial(Protocol):
    """Proofs by the records of one zone; each is L{None} where they prove nothing.

    The status is SECURE, or INSECURE where a proof is right and yet leaves room for
    something unsigned (opt-out, RFC 5155 section 9.2).
    """

    def nodata(self, name: Name, rdtype: int) -> Security | None:
        """Prove that a name, or the wildcard for it, exists and lacks a type."""

    def nxdomain(self, name: Name) -> Security | None:
        """Prove that neither a name nor a wildcard for it exists."""

    def is_empty(self, name: Name) -> bool | None:
        """Prove that a name has no data at all, but something below it."""

    def expansion(self, name: Name, encloser: Name) -> Security | None:
        """Prove that nothing is nearer to a name than the wildcard at an encloser."""

    def cut(self, name: Name) -> Cut | None:
        """Prove that there is no DS record at a name, and tell what there is."""


def has_type(windows: Iterable[tuple[int, bytes]], rdtype: int) -> bool:
    """Look a type up in a bitmap (RFC 4034 section 4.1.2)."""
    window, low = divmod(rdtype, 256)
    byte, bit = divmod(low, 8)
    return any(
        number == window and byte < len(bitmap) and bitmap[byte] & 0x80 >> bit
        for number, bitmap in windows
    )


def _types(windows: Iterable[tuple[int, bytes]]) -> set[int]:
    """Give all types in a bitmap."""
    return {
        number * 256 + place * 8 + bit
        for number, bitmap in windows
        for place, byte in enumerate(bitmap)
        for bit in range(8)
        if byte & 0x80 >> bit
    }


def lacks(windows: Iterable[tuple[int, bytes]], rdtype: int, name: Name) -> bool:
    """Tell whether a bitmap that stands at a name proves that it lacks a type.

    It does not where the name is an alias, nor where the record is from the wrong
    side of a delegation (RFC 6840 section 4.1): all but DS is for the child's side.
    """
    windows = list(windows)
    if rdtype == RdataType.ANY:
        return _types(windows) <= _DENIAL_ITSELF
    if has_type(windows, rdtype) or has_type(windows, RdataType.CNAME):
        return False
    soa = has_type(windows, RdataType.SOA)
    if rdtype == RdataType.DS:
        return not soa or len(name.labels) == 1
    return soa or not has_type(windows, RdataType.NS)


def cut_here(windows: Iterable[tuple[int, bytes]]) -> Cut | None:
    """Read from a bitmap what delegation there is at its own name."""
    windows = list(windows)
    if has_type(windows, RdataType.DS) or has_type(windows, RdataType.SOA):
        return None
    return Cut.UNSIGNED if has_type(windows, RdataType.NS) else Cut.NONE


def hides_below(windows: Iterable[tuple[int, bytes]]) -> bool:
    """Tell whether what is below a name is for others to deny: delegation or DNAME."""
    windows = list(windows)
    delegation = has_type(windows, RdataType.NS) and not has_type(
        windows, RdataType.SOA
    )
    return delegation or has_type(windows, RdataType.DNAME)


class NsecDenial:
    """The NSEC records of one zone that an answer brought, all rightly signed."""

    def __init__(self, zone: Name, records: Iterable[tuple[Name, NSEC]]) -> None:
        """
        @param zone: the zone's name.
        @param records: each with its owner.
        """
        self._zone = zone
        # One that goes beyond its zone denies what it has no word in.
        self._records = [
            (owner, record)
            for owner, record in records
            if record.next.is_subdomain(zone)
        ]

    def nodata(self, name: Name, rdtype: int) -> Security | None:
        """Prove that a name, or the wildcard for it, exists and lacks a type."""
        record = self._at(name)
        if record is not None:
            return Security.SECURE if lacks(record.windows, rdtype, name) else None
        found = self._covering(name)
        if found is None:
            return None
        owner, record = found
        if record.next.is_subdomain(name):
            # An empty non-terminal: nothing at it, something below.
            return Security.SECURE
        wildcard = _WILD + _encloser(name, owner, record.next)
        record = self._at(wildcard)
        if record is not None and lacks(record.windows, rdtype, wildcard):
            return Security.SECURE
        return None

    def nxdomain(self, name: Name) -> Security | None:
        """Prove that neither a name nor a wildcard for it exists."""
        record = self._at(name)
        if record is not None:
            # Compact denial makes up a record at the name itself (RFC 9824).
            return Security.SECURE if has_type(record.windows, NXNAME) else None
        found = self._covering(name)
        if found is None or found[1].next.is_subdomain(name):
            return None
        wildcard = _WILD + _encloser(name, found[0], found[1].next)
        found = self._covering(wildcard)
        if found is None or found[1].next.is_subdomain(wildcard):
            return None
        return Security.SECURE

    def is_empty(self, name: Name) -> bool | None:
        """Prove that a name has no data at all, but something below it."""
        found = self._covering(name)
        return True if found and found[1].next.is_subdomain(name) else None

    def expansion(self, name: Name, encloser: Name) -> Security | None:
        """Prove that nothing is nearer to a name than the wildcard at an encloser."""
        found = self._covering(name)
        if found is None or found[1].next.is_subdomain(name):
            return None
        nearest = _encloser(name, found[0], found[1].next)
        return Security.SECURE if nearest == encloser else None

    def cut(self, name: Name) -> Cut | None:
        """Prove that there is no DS record at a name, and tell what there is."""
        record = self._at(name)
        if record is not None:
            return cut_here(record.windows)
        found = self._covering(name)
        if found is None:
            return None
        return Cut.NONE if found[1].next.is_subdomain(name) else Cut.NOTHING

    def _at(self, name: Name) -> NSEC | None:
        """Find the record that stands at a name."""
        for owner, record in self._records:
            if owner == name:
                return record
        return None

    def _covering(self, name: Name) -> tuple[Name, NSEC] | None:
        """Find a record between whose names a name would stand."""
        for owner, record in self._records:
            last = record.next == self._zone
            if not owner < name or not (last or name < record.next):
                continue
            if name.is_subdomain(owner) and hides_below(record.windows):
                continue
            return owner, record
        return None


def _encloser(name: Name, owner: Name, following: Name) -> Name:
    """Find the nearest existing name above one that two neighbours show missing."""
    depth = max(
        name.fullcompare(owner)[2],
        name.fullcompare(following)[2],
    )
    return name.split(depth)[1]
