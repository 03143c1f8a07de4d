"""
The parameters of C{AUTHENTICATE}: a message in Base64, in pieces of 400 bytes.

A piece of exactly 400 bytes says that more follows; a message that ends with such a
piece is closed by C{+}. C{+} alone is the empty message (IRCv3 sasl-3.1).
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

#: Bytes in a piece.
PIECE_SIZE: Final = 400

#: Bytes of Base64 in a whole message, unless told otherwise.
MAX_MESSAGE: Final = 10 * PIECE_SIZE

#: What stands for no bytes.
EMPTY: Final = "+"


class TooLongError(Exception):
    """A piece, or the message, is longer than it may be."""


class Pieces:
    """Puts the pieces of messages together, as they come in."""

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        """
        Start with no piece.

        @param limit: Bytes of Base64 in a message.
        """
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, parameter: str) -> bytes | None:
        """
        Take a parameter.

        @return: The message, decoded; C{None} when more has to come.
        @raise TooLongError: If the piece or the message is too long.
        @raise ValueError: If the message is no Base64.
        """
        piece = b"" if parameter == EMPTY else parameter.encode(errors="replace")
        self._size += len(piece)
        if len(piece) > PIECE_SIZE or self._size > self._limit:
            self.clear()
            raise TooLongError
        self._parts.append(piece)
        if len(piece) == PIECE_SIZE:
            return None
        message = b"".join(self._parts)
        self.clear()
        if not piece and parameter != EMPTY:
            raise ValueError("no data")
        try:
            return binascii.a2b_base64(message, strict_mode=True)
        except binascii.Error:
            raise ValueError("no Base64") from None

    def clear(self) -> None:
        """Forget the pieces of a message that is not whole."""
        self._parts = []
        self._size = 0


def split(message: bytes) -> tuple[str, ...]:
    """Give the parameters that a message is sent in."""
    text = base64.b64encode(message).decode("ascii")
    pieces = [text[at : at + PIECE_SIZE] for at in range(0, len(text), PIECE_SIZE)]
    if len(text) % PIECE_SIZE == 0:
        pieces.append(EMPTY)
    return tuple(pieces)
