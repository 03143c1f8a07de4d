"""What netsvc-dns tells about itself beside its connections: upstream, cache."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from netsvc.daemon.report import COUNTER, STATE, Family, Sample, Table
from netsvc.daemon.reporting import gauge
from netsvc.dns.cache import Cache
from netsvc.dns.memory import Memory
from netsvc.dns.servers import HTTPS, TCP, TLS, UDP

_SERVERS: Final = (
    *("Server", "State", "RTT (ms)", "Variation (ms)"),
    *("Queries", "Failures in a row", "Dropped replies"),
)
_TRANSPORTS: Final = (UDP, TCP, TLS, HTTPS)

#: Replies that were not taken for one, by what was wrong with them.
_DROPPED: Final = ("malformed", "wrong-cookie", "missing-cookie", "unknown-id")


def servers_table(memories: Iterable[Memory]) -> Table:
    """Make the table of the upstream servers, with how quick they are."""
    rows = tuple(map(_row, memories))
    return Table("Upstream servers", _SERVERS, rows, len(rows))


def _row(memory: Memory) -> tuple[str | int | float, ...]:
    rtt: tuple[str | float, str | float] = ("-", "-")
    if memory.srtt is not None:
        rtt = (memory.srtt * 1000, memory.rttvar * 1000)
    return (
        str(memory.server),
        state_of(memory),
        *rtt,
        sum(memory.counts[transport] for transport in _TRANSPORTS),
        memory.strikes,
        sum(memory.counts[why] for why in _DROPPED),
    )


def state_of(memory: Memory) -> str:
    """Say how a server is: C{up}, C{failing}, C{down} (it rests) or C{unknown}."""
    if memory.is_resting:
        return "down"
    if memory.strikes:
        return "failing"
    return "unknown" if memory.srtt is None else "up"


def families(memories: Iterable[Memory], cache: Cache) -> tuple[Family, ...]:
    """Make the metrics of the upstream servers and the cache."""
    known = [(str(memory.server), memory) for memory in memories]
    return (
        Family(
            "dns_upstream_up",
            STATE,
            "1 if an upstream server is asked, 0 while it rests after failures.",
            tuple(
                Sample(float(not memory.is_resting), {"server": name})
                for name, memory in known
            ),
        ),
        Family(
            "dns_upstream_rtt_seconds",
            STATE,
            "The smoothed round-trip time to an upstream server, in seconds.",
            tuple(
                Sample(memory.srtt, {"server": name})
                for name, memory in known
                if memory.srtt is not None
            ),
        ),
        Family(
            "dns_upstream_queries",
            COUNTER,
            "Queries sent to an upstream server.",
            tuple(
                Sample(memory.counts[each], {"server": name, "transport": each})
                for name, memory in known
                for each in _TRANSPORTS
                if memory.counts[each]
            ),
        ),
        Family(
            "dns_upstream_dropped",
            COUNTER,
            "Replies of an upstream server that were not believed.",
            tuple(
                Sample(memory.counts[why], {"server": name, "reason": why})
                for name, memory in known
                for why in _DROPPED
                if memory.counts[why]
            ),
        ),
        Family(
            "dns_cache_requests",
            COUNTER,
            "Questions by what the cache had for them.",
            tuple(
                Sample(cache.counts[name], {"result": result})
                for name, result in (
                    ("hits", "hit"),
                    ("misses", "miss"),
                    ("stale", "stale"),
                )
            ),
        ),
        gauge("dns_cache_entries", "Answers in the cache.", len(cache)),
        gauge("dns_cache_bytes", "Bytes that they take, about.", cache.size),
    )
