"""
Accounts as they are kept: what the rules ask of a store.

L{AccountRows} is the seam, L{MemoryRows} the store that forgets everything with the
process. A store that fails raises L{netsvc.chat.store.errors.StoreError}.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

#: The flag (a bit) of an account that its owner has deleted: its name stays taken.
DELETED: Final = 1


@dataclass(frozen=True, slots=True)
class AccountRow:
    """
    An account.

    @ivar key: Its name, folded.
    @ivar name: Its name, as it is shown.
    @ivar created: When, in ms since the epoch.
    @ivar password: The encoded Argon2id hash, or C{None}.
    @ivar scram: The SCRAM keys, as JSON, or C{None}.
    @ivar flags: Bits, see L{DELETED}.
    """

    key: str
    name: str
    created: int
    password: str | None = field(repr=False)
    scram: str | None = field(repr=False)
    flags: int = 0

    @property
    def deleted(self) -> bool:
        """Whether only the name is left of it."""
        return bool(self.flags & DELETED)


class NameRow(NamedTuple):
    """What is held in memory of each account: see L{AccountRow}."""

    key: str
    name: str
    flags: int


class AccountRows(Protocol):
    """
    The store of accounts. Keys are folded names; C{sha256} is 64 lower-case hex digits.

    Each method may raise L{netsvc.chat.store.errors.StoreError}. What is written is
    durable when it has been awaited.
    """

    def names(self) -> Awaitable[Sequence[NameRow]]:
        """Give the names of all accounts, deleted ones too."""

    def get(self, key: str) -> Awaitable[AccountRow | None]:
        """Give an account."""

    def put(self, row: AccountRow) -> Awaitable[None]:
        """Write an account, new or in place of the one that has its key."""

    def delete(self, key: str) -> Awaitable[None]:
        """Remove an account, and its fingerprints."""

    def by_fingerprint(self, sha256: str) -> Awaitable[AccountRow | None]:
        """Give the account to which a certificate belongs."""

    def fingerprints(self, key: str) -> Awaitable[Sequence[str]]:
        """Give the certificates of an account, sorted."""

    def add_fingerprint(self, key: str, sha256: str) -> Awaitable[bool]:
        """Give an account a certificate; say whether no other account has it."""

    def remove_fingerprint(self, key: str, sha256: str) -> Awaitable[bool]:
        """Take a certificate from an account; say whether it had it."""

    def secret(self, name: str) -> Awaitable[bytes | None]:
        """Give a secret of the server."""

    def put_secret(self, name: str, value: bytes) -> Awaitable[None]:
        """Keep a secret of the server."""


class MemoryRows:
    """Accounts in memory, for C{--store :memory:} and for tests."""

    def __init__(self) -> None:
        """Start with none."""
        self._rows: dict[str, AccountRow] = {}
        self._fingerprints: dict[str, str] = {}
        self._secrets: dict[str, bytes] = {}

    async def names(self) -> Sequence[NameRow]:
        """Give the names of all accounts, deleted ones too."""
        return [NameRow(row.key, row.name, row.flags) for row in self._rows.values()]

    async def get(self, key: str) -> AccountRow | None:
        """Give an account."""
        return self._rows.get(key)

    async def put(self, row: AccountRow) -> None:
        """Write an account, new or in place of the one that has its key."""
        self._rows[row.key] = row

    async def delete(self, key: str) -> None:
        """Remove an account, and its fingerprints."""
        self._rows.pop(key, None)
        for sha256 in await self.fingerprints(key):
            del self._fingerprints[sha256]

    async def by_fingerprint(self, sha256: str) -> AccountRow | None:
        """Give the account to which a certificate belongs."""
        key = self._fingerprints.get(sha256)
        return None if key is None else self._rows.get(key)

    async def fingerprints(self, key: str) -> Sequence[str]:
        """Give the certificates of an account, sorted."""
        return sorted(
            each for each, owner in self._fingerprints.items() if owner == key
        )

    async def add_fingerprint(self, key: str, sha256: str) -> bool:
        """Give an account a certificate; say whether no other account has it."""
        return self._fingerprints.setdefault(sha256, key) == key

    async def remove_fingerprint(self, key: str, sha256: str) -> bool:
        """Take a certificate from an account; say whether it had it."""
        if self._fingerprints.get(sha256) != key:
            return False
        del self._fingerprints[sha256]
        return True

    async def secret(self, name: str) -> bytes | None:
        """Give a secret of the server."""
        return self._secrets.get(name)

    async def put_secret(self, name: str, value: bytes) -> None:
        """Keep a secret of the server."""
        self._secrets[name] = value
