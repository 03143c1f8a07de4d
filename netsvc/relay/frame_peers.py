"""
The relay's side of the frames: sessions of C{netsvc chat} over datagrams.

An address is sent nothing but a challenge, which is smaller than what it has sent,
until it has given a token back; so nobody is a member who does not read at their
address, and a flood of forged addresses leaves nothing behind. A session has a name of
its own: it goes on from another address once that is validated, too.
"""

from __future__ import annotations

import hmac
import os
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IDelayedCall

from netsvc.chat.line.frontend import LineFrontend
from netsvc.chat.line.options import LineOptions
from netsvc.chat.network import Network
from netsvc.relay import frames
from netsvc.relay.alarms import Alarms
from netsvc.relay.channel import NEVER
from netsvc.relay.frame_peer import FramePeer
from netsvc.relay.frames import NO_TOKEN, Challenge, Gone, Hello, Packet, Welcome
from netsvc.relay.introducer import Introducer
from netsvc.relay.introductions import Address

FULL: Final = "there is no room for more people: try again later"
"""What who is not admitted is told."""

LOOK: Final = 1.0
"""Seconds between two looks at who is called otherwise now."""


class Port(Protocol):
    """What sends datagrams."""

    def send(self, data: bytes, address: Address) -> object:
        """Send one; what the network says against it is counted there."""

    def sender(self, address: Address) -> Callable[[bytes], object]:
        """Give what sends to who is heard now, from where they asked; later, too."""


class Tokens(Protocol):
    """See L{netsvc.relay.tokens.Tokens}."""

    def cookie(self, host: str, port: int, now: float) -> str:
        """Give the cookie of an address."""

    def is_cookie(self, text: str, host: str, port: int, now: float) -> bool:
        """Say whether that is the cookie of an address."""


class Relay(Protocol):
    """
    What the ports of a relay share.

    @ivar reactor: Gives the time (L{IReactorTime}).
    @ivar alternate_port: Another port that answers STUN, or 0.
    @ivar peer_timeout: Seconds of silence after which a peer is gone.
    """

    @property
    def reactor(self) -> Any:
        """See the class."""

    @property
    def network(self) -> Network:
        """The chat."""

    @property
    def tokens(self) -> Tokens:
        """What addresses are validated with."""

    @property
    def introducer(self) -> Introducer:
        """Introduces people of all ports."""

    @property
    def counters(self) -> Counter[str]:
        """What is counted."""

    @property
    def line_options(self) -> LineOptions:
        """What the line frontend is told."""

    @property
    def alternate_port(self) -> int:
        """See the class."""

    @property
    def peer_timeout(self) -> float:
        """See the class."""

    def may_answer(self, host: str, now: float) -> bool:
        """Say whether one more stranger may be answered; it is counted if not."""

    def admit(self, host: str, now: float) -> str | None:
        """Say why an address may not have another session; C{None} if it may."""

    def release(self, host: str) -> None:
        """Take that a session of an admitted address has ended."""


