"""
Answers that are kept (RFC 1034 section 4.3.4, RFC 2308, RFC 8767, RFC 9520).

One answer is kept for one question: the name, the type, the class, and whether DO and
CD were set. Of a reply only the records on the chain of aliases from that name are
kept, and of the authority section only what proves a negative answer or a wildcard:
what a server says of other names is never believed.

The time is an argument: seconds of any clock that does not go back.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final

from netsvc.dns import rrtypes
from netsvc.dns.chain import on_chain
from netsvc.dns.codes import ANSWERS, CD, NXDOMAIN
from netsvc.dns.errors import BadChain
from netsvc.dns.names import is_within
from netsvc.dns.result import Question, Record
from netsvc.dns.stored import Packed, Stored
from netsvc.dns.wire import HEADER

#: Bytes of memory that an entry takes beside those of its key and its records.
OVERHEAD: Final = 448

#: Bytes of the records of the longest answer that is kept: there must be room for
#: header, question and EDNS in a message of 65,535.
MAX_RECORDS: Final = 64_000

# The last byte of a key.
_DO: Final = 1
_CD: Final = 2
_FLAGS: Final = (b"\0", b"\1", b"\2", b"\3")

#: Stands in a key for the type of a name that does not exist at all.
_ANY_TYPE: Final = b"\0\0"

_PROOFS: Final = frozenset({rrtypes.TYPES["NSEC"], rrtypes.TYPES["NSEC3"]})
_PROOFS_AND_SOA: Final = _PROOFS | {rrtypes.SOA}


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLimits:
    """How much is kept, and for how long. Times are in seconds."""

    #: Answers.
    entries: int = 100_000
    #: Bytes of memory, about.
    size: int = 60 * 1024 * 1024
    #: The most that a record lives (RFC 8767 section 4).
    ttl: int = 604_800
    #: The most that a negative answer lives (RFC 2308 section 5).
    negative_ttl: int = 10_800
    #: For how long after its time an answer may be given if no other is to be had
    #: (RFC 8767 section 5); 0 for not at all.
    stale: int = 86_400
    #: How often an answer is given before it is worth asking for it anew in time.
    popular: int = 3
    #: Failures.
    failures: int = 10_000
    #: For how long a failure is kept the first time; each time in a row twice as long.
    failure_ttl: int = 5
    #: The most that a failure is kept (RFC 2308 section 7.1, RFC 9520 section 3.2).
    failure_most: int = 300


@dataclass(slots=True)
class Failure:
    """A question that some servers could not answer a short while ago.

    @ivar reason: what the caller has noted about it.
    @ivar until: when to ask them again.
    @ivar wait: for how many seconds it is kept.
    """

    reason: object
    until: float
    wait: int


def make_key(question: Question, *, dnssec: bool, checking_disabled: bool) -> bytes:
    """Make the key of a question.

    @param dnssec: whether DO is set.
    @param checking_disabled: whether CD is.
    """
    return b"%b%b%b%b" % (
        question.name.lower(),
        question.rtype.to_bytes(2, "big"),
        question.rclass.to_bytes(2, "big"),
        _FLAGS[dnssec * _DO | checking_disabled * _CD],
    )


def query_key(query: bytes, end: int, *, dnssec: bool) -> bytes:
    """Make the key of the question of a query, without taking it apart.

    @param query: a query with one question, well-formed.
    @param end: where its question ends.
    @param dnssec: whether its OPT record has DO.
    """
    # The type and class stand last: b"\0A" is the type HTTPS and must stay it.
    name = end - 4
    flags = dnssec * _DO | (_CD if query[3] & CD else 0)
    return query[HEADER:name].lower() + query[name:end] + _FLAGS[flags]


class Cache:
    """The answers, least recently used ones thrown out first.

    @ivar counts: events by name: C{hits}, C{misses}, C{stale} (given after their
        time), C{stored}, C{evictions}, C{failed} (failures given), and why answers
        were not kept: C{zero-ttl}, C{no-soa}, C{not-an-answer}, C{too-large}.
    """

    def __init__(self, limits: CacheLimits | None = None) -> None:
        """
        @param limits: how much to keep, and for how long.
        """
        self.limits = CacheLimits() if limits is None else limits
        self.counts: Counter[str] = Counter()
        self._entries: OrderedDict[bytes, Stored] = OrderedDict()
        self._size = 0
        self._failures: OrderedDict[tuple[bytes, Hashable], Failure] = OrderedDict()

    def __len__(self) -> int:
        """Count the answers."""
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes of memory that the answers take, about."""
        return self._size

    def get(self, key: bytes, now: float) -> Stored | None:
        """Find an answer that is good.

        @param key: from L{make_key} or L{query_key}.
        """
        entry = self._entries.get(key)
        if entry is None or now >= entry.expires:
            key = _any_type(key)
            entry = self._entries.get(key)
            if entry is None or now >= entry.expires:
                self.counts["misses"] += 1
                return None
        self._entries.move_to_end(key)
        entry.uses += 1
        self.counts["hits"] += 1
        return entry

    def get_stale(self, key: bytes, now: float) -> Stored | None:
        """Find an answer that is good, or was so not long ago.

        For when nobody answers the question now (RFC 8767 section 5).
        """
        for each in (key, _any_type(key)):
            entry = self._entries.get(each)
            if entry is not None and now < entry.expires + self.limits.stale:
                self._entries.move_to_end(each)
                self.counts["stale"] += 1
                return entry
        return None

    def is_due(self, entry: Stored, now: float) -> bool:
        """Tell whether to ask for an answer anew before its time is over.

        True once for each answer: in the last tenth of its time, if it is asked for
        often.
        """
        return entry.is_due(now, self.limits.popular)

    def put(
        self,
        key: bytes,
        question: Question,
        rcode: int,
        records: tuple[Record, ...],
        authority: tuple[Record, ...],
        now: float,
        *,
        authentic: bool = False,
        ttl: int | None = None,
    ) -> Stored | None:
        """Keep an answer, instead of the one before.

        @param key: the question's.
        @param question: what was asked.
        @param rcode: the response code.
        @param records: the answer section, or what is to be kept of it.
        @param authority: the authority section.
        @param authentic: whether the answer was validated.
        @param ttl: the most that the answer is good for, in seconds: a validator's
            bound.
        @return: what was kept; L{None}, and counted, if the answer is not to be kept.
        """
        if rcode not in ANSWERS:
            self.counts["not-an-answer"] += 1
            return None
        dnssec = bool(key[-1] & _DO)
        try:
            records = on_chain(records, question)
        except BadChain:
            self.counts["not-an-answer"] += 1
            return None
        negative = rcode == NXDOMAIN or not _has(records, question.rtype)
        life = self.limits.ttl if ttl is None else min(ttl, self.limits.ttl)
        soa = None
        if negative:
            soa = _soa(_last_name(records, question), authority)
            if soa is None:
                self.counts["no-soa"] += 1
                return None
            # RFC 2308 section 5: the lesser of the record's TTL and its MINIMUM.
            minimum = int.from_bytes(soa.rdata[-4:], "big")
            life = min(life, self.limits.negative_ttl, soa.ttl, minimum)
        kept = _proofs(authority, soa, dnssec)
        for record in records + kept:
            life = min(life, record.ttl)
        if life <= 0:
            self.counts["zero-ttl"] += 1
            return None
        packed = Packed(question.name)
        answers = packed.add(records, self.limits.ttl)
        # No record of a negative answer outlives it: MINIMUM bounds the SOA's TTL.
        authorities = packed.add(kept, life if negative else self.limits.ttl)
        entry = Stored(
            packed,
            rcode=rcode,
            answers=answers,
            authorities=authorities,
            ttl=life,
            now=now,
            negative=negative,
            authentic=authentic,
            dnssec=dnssec,
        )
        general = _any_type(key)
        self._drop(key)
        self._drop(general)
        if rcode == NXDOMAIN and not records:
            # It holds for each type (RFC 2308 section 5).
            key = general
        return self._keep(key, entry)

    def forget(self, key: bytes) -> None:
        """Forget the answer to a question, if there is one."""
        self._drop(key)
        self._drop(_any_type(key))

    def clear(self) -> None:
        """Forget all answers and failures."""
        self._entries.clear()
        self._failures.clear()
        self._size = 0

    def fail(
        self, key: bytes, servers: Hashable, now: float, reason: object = None
    ) -> Failure:
        """Note that servers could not answer: SERVFAIL, or no reply at all.

        @param servers: which were asked; others may still answer (RFC 2308 section
            7.1).
        @param reason: whatever is of use later.
        """
        limits = self.limits
        before = self._failures.pop((key, servers), None)
        wait = limits.failure_ttl
        # Twice as long if it fails again as soon as it was tried again.
        if before is not None and now < before.until + before.wait:
            wait = before.wait * 2
        wait = min(wait, limits.failure_most)
        failure = Failure(reason, now + wait, wait)
        self._failures[key, servers] = failure
        if len(self._failures) > limits.failures:
            self._failures.popitem(last=False)
        return failure

    def failure(self, key: bytes, servers: Hashable, now: float) -> Failure | None:
        """Find out whether servers could not answer a short while ago."""
        found = self._failures.get((key, servers))
        if found is None or now >= found.until:
            return None
        self.counts["failed"] += 1
        return found

    def _keep(self, key: bytes, entry: Stored) -> Stored | None:
        cost = len(key) + entry.size + OVERHEAD
        limits = self.limits
        if cost > limits.size or entry.size > MAX_RECORDS:
            self.counts["too-large"] += 1
            return None
        self._entries[key] = entry
        self._size += cost
        self.counts["stored"] += 1
        while len(self._entries) > limits.entries or self._size > limits.size:
            self._drop(next(iter(self._entries)))
            self.counts["evictions"] += 1
        return entry

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= len(key) + entry.size + OVERHEAD


