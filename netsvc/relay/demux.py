"""
What a datagram on the relay's port is: STUN, a frame of our client's, or text.

The order is that of a port on which text is spoken too. RFC 7983's ranges of the first
byte are not enough there: C{/} and digits are DTLS in it, capital letters are TURN
channels.
"""

from __future__ import annotations

import enum
import re
from typing import Final

#: The magic cookie of STUN (RFC 8489 section 5), at offset 4.
COOKIE: Final = b"\x21\x12\xa4\x42"

#: The first byte of a frame (L{netsvc.relay.frames}): no text begins with it, as it is
#: a control character, and no STUN message, as that begins with less.
FRAME: Final = 0x05

_HEADER: Final = 20
_BINDING: Final = b"\x00\x01"

#: Control characters that no terminal and no program sends in a line of text.
_BINARY: Final = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f]")

#: What scanners ask other services for.
_FOREIGN: Final = re.compile(rb"[A-Z-]{3,16} \S+ (HTTP|SIP|RTSP)/\d")


class What(enum.Enum):
    """The sorts of datagrams."""

    EMPTY = "empty"
    STUN = "stun"
    CLASSIC_STUN = "classic-stun"
    FRAME = "frame"
    OTHER = "other"


def classify(data: bytes) -> What:
    """Say what a datagram is; text and payloads are L{What.OTHER}."""
    if not data:
        return What.EMPTY
    first = data[0]
    if first < 4:
        size = len(data)
        if size >= _HEADER and size % 4 == 0:
            length = data[2] << 8 | data[3]
            if length == size - _HEADER:
                if data[4:8] == COOKIE:
                    return What.STUN
                if data[:2] == _BINDING:
                    return What.CLASSIC_STUN
        return What.OTHER
    return What.FRAME if first == FRAME else What.OTHER


def is_text(data: bytes) -> bool:
    """Say whether a datagram is text, in UTF-8 or CP949: all else is junk."""
    if _BINARY.search(data) is not None:
        return False
    if data.isascii():
        return True
    for encoding in ("utf-8", "cp949"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return True
    return False


def is_foreign(data: bytes) -> bool:
    """Say whether a datagram is a request to some other service."""
    return _FOREIGN.match(data) is not None
