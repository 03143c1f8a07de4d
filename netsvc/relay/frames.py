"""
The frames between C{netsvc chat} and the relay: datagrams that begin with 0x05.

A line of text cannot begin with that byte (a control character), and no STUN message,
DTLS record or TURN channel does. The second byte is the frame's type; numbers are
big-endian. C{docs/relay.md} has the formats in a table.

A client begins with L{Hello}. It is answered with L{Challenge}, which is smaller, and
nothing is kept: only whoever can read what is sent to that address can send the token
back, in a second L{Hello}, and only then is there a session (L{Welcome}). L{Packet}
carries the session's channel (L{netsvc.relay.channel}), both ways. When a packet of a
session comes from a new address, that is challenged as well, and the session moves
when a L{Hello} gives the token back together with the session's resume token.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

FIRST: Final = 0x05
"""The first byte of each frame."""

NONCE: Final = 8
"""Bytes of what a client names its attempt by, and of a session's name."""

TOKEN: Final = 16
"""Bytes of an address token, and of a resume token."""

NO_TOKEN: Final = bytes(TOKEN)
"""Stands for no token."""

HELLO_SIZE: Final = 128
"""Bytes of a L{Hello}, padded: more than any answer to an address not validated."""

MAX_REASON: Final = 200
"""Bytes of the reason of a refusal."""

_HELLO, _CHALLENGE, _WELCOME, _REFUSED, _PACKET, _GONE = range(1, 7)
_HELLO_BODY = struct.Struct("!8s16s16s")
_CHALLENGE_BODY = struct.Struct("!8s16s")
_WELCOME_BODY = struct.Struct("!8s8s16sH")
_HEAD = 2


@dataclass(frozen=True, slots=True)
class Hello:
    """
    A client wants a session, or goes on with one from another address.

    @ivar nonce: Names the attempt; the name of the session when that goes on.
    @ivar token: What the server has sent to this address, or L{NO_TOKEN}.
    @ivar resume: The resume token of the session to go on with, or L{NO_TOKEN}.
    """

    nonce: bytes
    token: bytes = NO_TOKEN
    resume: bytes = NO_TOKEN


@dataclass(frozen=True, slots=True)
class Challenge:
    """
    The server asks an address to prove that it is real, by sending a token back.

    @ivar nonce: Of the L{Hello}, or the session's name.
    """

    nonce: bytes
    token: bytes


@dataclass(frozen=True, slots=True)
class Welcome:
    """
    There is a session, or it has moved to where this is sent.

    @ivar nonce: Of the L{Hello}.
    @ivar session: The session's name, in each L{Packet}.
    @ivar resume: With what it can be moved.
    @ivar alternate: Another port of the server that answers STUN, or 0.
    """

    nonce: bytes
    session: bytes
    resume: bytes
    alternate: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """
    There will be no session.

    @ivar nonce: Of the L{Hello}.
    @ivar reason: Why, for the user.
    """

    nonce: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Packet:
    """
    A packet of a session's channel.

    @ivar session: The session's name.
    """

    session: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Gone:
    """
    There is no such session, or no more. It is never answered.

    @ivar session: The session's name.
    """

    session: bytes


Frame = Hello | Challenge | Welcome | Refused | Packet | Gone


def encode(frame: Frame) -> bytes:
    """Give the datagram of a frame."""
    match frame:
        case Packet(session=session, data=data):
            return bytes((FIRST, _PACKET)) + session + data
        case Hello(nonce=nonce, token=token, resume=resume):
            body = _HELLO_BODY.pack(nonce, token, resume)
            return (bytes((FIRST, _HELLO)) + body).ljust(HELLO_SIZE, b"\0")
        case Challenge(nonce=nonce, token=token):
            return bytes((FIRST, _CHALLENGE)) + _CHALLENGE_BODY.pack(nonce, token)
        case Welcome():
            body = _WELCOME_BODY.pack(
                frame.nonce, frame.session, frame.resume, frame.alternate
            )
            return bytes((FIRST, _WELCOME)) + body
        case Refused(nonce=nonce, reason=reason):
            text = reason.encode("utf-8", "replace")[:MAX_REASON]
            return bytes((FIRST, _REFUSED)) + nonce + text
        case Gone(session=session):
            return bytes((FIRST, _GONE)) + session


def decode(data: bytes) -> Frame | None:
    """
    Read a datagram.

    @return: C{None} if it is no frame: too short, of another length than its type has,
        or of no known type.
    """
    if len(data) < _HEAD + NONCE or data[0] != FIRST:
        return None
    kind, body = data[1], data[_HEAD:]
    if kind == _PACKET:
        return Packet(body[:NONCE], body[NONCE:])
    if kind == _HELLO and len(data) >= HELLO_SIZE:
        return Hello(*_HELLO_BODY.unpack_from(body))
    if kind == _CHALLENGE and len(body) == _CHALLENGE_BODY.size:
        return Challenge(*_CHALLENGE_BODY.unpack(body))
    if kind == _WELCOME and len(body) == _WELCOME_BODY.size:
        return Welcome(*_WELCOME_BODY.unpack(body))
    if kind == _REFUSED and len(body) <= NONCE + MAX_REASON:
        return Refused(body[:NONCE], body[NONCE:].decode("utf-8", "replace"))
    if kind == _GONE and len(body) == NONCE:
        return Gone(body)
    return None
