"""
What only somebody who reads at an address can know: codes and cookies, without state.

Both are an HMAC-SHA256 over the address, the port and the time slot, under a secret of
this process. They hold for the slot in which they were made and for the next one, so
for L{SLOT} seconds at least. A code is short, for people: 30 bits, which is enough
because guesses are capped (L{netsvc.relay.admission}): at 10 a minute against two
codes that hold it takes a century to be admitted under a given victim's address. A
cookie is for programs, and cannot be guessed: 128 bits.
"""

from __future__ import annotations

import hmac
import re
from ipaddress import ip_address
from typing import Final

#: Seconds of a time slot.
SLOT: Final = 60.0

#: Bits of a character of a code, and how many it has.
_BITS: Final = 5
CODE_LENGTH: Final = 6

#: Hexadecimal digits of a cookie.
COOKIE_LENGTH: Final = 32

#: Crockford's alphabet: no letter in it can be taken for a digit.
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_READ_AS: Final = str.maketrans("ilo", "110")
_CODE: Final = re.compile(rf"[0-9a-tv-z]{{{CODE_LENGTH}}}", re.ASCII)

#: What a code looks like as it is made: a pattern.
CODE: Final = rb"[%b]{%d}" % (_ALPHABET.encode(), CODE_LENGTH)


def normal(text: str) -> str | None:
    """Give a code as it is made, if a text has the form of one, however it is typed."""
    text = text.strip().lower()
    if len(text) != CODE_LENGTH or _CODE.fullmatch(text) is None:
        return None
    return text.translate(_READ_AS)


def _slots(now: float) -> tuple[int, int]:
    """Give the slots whose tokens hold."""
    slot = int(now // SLOT)
    return slot, max(slot - 1, 0)


class Tokens:
    """Makes and checks codes and cookies."""

    def __init__(self, secret: bytes) -> None:
        """
        @param secret: At least 16 random bytes.
        @raise ValueError: If it is shorter.
        """
        if len(secret) < 16:
            raise ValueError("the secret must have 16 bytes at least")
        self._secret = secret

    def _digest(self, what: bytes, host: str, port: int, slot: int) -> bytes:
        packed = ip_address(host.partition("%")[0]).packed
        message = what + packed + port.to_bytes(2, "big") + slot.to_bytes(8, "big")
        return hmac.digest(self._secret, message, "sha256")

    def _code(self, host: str, port: int, slot: int) -> str:
        number = int.from_bytes(self._digest(b"code", host, port, slot)[:8], "big")
        places = range(CODE_LENGTH)
        return "".join(_ALPHABET[(number >> _BITS * place) & 31] for place in places)

    def _cookie(self, host: str, port: int, slot: int) -> str:
        return self._digest(b"cookie", host, port, slot).hex()[:COOKIE_LENGTH]

    def code(self, host: str, port: int, now: float) -> str:
        """Give the code of an address, which a person types back."""
        return self._code(host, port, int(now // SLOT))

    def cookie(self, host: str, port: int, now: float) -> str:
        """Give the cookie of an address, which a program sends back."""
        return self._cookie(host, port, int(now // SLOT))

    def is_code(self, text: str, host: str, port: int, now: float) -> bool:
        """Say whether that is the code of an address, now or a slot ago."""
        given = normal(text)
        return given is not None and any(
            hmac.compare_digest(given, self._code(host, port, slot))
            for slot in _slots(now)
        )

    def is_cookie(self, text: str, host: str, port: int, now: float) -> bool:
        """Say whether that is the cookie of an address, now or a slot ago."""
        given = text.strip().lower()
        if len(given) != COOKIE_LENGTH or not given.isascii():
            return False
        return any(
            hmac.compare_digest(given, self._cookie(host, port, slot))
            for slot in _slots(now)
        )
