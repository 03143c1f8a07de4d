"""
A relay's port: tells what each datagram is, and who it is from.

What every datagram goes through, in this order: the source ports of reflectors and our
own, the budget of its source, what it is (L{netsvc.relay.demux}), and then whoever
deals with that.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.error import MessageLengthError
from twisted.internet.protocol import DatagramProtocol

from netsvc.chat.line.frontend import LineFrontend
from netsvc.daemon.limits import source_key
from netsvc.daemon.reflectors import REFLECTORS
from netsvc.multiplex.batch import Batch, available
from netsvc.relay import admission
from netsvc.relay.admission import COOKIE, OPEN, Credit, admission_of
from netsvc.relay.demux import FRAME, is_foreign, is_text
from netsvc.relay.raw import RawPeer
from netsvc.relay.recipient import Address
from netsvc.relay.relay import Relay
from netsvc.relay.routes import Route, route_to
from netsvc.relay.stun_door import StunDoor
from netsvc.relay.stun_server import StunServer
from netsvc.relay.text_peer import TextPeer
from netsvc.relay.tokens import normal

#: Why a datagram was not looked at.
REFLECTOR: Final = "reflector"
LOOP: Final = "loop"
GROUP: Final = "group"
RATE: Final = "rate"
JUNK: Final = "junk"

_RESUME: Final = b"/resume "


class Frames(Protocol):
    """
    What deals with frames, on one port.

    @ivar frontend: What they share.
    @ivar live: How many sessions there are.
    """

    @property
    def frontend(self) -> LineFrontend:
        """See the class."""

    @property
    def live(self) -> int:
        """See the class."""

    def stop(self, reason: str) -> None:
        """End all sessions, for a reason that everybody is told."""

    def cut(self) -> None:
        """Forget all sessions."""

    def datagram(self, data: bytes, address: Address, now: float) -> None:
        """Take a datagram that begins with L{FRAME}."""


class RelayPort(DatagramProtocol):
    """
    The datagrams of one listen string.

    @ivar number: Its number: its peers' keys begin with it.
    @ivar only_stun: Whether it is there for STUN alone.
    @ivar frames: Deals with frames; C{None} drops them.
    @ivar batch: Sends to many peers at once, where the system can.
    @ivar other: The other port for STUN, or C{None}.
    @ivar received: How many datagrams came.
    @ivar bytes_received: How many bytes.
    @ivar dropped: How many the kernel dropped before they could be read.
    """

    noisy = False
    transport: Any

    def __init__(
        self,
        relay: Relay,
        number: int,
        setting: str,
        stun: StunServer,
        *,
        only_stun: bool = False,
    ) -> None:
        """
        @param relay: What all ports share.
        @param number: See there.
        @param setting: How peers are admitted; one of L{admission.CHOICES}.
        @param stun: Answers STUN.
        @param only_stun: Whether it does nothing else.
        """
        self._relay = relay
        self.number = number
        self._setting = setting
        self._stun = StunDoor(relay, self, stun, raw=relay.settings.raw)
        self.only_stun = only_stun
        self._raw = relay.settings.raw
        self._peer_class = RawPeer if self._raw else TextPeer
        self._refused: list[str | None] = [None] * 65536
        for port in REFLECTORS:
            self._refused[port] = REFLECTOR
        self.frames: Frames | None = None
        self.other: RelayPort | None = None
        self.received = self.bytes_received = self.dropped = 0
        self._knows_group = False
        self.batch: Batch | None = None

    # What others use.

    def startProtocol(self) -> None:
        """The port is bound."""
        skt = None if self.only_stun else self.transport.getHandle()
        if available() and isinstance(skt, socket.socket):
            self.batch = Batch(skt)
        self._knows_group = hasattr(self.transport, "to_group")

    def add_own_ports(self, ports: list[int]) -> None:
        """Refuse these source ports: who has them is ourselves, or one like us."""
        for port in ports:
            self._refused[port] = LOOP

    def refuses(self, port: int) -> bool:
        """Say whether who has that port is not spoken to."""
        return self._refused[port] is not None

    def admission(self, host: str) -> str:
        """Give how a peer is admitted here: open, credit or cookie."""
        return admission_of(host, self._setting)

    def send(self, data: bytes, address: Address) -> bool:
        """
        Send a datagram; what the network says against it is counted.

        @return: Whether the kernel took it.
        """
        try:
            sent = self.transport.write(data, address)
        except (OSError, MessageLengthError):
            sent = False
        if sent is False:
            self._relay.counters["send-failed"] += 1
            return False
        return True

    def sender(self, address: Address) -> Callable[[bytes], object]:
        """
        Give what sends to an address whose datagram is being dispatched, later, too:
        from our address that it was sent to, as a client takes no other one's.
        """
        if not hasattr(self.transport, "origin"):
            return lambda data: self.send(data, address)
        origin = self.transport.origin()

        def send(data: bytes) -> None:
            if not self.transport.answer(data, origin):
                self._relay.counters["send-failed"] += 1

        return send

    def tally(self) -> None:
        """Take over what the kernel has counted, where it is asked."""
        self.dropped = getattr(self.transport, "kernel_drops", self.dropped)

    # What comes.

    def datagramReceived(self, data: bytes, addr: Address) -> None:
        """Take a datagram."""
        relay = self._relay
        self.received += 1
        self.bytes_received += len(data)
        host, port = addr
        reason = self._refused[port]
        if reason is not None:
            relay.counters[reason] += 1
            return
        if self._knows_group and self.transport.to_group:
            relay.counters[GROUP] += 1
            return
        now = relay.seconds()
        if relay.sources is not None:
            key = source_key(host) if ":" in host else host
            if not relay.sources.allow(key, now):
                relay.counters[RATE] += 1
                return
        # By the first byte what is not text; see the order in netsvc.relay.demux.
        first = data[0] if data else FRAME + 1
        if first < 4:
            if self._stun.take(data, addr, now):
                return
            if not self._raw:
                relay.counters[JUNK] += 1
                return
        elif first == FRAME and self.frames is not None and not self._raw:
            self.frames.datagram(data, addr, now)
            return
        if self.only_stun:
            relay.counters[JUNK] += 1
            return
        peer = relay.peers.hear((self.number, addr), now)
        if not data:
            return  # it is there, and that is all it says
        if not self._raw and not is_text(data):
            relay.counters[JUNK] += 1
        elif data.startswith(b"/") and self._handshake(peer, data, addr, now):
            pass
        elif peer is None:
            self._stranger(data, addr, now)
        elif peer.credit.validated:
            peer.receive(data)
        else:
            self._unproven(peer, data, now)

    # Who is new.

    def _stranger(self, data: bytes, addr: Address, now: float) -> None:
        """Deal with what comes from an address that nobody is known at."""
        relay = self._relay
        if not self._raw and is_foreign(data):
            relay.counters[JUNK] += 1
            return
        if relay.echoes.has(data):
            relay.counters[LOOP] += 1
            return
        how = self.admission(addr[0])
        if how == OPEN:
            peer = self._enter(addr, now, Credit(True))
            if peer is not None:
                peer.receive(data)
        elif how == COOKIE:
            if admission.is_any_challenge(data):
                relay.counters[LOOP] += 1
            elif self._is_code(data, addr, now):
                self._prove(None, addr, now)
            elif not self._raw:
                self._challenge(data, addr, now)
        else:
            peer = self._enter(addr, now, Credit())
            if peer is not None:
                self._unproven(peer, data, now)

    def _challenge(self, data: bytes, addr: Address, now: float) -> None:
        """Ask for a proof, and keep nothing."""
        code = self._relay.tokens.code(*addr, now)
        end = b"\n" if data.endswith(b"\n") else b""
        told = admission.challenge(code, admission.FACTOR * len(data), end)
        if told is not None and self._relay.may_answer(addr[0], now):
            self._relay.counters["challenges"] += 1
            self.send(told, addr)

    def _unproven(self, peer: TextPeer, data: bytes, now: float) -> None:
        """Deal with what comes from an address that is not validated."""
        relay = self._relay
        peer.credit.received(len(data))
        code = relay.tokens.code(peer.host, peer.port, now)
        if admission.is_challenge(data, code):
            relay.counters[LOOP] += 1
        elif self._is_code(data, peer.address, now):
            peer.prove()
        else:
            if not self._raw:
                peer.challenge(now, b"\n" if data.endswith(b"\n") else b"")
            peer.receive(data)

    def _is_code(self, data: bytes, addr: Address, now: float) -> bool:
        """Say whether that is the code that was told to that address."""
        if len(data) > 64:
            return False
        text = data.decode("latin-1")
        if normal(text) is None:
            return False
        source = source_key(addr[0])
        if not self._relay.may_guess(source, now):
            return False
        right = self._relay.tokens.is_code(text, *addr, now)
        if right:
            self._relay.guessed_right(source)
        return right

    def _prove(self, peer: TextPeer | None, addr: Address, now: float) -> None:
        """Somebody has shown that they read at an address: let them in."""
        if peer is None:
            peer = self._enter(addr, now, Credit(True))
        if peer is not None:
            peer.prove()

    def _route(self, addr: Address) -> Route:
        """Give how to send to a peer whose datagram is being dispatched."""
        route = route_to(self.transport, addr, self.batch)
        if route[2] is not self.batch:
            self._relay.mixed = True
        return route

    def _enter(self, addr: Address, now: float, credit: Credit) -> TextPeer | None:
        """Let somebody in, if there is room."""
        relay = self._relay
        if not relay.may_enter(addr[0], now):
            return None
        room, leaver = relay.peers.make_room(addr[0], credit.validated)
        if leaver is not None:
            leaver.gone("Too many peers")
        if not room:
            return None
        key = (self.number, addr)
        peer = self._peer_class(relay, key, *self._route(addr), now, credit)
        relay.peers.add(peer, credit.validated)
        if not credit.validated:
            relay.limited.add(peer)
        relay.counters["peers"] += 1
        peer.begin()
        # They may be banned, and gone already.
        return peer if relay.peers.get(peer.key) is peer else None

    # Proofs of programs, and other addresses.

    def _handshake(
        self, peer: TextPeer | None, data: bytes, addr: Address, now: float
    ) -> bool:
        """
        Deal with C{/cookie} and with a C{/resume} that is right.

        @return: Whether it was one of them.
        """
        relay = self._relay
        if data.startswith(admission.ASK_COOKIE):
            words = data.split()
            if words[0] != admission.ASK_COOKIE:
                return False
            if len(words) > 1:
                given = words[1].decode("latin-1")
                if relay.tokens.is_cookie(given, *addr, now):
                    self._prove(peer, addr, now)
            else:
                told = relay.tokens.cookie(*addr, now).encode()
                answer = admission.COOKIE_ANSWER + told
                affordable = len(answer) <= admission.FACTOR * len(data)
                if affordable and (peer is not None or relay.may_answer(addr[0], now)):
                    self._tell(peer, answer, data, addr)
            return True
        return data.startswith(_RESUME) and self._resume(peer, data, addr, now)

    def _tell(
        self, peer: TextPeer | None, answer: bytes, data: bytes, addr: Address
    ) -> None:
        """Answer once, within what has just come."""
        if peer is not None:
            peer.credit.received(len(data))
            if not peer.credit.take(len(answer)):
                return
        self.send(answer, addr)

    def _resume(
        self, peer: TextPeer | None, data: bytes, addr: Address, now: float
    ) -> bool:
        """
        Somebody goes on from another address: at once where nobody forges addresses,
        else when they have shown that they read at the new one.

        @return: Whether the token is somebody's.
        """
        relay = self._relay
        words = data.decode("latin-1").split()
        found = relay.resumable.get(words[1]) if len(words) in (2, 3) else None
        if found is None or found is peer:
            return False
        right = len(words) == 3 and self._is_code(words[2].encode("latin-1"), addr, now)
        if right or self.admission(addr[0]) == OPEN:
            self._move(found, peer, addr, right)
            found.learn_form(data)
            found.session.note(f"you go on as {found.session.me.nick}")
            found.flush()
            return True
        code = relay.tokens.code(*addr, now)
        end = b"\n" if data.endswith(b"\n") else b""
        told = f"type /resume {words[1]} {code}".encode() + end
        if len(told) <= admission.FACTOR * len(data) and relay.may_answer(addr[0], now):
            self._tell(peer, told, data, addr)
        return True

    def _move(
        self, found: TextPeer, peer: TextPeer | None, addr: Address, proven: bool
    ) -> None:
        """A peer goes on from another address, in the place of who is there."""
        relay = self._relay
        if peer is not None:
            peer.gone("Resumed as somebody else")
        relay.counters["resumed"] += 1
        relay.peers.remove(found)
        found.move((self.number, addr), *self._route(addr))
        found.heard = relay.seconds()
        relay.peers.add(found, True)
        if proven:
            found.prove(told=True)
        else:
            relay.limited.discard(found)
            found.credit.validated = True
