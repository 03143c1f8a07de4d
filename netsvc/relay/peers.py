"""
The table of a relay's peers: bounded, by address, those heard of least recently first.

Who is validated and who is not are kept apart: a flood of forged addresses puts out
others of its kind, never somebody who is known to be there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar

from netsvc.daemon.limits import source_key


class Listed(Protocol):
    """
    What the table asks of a peer.

    @ivar key: Its address, as the table knows it.
    @ivar host: Its host.
    @ivar heard: When a datagram came from it last, in seconds.
    """

    key: Hashable
    host: str
    heard: float


P = TypeVar("P", bound=Listed)


class PeerTable(Generic[P]):
    """
    Peers by their keys.

    @ivar limit: How many there may be.
    @ivar per_source: How many of one source (L{source_key}); 0 is no limit.
    @ivar max_strangers: How many that are not validated; 0 is no limit but C{limit}.
    @ivar evicted: How many were put out because the table was full.
    @ivar refused: How many were not taken, as their source had too many.
    """

    def __init__(self, limit: int, per_source: int = 0, max_strangers: int = 0) -> None:
        """
        Start empty.

        @param limit: At least 1.
        """
        self.limit = limit
        self.per_source = per_source
        self.max_strangers = max_strangers
        self.evicted = self.refused = 0
        # Each in the order in which they were last heard of.
        self._known: OrderedDict[Hashable, P] = OrderedDict()
        self._strangers: OrderedDict[Hashable, P] = OrderedDict()
        self._sources: dict[Hashable, dict[Hashable, P]] = {}

    def __len__(self) -> int:
        """Give how many there are."""
        return len(self._known) + len(self._strangers)

    def __iter__(self) -> Iterator[P]:
        """Give all."""
        yield from list(self._known.values())
        yield from list(self._strangers.values())

    @property
    def strangers(self) -> int:
        """How many are not validated."""
        return len(self._strangers)

    def hear(self, key: Hashable, now: float) -> P | None:
        """Give the peer of an address that a datagram has just come from, if known."""
        peer = self._known.get(key)
        if peer is not None:
            self._known.move_to_end(key)
        else:
            peer = self._strangers.get(key)
            if peer is None:
                return None
            self._strangers.move_to_end(key)
        peer.heard = now
        return peer

    def get(self, key: Hashable) -> P | None:
        """Give the peer of an address, if there is one."""
        return self._known.get(key) or self._strangers.get(key)

    def make_room(self, host: str, validated: bool = False) -> tuple[bool, P | None]:
        """
        Make room for a newcomer.

        @param host: Of the newcomer.
        @param validated: Whether they are.
        @return: Whether there is room; and who has to go for that, whom the caller
            takes out by L{remove}.
        """
        mine = self._sources.get(source_key(host), {})
        if 0 < self.per_source <= len(mine):
            strangers = [each for each in mine.values() if each.key in self._strangers]
            if not strangers:
                self.refused += 1
                return False, None
            self.evicted += 1
            return True, min(strangers, key=lambda each: each.heard)
        crowd = not validated and 0 < self.max_strangers <= len(self._strangers)
        if len(self) < self.limit and not crowd:
            return True, None
        self.evicted += 1
        return True, next(iter((self._strangers or self._known).values()))

    def add(self, peer: P, validated: bool) -> None:
        """Put a newcomer in, for whom there is room."""
        (self._known if validated else self._strangers)[peer.key] = peer
        self._sources.setdefault(source_key(peer.host), {})[peer.key] = peer

    def validate(self, peer: P) -> None:
        """A peer has shown that it reads at its address."""
        if self._strangers.pop(peer.key, None) is not None:
            self._known[peer.key] = peer

    def remove(self, peer: P) -> None:
        """Take a peer out; one that is not in is left alone."""
        if self.get(peer.key) is not peer:
            return
        self._known.pop(peer.key, None)
        self._strangers.pop(peer.key, None)
        source = source_key(peer.host)
        mine = self._sources[source]
        del mine[peer.key]
        if not mine:
            del self._sources[source]

    def silent(self, before: float) -> list[P]:
        """
        Give those of whom nothing has come since a time.

        @param before: In seconds, of the clock that L{hear} is told.
        """
        found = []
        for table in (self._strangers, self._known):
            for peer in table.values():
                if peer.heard >= before:
                    break
                found.append(peer)
        return found
