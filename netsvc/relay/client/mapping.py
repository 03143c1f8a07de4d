"""
What the NAT in front of this client does, as far as STUN tells (RFC 8489): pure.

The relay's port and its second port are asked where a question comes from. A NAT that
gives another port to each destination is called symmetric (address- and port-dependent
mapping, RFC 4787 section 4.1): no peer can be told where to send to, so a direct path
comes about only when the other side has no NAT.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netsvc.relay import stun
from netsvc.relay.channel import NEVER
from netsvc.relay.introducer import show
from netsvc.relay.introductions import Address

TRIES: Final = 6
"""How often each port is asked."""

WAIT: Final = 0.3
"""Seconds between two questions."""


class Mapping:
    """
    Asks, and knows then.

    @ivar relay: Where the relay is.
    @ivar here: What the relay's port sees; C{None} while it is not known.
    @ivar there: What its second port sees.
    """

    def __init__(self, random: Callable[[int], bytes]) -> None:
        """
        Know nothing.

        @param random: Gives so many random bytes.
        """
        self._random = random
        self._asked: dict[bytes, bool] = {}
        self._left = 0
        self._next = NEVER
        self.relay: Address = ("", 0)
        self._second: Address | None = None
        self.here: Address | None = None
        self.there: Address | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is nothing more to ask."""
        is_complete = self._second is None or self.there is not None
        return self.here is not None and is_complete

    @property
    def is_symmetric(self) -> bool | None:
        """Whether each destination sees another address; C{None} if unknown."""
        if self.here is None or self.there is None:
            return None
        return self.here != self.there

    def ask(self, relay: Address, alternate: int, now: float) -> None:
        """
        Begin to ask.

        @param relay: Where the relay is.
        @param alternate: Its second port, or 0.
        """
        self.relay = relay
        self._second = (relay[0], alternate) if alternate else None
        self.here = self.there = None
        self.again(now)

    def again(self, now: float) -> None:
        """Ask again what is not known yet."""
        if self.relay[1] and not self.is_known:
            self._left = TRIES
            self._next = now

    def next_at(self) -> float:
        """Give when L{datagrams} is to be called at the latest; infinity for never."""
        return self._next

    def datagrams(self, now: float) -> list[tuple[bytes, Address]]:
        """Give the questions to be sent now, and where."""
        if now < self._next:
            return []
        if self.is_known or not self._left:
            self._next = NEVER
            return []
        self._left -= 1
        self._next = now + WAIT
        found = []
        if self.here is None:
            found.append((self._question(False), self.relay))
        if self._second is not None and self.there is None:
            found.append((self._question(True), self._second))
        return found

    def _question(self, is_second: bool) -> bytes:
        transaction = self._random(12)
        self._asked[transaction] = is_second
        while len(self._asked) > 2 * TRIES:
            del self._asked[next(iter(self._asked))]
        return stun.message(stun.REQUEST, transaction)

    def receive(self, datagram: bytes) -> bool:
        """Take a datagram; say whether it is an answer to a question of this."""
        try:
            answer = stun.parse(datagram)
            is_second = self._asked.get(answer.transaction)
            value = answer.get(stun.XOR_MAPPED_ADDRESS)
            if is_second is None or value is None or answer.kind != stun.SUCCESS:
                return False
            where = stun.parse_xor_address(value, answer.transaction)
        except stun.StunError:
            return False
        if is_second:
            self.there = where
        else:
            self.here = where
        return True

    def words(self) -> str:
        """Say what is known, for the user."""
        if self.here is None:
            return ""
        if self.there is None:
            return f"you are seen at {show(self.here)}"
        if self.is_symmetric:
            return f"your NAT is symmetric ({show(self.here)}, {show(self.there)})"
        return f"you are seen at {show(self.here)}, by all alike"
