"""SASL over bytes: for tests and for a fuzzer, which start the same conversation."""

from __future__ import annotations

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
from netsvc.chat.accounts.sasl import Exchange, NeedCheck, Outcome
from netsvc.chat.accounts.scram import derive, made_up
from netsvc.chat.accounts.throttle import Ticket
from netsvc.chat.names import fold

#: The one account, its password, and its certificate.
ACCOUNT = Account("Alice", 1_700_000_000_000)
PASSWORD = "sesame"
FINGERPRINT = "ab" * 32

#: The server's share of every nonce.
NONCE = "srv"

KEYS = derive(PASSWORD, bytes(16), 4096)

#: Conversations to start from: one parameter a line.
CORPUS = (
    b"PLAIN\nYWxpY2UAYWxpY2UAc2VzYW1l",
    b"PLAIN\nAGFsaWNlAHNlc2FtZQ==",
    b"PLAIN\n" + b"A" * 400 + b"\n+",
    b"PLAIN\n*\nEXTERNAL\n+",
    b"EXTERNAL\nYWxpY2U=",
    b"SCRAM-SHA-256\nbiwsbj1hbGljZSxyPWFiYw==\n"
    b"Yz1iaXdzLHI9YWJjc3J2LHA9QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE9\n+",
    b"SCRAM-SHA-256\neSwsbj1ub2JvZHkscj1hYmM=\n+",
    b"SCRAM-SHA-256\ncD10bHMtdW5pcXVlLCxuPWFsaWNlLHI9YWJj",
    b"FOO\n*",
)


def answer(check: Check) -> Answer:
    """Answer as accounts would, of which there is one."""
    match check:
        case PlainCheck(name, password):
            right = fold(name) == "alice" and password == PASSWORD
        case CertificateCheck(fingerprint, name):
            right = fingerprint == FINGERPRINT and fold(name or "alice") == "alice"
        case ScramCheck(name):
            known = fold(name) == "alice"
            keys = KEYS if known else made_up(b"secret", fold(name), 4096)
            return ScramLogin(keys, None, Ticket("source", fold(name)))
        case ScramProved():
            right = True
    return ACCOUNT if right else AccountError(Refusal.WRONG)


def exchange() -> Exchange:
    """Make the tries of a connection that has the certificate."""
    return Exchange(lambda: NONCE, fingerprint=FINGERPRINT)


def sasl_outcomes(data: bytes) -> list[Outcome]:
    """
    Give the outcome of each parameter; never an exception, whatever the bytes are.

    @param data: The parameters of C{AUTHENTICATE}, one a line.
    """
    tries = exchange()
    outcomes: list[Outcome] = []
    for line in data.split(b"\n"):
        outcome = tries.command(line.decode(errors="replace"))
        while isinstance(outcome, NeedCheck):
            outcome = tries.checked(outcome, answer(outcome.check))
        outcomes.append(outcome)
    return outcomes
