"""
The direct path between two peers who were introduced: pure, time is an argument.

Both begin at once and send a punch every L{PUNCH_EVERY} seconds to where the other one
was seen: the first ones open the way through the own NAT, for those that come back.
Where a datagram of the other one really comes from is learnt from it (a peer-reflexive
address, RFC 8445 section 7.2.5.3.1). An address is confirmed when the number that was
sent there comes back from there: then both ways work. Until then, and when nothing
comes back later, what is said goes by the relay.

A datagram is::

    0x06 | name of the introduction (8) | number (8) | sealed

and what is sealed (L{netsvc.relay.sealing}) begins with a byte: C{0x01} for a punch,
then four bytes that name this punch's address, and the four bytes that came from there
last (or zeros); C{0x02} for a packet of the channel that carries messages; C{0x03} for
the end. What cannot be opened, or has come before, is counted and ignored.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from netsvc.relay.channel import MESSAGE, NEVER, Channel, Timing
from netsvc.relay.introductions import NAME, Address, Introduction
from netsvc.relay.replay import ReplayWindow

FIRST: Final = 0x06
"""The first byte of each datagram."""

PUNCH_EVERY: Final = 0.1
"""Seconds between punches."""

PUNCH_FOR: Final = 3.0
"""Seconds after which it is given up."""

MAX_CANDIDATES: Final = 8
"""Addresses of the other one that are tried at most."""

MAX_QUEUE: Final = 64 * 1024
"""Bytes that may wait to be sent directly."""

TIMING: Final = Timing(
    first=0.3, least=0.1, most=0.5, give_up=3.0, keepalive=10.0, silence=30.0
)
"""Quick: the relay is there to fall back to."""

NUMBERS: Final = 2**62
"""Datagrams that may be sent with one key."""

_HEAD = struct.Struct(f"!B{NAME}sQ")
_PUNCH, _PACKET, _BYE = 1, 2, 3
_NONE = bytes(4)


class Sealer(Protocol):
    """What protects the datagrams; see L{netsvc.relay.sealing.Seal}."""

    def seal(self, number: int, head: bytes, data: bytes) -> bytes:
        """Encrypt."""

    def open(self, number: int, head: bytes, data: bytes) -> bytes | None:
        """Decrypt; C{None} if it is not real."""


class _Candidate:
    """
    An address where the other one may be.

    @ivar mine: What punches to it say, and the other one gives back.
    @ivar theirs: What has come from there last.
    """

    __slots__ = ("mine", "theirs")

    def __init__(self, mine: bytes) -> None:
        self.mine = mine
        self.theirs = _NONE


def name_of(datagram: bytes) -> bytes | None:
    """Give the name of the introduction that a datagram is about, if it is one."""
    if len(datagram) < _HEAD.size or datagram[0] != FIRST:
        return None
    return datagram[1 : 1 + NAME]


class DirectPath:
    """
    One side of a direct path.

    Feed it datagrams (L{receive}), take L{messages}, send what L{datagrams} gives then
    and at L{next_at}.

    @ivar introduction: What the relay has told.
    @ivar address: Where the other one is, once that is confirmed.
    @ivar confirmed_at: Since when both ways work; C{None} before.
    @ivar ended: Why there is no direct path (any more); C{None} while there may be.
    @ivar punches: How many rounds of punches were sent.
    @ivar was_heard: Whether anything real has come from the other one.
    @ivar messages: What the other one has said, and nobody has taken yet.
    @ivar ignored: Datagrams that were ignored, by C{junk}, C{forged} or C{replayed}.
    """

    def __init__(
        self,
        introduction: Introduction,
        seal: Sealer,
        now: float,
        random: Callable[[int], bytes],
    ) -> None:
        """
        Begin to punch.

        @param now: The time in seconds.
        @param random: Gives so many random bytes.
        """
        self.introduction = introduction
        self._seal = seal
        self._random = random
        self._candidates: dict[Address, _Candidate] = {}
        for address in introduction.addresses:
            self._candidate(address)
        self._begun = self._next_punch = now
        self._number = 0
        self._window = ReplayWindow()
        self._channel = Channel(now, TIMING, MAX_QUEUE)
        self._out: list[tuple[bytes, Address]] = []
        self.address: Address | None = None
        self.confirmed_at: float | None = None
        self.ended: str | None = None
        self.punches = 0
        self.was_heard = False
        self.messages: list[bytes] = []
        self.ignored: Counter[str] = Counter()

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self.confirmed_at is not None and self.ended is None

    @property
    def heard_at(self) -> float:
        """When the other one was heard last on the confirmed path."""
        return self._channel.heard_at

    @property
    def round_trip(self) -> float | None:
        """Seconds that a round trip takes, if that is known."""
        return self._channel.round_trip

    def send(self, text: bytes) -> None:
        """Send a message: at most L{netsvc.relay.channel.MAX_SEGMENT} bytes."""
        self._channel.message(text)

    def left(self) -> list[bytes]:
        """Give the messages that the other one is not known to have."""
        return self._channel.messages_left()

    def close(self, reason: str) -> None:
        """End it, and tell the other one with the datagrams that are sent now."""
        if self.ended is None:
            self.ended = reason
            if self.address is not None:
                self._emit(bytes((_BYE,)), self.address)

    def receive(self, datagram: bytes, address: Address, now: float) -> bool:
        """
        Take a datagram.

        @return: Whether it is real.
        """
        if self.ended is not None or name_of(datagram) != self.introduction.name:
            self.ignored["junk"] += 1
            return False
        head, sealed = datagram[: _HEAD.size], datagram[_HEAD.size :]
        number = _HEAD.unpack(head)[2]
        if not self._window.is_new(number):
            self.ignored["replayed"] += 1
            return False
        data = self._seal.open(number, head, sealed)
        if not data:
            self.ignored["forged"] += 1
            return False
        self._window.add(number)
        self.was_heard = True
        kind, body = data[0], data[1:]
        if kind == _PUNCH and len(body) == 8:
            self._punched(body[:4], body[4:], address, now)
        elif kind == _PACKET:
            self._carried(address)
            if self._channel.receive(body, now):
                self._take()
        elif kind == _BYE:
            self.ended = "the other side has ended it"
        else:
            self.ignored["junk"] += 1
        return True

    def _punched(
        self, theirs: bytes, mine: bytes, address: Address, now: float
    ) -> None:
        """Take a punch: answer it, and see whether it answers one of ours."""
        candidate = self._candidate(address)
        if candidate is None:
            return
        is_news = candidate.theirs != theirs
        candidate.theirs = theirs
        if mine == candidate.mine:
            self._confirmed(address, now)
        if is_news or mine != candidate.mine:
            # They do not know yet that this has come: tell them, even when confirmed.
            self._punch(address, candidate.mine, theirs)

    def _carried(self, address: Address) -> None:
        """Take where a packet comes from: see whether the other one is there."""
        if address == self.address:
            return
        candidate = self._candidate(address)
        if candidate is None:
            return
        # They may have moved, or know more than we do; or they say that they are where
        # they are not. What they gave us last is left out: so they answer.
        self._punch(address, candidate.mine, _NONE)

    def _confirmed(self, address: Address, now: float) -> None:
        if self.confirmed_at is None:
            self.confirmed_at = now
            self._channel.heard_at = now
            self._channel.ask()
        self.address = address

    def _candidate(self, address: Address) -> _Candidate | None:
        """Give what is known of an address; C{None} if there are too many."""
        found = self._candidates.get(address)
        if found is None and len(self._candidates) < MAX_CANDIDATES:
            found = self._candidates[address] = _Candidate(self._random(4))
        return found

    def _take(self) -> None:
        for kind, data in self._channel.events():
            if kind == MESSAGE:
                self.messages.append(data)

    def next_at(self) -> float:
        """Give when L{datagrams} is to be called at the latest; infinity for never."""
        if self.ended is not None:
            return NEVER
        return self._channel.next_at() if self.is_open else self._next_punch

    def datagrams(self, now: float) -> list[tuple[bytes, Address]]:
        """Give what is to be sent now, and where."""
        if self.ended is None:
            if self.is_open:
                self._carry(now)
            elif now >= self._begun + PUNCH_FOR:
                heard = " (they are heard, but do not hear us)" * self.was_heard
                self.ended = f"no answer to {self.punches} punches{heard}"
            elif now >= self._next_punch:
                self._next_punch = now + PUNCH_EVERY
                self.punches += 1
                # Where they were seen. What is learnt from their punches is only
                # answered: who makes one up for a victim has it sent one, not thirty.
                for address in self.introduction.addresses:
                    candidate = self._candidates[address]
                    self._punch(address, candidate.mine, candidate.theirs)
                    if candidate.theirs != _NONE:
                        # They are heard: their answer was lost, so ask for another.
                        self._punch(address, candidate.mine, _NONE)
        out, self._out = self._out, []
        return out

    def _carry(self, now: float) -> None:
        """Send packets of the channel; see whether the path is lost."""
        assert self.address is not None
        for packet in self._channel.packets(now):
            self._emit(bytes((_PACKET,)) + packet, self.address)
        if self._channel.ended is not None:
            self.ended = f"lost: {self._channel.ended}"

    def _punch(self, address: Address, mine: bytes, theirs: bytes) -> None:
        self._emit(bytes((_PUNCH,)) + mine + theirs, address)

    def _emit(self, data: bytes, address: Address) -> None:
        head = _HEAD.pack(FIRST, self.introduction.name, self._number)
        sealed = self._seal.seal(self._number, head, data)
        self._number += 1
        if self._number >= NUMBERS:
            self.ended = "all numbers are used up"
        self._out.append((head + sealed, address))
