"""Limits on what one peer, and all peers together, may use.

Three pure pieces: L{source_key} says who counts as one source, L{RateTable}
holds a token bucket for each source, L{ConnectionLimits} decides whether a new
connection is admitted. Nothing here reads a clock: C{now} is an argument, in
seconds of any clock that counts forwards, always the same one. Every table is
bounded, so that a flood of sources costs a fixed amount of memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final

UNIX_SOURCE: Final = "unix"
"""The one source that all peers on UNIX sockets count as."""

MAX_SOURCES: Final = 65536
"""How many sources a generation of a L{RateTable} holds unless told otherwise."""

_MAPPED_PREFIX = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291 section 2.5.5.2


def source_key(host: str | bytes | None) -> str | bytes:
    """Give the key under which all of one peer's traffic is counted.

    An IPv4 address is its own key. An IPv6 address is counted by its /64 (the
    first eight bytes), because one host owns a whole /64 (RFC 4291 section
    2.5.4); a scope such as C{%eth0} is ignored. An IPv4-mapped IPv6 address is
    that IPv4 address. Whatever a UNIX socket gives (C{None}, bytes, an empty
    string, a path, an abstract name) is L{UNIX_SOURCE}. Other text is its own
    key: nothing is refused, and nothing is raised.
    """
    if not host or isinstance(host, bytes) or host[0] in "/@\0":
        return UNIX_SOURCE
    if ":" not in host:
        return host
    try:
        packed = inet_pton(AF_INET6, host.partition("%")[0])
    except (OSError, ValueError):
        return host
    if packed.startswith(_MAPPED_PREFIX):
        return inet_ntop(AF_INET, packed[12:])
    return packed[:8]


@dataclass(frozen=True)
class Rate:
    """A token bucket's size and speed.

    @ivar per_second: tokens gained a second, more than 0.
    @ivar burst: tokens that a full bucket holds, at least 1.
    """

    per_second: float
    burst: int

    def __post_init__(self) -> None:
        """Refuse a bucket that could never let anything through.

        @raise ValueError: if a figure is too small.
        """
        if not self.per_second > 0:
            raise ValueError("a rate must be more than 0 a second")
        if self.burst < 1:
            raise ValueError("a burst must be at least 1")


class RateTable:
    """A token bucket for each source, in bounded memory and constant time.

    The bucket is the generic cell rate algorithm (GCRA; ITU-T I.371, annex A):
    one number a source, the time at which its bucket will be full again.
    Sources are kept in two generations. When the current one holds
    C{max_sources}, it becomes the previous one and the older is dropped; a
    source that is seen again moves to the current one. So at most twice
    C{max_sources} are held, the busy ones are never forgotten, and one that is
    forgotten starts again with a full bucket.

    @ivar refused: how many calls of L{allow} were refused.
    """

    __slots__ = (
        "_current",
        "_interval",
        "_max_sources",
        "_previous",
        "_tolerance",
        "refused",
    )

    def __init__(self, rate: Rate, max_sources: int = MAX_SOURCES) -> None:
        """Start with every bucket full.

        @param rate: the bucket of each source.
        @param max_sources: how many sources a generation holds, at least 1.
        @raise ValueError: if C{max_sources} is less.
        """
        if max_sources < 1:
            raise ValueError("max_sources must be at least 1")
        self.change(rate)
        self._max_sources = max_sources
        self._current: dict[Hashable, float] = {}
        self._previous: dict[Hashable, float] = {}
        self.refused = 0

    def change(self, rate: Rate) -> None:
        """Go by another rate from now on; a bucket is as empty in time as before.

        One that is emptier than a bucket of the new rate can be starts full.

        @param rate: the bucket of each source.
        """
        self._interval = 1.0 / rate.per_second
        # A little slack, so that rounding does not cost a bucket its last token.
        self._tolerance = (rate.burst + 2**-10) * self._interval

    def __len__(self) -> int:
        """Give the number of sources held, in both generations."""
        return len(self._current) + len(self._previous)

    def allow(self, key: Hashable, now: float, cost: int = 1) -> bool:
        """Take C{cost} tokens from a source's bucket, if it holds as many.

        A refusal takes nothing, and is counted. A cost above the burst is
        always refused.

        @param key: the source, see L{source_key}.
        @param now: the time in seconds.
        @param cost: how many tokens, at least 1.
        """
        # This runs for every datagram: one lookup and one store when all is well.
        full_at = self._current.get(key)
        if full_at is None:
            full_at = self._enter(key, now)
        taken = (full_at if full_at > now else now) + cost * self._interval
        if taken - now > self._tolerance:
            return self._refuse(key, now, cost, full_at)
        self._current[key] = taken
        return True

    def _enter(self, key: Hashable, now: float) -> float:
        """Bring a source into the current generation; give its full-again time."""
        full_at = self._previous.pop(key, now)
        if len(self._current) >= self._max_sources:
            self._previous = self._current
            self._current = {}
        self._current[key] = full_at
        return full_at

    def _refuse(self, key: Hashable, now: float, cost: int, full_at: float) -> bool:
        """Refuse, unless only a clock that was set back makes it look so."""
        taken = now + cost * self._interval
        # No bucket is ever emptier than empty: such a time is from another clock.
        if full_at - now > self._tolerance >= taken - now:
            self._current[key] = taken
            return True
        self.refused += 1
        return False


def changed_table(
    table: RateTable | None, rate: Rate | None, max_sources: int = MAX_SOURCES
) -> RateTable | None:
    """Give the table for another rate: the same one, changed, where there was one.

    @param table: the table that was used; C{None} for none.
    @param rate: the new rate; C{None} is no limit.
    @param max_sources: for a new table, see L{RateTable}.
    """
    if rate is None:
        return None
    if table is None:
        return RateTable(rate, max_sources)
    table.change(rate)
    return table


MAX_CONNECTIONS_REACHED: Final = "max-connections"
MAX_PER_SOURCE_REACHED: Final = "max-connections-per-source"
CONNECTION_RATE_REACHED: Final = "connection-rate"


class ConnectionLimits:
    """Admits new connections: so many in all, so many and so fast a source.

    The table of live connections per source holds no more entries than there
    are live connections; the table of rates is a L{RateTable}.

    @ivar live: the connections admitted and not yet released.
    @ivar refused: refusals by reason: C{max-connections},
        C{max-connections-per-source}, C{connection-rate}.
    """

    def __init__(
        self,
        max_connections: int,
        max_per_source: int = 0,
        new_per_source_rate: Rate | None = None,
        max_sources: int = MAX_SOURCES,
    ) -> None:
        """Start with no connection.

        @param max_connections: live connections in all; 0 means no limit.
        @param max_per_source: live connections of one source; 0 means no limit.
        @param new_per_source_rate: new connections of one source, or C{None}.
        @param max_sources: see L{RateTable}.
        """
        self._max_connections = max_connections
        self._max_per_source = max_per_source
        self._max_sources = max_sources
        self._rates = changed_table(None, new_per_source_rate, max_sources)
        self._per_source: dict[str | bytes, int] = {}
        self.live = 0
        self.refused: Counter[str] = Counter()

    def change(
        self, max_connections: int, max_per_source: int, rate: Rate | None
    ) -> None:
        """Go by other limits from now on; who is admitted already stays.

        @param max_connections: as for a new one; so are the others.
        """
        self._max_connections = max_connections
        self._max_per_source = max_per_source
        self._rates = changed_table(self._rates, rate, self._max_sources)

    @property
    def max_connections(self) -> int:
        """How many live connections there may be; 0 means no limit."""
        return self._max_connections

    @property
    def sources(self) -> int:
        """The number of sources that have a live connection."""
        return len(self._per_source)

    def acquire(self, host: str | bytes | None, now: float) -> str | None:
        """Admit a new connection, or say which limit refuses it.

        The limits are asked in the order above, and only a connection that the
        first two admit costs a token of its source's rate.

        @param host: the peer's address, see L{source_key}.
        @param now: the time in seconds.
        @return: C{None} if the connection is admitted, and then L{release} must
            follow when it has ended; else the reason, which has been counted.
        """
        source = source_key(host)
        of_source = self._per_source.get(source, 0)
        if 0 < self._max_connections <= self.live:
            reason = MAX_CONNECTIONS_REACHED
        elif 0 < self._max_per_source <= of_source:
            reason = MAX_PER_SOURCE_REACHED
        elif self._rates is not None and not self._rates.allow(source, now):
            reason = CONNECTION_RATE_REACHED
        else:
            self._per_source[source] = of_source + 1
            self.live += 1
            return None
        self.refused[reason] += 1
        return reason

    def release(self, host: str | bytes | None) -> None:
        """Give back what L{acquire} admitted for the same host.

        @raise ValueError: if the source has no live connection.
        """
        source = source_key(host)
        of_source = self._per_source.get(source, 0)
        if of_source == 0:
            raise ValueError(f"no live connection of {source!r} to release")
        if of_source == 1:
            del self._per_source[source]
        else:
            self._per_source[source] = of_source - 1
        self.live -= 1
