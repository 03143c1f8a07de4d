"""
Lines over datagrams: a L{netsvc.chat.client.link.Link} to a relay.

One socket is used for everything, as the way through a NAT belongs to it: the session
with the relay, STUN, and the direct paths to peers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.error import InvalidAddressError, MessageLengthError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHostResolution,
    IResolutionReceiver,
)
from twisted.internet.protocol import DatagramProtocol
from zope.interface import implementer

from netsvc.chat.charset import Encoding
from netsvc.chat.client.commands import command
from netsvc.chat.client.framing import Framing
from netsvc.chat.client.link import Receiver
from netsvc.relay import direct, frames
from netsvc.relay.channel import END, MESSAGE, NEVER, TEXT
from netsvc.relay.client.association import Association
from netsvc.relay.client.mapping import Mapping
from netsvc.relay.client.paths import Mode, Paths
from netsvc.relay.introducer import plain
from netsvc.relay.introductions import Address, Notice, decode, encode
from netsvc.relay.sealing import Seal

CONNECT_TIMEOUT: Final = 10.0
"""Seconds to find the host, and to be welcomed."""

PER_ADDRESS: Final = 3.0
"""Seconds that an address of a name may take, when there is another one."""

GOODBYE: Final = 1.0
"""Seconds that what goes directly may take to arrive when the user leaves."""

HIGH_WATER: Final = 64 * 1024
LOW_WATER: Final = 16 * 1024
"""Bytes that wait when the server does not keep up, and when it does again."""


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """
    What the user wants of a relay.

    @ivar host: A name or an address.
    @ivar port: A UDP port.
    @ivar mode: Which direct paths there may be.
    @ivar encoding: Of the lines.
    """

    host: str
    port: int
    mode: Mode = "auto"
    encoding: Encoding = "utf-8"


class _Socket(DatagramProtocol):
    """The socket of a L{UDPLink}."""

    noisy = False

    def __init__(self, link: UDPLink) -> None:
        self._link = link

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Pass on a datagram."""
        self._link.datagram(datagram, (addr[0], addr[1]))

    def send(self, datagram: bytes, address: Address) -> None:
        """Send a datagram; one that the network refuses counts as lost on the way."""
        transport: Any = self.transport
        try:
            transport.write(datagram, address)
        except (OSError, MessageLengthError, InvalidAddressError):
            # The last one is an IPv6 address on an IPv4 socket, or the reverse.
            self._link.unsent += 1


@implementer(IResolutionReceiver)
class _Found:
    """Takes the addresses of a name."""

    def __init__(self, complete: Callable[[list[Address]], None]) -> None:
        self._complete = complete
        self._addresses: list[Address] = []
        self.resolution: IHostResolution | None = None

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        """Take that a look-up has begun."""
        self.resolution = resolution

    def addressResolved(self, address: IAddress) -> None:
        """Take an address."""
        found: Any = address
        self._addresses.append((found.host, found.port))

    def resolutionComplete(self) -> None:
        """Take that there are no more."""
        self._complete(self._addresses)


