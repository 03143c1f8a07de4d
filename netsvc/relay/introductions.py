"""
Who may be introduced to whom, and what they are told: pure rules and wire forms.

An introduction tells each of two peers the address of the other, to which it will then
send datagrams. So that nobody is made to send any to a victim: both have to ask, both
have proved that their address is theirs, both are in one room, the addresses are those
that the socket saw, and a pair is introduced once in L{INTERVAL} seconds at most.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Final

from netsvc.chat.text import cut

INTERVAL: Final = 5.0
"""Seconds between two introductions of a pair, and between two offers to one."""

PATIENCE: Final = 120.0
"""Seconds for which somebody's wish holds until the other one asks, too."""

MAX_PAIRS: Final = 4096
"""Pairs of whom something is remembered; the oldest is forgotten first."""

MAX_PER_PEER: Final = 30
"""Others for whom one peer may wait; how many wait for that peer is not its fault."""

NAME: Final = 8
"""Bytes that name an introduction in the datagrams between the two."""

KEY: Final = 32
"""Bytes of the key that the two share."""

MAX_ADDRESSES: Final = 4
"""Addresses that an introduction may have."""

Address = tuple[str, int]


class Outcome(Enum):
    """What comes of somebody's asking."""

    OFFERED = "offered"
    """The other one is to be told, who has not asked yet."""

    WAITING = "waiting"
    """The other one was told a moment ago."""

    AGREED = "agreed"
    """Both have asked: introduce them."""

    TOO_SOON = "too-soon"
    """They were introduced a moment ago."""

    TOO_MANY = "too-many"
    """Who asks waits for too many others already."""


@dataclass(slots=True)
class _Pair:
    """What is remembered of two peers."""

    asked: dict[Hashable, float]
    offered: dict[Hashable, float]
    introduced: float | None = None


class Introductions:
    """
    Remembers who has asked for whom.

    @ivar counters: How often each outcome came about.
    """

    def __init__(
        self,
        interval: float = INTERVAL,
        patience: float = PATIENCE,
        max_pairs: int = MAX_PAIRS,
        max_per_peer: int = MAX_PER_PEER,
    ) -> None:
        """Begin with nobody; see L{INTERVAL} and the others."""
        self._interval = interval
        self._patience = patience
        self._max_pairs = max_pairs
        self._max_per_peer = max_per_peer
        self._pairs: OrderedDict[frozenset[Hashable], _Pair] = OrderedDict()
        self._of: dict[Hashable, set[frozenset[Hashable]]] = {}
        self.counters: Counter[Outcome] = Counter()

    def __len__(self) -> int:
        """Give the number of pairs of whom something is remembered."""
        return len(self._pairs)

    def ask(self, asker: Hashable, asked: Hashable, now: float) -> Outcome:
        """
        Take that somebody wants to be introduced to somebody else.

        @param asker: Who; anything that stands for one peer as long as it is there.
        @param now: The time in seconds.
        """
        outcome = self._ask(asker, asked, now)
        self.counters[outcome] += 1
        return outcome

    def _ask(self, asker: Hashable, asked: Hashable, now: float) -> Outcome:
        key = frozenset((asker, asked))
        pair = self._pairs.get(key)
        if pair is None:
            if self._wishes(asker) >= self._max_per_peer:
                self._forget_old(asker, now)
                if self._wishes(asker) >= self._max_per_peer:
                    return Outcome.TOO_MANY
            pair = self._pairs[key] = _Pair({}, {})
            for peer in key:
                self._of.setdefault(peer, set()).add(key)
            if len(self._pairs) > self._max_pairs:
                self._forget(next(iter(self._pairs)))
        self._pairs.move_to_end(key)
        if pair.introduced is not None and now - pair.introduced < self._interval:
            return Outcome.TOO_SOON
        pair.asked[asker] = now
        wish = pair.asked.get(asked)
        if wish is not None and now - wish <= self._patience:
            pair.asked.clear()
            pair.introduced = now
            return Outcome.AGREED
        last = pair.offered.get(asked)
        if last is not None and now - last < self._interval:
            return Outcome.WAITING
        pair.offered[asked] = now
        return Outcome.OFFERED

    def forget(self, peer: Hashable) -> None:
        """Take that somebody is there no more."""
        for key in tuple(self._of.get(peer, ())):
            self._forget(key)

    def _wishes(self, peer: Hashable) -> int:
        """Count the others for whom a peer waits."""
        return sum(peer in self._pairs[key].asked for key in self._of.get(peer, ()))

    def _forget_old(self, peer: Hashable, now: float) -> None:
        """Forget those pairs of a peer that mean nothing any more."""
        for key in tuple(self._of[peer]):
            pair = self._pairs[key]
            last = max([*pair.asked.values(), pair.introduced or 0.0])
            if now - last > self._patience:
                self._forget(key)

    def _forget(self, key: frozenset[Hashable]) -> None:
        del self._pairs[key]
        for peer in key:
            keys = self._of[peer]
            keys.discard(key)
            if not keys:
                del self._of[peer]


