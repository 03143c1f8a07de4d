"""
A UDP port that drains its socket in bounded batches and answers cheaply.

It is L{twisted.internet.udp.Port} but for:

  - At most L{DRAIN} datagrams are read in one event, whatever their size.
  - C{write} checks an address once and not each time, and never raises for
    what the network says of one destination: that is counted.
  - On a wildcard address an answer leaves from the address that was asked, as
    on a host with several addresses its client expects (C{IP_PKTINFO}).
  - Whole datagrams are read, up to 65535 bytes.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections import Counter
from errno import EAGAIN, ECONNREFUSED, EMSGSIZE, errorcode
from typing import TYPE_CHECKING, Any

from twisted.internet import error, udp
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.logger import Logger

if TYPE_CHECKING:
    from netsvc.multiplex.reactor import Multiplexer

#: Datagrams read in one event.
DRAIN = 64

#: The largest datagram that can exist.
MAX_DATAGRAM = 65535

#: Bytes asked for as the kernel's receive buffer (bounded by rmem_max).
RECEIVE_BUFFER = 4 * 1024 * 1024

#: Destinations whose form is remembered as checked.
CHECKED = 4096

# Python 3.11 has no names for these; the values are Linux's.
_IP_PKTINFO = 8
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO_DROPS = 8
_CONTROL = socket.CMSG_SPACE(struct.calcsize("16sI"))

Address = tuple[str, int]


class DatagramPort(udp.Port):
    """
    A UDP port in an L{EpollSet<netsvc.multiplex.epollset.EpollSet>}.

    @ivar to_group: Whether the datagram that is being dispatched was sent to a
        broadcast or multicast address. Only a port that is bound to a wildcard
        address gets such, and knows.
    @ivar failed: How many datagrams could not be sent, by errno name.
    """

    reactor: Multiplexer
    to_group = False
    _reading = False
    _drops_before = 0
    _log = Logger()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what L{twisted.internet.udp.Port} takes."""
        super().__init__(*args, **kwargs)
        self.failed: Counter[str] = Counter()
        self._checked: set[str] = set()
        # The datagram that is being dispatched: who sent it, and the control
        # message that makes an answer leave from where it arrived.
        self._asker: Address | None = None
        self._reply_to: Any = None
        self._origin: list[tuple[int, int, bytes]] = []
        self._origins: dict[bytes, tuple[list[tuple[int, int, bytes]], bool]] = {}
        self._pktinfo = False

    def _bindSocket(self) -> None:
        super()._bindSocket()
        # Of an inherited socket: what another process has counted.
        self._drops_before = self.kernel_drops
        self._enlarge()
        wildcard = self.socket.getsockname()[0] in ("0.0.0.0", "::")
        self._pktinfo = wildcard and sys.platform == "linux"
        if self._pktinfo:
            if self.addressFamily == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                self.socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)

    def _enlarge(self) -> None:
        """Ask for a large receive buffer, above the system's limit if we may."""
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except OSError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    @property
    def kernel_drops(self) -> int:
        """
        How many datagrams the kernel dropped because the buffer was full.

        Asked for when it is wanted (SO_MEMINFO): the same counter as
        SO_RXQ_OVFL's, which would have to be read with each datagram and says
        nothing until another one arrives.
        """
        size = 4 * (_MEMINFO_DROPS + 1)
        try:
            info = self.socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, size)
        except OSError:
            return 0
        drops = struct.unpack_from("I", info, 4 * _MEMINFO_DROPS)[0]
        return int(drops) - self._drops_before

    def startReading(self) -> None:
        """Hand what arrives to the protocol."""
        self._reading = True
        super().startReading()

    def stopReading(self) -> None:
        """Hand nothing to the protocol from now on, in the middle of a batch too."""
        self._reading = False
        super().stopReading()

    def doRead(self) -> None:
        """Hand what has arrived to the protocol, L{DRAIN} datagrams at most."""
        if self._pktinfo:
            self._read_with_origin()
        else:
            self._read_plain()
        self._asker = None

    def _read_plain(self) -> None:
        """Read where there is only one address to answer from."""
        recvfrom = self.socket.recvfrom
        received = self.protocol.datagramReceived
        size = self.maxPacketSize
        v6 = self.addressFamily == socket.AF_INET6
        for _ in range(DRAIN):
            try:
                data, addr = recvfrom(size)
            except OSError as e:
                self._read_failed(e)
                return
            self._reply_to = addr
            if v6:
                addr = addr[:2]  # as Twisted's protocols expect it
            self._asker = addr
            try:
                received(data, addr)
            except Exception:
                self._log.failure("in datagramReceived", event="internal-error")
            if not self._reading:
                return

    def _read_with_origin(self) -> None:
        """Read and remember which of our addresses each datagram was sent to."""
        recvmsg = self.socket.recvmsg
        received = self.protocol.datagramReceived
        size = self.maxPacketSize
        origins = self._origins
        v6 = self.addressFamily == socket.AF_INET6
        for _ in range(DRAIN):
            try:
                data, control, _flags, addr = recvmsg(size, _CONTROL)
            except OSError as e:
                self._read_failed(e)
                return
            self._reply_to = addr
            if v6:
                addr = addr[:2]
            if control:
                origin = origins.get(control[0][2])
                if origin is None:
                    origin = self._learn(control[0])
                self._origin, self.to_group = origin
            else:
                self._origin, self.to_group = [], False
            self._asker = addr
            try:
                received(data, addr)
            except Exception:
                self._log.failure("in datagramReceived", event="internal-error")
            if not self._reading:
                return

    def _learn(
        self, control: tuple[int, int, bytes]
    ) -> tuple[list[tuple[int, int, bytes]], bool]:
        """
        Make the control message of an answer from the one of a question, and see
        whether that was sent to a group of hosts.

        There is one for each pair of interface and local address. (A host may
        have many: a /64 routed to it. The table is cleared when it is full.)
        """
        level, kind, info = control
        if level == socket.IPPROTO_IP:
            # ifindex, spec_dst, addr: leave the route to the kernel.
            _, local, asked = struct.unpack("I4s4s", info)
            answer = struct.pack("I4s4s", 0, local, asked)
            to_group = local != asked
        else:
            asked, index = struct.unpack("16sI", info)
            link_local = asked[0] == 0xFE and asked[1] & 0xC0 == 0x80
            to_group = asked[0] == 0xFF
            if to_group:
                asked = bytes(16)  # any of ours will do
            answer = struct.pack("16sI", asked, index if link_local else 0)
        if len(self._origins) >= CHECKED:
            self._origins.clear()
        origin = self._origins[info] = ([(level, kind, answer)], to_group)
        return origin

    def _read_failed(self, e: OSError) -> None:
        """Deal with an error of the socket; none of them is the port's end."""
        if e.errno == ECONNREFUSED and self._connectedAddr:
            self.protocol.connectionRefused()
        elif e.errno != EAGAIN:
            self.failed[errorcode.get(e.errno or 0, "?")] += 1

    def write(self, datagram: bytes, addr: Address | None = None) -> Any:
        """
        Send a datagram.

        What the network or the firewall says against one destination is
        counted in C{failed} and raises nothing.

        @param datagram: At most 65507 bytes (65527 over IPv6).
        @param addr: Host (a literal address) and port; L{None} if the port is
            connected.
        @return: Whether the kernel took it.
        @raise MessageLengthError: It is too long.
        @raise InvalidAddressError: The host is no address of this port's family.
        """
        try:
            if addr is self._asker and addr is not None:
                # With its scope, if it is a link-local address.
                if self._pktinfo:
                    self.socket.sendmsg((datagram,), self._origin, 0, self._reply_to)
                else:
                    self.socket.sendto(datagram, self._reply_to)
            elif self._connectedAddr:
                assert addr in (None, self._connectedAddr)
                self.socket.send(datagram)
            else:
                assert addr is not None
                if addr[0] not in self._checked:
                    self._check(addr[0])
                self.socket.sendto(datagram, addr)
        except OSError as e:
            if e.errno == EMSGSIZE:
                raise error.MessageLengthError("message too long") from None
            if e.errno == ECONNREFUSED and self._connectedAddr:
                self.protocol.connectionRefused()
            self.failed[errorcode.get(e.errno or 0, "?")] += 1
            return False
        return True

    def asked(self) -> str | None:
        """
        Give the address of ours to which the datagram that is being dispatched was
        sent; C{None} if it is not known.
        """
        if not self._pktinfo:
            return str(self.socket.getsockname()[0])
        if not self._origin:
            return None
        level, _, answer = self._origin[0]
        if level == socket.IPPROTO_IP:
            return socket.inet_ntoa(answer[8:12])
        return socket.inet_ntop(socket.AF_INET6, answer[:16])

    def origin(self) -> Any:
        """
        Give what L{answer} needs to answer, later, the datagram that is being
        dispatched now: from the address that it was sent to.
        """
        return self._origin if self._pktinfo else [], self._reply_to

    def answer(self, datagram: bytes, origin: Any) -> bool:
        """
        Send a datagram to where an earlier one came from.

        What the network or the firewall says against it is counted in C{failed}
        and raises nothing; so is one that is too long.

        @param origin: What L{origin} gave when that one was dispatched.
        @return: Whether the kernel took it.
        """
        control, to = origin
        try:
            if control:
                self.socket.sendmsg((datagram,), control, 0, to)
            else:
                self.socket.sendto(datagram, to)
        except OSError as e:
            self.failed[errorcode.get(e.errno or 0, "?")] += 1
            return False
        return True

    def _check(self, host: str) -> None:
        """
        Check that a host is a literal address: a name would be looked up by
        the socket, and the reactor would wait for it.
        """
        v6 = self.addressFamily == socket.AF_INET6
        if host != "<broadcast>" and not isIPAddress(host) and not isIPv6Address(host):
            raise error.InvalidAddressError(
                host, "write() only accepts IP addresses, not hostnames"
            )
        if v6 and not isIPv6Address(host):
            raise error.InvalidAddressError(
                host, "IPv6 port write() called with IPv4 or broadcast address"
            )
        if not v6 and isIPv6Address(host):
            raise error.InvalidAddressError(
                host, "IPv4 port write() called with IPv6 address"
            )
        if len(self._checked) >= CHECKED:
            self._checked.clear()
        self._checked.add(host)
