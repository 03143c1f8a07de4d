"""
Iteration: from the root to the servers of a zone, referral by referral
(RFC 1034 section 5.3.3).

Pure but for the function that asks. Addresses of servers are taken from a referral
only if they are inside the zone that refers; others are looked up from the root.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from netsvc.dns.errors import LookupFailed
from netsvc.dns.idn import display
from netsvc.dns.names import ROOT, is_within, parent
from netsvc.dns.rdata import ipv4_text, ipv6_text
from netsvc.dns.result import Record, Result
from netsvc.dns.rrtypes import AAAA, CNAME, IN, NS, A
from netsvc.dns.servers import MAX_SERVERS, Server

#: Questions of one trace, those for the addresses of servers included.
MAX_QUERIES = 100

#: Aliases that are followed.
MAX_ALIASES = 16

#: How deep looking up the address of a server may lead to other servers' addresses.
MAX_DEPTH = 4

#: Servers of one zone whose addresses are looked up, one after the other.
MAX_LOOKED_UP = 4

#: Asks servers one question without recursion.
Ask = Callable[[tuple[Server, ...], bytes, int, int], Awaitable[Result]]


class TraceFailed(LookupFailed):
    """The way to the answer does not lead on."""


class Step(NamedTuple):
    """
    One answer on the way.

    @ivar zone: The zone whose servers were asked.
    @ivar question: Name and type.
    @ivar result: What one of them has answered.
    @ivar referral: The records that name the servers to ask next; empty at the end.
    """

    zone: bytes
    question: tuple[bytes, int]
    result: Result
    referral: tuple[Record, ...]


class Tracer:
    """
    Follows referrals.

    @ivar queries: How many questions were asked.
    """

    def __init__(
        self, ask: Ask, roots: Sequence[Server], seen: Callable[[Step], object]
    ) -> None:
        """
        @param ask: Asks; fails with L{LookupFailed}.
        @param roots: The servers of the root. All others are asked at their port and
            over their transport.
        @param seen: Told each step of the trace itself.
        """
        self._ask = ask
        self._seen = seen
        self._model = roots[0]
        self._zones: dict[bytes, tuple[Server, ...]] = {ROOT: tuple(roots)}
        self.queries = 0

    async def trace(self, name: bytes, rtype: int, rclass: int = IN) -> Result:
        """
        Find the answer to a question.

        @raise LookupFailed: There is none.
        """
        return await self._follow(name, rtype, rclass, 0)

    async def _follow(self, name: bytes, rtype: int, rclass: int, depth: int) -> Result:
        """Follow aliases; the last answer counts, with the records of all."""
        records: list[Record] = []
        asked = name
        for _ in range(MAX_ALIASES):
            result = await self._descend(name, rtype, rclass, depth)
            records += result.records
            target = result.canonical.lower()
            if result.exists or target == name.lower() or rtype == CNAME:
                question = result.question._replace(name=asked)
                return result._replace(question=question, records=tuple(records))
            name = target
        raise TraceFailed(f"more than {MAX_ALIASES} aliases")

    async def _descend(
        self, name: bytes, rtype: int, rclass: int, depth: int
    ) -> Result:
        """Go from the nearest zone that is known down to the answer."""
        lower = name.lower()
        zone = lower
        while zone not in self._zones:
            zone = parent(zone)
        while True:
            self.queries += 1
            if self.queries > MAX_QUERIES:
                raise TraceFailed(f"more than {MAX_QUERIES} questions")
            result = await self._ask(self._zones[zone], name, rtype, rclass)
            cut, referral = _referral(result, zone, lower)
            if not depth:
                self._seen(Step(zone, (name, rtype), result, referral))
            if cut is None:
                if not result.records and not _is_negative(result):
                    raise TraceFailed(
                        f"{result.server} knows nothing of {display(name)}"
                        " and refers to nobody"
                    )
                return result
            servers = await self._servers(result, referral, zone, depth)
            if not servers:
                raise TraceFailed(f"no server of {display(cut)} has an address")
            self._zones[cut] = servers
            zone = cut

    async def _servers(
        self, result: Result, referral: Sequence[Record], zone: bytes, depth: int
    ) -> tuple[Server, ...]:
        """Give the servers that a referral names."""
        names = dict.fromkeys(record.rdata.lower() for record in referral)
        glue = [
            _address(record)
            for rtype in (A, AAAA)
            for record in result.additional
            if record.rtype == rtype
            and record.owner.lower() in names
            and is_within(record.owner.lower(), zone)
        ]
        if not glue and depth < MAX_DEPTH:
            glue = await self._look_up(list(names), depth)
        model = self._model
        found = dict.fromkeys(
            Server(model.transport, host, model.port) for host in glue
        )
        return tuple(found)[:MAX_SERVERS]

    async def _look_up(self, names: Sequence[bytes], depth: int) -> list[str]:
        """Look up the address of a server; the first that has one will do."""
        for name in names[:MAX_LOOKED_UP]:
            for rtype in (A, AAAA):
                try:
                    result = await self._follow(name, rtype, IN, depth + 1)
                except LookupFailed as error:
                    if isinstance(error, TraceFailed) and self.queries > MAX_QUERIES:
                        raise
                    continue
                if result.addresses:
                    return list(result.addresses)
        return []


def _address(record: Record) -> str:
    write = ipv4_text if record.rtype == A else ipv6_text
    return write(record.rdata)


def _is_negative(result: Result) -> bool:
    """Tell whether it says with authority that there is nothing."""
    return bool(result.rcode) or result.is_authoritative


def _referral(
    result: Result, zone: bytes, name: bytes
) -> tuple[bytes | None, tuple[Record, ...]]:
    """Find the zone below that an answer refers to, and its NS records."""
    if result.records or result.rcode:
        return None, ()
    cuts = {
        record.owner.lower()
        for record in result.authority
        if record.rtype == NS
        and record.owner.lower() != zone
        and is_within(record.owner.lower(), zone)
        and is_within(name, record.owner.lower())
    }
    if len(cuts) != 1:
        return None, ()
    (cut,) = cuts
    return cut, tuple(
        record
        for record in result.authority
        if record.rtype == NS and record.owner.lower() == cut
    )
