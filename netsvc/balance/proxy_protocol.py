"""The PROXY protocol, versions 1 and 2: who the client was, said by a proxy.

A proxy writes a header before the first byte of a connection (or at the front of
each datagram), so that the server behind it learns the client's address. The
specification is HAProxy's C{proxy-protocol.txt}; sections below are its own.
L{Parser} reads either version, however its bytes are cut; L{encode_v1} and
L{encode_v2} write. Only a peer that is trusted may be asked for a header: anybody
can write one.
"""

from __future__ import annotations

import re
import struct
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final

from netsvc.balance.proxy_header import (
    SSL,
    TLV,
    Address,
    Command,
    Header,
    ProxyError,
    TLVType,
    Transport,
    join_tlvs,
    pack_address,
    split_tlvs,
)

__all__ = [
    "MAX_V1_LENGTH",
    "MAX_V2_LENGTH",
    "SSL",
    "TLV",
    "Address",
    "Command",
    "Header",
    "Parser",
    "ProxyError",
    "TLVType",
    "Transport",
    "crc32c",
    "decode_datagram",
    "encode_v1",
    "encode_v2",
]

#: The longest line of version 1 with its CR LF, in bytes (section 2.1).
MAX_V1_LENGTH: Final = 107
#: The longest header of version 2 that is read unless told otherwise, in bytes.
MAX_V2_LENGTH: Final = 4096

