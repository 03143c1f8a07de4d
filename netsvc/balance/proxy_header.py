"""What a PROXY header says: commands, transports, addresses, TLVs.

L{netsvc.balance.proxy_protocol} puts it into bytes and reads it from bytes.
Sections are those of the specification, HAProxy's C{proxy-protocol.txt}.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from enum import Enum, IntEnum
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final, NamedTuple

__all__ = [
    "SSL",
    "TLV",
    "Address",
    "Command",
    "Header",
    "ProxyError",
    "TLVType",
    "Transport",
    "join_tlvs",
    "pack_address",
    "split_tlvs",
]

#: The longest authority and the longest unique id, in bytes.
MAX_AUTHORITY: Final = 255
MAX_UNIQUE_ID: Final = 128
#: The longest path of a UNIX socket, in bytes.
MAX_PATH: Final = 108

_TLV_HEAD: Final = struct.Struct("!BH")
_SSL_HEAD: Final = struct.Struct("!BI")
_MAX_16_BITS: Final = 0xFFFF

#: An IP address and a port; the bytes of a UNIX socket's path.
Address = tuple[str, int] | bytes


class ProxyError(ValueError):
    """What a peer has sent is not a PROXY header."""


class Command(Enum):
    """What a header means (section 2.2).

    C{LOCAL}: the proxy itself has made the connection, to check that the server
    is well, say; its real addresses count. C{PROXY}: it was made for a client.
    """

    LOCAL = 0
    PROXY = 1


class Transport(Enum):
    """The transport of the proxied connection: family and kind of socket.

    C{UNSPEC} is whatever has no name here; its addresses are not told.
    """

    UNSPEC = 0x00
    TCP4 = 0x11
    UDP4 = 0x12
    TCP6 = 0x21
    UDP6 = 0x22
    UNIX_STREAM = 0x31
    UNIX_DGRAM = 0x32

    @property
    def family(self) -> int:
        """The address family's number: 0 none, 1 IPv4, 2 IPv6, 3 UNIX."""
        return self.value >> 4


class TLVType(IntEnum):
    """The registered types of what may follow the addresses (section 2.2).

    Those from C{SSL_VERSION} to C{SSL_KEY_ALG} occur inside an C{SSL} only.
    """

    ALPN = 0x01
    AUTHORITY = 0x02
    CRC32C = 0x03
    NOOP = 0x04
    UNIQUE_ID = 0x05
    SSL = 0x20
    SSL_VERSION = 0x21
    SSL_CN = 0x22
    SSL_CIPHER = 0x23
    SSL_SIG_ALG = 0x24
    SSL_KEY_ALG = 0x25
    NETNS = 0x30


class TLV(NamedTuple):
    """A type, see L{TLVType}, and its value; types without a name are kept too."""

    type: int
    value: bytes


@dataclass(frozen=True)
class SSL:
    """What the proxy knows of the client's TLS connection (section 2.2.6).

    @ivar client: bits: 1 over TLS, 2 certificate given on this connection, 4 in
        this session.
    @ivar verify: 0 if the client has given a certificate and it was verified.
    @ivar tlvs: version, common name, cipher and so on.
    """

    client: int
    verify: int
    tlvs: tuple[TLV, ...] = ()

    def to_tlv(self) -> TLV:
        """Give the TLV of type C{SSL} that says so.

        @raise ValueError: if a figure does not fit.
        """
        try:
            head = _SSL_HEAD.pack(self.client, self.verify)
        except struct.error as error:
            raise ValueError(f"SSL: {error}") from None
        return TLV(TLVType.SSL, head + join_tlvs(self.tlvs))

    @classmethod
    def from_value(cls, value: bytes) -> SSL:
        """Read the value of a TLV of type C{SSL}.

        @raise ProxyError: if it is cut short.
        """
        if len(value) < _SSL_HEAD.size:
            raise ProxyError("the SSL block is too short")
        client, verify = _SSL_HEAD.unpack_from(value)
        return cls(client, verify, split_tlvs(value[_SSL_HEAD.size :]))


