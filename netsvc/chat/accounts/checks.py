"""
What SASL asks of the accounts: the questions, who answers them, and what they answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from netsvc.chat.accounts.errors import AccountError
from netsvc.chat.accounts.rows import AccountRow
from netsvc.chat.accounts.scram import ScramKeys
from netsvc.chat.accounts.throttle import Ticket
from netsvc.chat.names import fold


@dataclass(frozen=True, slots=True)
class Account:
    """
    An account that somebody has proved to own.

    @ivar name: Its name, as it is shown.
    @ivar created: When it was registered, in ms since the epoch.
    """

    name: str
    created: int

    @property
    def key(self) -> str:
        """The name, folded."""
        return fold(self.name)


@dataclass(frozen=True, slots=True)
class ScramLogin:
    """
    A try by SCRAM that was admitted.

    @ivar keys: What the proof is checked against; made up for unknown accounts.
    @ivar row: The account, or C{None} when the keys are made up.
    @ivar ticket: What the throttle gave.
    """

    keys: ScramKeys
    row: AccountRow | None
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class PlainCheck:
    """A name and a password: L{Checker.login}; the answer is an L{Account}."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CertificateCheck:
    """A certificate: L{Checker.login_certificate}; the answer is an L{Account}."""

    fingerprint: str
    name: str | None


@dataclass(frozen=True, slots=True)
class ScramCheck:
    """A name: L{Checker.scram_start}; the answer is a L{ScramLogin}."""

    name: str


@dataclass(frozen=True, slots=True)
class ScramProved:
    """A proof was right: L{Checker.scram_finish}; the answer is an L{Account}."""

    login: ScramLogin


Check = PlainCheck | CertificateCheck | ScramCheck | ScramProved
Answer = Account | ScramLogin | AccountError


class Checker(Protocol):
    """What L{advance} asks: L{netsvc.chat.accounts.registry.Accounts}."""

    async def login(
        self, name: str, password: str, *, source: str | bytes | None
    ) -> Account:
        """Give the account, if the password is its."""

    async def login_certificate(
        self,
        fingerprint: str,
        *,
        source: str | bytes | None,
        name: str | None = None,
    ) -> Account:
        """Give the account to which a certificate belongs."""

    async def scram_start(self, name: str, *, source: str | bytes | None) -> ScramLogin:
        """Give the keys of an account, or made-up ones."""

    async def scram_finish(self, login: ScramLogin) -> Account:
        """Give the account of a try whose proof was right."""
