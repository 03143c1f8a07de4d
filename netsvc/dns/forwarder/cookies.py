"""
DNS cookies of a server (RFC 7873, RFC 9018).

A client that gives back a cookie that was made for its address has not forged that
address. The layout is RFC 9018's; the hash is BLAKE2s, for no other server has to
understand our cookies.
"""

from __future__ import annotations

from hashlib import blake2s
from typing import Final

#: Bytes of a client cookie, and the most and least of a server cookie.
CLIENT: Final = 8
SERVER_LEAST: Final = 8
SERVER_MOST: Final = 32

#: Seconds for which a cookie is good, after which it is renewed, and by which it may
#: come from the future (RFC 9018 section 4.3).
LIFE: Final = 3600
RENEWED: Final = 1800
AHEAD: Final = 300

_VERSION: Final = b"\1\0\0\0"


def well_formed(option: bytes) -> bool:
    """Tell whether a COOKIE option has a length that it may have."""
    size = len(option) - CLIENT
    return size == 0 or SERVER_LEAST <= size <= SERVER_MOST


class ServerCookies:
    """Makes and checks cookies."""

    def __init__(self, secret: bytes) -> None:
        """
        @param secret: 16 random bytes, at least.
        """
        self._secret = secret

    def answer(self, option: bytes, host: str, now: int) -> tuple[bytes, bool]:
        """
        Make the option for the reply.

        @param option: The query's, well-formed.
        @param host: The client's address.
        @param now: POSIX seconds.
        @return: The option, and whether the query's server cookie was good.
        """
        client, server = option[:CLIENT], option[CLIENT:]
        good = False
        if len(server) == 16 and server[:4] == _VERSION:
            age = (now - int.from_bytes(server[4:8], "big")) & 0xFFFFFFFF
            if age >= 1 << 31:
                age -= 1 << 32
            if -AHEAD <= age <= LIFE:
                good = server == self._make(client, host, server[4:8])
                if good and age < RENEWED:
                    return option, True
        stamp = (now & 0xFFFFFFFF).to_bytes(4, "big")
        return client + self._make(client, host, stamp), good

    def _make(self, client: bytes, host: str, stamp: bytes) -> bytes:
        head = _VERSION + stamp
        data = client + head + host.encode("utf-8", "surrogateescape")
        return head + blake2s(data, digest_size=8, key=self._secret).digest()