@dataclass(frozen=True)
class Header:
    """A header: what a proxy says of a connection.

    @ivar version: 1 or 2, as it was read; each of the encoders writes its own.
    @ivar source: the client's address; C{None} where it is not told (C{LOCAL},
        C{UNSPEC}), so that the connection's own counts.
    @ivar destination: the address that the client wanted.
    @ivar tlvs: what else version 2 says, in order, without checksum and padding.
    """

    version: int
    command: Command
    transport: Transport = Transport.UNSPEC
    source: Address | None = None
    destination: Address | None = None
    tlvs: tuple[TLV, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no header can say.

        @raise ValueError: if addresses do not fit the transport, if a LOCAL header
            has addresses or TLVs, or if a TLV is not as the specification says.
        """
        family = self.transport.family
        if self.command is Command.LOCAL and (family or self.tlvs):
            raise ValueError("a LOCAL header has neither addresses nor TLVs")
        for address in (self.source, self.destination):
            pack_address(family, address)
        for kind, value in self.tlvs:
            _check_tlv(kind, value)

    @classmethod
    def between(
        cls,
        source: tuple[str, int],
        destination: tuple[str, int],
        *,
        datagram: bool = False,
        tlvs: tuple[TLV, ...] = (),
    ) -> Header:
        """Make the header of a client's connection from its two IP addresses.

        IPv4-mapped IPv6 addresses count as IPv4, if both can; scopes are left out.

        @param datagram: UDP instead of TCP.
        @raise ValueError: if one is not an IP address and a port.
        """
        hosts = [
            ipaddress.ip_address(host.partition("%")[0])
            for host, _ in (source, destination)
        ]
        mapped = [getattr(host, "ipv4_mapped", None) or host for host in hosts]
        if all(host.version == 4 for host in mapped):
            transport = Transport.UDP4 if datagram else Transport.TCP4
            texts = [str(host) for host in mapped]
        else:
            transport = Transport.UDP6 if datagram else Transport.TCP6
            texts = [_as_ipv6(host) for host in hosts]
        ends = [(texts[0], source[1]), (texts[1], destination[1])]
        return cls(2, Command.PROXY, transport, ends[0], ends[1], tlvs)

    def value(self, kind: int) -> bytes | None:
        """Give the value of the first TLV of a type, or C{None}."""
        return next((tlv.value for tlv in self.tlvs if tlv.type == kind), None)

    @property
    def alpn(self) -> bytes | None:
        """The application protocol that the client's TLS has agreed on."""
        return self.value(TLVType.ALPN)

    @property
    def authority(self) -> str | None:
        """The host name that the client asked for (SNI); a stranger's text."""
        name = self.value(TLVType.AUTHORITY)
        return None if name is None else name.decode("utf-8", "replace")

    @property
    def unique_id(self) -> bytes | None:
        """The name that the first proxy gave to the connection."""
        return self.value(TLVType.UNIQUE_ID)

    @property
    def ssl(self) -> SSL | None:
        """What is known of the client's TLS connection."""
        value = self.value(TLVType.SSL)
        return None if value is None else SSL.from_value(value)


def _as_ipv6(host: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return inet_ntop(
        AF_INET6, host.packed if host.version == 6 else _MAPPED + host.packed
    )


_MAPPED: Final = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291 section 2.5.5.2


def pack_address(family: int, address: Address | None) -> tuple[bytes, int]:
    """Give an address's bytes and port.

    @param family: see L{Transport.family}.
    @raise ValueError: if it is not an address of the family.
    """
    if family == 0 and address is None:
        return b"", 0
    if family == 3 and isinstance(address, bytes) and len(address) <= MAX_PATH:
        return address.ljust(MAX_PATH, b"\0"), 0
    if family in (1, 2) and isinstance(address, tuple):
        host, port = address
        try:
            packed = inet_pton(AF_INET if family == 1 else AF_INET6, host)
        except OSError:
            raise ValueError(f"{host!r} is not an address of the family") from None
        if 0 <= port <= _MAX_16_BITS:
            return packed, port
    raise ValueError(f"{address!r} is not an address of the transport")


def _check_tlv(kind: int, value: bytes) -> None:
    if kind in (TLVType.CRC32C, TLVType.NOOP):
        raise ValueError("checksum and padding are the encoder's and the parser's")
    if kind == TLVType.AUTHORITY and len(value) > MAX_AUTHORITY:
        raise ValueError(f"the authority is longer than {MAX_AUTHORITY} bytes")
    if kind == TLVType.UNIQUE_ID and len(value) > MAX_UNIQUE_ID:
        raise ValueError(f"the unique id is longer than {MAX_UNIQUE_ID} bytes")
    if kind == TLVType.SSL:
        SSL.from_value(value)


def join_tlvs(tlvs: tuple[TLV, ...]) -> bytes:
    """Give the bytes of TLVs.

    @raise ValueError: if a type or a value does not fit.
    """
    parts: list[bytes] = []
    for kind, value in tlvs:
        if not 0 <= kind <= 255 or len(value) > _MAX_16_BITS:
            raise ValueError(f"a TLV of type {kind} and {len(value)} bytes is none")
        parts += _TLV_HEAD.pack(kind, len(value)), value
    return b"".join(parts)


def split_tlvs(block: bytes) -> tuple[TLV, ...]:
    """Take a block of TLVs apart.

    @raise ProxyError: if the last is cut short.
    """
    tlvs = []
    position = 0
    while position < len(block):
        start = position + _TLV_HEAD.size
        if start > len(block):
            raise ProxyError("a TLV is cut short")
        kind, length = _TLV_HEAD.unpack_from(block, position)
        position = start + length
        if position > len(block):
            raise ProxyError("a TLV is longer than the header")
        tlvs.append(TLV(kind, block[start:position]))
    return tuple(tlvs)
