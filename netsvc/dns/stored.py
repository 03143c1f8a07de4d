"""
An answer kept as bytes, so that to give it again is to copy it.

What is kept is a reply without its id, its question and its EDNS record: those are
the client's. The question is as long each time, so compression pointers stay right,
and the places of the TTLs are known. To answer a query from it costs about two
microseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from netsvc.dns import rrtypes
from netsvc.dns.codes import AD, CD, QR, RA, RD
from netsvc.dns.rdata import LAYOUTS, name_at
from netsvc.dns.result import Record
from netsvc.dns.wire import HEADER

#: Seconds to live that a client is told for an answer whose time is over (RFC 8767
#: section 4).
STALE_TTL: Final = 30

#: The first place in a message that a compression pointer cannot name.
_NO_POINTER: Final = 0x4000

#: The types whose data may have compressed names (RFC 3597 section 4).
_COMPRESSED: Final = frozenset(
    {rrtypes.NS, rrtypes.CNAME, rrtypes.SOA, rrtypes.PTR, rrtypes.MX}
)

_FIXED = struct.Struct("!HHIH")
_LENGTH = struct.Struct("!H")
_TTL = struct.Struct("!I")

_NO_ADDITIONAL: Final = b"\0\0"
_ONE_ADDITIONAL: Final = b"\0\1"
_QR_BYTE: Final = QR >> 8
_RD_BYTE: Final = RD >> 8


@lru_cache(4096)
def _same_counts(answers: int, authorities: int) -> bytes:
    """Give the header's first three counts: one object for all that have the same."""
    return struct.pack("!HHH", 1, answers, authorities)


@lru_cache(4096)
def _same_places(places: tuple[int, ...]) -> tuple[int, ...]:
    """Give a tuple: one object for all that are equal."""
    return places


class Packed:
    """Records in wire form, as they stand after a question.

    @ivar data: the records; compression pointers go into the message.
    @ivar places: where in C{data} each TTL is.
    """

    __slots__ = ("_base", "_names", "_pieces", "_size", "places")

    def __init__(self, name: bytes) -> None:
        """
        @param name: the question's, in wire form.
        """
        self._base = HEADER + len(name) + 4
        self._names: dict[bytes, int] = {}
        self._pieces: list[bytes] = []
        self._size = 0
        self.places: list[int] = []
        self._note(name.lower(), HEADER)

    @property
    def data(self) -> bytes:
        """The records."""
        return b"".join(self._pieces)

    def add(self, records: Iterable[Record], ttl: int) -> int:
        """Write records.

        @param ttl: the most seconds to live that any of them gets.
        @return: how many there were.
        """
        count = 0
        for owner, rtype, rclass, own, rdata in records:
            self._write(self._compress(owner, self._here()))
            self.places.append(self._size + 4)
            if rtype in _COMPRESSED:
                rdata = self._rdata(rtype, rdata)
            self._write(_FIXED.pack(rtype, rclass, min(own, ttl), len(rdata)) + rdata)
            count += 1
        return count

    def _here(self) -> int:
        return self._base + self._size

    def _write(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)

    def _rdata(self, rtype: int, rdata: bytes) -> bytes:
        """Compress the names in data."""
        start = self._here() + _FIXED.size
        done = b""
        position = 0
        for part in LAYOUTS[rtype]:
            if part == "name":
                name = name_at(rdata, position)
                done += self._compress(name, start + len(done))
                position += len(name)
            else:
                size = int(part)
                done += rdata[position : position + size]
                position += size
        return done

    def _compress(self, name: bytes, here: int) -> bytes:
        """Write a name, its end as a pointer if that end stands in the message."""
        folded = name.lower()
        position = 0
        while length := name[position]:
            known = self._names.get(folded[position:])
            if known is not None:
                name = name[:position] + _LENGTH.pack(0xC000 | known)
                break
            position += 1 + length
        self._note(folded, here, position)
        return name

    def _note(self, folded: bytes, here: int, until: int = 255) -> None:
        """Remember where the ends of a name are that begin before C{until}."""
        position = 0
        while position < until and (length := folded[position]):
            if here + position >= _NO_POINTER:
                return
            self._names.setdefault(folded[position:], here + position)
            position += 1 + length


