"""
The wire of STUN: RFC 8489, RFC 3489 for classic clients, the attributes of RFC 5780.

Bytes in, L{Message} out, and back. A message that is not one raises L{StunError}; a
stranger sent it, so that is nothing to report.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

MAGIC_COOKIE: Final = 0x2112A442
MAGIC: Final = MAGIC_COOKIE.to_bytes(4, "big")
HEADER: Final = 20

#: Classes of messages, as they are in a type (RFC 8489 section 5).
REQUEST: Final = 0x000
INDICATION: Final = 0x010
SUCCESS: Final = 0x100
ERROR: Final = 0x110
_CLASS: Final = 0x110

BINDING: Final = 0x001

# Attributes (RFC 8489 section 18.3, RFC 5780 section 7, RFC 3489 section 11.2).
MAPPED_ADDRESS: Final = 0x0001
CHANGE_REQUEST: Final = 0x0003
SOURCE_ADDRESS: Final = 0x0004
CHANGED_ADDRESS: Final = 0x0005
USERNAME: Final = 0x0006
MESSAGE_INTEGRITY: Final = 0x0008
ERROR_CODE: Final = 0x0009
UNKNOWN_ATTRIBUTES: Final = 0x000A
REALM: Final = 0x0014
NONCE: Final = 0x0015
MESSAGE_INTEGRITY_SHA256: Final = 0x001C
USERHASH: Final = 0x001E
XOR_MAPPED_ADDRESS: Final = 0x0020
PRIORITY: Final = 0x0024
USE_CANDIDATE: Final = 0x0025
PADDING: Final = 0x0026
RESPONSE_PORT: Final = 0x0027
FINGERPRINT: Final = 0x8028
RESPONSE_ORIGIN: Final = 0x802B
OTHER_ADDRESS: Final = 0x802C

#: Below this an attribute must be understood (RFC 8489 section 14).
OPTIONAL: Final = 0x8000

FINGERPRINT_XOR: Final = 0x5354554E

#: Bits of CHANGE-REQUEST (RFC 5780 section 7.2).
CHANGE_IP: Final = 4
CHANGE_PORT: Final = 2

#: Attributes that a message may have; more are not a client's.
MAX_ATTRIBUTES: Final = 32

_SHA1_SIZE: Final = 20
_SHA256_SIZE: Final = 32

Address = tuple[str, int]


class StunError(ValueError):
    """Bytes that are no STUN message."""


@dataclass(frozen=True, slots=True)
class Message:
    """
    A message that was read.

    @ivar raw: Its bytes.
    @ivar kind: Its class: L{REQUEST}, L{INDICATION}, L{SUCCESS}, L{ERROR}.
    @ivar method: Its method, such as L{BINDING}.
    @ivar transaction: The transaction id: 12 bytes; 16 of a classic client.
    @ivar classic: Whether it is one of RFC 3489: without the magic cookie.
    @ivar attributes: Type, offset of the value in C{raw}, and the value; those behind
        the integrity, which are to be ignored, are left out but for the FINGERPRINT.
    """

    raw: bytes
    kind: int
    method: int
    transaction: bytes
    classic: bool
    attributes: tuple[tuple[int, int, bytes], ...]

    def get(self, kind: int) -> bytes | None:
        """Give the value of the first attribute of a type (RFC 8489 section 14)."""
        for each, _, value in self.attributes:
            if each == kind:
                return value
        return None

    def offset(self, kind: int) -> int | None:
        """Give where the first attribute of a type begins, with its header."""
        for each, offset, _ in self.attributes:
            if each == kind:
                return offset - 4
        return None


def parse(data: bytes) -> Message:
    """
    Read a message.

    @raise StunError: If it is none.
    """
    if len(data) < HEADER or data[0] & 0xC0 or len(data) % 4:
        raise StunError("no STUN header")
    kind, length = struct.unpack_from("!HH", data)
    if length != len(data) - HEADER:
        raise StunError("the length is wrong")
    classic = data[4:8] != MAGIC
    found: list[tuple[int, int, bytes]] = []
    at, sealed = HEADER, False
    while at < len(data):
        what, size = struct.unpack_from("!HH", data, at)
        at += 4
        if at + size > len(data):
            raise StunError("an attribute is cut off")
        if len(found) >= MAX_ATTRIBUTES:
            raise StunError("too many attributes")
        if not sealed or what in (FINGERPRINT, MESSAGE_INTEGRITY_SHA256):
            found.append((what, at, data[at : at + size]))
        sealed = sealed or what in (MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256)
        at += size + -size % 4
        if what == FINGERPRINT and at != len(data):
            raise StunError("the fingerprint is not the last attribute")
    # The class bits are spread among those of the method (RFC 8489 section 5).
    method = kind & 0x000F | (kind & 0x00E0) >> 1 | (kind & 0x3E00) >> 2
    transaction = data[4:HEADER] if classic else data[8:HEADER]
    return Message(data, kind & _CLASS, method, transaction, classic, tuple(found))


def _with_length(data: bytes, end: int) -> bytes:
    """Give a message up to a place, its length set as if it ended at C{end}."""
    return data[:2] + (end - HEADER).to_bytes(2, "big") + data[4:]


def fingerprint_fits(message: Message) -> bool:
    """Say whether the FINGERPRINT is right, or there is none (section 14.7)."""
    value = message.get(FINGERPRINT)
    if value is None:
        return True
    at = message.offset(FINGERPRINT)
    assert at is not None
    right = binascii.crc32(message.raw[:at]) ^ FINGERPRINT_XOR
    return value == right.to_bytes(4, "big")


def integrity_fits(message: Message, key: bytes) -> bool:
    """
    Say whether the integrity is right: the SHA-256 one if there is one, else the SHA-1
    one (RFC 8489 sections 14.5 and 14.6); without any it is not.
    """
    for kind, digest, least in (
        (MESSAGE_INTEGRITY_SHA256, "sha256", 16),
        (MESSAGE_INTEGRITY, "sha1", _SHA1_SIZE),
    ):
        value, at = message.get(kind), message.offset(kind)
        if value is None or at is None:
            continue
        most = hashlib.new(digest).digest_size
        if not least <= len(value) <= most or len(value) % 4:
            return False
        covered = _with_length(message.raw[:at], at + 4 + len(value))
        right = hmac.digest(key, covered, digest)[: len(value)]
        return hmac.compare_digest(value, right)
    return False


def attribute(kind: int, value: bytes) -> bytes:
    """Give an attribute, padded."""
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def address(where: Address) -> bytes:
    """Give the value of an attribute that holds an address, such as MAPPED-ADDRESS."""
    packed = ip_address(where[0].partition("%")[0]).packed
    family = 1 if len(packed) == 4 else 2
    return struct.pack("!xBH", family, where[1]) + packed


def xor_address(where: Address, transaction: bytes) -> bytes:
    """Give the value of XOR-MAPPED-ADDRESS (RFC 8489 section 14.2)."""
    plain = address(where)
    mask = MAGIC + transaction
    port = int.from_bytes(plain[2:4], "big") ^ MAGIC_COOKIE >> 16
    host = bytes(a ^ b for a, b in zip(plain[4:], mask, strict=False))
    return plain[:2] + port.to_bytes(2, "big") + host


def parse_address(value: bytes) -> Address:
    """
    Read the value of an attribute that holds an address.

    @raise StunError: If it holds none.
    """
    if len(value) not in (8, 20) or value[1] != (1 if len(value) == 8 else 2):
        raise StunError("no address")
    return str(ip_address(value[4:])), int.from_bytes(value[2:4], "big")


def parse_xor_address(value: bytes, transaction: bytes) -> Address:
    """
    Read XOR-MAPPED-ADDRESS.

    @raise StunError: If it holds no address.
    """
    host, port = parse_address(value)
    plain = xor_address((host, port), transaction)  # its own inverse
    return parse_address(plain)


def message(
    kind: int,
    transaction: bytes,
    attributes: bytes = b"",
    *,
    method: int = BINDING,
    key: bytes | None = None,
    sha256: bool = False,
    fingerprint: bool = False,
) -> bytes:
    """
    Write a message.

    @param kind: Its class.
    @param transaction: 12 bytes; 16 for a classic client, which replace the cookie.
    @param attributes: What L{attribute} gave, joined.
    @param key: With which to protect it, or C{None}.
    @param sha256: Whether to do that by SHA-256, and not by SHA-1.
    @param fingerprint: Whether to add FINGERPRINT.
    """
    spread = method & 0x000F | (method & 0x0070) << 1 | (method & 0x0F80) << 2
    cookie = b"" if len(transaction) == 16 else MAGIC
    head = struct.pack("!HH", spread | kind, len(attributes)) + cookie
    data = head + transaction + attributes
    if key is not None:
        size = _SHA256_SIZE if sha256 else _SHA1_SIZE
        data = _with_length(data, len(data) + 4 + size)
        value = hmac.digest(key, data, "sha256" if sha256 else "sha1")
        data += attribute(
            MESSAGE_INTEGRITY_SHA256 if sha256 else MESSAGE_INTEGRITY, value
        )
    if fingerprint:
        data = _with_length(data, len(data) + 8)
        value = (binascii.crc32(data) ^ FINGERPRINT_XOR).to_bytes(4, "big")
        data += attribute(FINGERPRINT, value)
    return data


def error_code(code: int) -> bytes:
    """Give an ERROR-CODE attribute, without a reason phrase: answers are lean."""
    return attribute(ERROR_CODE, bytes((0, 0, code // 100, code % 100)))


def unknown_attributes(kinds: list[int], classic: bool = False) -> bytes:
    """
    Give an UNKNOWN-ATTRIBUTES attribute.

    @param classic: For a client of RFC 3489, which knows no padding: of an odd number
        of types one is named twice (section 11.2.9).
    """
    if classic and len(kinds) % 2:
        kinds = [*kinds, kinds[-1]]
    return attribute(UNKNOWN_ATTRIBUTES, b"".join(k.to_bytes(2, "big") for k in kinds))
