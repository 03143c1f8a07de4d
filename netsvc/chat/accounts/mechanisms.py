"""
The mechanisms of SASL: PLAIN (RFC 4616), EXTERNAL (RFC 4422) and SCRAM-SHA-256 (RFC
5802, RFC 7677), as generators over whole messages.

L{netsvc.chat.accounts.sasl.Exchange} drives them.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from netsvc.chat.accounts.checks import (
    Account,
    Answer,
    CertificateCheck,
    Check,
    PlainCheck,
    ScramCheck,
    ScramLogin,
    ScramProved,
)
from netsvc.chat.accounts.errors import AccountError, Refusal
from netsvc.chat.accounts.scram import Conversation
from netsvc.chat.names import fold

PLAIN: Final = "PLAIN"
EXTERNAL: Final = "EXTERNAL"
SCRAM_SHA_256: Final = "SCRAM-SHA-256"

#: The mechanisms, in the order in which they are listed.
MECHANISMS: Final = (PLAIN, SCRAM_SHA_256, EXTERNAL)


# A mechanism takes messages of the client and answers of the accounts, and gives
# messages of the server (bytes, or None for the client's turn to begin) and checks.
Steps = Generator["bytes | Check | None", "bytes | Answer", Account]


class BadMessageError(Exception):
    """The client sent no message of the mechanism."""


def _text(message: bytes) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise BadMessageError from None


def _message(value: bytes | Answer) -> bytes:
    assert isinstance(value, bytes), "a message of the client was due"
    return value


def _account(value: bytes | Answer) -> Account:
    if isinstance(value, AccountError):
        raise value
    assert isinstance(value, Account), "an account was due"
    return value


def plain() -> Steps:
    """RFC 4616: C{authzid NUL authcid NUL passwd}."""
    parts = _text(_message((yield None))).split("\0")
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise BadMessageError
    authzid, name, password = parts
    if authzid and fold(authzid) != fold(name):
        raise AccountError(Refusal.WRONG)
    return _account((yield PlainCheck(name, password)))


def external(fingerprint: str | None) -> Steps:
    """RFC 4422 appendix A: an authzid, or nothing."""
    authzid = _text(_message((yield None)))
    if fingerprint is None:
        raise AccountError(Refusal.WRONG)
    return _account((yield CertificateCheck(fingerprint, authzid or None)))


def scram(nonce: str) -> Steps:
    """RFC 5802: two messages of each side, and C{+} at the end."""
    conversation = Conversation(nonce)
    login = yield ScramCheck(conversation.first(_message((yield None))))
    if isinstance(login, AccountError):
        raise login
    assert isinstance(login, ScramLogin), "keys were due"
    proof = _message((yield conversation.challenge(login.keys)))
    verifier = conversation.final(proof)
    account = _account((yield ScramProved(login)))
    if _message((yield verifier)):
        raise BadMessageError
    return account
