"""A relay, clients of it and the network between them, in memory and in one time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import InvalidAddressError
from twisted.internet.task import Clock

from netsvc.chat.client.entry import Wishes
from netsvc.chat.client.lines import Line
from netsvc.chat.client.session import Session
from netsvc.chat.line.options import LineOptions
from netsvc.chat.network import Network
from netsvc.relay import stun
from netsvc.relay.client.link import RelaySettings, UDPLink
from netsvc.relay.client.paths import Mode
from netsvc.relay.frame_peers import FramePeers
from netsvc.relay.introducer import Introducer
from netsvc.relay.introductions import Address
from netsvc.relay.tokens import Tokens
from tests.chat.line.kit import LineChat

#: Where the relay is.
RELAY: Address = ("203.0.113.1", 7075)
SECOND = 7076


def chance(seed: int = 1) -> Callable[[int], bytes]:
    """Give something that gives random bytes, always the same ones."""
    return random.Random(seed).randbytes


class FakeRelay:
    """What the ports of a relay share."""

    def __init__(self, network: Network, reactor: Clock) -> None:
        """Begin."""
        self.network = network
        self.reactor = reactor
        self.tokens = Tokens(b"0123456789abcdef")
        self.introducer = Introducer(chance())
        self.counters: Counter[str] = Counter()
        self.line_options = LineOptions(user="udp", frontend="udp")
        self.alternate_port = SECOND
        self.peer_timeout = 60.0
        self.refuses: str | None = None
        self.answers = True
        self.admitted: list[str] = []

    def may_answer(self, host: str, now: float) -> bool:
        """Say what the test says."""
        return self.answers

    def admit(self, host: str, now: float) -> str | None:
        """Say what the test says."""
        if self.refuses is None:
            self.admitted.append(host)
        return self.refuses

    def release(self, host: str) -> None:
        """Take one back."""
        self.admitted.remove(host)


class Port:
    """A socket in memory: Twisted's port and transport."""

    def __init__(self, world: World, protocol: Any, address: Address) -> None:
        """Open it."""
        self._world = world
        self.protocol = protocol
        self.address = address
        self.fails = False
        protocol.makeConnection(self)

    def write(self, data: bytes, address: Address) -> None:
        """Send."""
        if self.fails:
            raise OSError("the network is unreachable")
        if (":" in address[0]) != (":" in self.address[0]):
            raise InvalidAddressError(address[0], "of another family")
        self._world.send(data, self.address, address)

    def stopListening(self) -> None:
        """Close."""
        del self._world.ports[self.address]


class Resolver:
    """Knows names."""

    def __init__(self) -> None:
        """Know one."""
        self.names = {"relay.example": [RELAY[0]]}
        self.is_slow = False
        self.waiting: list[Callable[[], None]] = []

    def resolveHostName(self, receiver: Any, host: str, port: int) -> None:
        """Look up."""

        def answer() -> None:
            receiver.resolutionBegan(None)
            for each in self.names.get(host, [host] if host[0].isdigit() else []):
                kind = IPv6Address if ":" in each else IPv4Address
                receiver.addressResolved(kind("TCP", each, port))
            receiver.resolutionComplete()

        if self.is_slow:
            self.waiting.append(answer)
        else:
            answer()


class Reactor(Clock):
    """Time, names and sockets."""

    def __init__(self, world: World) -> None:
        """Begin."""
        super().__init__()
        self._world = world
        self.nameResolver = Resolver()

    def listenUDP(
        self, port: int, protocol: Any, interface: str, maxPacketSize: int
    ) -> Port:
        """Open a socket."""
        return self._world.open(protocol, is_v6=interface == "::")


class User:
    """Somebody at a client: its L{View<netsvc.chat.client.session.View>}."""

    def __init__(self) -> None:
        """Have seen nothing."""
        self.seen: list[str] = []
        self.trouble: str | None = None
        self.held_now = False

    def show(self, line: Line) -> None:
        """See a line."""
        self.seen.append(line.text)

    def note(self, text: str) -> None:
        """See what the client says."""
        self.seen.append(text)

    def locked(self) -> None:
        """There is a password."""
        self.seen.append("locked")

    def entered(self, is_as_wished: bool) -> None:
        """Be in."""
        self.seen.append(f"entered {is_as_wished}")

    def held(self, is_held: bool) -> None:
        """Be asked to wait."""
        self.held_now = is_held

    def ended(self, trouble: str) -> None:
        """Be told of the end."""
        self.trouble = trouble

    def take(self) -> list[str]:
        """Give what was seen, and forget it."""
        seen, self.seen = self.seen, []
        return seen


