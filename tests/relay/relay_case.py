"""A relay whose network, time and random numbers the test plays."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.server import RelayPort
from netsvc.relay.service import RelayService
from netsvc.relay.settings import RelaySettings

Address = tuple[str, int]

HERE = ("198.51.100.1", 7075)

#: Peers in a private network, and peers on the Internet.
ANN = ("192.168.0.2", 40001)
BOB = ("192.168.0.3", 40002)
CAT = ("192.168.0.4", 40005)
EVE = ("203.0.113.5", 40003)
DAN = ("203.0.113.6", 40004)


class FakeSocket:
    """A socket that keeps what is sent."""

    family = 2

    def __init__(self) -> None:
        self.sent: dict[Address, list[bytes]] = defaultdict(list)
        self.broken: dict[Address, int] = {}

    def sendmsg(self, *args: object) -> None:
        """Tests put something here."""

    def sendto(self, data: bytes, address: Address) -> int:
        """Keep it, or fail as the test wants."""
        if address in self.broken:
            raise OSError(self.broken[address], "as the test wants")
        self.sent[address].append(data)
        return len(data)


class FakePort:
    """A transport on such a socket."""

    def __init__(self, host: str, port: int) -> None:
        self.skt = FakeSocket()
        self.to_group = False
        self.kernel_drops = 0
        self._host = IPv4Address("UDP", host, port)

    def getHandle(self) -> FakeSocket:
        """Give the socket."""
        return self.skt

    def getHost(self) -> IPv4Address:
        """Give the address."""
        return self._host

    def write(self, data: bytes, address: Address) -> bool:
        """Send."""
        try:
            self.skt.sendto(data, address)
        except OSError:
            return False
        return True


class RelayCase(SynchronousTestCase):
    """A relay with one port, to which the test sends datagrams."""

    #: What the relay is told.
    settings: dict[str, Any] = {}  # noqa: RUF012 -- replaced, never changed

    def setUp(self) -> None:
        """Make the relay."""
        self.clock = Clock()
        self.clock.advance(1000)
        self.make(**self.settings)

    def make(self, **settings: Any) -> None:
        """Make a relay that is told other things."""
        self.service = RelayService(RelaySettings(**settings), self.clock)
        self.relay = self.service.relay
        self.port = self.bind(self.service._port(), HERE)

    def bind(self, port: RelayPort, address: Address) -> RelayPort:
        """Give a port a transport."""
        port.transport = FakePort(*address)
        port.startProtocol()
        return port

    @property
    def skt(self) -> FakeSocket:
        """The port's socket."""
        skt: FakeSocket = self.port.transport.skt
        return skt

    def say(self, address: Address, *datagrams: bytes) -> list[bytes]:
        """Send datagrams; give what comes back there, of all that is there."""
        for data in datagrams:
            self.port.datagramReceived(data, address)
        return self.got(address)

    def got(self, address: Address) -> list[bytes]:
        """Give what was sent to an address since it was asked last."""
        return self.skt.sent.pop(address, [])

    def count(self, name: str) -> int:
        """Give a counter."""
        return self.relay.counters[name]

    def enter(self, *addresses: Address) -> None:
        """Have peers in the lobby, and forget what they were told."""
        for address in addresses:
            self.say(address, b"/nick " + self.nick(address).encode())
        self.skt.sent.clear()

    def nick(self, address: Address) -> str:
        """Give the nick under which a peer enters."""
        names = {ANN: "ann", BOB: "bob", CAT: "cat", EVE: "eve", DAN: "dan"}
        return names[address]

    def code(self, address: Address) -> bytes:
        """Give the code of an address."""
        return self.relay.tokens.code(*address, self.clock.seconds()).encode()

    def random(self, size: int) -> bytes:
        """Give random bytes."""
        return os.urandom(size)
