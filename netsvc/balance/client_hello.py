"""What a TLS client asks for, read from its first message without decrypting.

The ClientHello (RFC 8446 section 4.1.2) is sent in the clear, and in it the name
of the server (SNI, RFC 6066 section 3) and the application protocols (ALPN, RFC
7301 section 3.1). L{Reader} finds both, however the message is cut into records
and the records into chunks, and keeps every byte, so that the whole can be passed
on to whoever answers. With Encrypted Client Hello it is the outer, public name.
Unknown extensions, reserved values (GREASE, RFC 8701) among them, are passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["MAX_LENGTH", "ClientHello", "NotTLS", "Reader"]

#: How many bytes, record headers among them, a ClientHello may take.
MAX_LENGTH: Final = 16 * 1024

_HANDSHAKE: Final = 22
_MAX_RECORD: Final = 2**14  # RFC 8446 section 5.1
_RECORD_HEADER: Final = 5
_MESSAGE_HEADER: Final = 4
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_ALPN: Final = 16
#: Printable ASCII: a name that can be compared, logged and shown.
_NAME: Final = re.compile(rb"[\x21-\x7e]{1,255}")


class NotTLS(Exception):  # noqa: N818 - it says what the bytes are, not what failed
    """What a peer has sent is not the beginning of a TLS connection."""


@dataclass(frozen=True)
class ClientHello:
    """What a client asks for.

    @ivar server_name: the name in lower case, without a dot at the end; printable
        ASCII, or C{None} where the client names no server.
    @ivar alpn: the application protocols, the client's favourite first.
    """

    server_name: str | None = None
    alpn: tuple[bytes, ...] = ()


class Reader:
    """Reads the ClientHello at the beginning of a stream.

    What is no TLS is refused as early as its bytes show that.
    """

    def __init__(self, max_length: int = MAX_LENGTH) -> None:
        """Start at the first byte.

        @param max_length: how many bytes the ClientHello may take.
        """
        self._max_length = max_length
        self._seen = bytearray()
        self._position = 0  # of what has not been looked at
        self._left = 0  # bytes of the current record after that
        self._message = bytearray()
        self._over = False

    @property
    def seen(self) -> bytes:
        """All bytes that were fed, to be passed on; after an error too."""
        return bytes(self._seen)

    def feed(self, data: bytes) -> ClientHello | None:
        """Take the next bytes.

        @return: the ClientHello when it is complete, C{None} until then.
        @raise NotTLS: if it is none, or longer than the limit.
        @raise RuntimeError: if there has been a ClientHello or an error already.
        """
        if self._over:
            raise RuntimeError("nothing can be fed after the ClientHello or an error")
        self._seen += data
        self._over = True  # unless nothing is wrong and something is missing
        while True:
            if self._left == 0 and not self._next_record():
                break
            end = min(self._position + self._left, len(self._seen))
            self._message += self._seen[self._position : end]
            self._left -= end - self._position
            self._position = end
            missing = self._missing()
            more = _RECORD_HEADER if missing > 0 and not self._left else 0
            if self._position + missing + more > self._max_length:
                raise NotTLS(f"the ClientHello is longer than {self._max_length} bytes")
            if missing <= 0:
                end = len(self._message) + missing
                return _parse(bytes(self._message[_MESSAGE_HEADER:end]))
            if self._left:
                break
        self._over = False
        return None

    def _next_record(self) -> bool:
        """Read a record's header, if it is all there."""
        header = self._seen[self._position : self._position + _RECORD_HEADER]
        if header and header[0] != _HANDSHAKE:
            raise NotTLS("no handshake record")
        if len(header) > 1 and header[1] != 3:
            raise NotTLS("no version of TLS")
        if len(header) < _RECORD_HEADER:
            return False
        length = int.from_bytes(header[3:], "big")
        if not 0 < length <= _MAX_RECORD:
            raise NotTLS(f"a record of {length} bytes")
        self._position += _RECORD_HEADER
        self._left = length
        return True

    def _missing(self) -> int:
        """Count the message's bytes still to come, as far as is known.

        Below 0: what there is of the next message, too.
        """
        message = self._message
        if message and message[0] != _CLIENT_HELLO:
            raise NotTLS("the first message is no ClientHello")
        length = _MESSAGE_HEADER
        if len(message) >= _MESSAGE_HEADER:
            length += int.from_bytes(message[1:_MESSAGE_HEADER], "big")
        return length - len(message)


class _Cursor:
    """Reads fields of bytes that claim to hold them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def __bool__(self) -> bool:
        return self._position < len(self._data)

    def take(self, length: int) -> bytes:
        """Take that many bytes."""
        taken = self._data[self._position : self._position + length]
        if len(taken) < length:
            raise NotTLS("a field is longer than what holds it")
        self._position += length
        return taken

    def number(self, size: int) -> int:
        """Take a number of that many bytes."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Take what is preceded by its length, a number of that many bytes."""
        return self.take(self.number(size))


def _parse(body: bytes) -> ClientHello:
    cursor = _Cursor(body)
    cursor.take(2 + 32)  # version, random
    cursor.vector(1)  # session
    cursor.vector(2)  # cipher suites
    cursor.vector(1)  # compression methods
    if not cursor:  # before TLS 1.3 extensions could be left out
        return ClientHello()
    extensions = _Cursor(cursor.vector(2))
    if cursor:
        raise NotTLS("something follows the extensions")
    found: dict[int, bytes] = {}
    while extensions:
        kind = extensions.number(2)
        value = extensions.vector(2)
        if kind not in (_SERVER_NAME, _ALPN):
            continue
        # Which of two counts would be for each reader to guess: RFC 8446 4.2.
        if kind in found:
            raise NotTLS("an extension is there twice")
        found[kind] = value
    return ClientHello(
        _server_name(found[_SERVER_NAME]) if _SERVER_NAME in found else None,
        tuple(_protocols(found[_ALPN])) if _ALPN in found else (),
    )


def _list(value: bytes) -> _Cursor:
    """Open an extension that is one list, which is never empty."""
    outer = _Cursor(value)
    inner = _Cursor(outer.vector(2))
    if outer or not inner:
        raise NotTLS("an extension is not one list")
    return inner


def _server_name(value: bytes) -> str:
    names = _list(value)
    if names.number(1) != 0:
        raise NotTLS("the server's name is of an unknown type")
    name = names.vector(2)
    if names:
        raise NotTLS("more than one server is named")
    name = name.removesuffix(b".")
    if not _NAME.fullmatch(name):
        raise NotTLS("the server's name is not printable")
    return name.decode("ascii").lower()


def _protocols(value: bytes) -> list[bytes]:
    protocols = []
    names = _list(value)
    while names:
        name = names.vector(1)
        if not name:
            raise NotTLS("an application protocol has no name")
        protocols.append(name)
    return protocols