def _any_type(key: bytes) -> bytes:
    """Make the key for "there is no such name" from that of a question."""
    return key[:-5] + _ANY_TYPE + key[-3:]


def _has(records: Iterable[Record], rtype: int) -> bool:
    return any(rtype in (record.rtype, rrtypes.ANY) for record in records)


def _last_name(records: Iterable[Record], question: Question) -> bytes:
    """Give the name at the end of the chain of aliases, in lower case."""
    name = question.name
    for record in records:
        if record.rtype == rrtypes.CNAME:
            name = record.rdata
    return name.lower()


def _soa(name: bytes, authority: Iterable[Record]) -> Record | None:
    """Find the SOA record of the zone that denies a name."""
    for record in authority:
        if record.rtype == rrtypes.SOA and is_within(name, record.owner.lower()):
            return record
    return None


def _proofs(
    authority: tuple[Record, ...], soa: Record | None, dnssec: bool
) -> tuple[Record, ...]:
    """Choose what is kept of the authority section.

    @param soa: the SOA record of a negative answer.
    @param dnssec: whether proofs and signatures are wanted.
    """
    if not dnssec:
        return () if soa is None else (soa,)
    types = _PROOFS if soa is None else _PROOFS_AND_SOA
    return tuple(
        record
        for record in authority
        if record.rtype in types
        or (
            record.rtype == rrtypes.RRSIG
            and int.from_bytes(record.rdata[:2], "big") in types
        )
    )