class Client:
    """A client: its user, its session, its link."""

    def __init__(self, world: World, nick: str, mode: Mode, host: str) -> None:
        """Prepare."""
        self.world = world
        self.user = User()
        settings = RelaySettings(host, RELAY[1], mode)
        seed = world.opened + 100
        self.links: list[UDPLink] = []

        def make(receiver: Any) -> UDPLink:
            self.links.append(UDPLink(world.reactor, settings, receiver, chance(seed)))
            return self.links[0]

        self.session = Session(
            Wishes(nick), make, self.user, world.reactor, lambda: 0.5
        )

    @property
    def link(self) -> UDPLink:
        """Its link."""
        return self.links[0]

    def type(self, *lines: str) -> None:
        """Type lines."""
        for line in lines:
            assert self.session.say(line)
        self.world.run(0.2)

    def ask(self, *lines: str) -> list[str]:
        """Type lines, and give what is seen then."""
        self.user.take()
        self.type(*lines)
        return self.user.take()


class World:
    """
    All of it.

    @ivar lost: Says of a datagram, by where it is from, where it goes and what it is,
        whether it is lost.
    @ivar seen_as: Where the network shows an address to be, for a destination.
    @ivar ports: Open sockets of clients.
    @ivar sent: Datagrams: from, to, what.
    @ivar opened: How many sockets were opened.
    """

    def __init__(self) -> None:
        """Begin."""
        self.reactor = Reactor(self)
        self.chat = LineChat()
        self.chat.now = 0.0
        self.relay = FakeRelay(self.chat.network, self.reactor)
        self.lost: Callable[[Address, Address, bytes], bool] = lambda *_: False
        self.seen_as: Callable[[Address, Address], Address] = lambda own, to: own
        self.ports: dict[Address, Port] = {}
        self.sent: list[tuple[Address, Address, bytes]] = []
        self.opened = 0
        self._way: list[tuple[Address, Address, bytes]] = []
        self.peers = FramePeers(self.relay, _Sender(self), chance(2))

    def open(self, protocol: Any, is_v6: bool) -> Port:
        """Open a client's socket."""
        self.opened += 1
        host = f"2001:db8::{self.opened}" if is_v6 else f"198.51.100.{self.opened}"
        port = Port(self, protocol, (host, 40_000 + self.opened))
        self.ports[port.address] = port
        return port

    def send(self, data: bytes, own: Address, to: Address) -> None:
        """Put a datagram on its way."""
        self.sent.append((own, to, data))
        if not self.lost(own, to, data):
            self._way.append((self.seen_as(own, to), to, data))

    def deliver(self) -> None:
        """Let everything arrive that is on its way, and what that brings about."""
        for _ in range(10_000):
            if not self._way:
                return
            own, to, data = self._way.pop(0)
            self._arrive(own, to, data)
        raise AssertionError("it never ends")

    def _arrive(self, own: Address, to: Address, data: bytes) -> None:
        if to[0] == RELAY[0]:
            if data[0] < 4:
                question = stun.parse(data)
                where = stun.xor_address(own, question.transaction)
                value = stun.attribute(stun.XOR_MAPPED_ADDRESS, where)
                answer = stun.message(stun.SUCCESS, question.transaction, value)
                self.send(answer, to, own)
            elif to == RELAY:
                self.peers.datagram(data, own, self.reactor.seconds())
            return
        for port in list(self.ports.values()):
            if self.seen_as(port.address, own) == to:
                port.protocol.datagramReceived(data, own)
                return

    def run(self, seconds: float) -> None:
        """Let time go by."""
        end = self.reactor.seconds() + seconds
        self.deliver()
        for _ in range(100_000):
            if self.reactor.seconds() >= end:
                return
            calls = [call.getTime() for call in self.reactor.getDelayedCalls()]
            when = min([max(each, self.reactor.seconds()) for each in calls] + [end])
            # Not by adding the difference: the sum may be rounded, and fall short.
            self.chat.now = self.reactor.rightNow = when
            self.reactor.advance(0)
            self.deliver()
        raise AssertionError("time stands still")

    def client(
        self, nick: str, mode: Mode = "auto", host: str = "relay.example"
    ) -> Client:
        """Let somebody come in."""
        client = Client(self, nick, mode, host)
        client.session.start()
        self.run(0.5)
        assert "entered True" in client.user.seen, client.user.seen
        client.user.take()
        return client


class _Sender:
    """The relay's socket."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, data: bytes, address: Address) -> None:
        """Send."""
        self._world.send(data, RELAY, address)

    def sender(self, address: Address) -> Callable[[bytes], object]:
        """Give what sends there."""
        return lambda data: self.send(data, address)
