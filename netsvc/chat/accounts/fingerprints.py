"""Fingerprints of certificates: SHA-256, as 64 lower-case hex digits."""

from __future__ import annotations

import hashlib
from typing import Final

from netsvc.chat.accounts.errors import AccountError, Refusal
from netsvc.chat.names import fold

_HEX: Final = frozenset("0123456789abcdef")


def fingerprint(certificate: bytes) -> str:
    """Give the SHA-256 fingerprint of a certificate (DER), as it is kept."""
    return hashlib.sha256(certificate).hexdigest()


def parse_fingerprint(text: str) -> str:
    """
    Read a SHA-256 fingerprint as people write it: in any case, with colons or without.

    @raise AccountError: C{BAD_FINGERPRINT}.
    """
    plain = fold(text).replace(":", "")
    if len(plain) != 64 or not _HEX.issuperset(plain):
        raise AccountError(Refusal.BAD_FINGERPRINT)
    return plain
