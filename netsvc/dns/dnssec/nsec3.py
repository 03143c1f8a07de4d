"""
Proofs by NSEC3 records that something does not exist (RFC 5155 section 8).

They are NSEC records over the hashes of names. Since a hash does not show what stands
above what, a proof first finds the closest encloser, the nearest name above that
exists, and then shows that the I{next closer} name, one label longer, does not.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from dns.name import Name
from dns.rdtypes.ANY.NSEC3 import NSEC3

from netsvc.dns.dnssec.limits import Work
from netsvc.dns.dnssec.nsec import Cut, cut_here, hides_below, lacks
from netsvc.dns.dnssec.status import EDE, Bogus
from netsvc.dns.result import Security

_WILD = Name((b"*",))

_SHA1 = 1
_OPT_OUT = 1

#: The flags that are known; a record with others is ignored (RFC 5155 section 8.2).
_KNOWN_FLAGS = _OPT_OUT


@dataclass(frozen=True, slots=True)
class _Encloser:
    """The closest encloser of a name, and whether an opt-out span is below it."""

    name: Name
    opt_out: bool

    @property
    def security(self) -> Security:
        return Security.INSECURE if self.opt_out else Security.SECURE


class Nsec3Denial:
    """The NSEC3 records of one zone that an answer brought, all rightly signed.

    @ivar excessive: whether the iterations are so many that the zone counts as
        insecure (RFC 9276 section 3.2), so that no proof is computed.
    """

    def __init__(
        self, zone: Name, records: Iterable[tuple[Name, NSEC3]], work: Work
    ) -> None:
        """
        @param zone: the zone's name.
        @param records: each with its owner.
        @param work: what counts the hashes.
        @raise Bogus: they have different parameters, or iterations beyond all bounds.
        """
        self._zone = zone
        self._work = work
        self._by_hash: dict[bytes, NSEC3] = {}
        parameters: set[tuple[bytes, int]] = set()
        for owner, record in records:
            if record.algorithm != _SHA1 or record.flags & ~_KNOWN_FLAGS:
                continue
            digest = _decode(owner.labels[0])
            if digest is not None:
                self._by_hash[digest] = record
                parameters.add((record.salt, record.iterations))
        if len(parameters) > 1:
            raise Bogus(f"{zone}: NSEC3 records of different parameters", EDE.BOGUS)
        self._salt, self._iterations = parameters.pop() if parameters else (b"", 0)
        limits = work.limits
        if self._iterations > limits.nsec3_iterations_bogus:
            raise Bogus(
                f"{zone}: {self._iterations} NSEC3 iterations", EDE.NSEC3_ITERATIONS
            )
        self.excessive = self._iterations > limits.nsec3_iterations

    def nodata(self, name: Name, rdtype: int) -> Security | None:
        """Prove that a name, or the wildcard for it, exists and lacks a type."""
        record = self._at(name)
        if record is not None:
            return Security.SECURE if lacks(record.windows, rdtype, name) else None
        encloser = self._closest_encloser(name)
        if encloser is None:
            return None
        wildcard = _WILD + encloser.name
        record = self._at(wildcard)
        if record is not None and lacks(record.windows, rdtype, wildcard):
            return encloser.security
        # A delegation without DS may stand in an opt-out span, and so may an empty
        # name above one (RFC 5155 sections 8.6 and 7.1).
        return Security.INSECURE if encloser.opt_out else None

    def nxdomain(self, name: Name) -> Security | None:
        """Prove that neither a name nor a wildcard for it exists."""
        encloser = self._closest_encloser(name)
        if encloser is None or self._covering(_WILD + encloser.name) is None:
            return None
        return encloser.security

    def is_empty(self, name: Name) -> bool | None:
        """
        Not told apart here: an empty name has a record of its own, as others have, and
        a server that knows the record knows that the name exists.
        """
        return None

    def expansion(self, name: Name, encloser: Name) -> Security | None:
        """Prove that nothing is nearer to a name than the wildcard at an encloser."""
        record = self._covering(name.split(len(encloser.labels) + 1)[1])
        if record is None:
            return None
        return Security.INSECURE if record.flags & _OPT_OUT else Security.SECURE

    def cut(self, name: Name) -> Cut | None:
        """Prove that there is no DS record at a name, and tell what there is."""
        record = self._at(name)
        if record is not None:
            return cut_here(record.windows)
        encloser = self._closest_encloser(name)
        if encloser is None:
            return None
        return Cut.UNSIGNED if encloser.opt_out else Cut.NOTHING

    def _closest_encloser(self, name: Name) -> _Encloser | None:
        """Prove the closest encloser of a name (RFC 5155 section 8.3)."""
        closer = name
        while closer != self._zone:
            above = closer.parent()
            record = self._at(above)
            if record is not None:
                if hides_below(record.windows):
                    return None
                covering = self._covering(closer)
                if covering is None:
                    return None
                return _Encloser(above, bool(covering.flags & _OPT_OUT))
            closer = above
        return None

    def _hash(self, name: Name) -> bytes:
        return self._work.nsec3_hash(name.to_digestable(), self._salt, self._iterations)

    def _at(self, name: Name) -> NSEC3 | None:
        """Find the record for a name."""
        return self._by_hash.get(self._hash(name))

    def _covering(self, name: Name) -> NSEC3 | None:
        """Find a record between whose hashes a name's hash stands."""
        digest = self._hash(name)
        for owner, record in self._by_hash.items():
            if owner < record.next:
                covers = owner < digest < record.next
            else:
                # The last of the zone, which goes round to the first.
                covers = digest > owner or digest < record.next
            if covers:
                return record
        return None


def _decode(label: bytes) -> bytes | None:
    """Decode the hash in an owner's first label (RFC 5155 section 3.3)."""
    try:
        return base64.b32hexdecode(label.upper())
    except binascii.Error:
        return None