_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_PREFIX_V1: Final = b"PROXY "
#: Signature, version and command, family and transport, length of what follows.
_FIXED: Final = struct.Struct("!12sBBH")
_PORTS: Final = struct.Struct("!HH")
_CHECKSUM: Final = struct.Struct("!I")
_MAX_BLOCK: Final = 0xFFFF
_DECIMAL_PORT: Final = re.compile("0|[1-9][0-9]{0,4}")
#: Names of version 1 and the bytes of an address of each family of version 2.
_V1_NAMES: Final = {b"TCP4": Transport.TCP4, b"TCP6": Transport.TCP6}
_ADDRESS_LENGTHS: Final = (0, 4, 16, 108)
_FAMILIES: Final = {1: AF_INET, 2: AF_INET6}


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc32c(data: bytes) -> int:
    """Give the CRC-32C (Castagnoli) of some bytes, RFC 3720 appendix B.4."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def encode_v1(header: Header) -> bytes:
    """Write the line of version 1 (section 2.1).

    It can name TCP over IPv4 and IPv6; anything else becomes C{UNKNOWN}, and TLVs
    are left out.
    """
    transport = header.transport
    if transport not in _V1_NAMES.values():
        return b"PROXY UNKNOWN\r\n"
    assert isinstance(header.source, tuple)  # the transport says so
    assert isinstance(header.destination, tuple)
    (source, sport), (destination, dport) = header.source, header.destination
    line = f"PROXY {transport.name} {source} {destination} {sport} {dport}\r\n"
    return line.encode("ascii")


def encode_v2(header: Header, *, checksum: bool = False) -> bytes:
    """Write the binary header of version 2 (section 2.2).

    @param checksum: add a CRC-32C over the whole header (section 2.2.3).
    @raise ValueError: if the TLVs are longer than a header can be.
    """
    transport = header.transport
    source, sport = pack_address(transport.family, header.source)
    destination, dport = pack_address(transport.family, header.destination)
    block = source + destination
    if transport.family in _FAMILIES:
        block += _PORTS.pack(sport, dport)
    block += join_tlvs(header.tlvs)
    if checksum:
        block += join_tlvs((TLV(TLVType.CRC32C, bytes(4)),))
    if len(block) > _MAX_BLOCK:
        raise ValueError(f"{len(block)} bytes are too long for a header")
    version = 0x20 | header.command.value
    whole = _FIXED.pack(_SIGNATURE, version, transport.value, len(block)) + block
    if checksum:
        whole = whole[:-4] + _CHECKSUM.pack(crc32c(whole))
    return whole


class Parser:
    """Reads one header at the beginning of a stream.

    It is refused as early as its bytes show that it is none, and no more than its
    greatest length (beside the last chunk) is ever held.

    @ivar rest: when the header is complete: the bytes after it.
    """

    def __init__(self, max_length: int = MAX_V2_LENGTH) -> None:
        """Start at the first byte.

        @param max_length: of a header of version 2, in bytes. Version 1 has its own
            limit, L{MAX_V1_LENGTH}.
        """
        self._max_length = max_length
        self._buffer = bytearray()
        self._over = False
        self.rest = b""

    def feed(self, data: bytes) -> Header | None:
        """Take the next bytes.

        @return: the header when it is complete, C{None} until then.
        @raise ProxyError: if it is none.
        @raise RuntimeError: if there has been a header or an error already.
        """
        if self._over:
            raise RuntimeError("nothing can be fed after the header or an error")
        self._buffer += data
        self._over = True  # unless nothing is wrong and something is missing
        found = self._read()
        if found is None:
            self._over = False
            return None
        header, length = found
        self.rest = bytes(self._buffer[length:])
        self._buffer.clear()
        return header

    def _read(self) -> tuple[Header, int] | None:
        """Read the header and its length, if it is all there."""
        buffer = self._buffer
        if buffer.startswith(_PREFIX_V1[: len(buffer)]):
            length = _length_v1(buffer)
            if length is None:
                return None
            return _decode_v1(bytes(buffer[: length - 2])), length
        if not buffer.startswith(_SIGNATURE[: len(buffer)]):
            raise ProxyError("neither version's first bytes")
        if len(buffer) < _FIXED.size:
            return None
        _, version, kind, block = _FIXED.unpack_from(buffer)
        command, transport = _meaning(version, kind)
        length = _FIXED.size + block
        if length > self._max_length:
            raise ProxyError(f"{length} bytes are more than {self._max_length}")
        if len(buffer) < length:
            return None
        if command is Command.LOCAL:
            return Header(2, command), length  # the block is to be ignored
        return _decode_v2(transport, bytes(buffer[:length])), length


def decode_datagram(datagram: bytes) -> tuple[Header, bytes]:
    """Read the header at the front of a datagram, and give the payload after it.

    @raise ProxyError: if there is none, or not all of it.
    """
    parser = Parser(len(datagram))
    header = parser.feed(datagram)
    if header is None:
        raise ProxyError("the datagram ends within the header")
    return header, parser.rest


def _length_v1(buffer: bytearray) -> int | None:
    """Find the end of the line; C{None} if it may still come."""
    end = buffer.find(b"\n", 0, MAX_V1_LENGTH)
    if end < 0:
        if len(buffer) >= MAX_V1_LENGTH:
            raise ProxyError(f"the line is longer than {MAX_V1_LENGTH} bytes")
        return None
    if buffer[end - 1] != 0x0D:
        raise ProxyError("the line does not end in CR LF")
    return end + 1


def _decode_v1(line: bytes) -> Header:
    _, name, *fields = line.split(b" ")
    if name == b"UNKNOWN":
        return Header(1, Command.PROXY)  # whatever follows is to be ignored
    transport = _V1_NAMES.get(name)
    if transport is None:
        raise ProxyError("the protocol is none of TCP4, TCP6, UNKNOWN")
    if len(fields) != 4:
        raise ProxyError("the line is not two addresses and two ports")
    source, destination, sport, dport = fields
    return Header(
        1,
        Command.PROXY,
        transport,
        (_host(transport.family, source), _port(sport)),
        (_host(transport.family, destination), _port(dport)),
    )


def _host(family: int, text: bytes) -> str:
    """Read an address; an IPv4 address has one spelling only."""
    try:
        given = text.decode("ascii")
        host = inet_ntop(_FAMILIES[family], inet_pton(_FAMILIES[family], given))
    except (OSError, ValueError):
        host = ""
    if not host or (family == 1 and host != given):
        raise ProxyError("an address is none of the protocol's")
    return host


def _port(text: bytes) -> int:
    shown = text.decode("ascii", "replace")
    if not _DECIMAL_PORT.fullmatch(shown) or int(shown) > _MAX_BLOCK:
        raise ProxyError("a port is not a number from 0 to 65535")
    return int(shown)


def _meaning(version: int, kind: int) -> tuple[Command, Transport]:
    """Read the two bytes after the signature."""
    if version >> 4 != 2:
        raise ProxyError(f"version {version >> 4} is not known")
    try:
        command = Command(version & 0x0F)
        if command is Command.LOCAL:
            return command, Transport.UNSPEC  # whatever the family is
        return command, Transport(kind)
    except ValueError:
        raise ProxyError("the command or the transport is not known") from None


def _decode_v2(transport: Transport, whole: bytes) -> Header:
    size = _ADDRESS_LENGTHS[transport.family]
    end = _FIXED.size + 2 * size
    tlvs_at = end + (_PORTS.size if transport.family in _FAMILIES else 0)
    if len(whole) < tlvs_at:
        raise ProxyError("the header is shorter than its addresses")
    source = destination = None
    if size:
        ports = _PORTS.unpack_from(whole, end) if tlvs_at > end else (0, 0)
        middle = _FIXED.size + size
        source = _address(transport, whole[_FIXED.size : middle], ports[0])
        destination = _address(transport, whole[middle:end], ports[1])
    tlvs = _verified(whole, tlvs_at)
    try:
        return Header(2, Command.PROXY, transport, source, destination, tlvs)
    except ValueError as error:
        raise ProxyError(str(error)) from None


def _address(transport: Transport, packed: bytes, port: int) -> Address:
    family = _FAMILIES.get(transport.family)
    if family is None:
        return packed.rstrip(b"\0")
    return inet_ntop(family, packed), port


def _verified(whole: bytes, position: int) -> tuple[TLV, ...]:
    """Read the TLVs, verify the checksum, leave it and the padding out."""
    kept = []
    checked = False
    for tlv in split_tlvs(whole[position:]):
        position += 3
        if tlv.type == TLVType.CRC32C:
            if checked or len(tlv.value) != _CHECKSUM.size:
                raise ProxyError("the checksum is not one number of 32 bits")
            checked = True
            zeroed = whole[:position] + bytes(4) + whole[position + 4 :]
            if _CHECKSUM.pack(crc32c(zeroed)) != tlv.value:
                raise ProxyError("the checksum is wrong")
        elif tlv.type != TLVType.NOOP:
            kept.append(tlv)
        position += len(tlv.value)
    return tuple(kept)
