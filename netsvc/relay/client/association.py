"""
The client's end of a session with a relay: pure, time and chance are arguments.

It says hello until it is answered, gives the token back that it is sent, and has a
channel then. When the relay asks for a token again, because the client's address has
changed on the way, that is given back in the same manner, and the channel goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from netsvc.chat.text import clean
from netsvc.relay import frames
from netsvc.relay.channel import NEVER, Channel, Event, Timing
from netsvc.relay.frames import NO_TOKEN, Challenge, Gone, Hello, Packet, Welcome

HELLO_TIMEOUT: Final = 10.0
"""Seconds that the relay may take to welcome this client."""

FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 2.0
"""Seconds until a hello is said again: they double, up to this."""

BETWEEN_MOVES: Final = 0.1
"""Seconds between two answers to challenges of a session."""

TIMING: Final = Timing(first=0.4, give_up=30.0, keepalive=15.0)
"""Once there is a session."""


class Association:
    """
    A session, from the first hello to its end.

    @ivar is_open: Whether lines can be sent.
    @ivar ended: Why it is over, in words that are safe to show; C{None} while it is
        not.
    @ivar alternate: Another port of the relay that answers STUN, or 0.
    @ivar moves: How often the relay has asked for a token on the way.
    """

    def __init__(
        self,
        now: float,
        random: Callable[[int], bytes],
        timeout: float = HELLO_TIMEOUT,
    ) -> None:
        """
        Begin to say hello.

        @param now: The time in seconds.
        @param random: Gives so many random bytes.
        @param timeout: How long to wait for a welcome.
        """
        self._nonce = random(frames.NONCE)
        self._token = NO_TOKEN
        self._begun = now
        self._timeout = timeout
        self._wait = FIRST_WAIT
        self._next_hello = now
        self._name = self._resume = b""
        self._channel: Channel | None = None
        self._answer: list[bytes] = []
        self._may_move_at = now
        self.ended: str | None = None
        self.alternate = 0
        self.moves = 0

    @property
    def is_open(self) -> bool:
        """See the class."""
        return self._channel is not None and self.ended is None

    @property
    def waiting(self) -> int:
        """Bytes that wait to be sent."""
        return 0 if self._channel is None else self._channel.queued

    def write(self, data: bytes) -> None:
        """Send text: whole lines."""
        if self._channel is not None:
            self._channel.write(data)

    def message(self, data: bytes) -> None:
        """Send a message for the relay itself."""
        if self._channel is not None:
            self._channel.message(data)

    def events(self) -> Iterator[Event]:
        """Give what has come: kinds of segments, and what they carry."""
        if self._channel is not None:
            yield from self._channel.events()

    def close(self) -> None:
        """End it; the relay is told with the datagrams that are sent now."""
        if self.ended is None:
            self.ended = "closed"
            if self._name:
                self._answer.append(frames.encode(Gone(self._name)))

    def receive(self, data: bytes, now: float) -> None:
        """Take a datagram of the relay."""
        if self.ended is not None:
            return
        frame = frames.decode(data)
        channel = self._channel
        match frame:
            case Packet(session=name, data=packet) if name == self._name:
                if channel is not None:
                    channel.receive(packet, now)
            case Challenge(nonce=nonce, token=token) if channel is None:
                if nonce == self._nonce:
                    # At once, but for the first time only: two that answer each
                    # other at once would never end if no token ever fitted.
                    if self._token == NO_TOKEN:
                        self._wait, self._next_hello = FIRST_WAIT, now
                    self._token = token
            case Challenge(nonce=nonce, token=token) if nonce == self._name:
                if now >= self._may_move_at:
                    self._may_move_at = now + BETWEEN_MOVES
                    hello = Hello(self._name, token, self._resume)
                    self._answer = [frames.encode(hello)]
                    self.moves += 1
            case Welcome() if channel is None:
                if frame.nonce == self._nonce:
                    self._welcomed(frame, now)
            case Welcome(nonce=nonce) if channel is not None and nonce == self._name:
                channel.again(now)
            case Gone(session=name) if self._name and name == self._name:
                self.ended = "the server knows nothing of this session any more"
            case frames.Refused(nonce=nonce, reason=reason):
                if channel is None and nonce == self._nonce:
                    self.ended = f"the server refuses: {clean(reason)}"

    def _welcomed(self, frame: Welcome, now: float) -> None:
        self._name, self._resume = frame.session, frame.resume
        self.alternate = frame.alternate
        self._channel = Channel(now, TIMING)
        # So that the relay knows at once that its welcome has come.
        self._channel.ask()

    def next_at(self) -> float:
        """Give when L{datagrams} is to be called at the latest; infinity for never."""
        if self.ended is not None:
            return NEVER
        if self._channel is not None:
            return self._channel.next_at()
        return min(self._next_hello, self._begun + self._timeout)

    def datagrams(self, now: float) -> list[bytes]:
        """Give what is to be sent now."""
        found, self._answer = self._answer, []
        if self.ended is not None:
            return found
        if self._channel is not None:
            packets = self._channel.packets(now)
            found += [frames.encode(Packet(self._name, each)) for each in packets]
            self.ended = self._channel.ended
        elif now >= self._begun + self._timeout:
            self.ended = f"no answer within {self._timeout:.0f} s"
        elif now >= self._next_hello:
            found.append(frames.encode(Hello(self._nonce, self._token)))
            self._next_hello = now + self._wait
            self._wait = min(self._wait * 2, LONGEST_WAIT)
        return found
