"""
What protects the datagrams between two peers: ChaCha20-Poly1305 (RFC 8439).

Each direction has a key of its own, made from the shared one with HKDF (RFC 5869,
SHA-256): the salt is the name of the introduction, the info C{netsvc direct 1 } and the
sender's role, C{0} or C{1}. The nonce is four zero bytes and the datagram's number,
which is never used twice with one key.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

INFO: Final = b"netsvc direct 1 "
"""In front of the sender's role, in HKDF's info."""


def _cipher(key: bytes, name: bytes, role: int) -> ChaCha20Poly1305:
    """Make the cipher of one direction."""
    info = INFO + str(role).encode()
    return ChaCha20Poly1305(HKDF(SHA256(), 32, name, info).derive(key))


def _nonce(number: int) -> bytes:
    return bytes(4) + number.to_bytes(8, "big")


class Seal:
    """Both directions, as one of the two has them."""

    def __init__(self, key: bytes, name: bytes, role: int) -> None:
        """
        @param key: What the two share.
        @param name: Of the introduction.
        @param role: Of this side, 0 or 1.
        """
        self._sending = _cipher(key, name, role)
        self._receiving = _cipher(key, name, 1 - role)

    def seal(self, number: int, head: bytes, data: bytes) -> bytes:
        """
        Encrypt.

        @param number: Never the same twice.
        @param head: What goes in front in clear, and cannot be changed either.
        """
        return self._sending.encrypt(_nonce(number), data, head)

    def open(self, number: int, head: bytes, data: bytes) -> bytes | None:
        """Decrypt; C{None} if the other one has not made it so."""
        try:
            return self._receiving.decrypt(_nonce(number), data, head)
        except InvalidTag:
            return None