class UDPLink:
    """
    The link.

    @ivar receiver: Who takes what it gives.
    @ivar paths: Which way goes what is said to whom.
    @ivar unsent: Datagrams that the network has refused.
    """

    def __init__(
        self,
        reactor: Any,
        settings: RelaySettings,
        receiver: Receiver,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """
        Prepare.

        @param reactor: Gives time, names and sockets.
        @param random: Gives so many random bytes.
        """
        self._reactor = reactor
        self._settings = settings
        self.receiver = receiver
        self._random = random
        self._mapping = Mapping(random)
        self.paths = Paths(
            settings.mode,
            self._mapping,
            Seal,
            random,
            lambda line: receiver.received(line),
            self._by_relay,
            self._notify,
        )
        self._addresses: list[Address] = []
        self._relay: Address = ("", 0)
        self._association: Association | None = None
        self._socket: _Socket | None = None
        self._port: Any = None
        self._framing = Framing(settings.encoding)
        self._timer: IDelayedCall | None = None
        self._deadline = 0.0
        self._attempt = 0
        self._farewell: str | None = None
        self._farewell_at = 0.0
        self._is_open = self._is_held = self._is_going = False
        self.unsent = 0

    # The link.

    def open(self) -> None:
        """Begin to look up, and to say hello, within L{CONNECT_TIMEOUT}."""
        self._attempt += 1
        attempt = self._attempt
        self._deadline = self._reactor.seconds() + CONNECT_TIMEOUT
        self._timer = self._reactor.callLater(CONNECT_TIMEOUT, self._too_slow)

        def complete(addresses: list[Address]) -> None:
            if attempt == self._attempt:
                self._resolved(addresses)

        self._reactor.nameResolver.resolveHostName(
            _Found(complete), self._settings.host, self._settings.port
        )

    def send(self, line: str) -> None:
        """Send a line, if there is a connection; some are for this client itself."""
        if not self._is_open or self._association is None:
            return
        if self.paths.send(line, self._reactor.seconds()):
            pass
        elif command(line) == "quit" and not self.paths.is_idle:
            # What goes directly has to arrive first, or to go by the relay.
            self._farewell = line
            self._farewell_at = self._reactor.seconds() + GOODBYE
        else:
            self._by_relay(line)
        self._go_on()

    def close(self) -> None:
        """End the connection, or the attempt, at once."""
        if self._port is None and self._timer is None:
            return
        if self._association is not None:
            self._association.close()
            self._go_on()
        else:
            self._over("closed", False)

    # Connecting.

    def _resolved(self, addresses: list[Address]) -> None:
        self._stop_timer()
        if not addresses:
            self._over("no such host", False)
            return
        self._addresses = addresses
        self._try_next()

    def _try_next(self) -> None:
        """Say hello to the next address."""
        address = self._addresses.pop(0)
        now = self._reactor.seconds()
        left = self._deadline - now
        patience = min(PER_ADDRESS, left) if self._addresses else left
        self._relay = address
        self._socket = _Socket(self)
        interface = "::" if ":" in address[0] else "0.0.0.0"
        self._port = self._reactor.listenUDP(
            0, self._socket, interface=interface, maxPacketSize=2048
        )
        self._framing = Framing(self._settings.encoding)
        self._association = Association(now, self._random, patience)
        self._go_on()

    def _too_slow(self) -> None:
        self._timer = None
        self._over(f"no answer within {CONNECT_TIMEOUT:g} s", False)

    # What comes and goes.

    def datagram(self, datagram: bytes, address: Address) -> None:
        """Take a datagram."""
        association, now = self._association, self._reactor.seconds()
        if association is None or not datagram:
            return
        if datagram[0] == frames.FIRST:
            if plain(address) == plain(self._relay):
                association.receive(datagram, now)
        elif datagram[0] == direct.FIRST:
            self.paths.datagram(datagram, plain(address), now)
        elif address[0] == self._relay[0]:
            self._mapping.receive(datagram)
        self._go_on()

    def _by_relay(self, line: str) -> None:
        if self._association is not None:
            self._association.write(self._framing.encode(line))

    def _notify(self, notice: Notice) -> None:
        if self._association is not None:
            self._association.message(encode(notice))

    def _go_on(self) -> None:
        """Take what there is, send what is to be sent, and see when to look again."""
        if self._is_going:
            return
        self._is_going = True
        try:
            self._take()
            self._give()
        finally:
            self._is_going = False
        if self._association is not None:
            self._wait()

    def _take(self) -> None:
        """Pass on what the relay has sent."""
        association = self._association
        assert association is not None
        now = self._reactor.seconds()
        if association.is_open and not self._is_open:
            self._is_open = True
            if self._settings.mode != "never":
                self._mapping.ask(self._relay, association.alternate, now)
            self.receiver.opened()
        for kind, data in association.events():
            if kind == TEXT:
                for line in self._framing.feed(data):
                    self.receiver.received(line)
            elif kind == MESSAGE:
                notice = decode(data)
                if notice is not None:
                    self.paths.notice(notice, now)
            elif kind == END:
                for line in self._framing.end():
                    self.receiver.received(line)
                self._emit(association.datagrams(now))
                association.close()
                self._emit(association.datagrams(now))
                self._over("the server has closed the connection", True)
                return

    def _give(self) -> None:
        """Send what is to be sent."""
        association = self._association
        if association is None:
            return
        now = self._reactor.seconds()
        for datagram, address in self.paths.datagrams(now):
            self._send(datagram, address)
        if self._farewell is not None:
            if now >= self._farewell_at:
                self.paths.give_up(now)
            if self.paths.is_idle:
                line, self._farewell = self._farewell, None
                self._by_relay(line)
        for datagram, address in self._mapping.datagrams(now):
            self._send(datagram, address)
        self._emit(association.datagrams(now))
        if association.ended is not None:
            self._ended(association)
            return
        is_held = association.waiting > (LOW_WATER if self._is_held else HIGH_WATER)
        if is_held != self._is_held:
            self._is_held = is_held
            self.receiver.held(is_held)

    def _emit(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self._send(datagram, self._relay)

    def _send(self, datagram: bytes, address: Address) -> None:
        assert self._socket is not None
        self._socket.send(datagram, address)

    def _wait(self) -> None:
        """Look again when there is something to do."""
        assert self._association is not None
        when = min(
            self._association.next_at(),
            self.paths.next_at(),
            self._mapping.next_at(),
            NEVER if self._farewell is None else self._farewell_at,
        )
        self._stop_timer()
        if when != NEVER:
            delay = max(when - self._reactor.seconds(), 0.0)
            self._timer = self._reactor.callLater(delay, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._go_on()

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # The end.

    def _ended(self, association: Association) -> None:
        """The association is over: try another address, or say so."""
        assert association.ended is not None
        if not self._is_open and self._addresses and association.ended != "closed":
            self._association = None
            self._close_port()
            if self._reactor.seconds() < self._deadline:
                # Not from here, where the one before is still being looked at.
                self._timer = self._reactor.callLater(0, self._next)
                return
        self._over(association.ended, False)

    def _next(self) -> None:
        self._timer = None
        self._try_next()

    def _over(self, reason: str, in_order: bool) -> None:
        """There is no connection any more."""
        self._attempt += 1
        self._stop_timer()
        self.paths.close()
        if self._socket is not None:
            for datagram, address in self.paths.datagrams(self._reactor.seconds()):
                self._send(datagram, address)
        self._close_port()
        self._addresses = []
        self._association = None
        self._farewell = None
        self._is_open = self._is_held = False
        self.receiver.closed(reason, in_order)

    def _close_port(self) -> None:
        port, self._port, self._socket = self._port, None, None
        if port is not None:
            port.stopListening()


def udp_link(
    settings: RelaySettings,
) -> Callable[[Any, Receiver], UDPLink]:
    """Give what makes the link that the settings ask for, of reactor and receiver."""
    return lambda reactor, receiver: UDPLink(reactor, settings, receiver)