class FramePeers:
    """
    The sessions of one port.

    Counted in the relay's counters: C{frames-sessions}, C{frames-challenges},
    C{frames-moved}, C{frames-gone}, C{frames-junk}, C{frames-refused}.

    @ivar relay: What all ports share.
    @ivar frontend: The line side of the chat for these sessions.
    @ivar random: Gives so many random bytes.
    @ivar alarms: When to look at which session.
    """

    def __init__(
        self, relay: Relay, port: Port, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Begin without sessions."""
        self.relay = relay
        self.random = random
        self.alarms: Alarms[FramePeer] = Alarms()
        self.frontend = LineFrontend(
            relay.network,
            relay.line_options,
            extra={relay.introducer.command.name: relay.introducer.command},
        )
        self._port = port
        self._by_name: dict[bytes, FramePeer] = {}
        self._by_address: dict[Address, FramePeer] = {}
        self._soon: dict[FramePeer, None] = {}
        self._timer: IDelayedCall | None = None
        self._timer_at = NEVER
        self._ticked = relay.reactor.seconds()

    @property
    def live(self) -> int:
        """How many sessions there are, those that linger too."""
        return len(self._by_name)

    def datagram(self, data: bytes, address: Address, now: float) -> None:
        """Take a datagram that begins with L{netsvc.relay.frames.FIRST}."""
        frame = frames.decode(data)
        if type(frame) is Packet:
            peer = self._by_name.get(frame.session)
            if peer is None:
                if self.relay.may_answer(address[0], now):
                    self.relay.counters["frames-gone"] += 1
                    self.emit(Gone(frame.session), address)
            elif peer.address != address:
                self._challenge(frame.session, address, now)
            else:
                peer.packet(frame.data, now)
        elif type(frame) is Hello:
            self._hello(frame, address, now)
        elif type(frame) is Gone:
            peer = self._by_name.get(frame.session)
            if peer is not None and peer.address == address:
                self.drop(peer, "Connection closed")
        else:
            self.relay.counters["frames-junk"] += 1
        self._flush()

    def _hello(self, hello: Hello, address: Address, now: float) -> None:
        host, port = address
        token = hello.token.hex()
        if hello.token == NO_TOKEN or not self.relay.tokens.is_cookie(
            token, host, port, now
        ):
            self._challenge(hello.nonce, address, now)
            return
        peer: FramePeer | None
        is_new = False
        if hello.resume != NO_TOKEN:
            peer = self._by_name.get(hello.nonce)
            if peer is None or not hmac.compare_digest(hello.resume, peer.resume):
                self.relay.counters["frames-gone"] += 1
                self.emit(Gone(hello.nonce), address)
                return
            self._move(peer, address)
        else:
            peer = self._by_address.get(address)
            if peer is None or peer.nonce != hello.nonce:
                peer, is_new = self._begin(hello.nonce, address, now), True
                if peer is None:
                    return
        self.emit(
            Welcome(hello.nonce, peer.name, peer.resume, self.relay.alternate_port),
            address,
        )
        if is_new:
            peer.begin()  # behind the welcome, without which it means nothing

    def _begin(self, nonce: bytes, address: Address, now: float) -> FramePeer | None:
        """Begin a session; another one at that address is over then."""
        relay = self.relay
        before = self._by_address.get(address)
        if before is not None:
            self.drop(before, "Connection lost")
        if relay.admit(address[0], now) is not None:
            relay.counters["frames-refused"] += 1
            self.emit(frames.Refused(nonce, FULL), address)
            return None
        relay.counters["frames-sessions"] += 1
        name, send = self.random(frames.NONCE), self._port.sender(address)
        peer = FramePeer(self, address, nonce, name, send)
        self._by_name[peer.name] = self._by_address[address] = peer
        return peer

    def _move(self, peer: FramePeer, address: Address) -> None:
        """A session goes on at another address, which is validated."""
        if peer.address == address:
            return
        self.relay.counters["frames-moved"] += 1
        before = self._by_address.get(address)
        if before is not None:
            self.drop(before, "Connection lost")
        del self._by_address[peer.address]
        peer.address, peer.send = address, self._port.sender(address)
        self._by_address[address] = peer
        peer.channel.again(self.relay.reactor.seconds())
        self._soon[peer] = None

    def _challenge(self, nonce: bytes, address: Address, now: float) -> None:
        if self.relay.may_answer(address[0], now):
            self.relay.counters["frames-challenges"] += 1
            cookie = self.relay.tokens.cookie(*address, now)
            self.emit(Challenge(nonce, bytes.fromhex(cookie)), address)

    def emit(self, frame: frames.Frame, address: Address) -> None:
        """Send a frame."""
        self._port.send(frames.encode(frame), address)

    def drop(self, peer: FramePeer, reason: str) -> None:
        """
        Forget a session.

        @param reason: What the others are told.
        """
        if self._by_name.pop(peer.name, None) is None:
            return
        self._by_address.pop(peer.address, None)
        self.alarms.discard(peer)
        self._soon.pop(peer, None)
        self.relay.release(peer.source[0])
        peer.lost(reason)

    def stop(self, reason: str) -> None:
        """Say goodbye to everybody, which takes L{LINGER} at most."""
        self.frontend.stop(reason)
        self._flush()

    def cut(self) -> None:
        """End all sessions at once."""
        for peer in list(self._by_name.values()):
            peer.send(frames.encode(Gone(peer.name)))
            self.drop(peer, "The server is stopping")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._timer_at = NEVER

    # Time.

    def soon(self, peer: FramePeer) -> None:
        """Have a session's packets sent in this turn, or right after it."""
        if not self._soon:
            self._wake_at(0.0)
        self._soon[peer] = None

    def _flush(self) -> None:
        """Send what is to be sent now."""
        while self._soon:
            peers, self._soon = self._soon, {}
            for peer in peers:
                peer.go_on()
        when = self.alarms.next()
        if self._by_name:
            when = min(when, self._ticked + LOOK)
        self._wake_at(when)

    def _wake_at(self, when: float) -> None:
        """Have the timer run then, or earlier."""
        if when >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        reactor = self.relay.reactor
        self._timer_at = when
        self._timer = reactor.callLater(max(when - reactor.seconds(), 0.0), self._wake)

    def _wake(self) -> None:
        self._timer, self._timer_at = None, NEVER
        now = self.relay.reactor.seconds()
        for peer in self.alarms.due(now):
            self._soon[peer] = None
        if now >= self._ticked + LOOK:
            self._ticked = now
            self.frontend.tick()
            self.relay.introducer.look()
        self._flush()