@dataclass(frozen=True, slots=True)
class Introduction:
    """
    What one of two peers is told.

    @ivar name: Names it in the datagrams between the two.
    @ivar role: 0 for one of them, 1 for the other.
    @ivar key: The key that they share.
    @ivar nick: Who the other one is.
    @ivar addresses: Where the other one was seen.
    """

    name: bytes
    role: int
    key: bytes
    nick: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """Somebody asks to be introduced."""

    nick: str


@dataclass(frozen=True, slots=True)
class Renamed:
    """Somebody to whom one was introduced has another nick now."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody to whom one was introduced is there no more."""

    nick: str


@dataclass(frozen=True, slots=True)
class Ask:
    """The client asks to be introduced to somebody."""

    nick: str


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What has come of an L{Ask}, if it is not an introduction.

    @ivar nick: For whom it was, as it was asked.
    @ivar refused: Whether it is refused.
    @ivar text: A sentence for the user.
    """

    nick: str
    refused: bool
    text: str


Notice = Introduction | Offer | Renamed | Left | Ask | Answer
"""What relay and client tell each other in a L{netsvc.relay.channel.MESSAGE}."""

_INTRODUCTION, _OFFER, _RENAMED, _LEFT, _ASK, _ANSWER = b"IORLAN"


def encode(notice: Notice) -> bytes:
    """Give the bytes of a notice."""
    match notice:
        case Introduction():
            parts = [notice.name, notice.key, _text(notice.nick)]
            for host, port in notice.addresses[:MAX_ADDRESSES]:
                packed = ip_address(host.partition("%")[0]).packed
                parts.append(bytes((len(packed),)) + packed + port.to_bytes(2, "big"))
            return bytes((_INTRODUCTION, notice.role)) + b"".join(parts)
        case Offer(nick=nick):
            return bytes((_OFFER,)) + _text(nick)
        case Renamed(old=old, new=new):
            return bytes((_RENAMED,)) + _text(old) + _text(new)
        case Left(nick=nick):
            return bytes((_LEFT,)) + _text(nick)
        case Ask(nick=nick):
            return bytes((_ASK,)) + _text(nick)
        case Answer(nick=nick, refused=refused, text=text):
            return bytes((_ANSWER, refused)) + _text(nick) + _text(text)


def decode(data: bytes) -> Notice | None:
    """Read a notice; C{None} if it is none that is known."""
    reader = _Reader(data)
    try:
        kind = reader.take(1)[0]
        if kind == _INTRODUCTION:
            return _introduction(reader)
        if kind == _OFFER:
            return Offer(reader.text())
        if kind == _RENAMED:
            return Renamed(reader.text(), reader.text())
        if kind == _LEFT:
            return Left(reader.text())
        if kind == _ASK:
            return Ask(reader.text())
        if kind == _ANSWER:
            refused = reader.take(1) != b"\0"
            return Answer(reader.text(), refused, reader.text())
    except ValueError:
        pass
    return None


def _introduction(reader: _Reader) -> Introduction:
    role = reader.take(1)[0]
    name, key, nick = reader.take(NAME), reader.take(KEY), reader.text()
    addresses: list[Address] = []
    while reader.left and len(addresses) < MAX_ADDRESSES:
        host = ip_address(reader.take(reader.take(1)[0]))
        addresses.append((str(host), int.from_bytes(reader.take(2), "big")))
    if role > 1 or not addresses:
        raise ValueError("no role, or no address")
    return Introduction(name, role, key, nick, tuple(addresses))


def _text(text: str) -> bytes:
    data = cut(text, 255).encode("utf-8", "replace")
    return bytes((len(data),)) + data


class _Reader:
    """Takes bytes from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def left(self) -> int:
        """Bytes that are left."""
        return len(self._data)

    def take(self, number: int) -> bytes:
        """Take so many bytes; C{ValueError} if there are not."""
        if len(self._data) < number:
            raise ValueError("too short")
        taken, self._data = self._data[:number], self._data[number:]
        return taken

    def text(self) -> str:
        """Take a text behind its length."""
        return self.take(self.take(1)[0]).decode("utf-8")