class Stored:
    """One answer that is kept.

    @ivar rcode: its response code.
    @ivar is_negative: whether it says that the name or the data does not exist.
    @ivar expires: when its time to live is over, in seconds of the cache's clock.
    @ivar uses: how often it has been given.
    @ivar is_authentic: whether it was validated (AD).
    """

    __slots__ = (
        "_counts",
        "_due",
        "_echo",
        "_low",
        "_places",
        "_records",
        "_stamp",
        "expires",
        "is_negative",
        "uses",
    )

    def __init__(
        self,
        packed: Packed,
        *,
        rcode: int,
        answers: int,
        authorities: int,
        ttl: int,
        now: float,
        negative: bool,
        authentic: bool,
        dnssec: bool,
    ) -> None:
        """
        @param packed: the records.
        @param ttl: for how many seconds they are good.
        @param now: the time in seconds.
        @param dnssec: whether it was asked for with DO.
        """
        self._records = packed.data
        self._places = _same_places(tuple(packed.places))
        self._counts = _same_counts(answers, authorities)
        # AD is for who asks for it, with AD or with DO (RFC 6840 section 5.8).
        self._low = RA | rcode | (AD if authentic and dnssec else 0)
        self._echo = CD | (AD if authentic else 0)
        self._stamp = int(now)
        self.expires = self._stamp + ttl
        self._due = self.expires - max(1, ttl // 10)
        self.is_negative = negative
        self.uses = 0

    @property
    def rcode(self) -> int:
        """Its response code."""
        return self._low & 15

    @property
    def is_authentic(self) -> bool:
        """Whether it was validated."""
        return bool(self._echo & AD)

    @property
    def size(self) -> int:
        """Bytes of its records."""
        return len(self._records)

    def is_due(self, now: float, popular: int) -> bool:
        """Tell whether to ask for it anew although it is good for a while.

        True once, in the last tenth of its time to live.

        @param popular: how often it must have been given.
        """
        if now < self._due or self.uses < popular:
            return False
        self._due = self.expires
        return now < self.expires

    def reply(self, query: bytes, end: int, now: float, opt: bytes = b"") -> bytes:
        """Make the reply to a query.

        The id, RD, CD and the question, with its letters' case, are the query's.

        @param query: for the question that this is the answer to.
        @param end: where in it the question ends.
        @param now: the time in seconds. When the answer's time is over its records
            get L{STALE_TTL}.
        @param opt: an OPT record to put at the end.
        """
        if now >= self.expires:
            records = self._with_ttl(STALE_TTL)
        else:
            if int(now) > self._stamp:
                self._age(int(now))
            records = self._records
        flags = bytes(
            (_QR_BYTE | query[2] & _RD_BYTE, self._low | query[3] & self._echo)
        )
        return b"%b%b%b%b%b%b%b" % (
            query[:2],
            flags,
            self._counts,
            _ONE_ADDITIONAL if opt else _NO_ADDITIONAL,
            query[HEADER:end],
            records,
            opt,
        )

    def _age(self, second: int) -> None:
        """Count the TTLs down to a second, for all who ask in it."""
        passed = second - self._stamp
        self._stamp = second
        records = bytearray(self._records)
        for place in self._places:
            (ttl,) = _TTL.unpack_from(records, place)
            _TTL.pack_into(records, place, ttl - passed)
        self._records = bytes(records)

    def _with_ttl(self, ttl: int) -> bytes:
        records = bytearray(self._records)
        for place in self._places:
            _TTL.pack_into(records, place, ttl)
        return bytes(records)
