"""
The accounts' secrets: reading, checking and renewing them.

L{Vault} stands between the rules (L{netsvc.chat.accounts.registry}) and the two that
are slow: the store, and L{Hashes}.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, Protocol

from netsvc.chat.accounts.errors import (
    AccountError,
    BusyError,
    PasswordError,
    Refusal,
)
from netsvc.chat.accounts.rows import AccountRow, AccountRows
from netsvc.chat.accounts.scram import (
    LEAST_ITERATIONS,
    SALT_SIZE,
    ScramKeys,
    made_up,
)
from netsvc.chat.store.errors import StoreError

#: What the store calls the secret that made-up SCRAM keys are made of.
SCRAM_SECRET: Final = "scram"

_SECRET_SIZE: Final = 32


class Hashes(Protocol):
    """
    Computes what is slow on purpose, elsewhere: see
    L{netsvc.chat.accounts.passwords.Passwords}.

    The awaited methods raise L{BusyError} when too many wait.

    @ivar dummy: A hash that no password has, and that takes as long to verify.
    """

    dummy: str

    def prepare(self, password: str) -> str:
        """
        Bring a password into the form in which it is hashed (RFC 8265).

        @raise PasswordError: If no password may be so.
        """

    def hash(self, password: str) -> Awaitable[str]:
        """Hash a password that was prepared."""

    def verify(self, hashed: str, password: str) -> Awaitable[bool]:
        """Say whether a password that was prepared belongs to a hash."""

    def needs_rehash(self, hashed: str) -> bool:
        """Say whether a hash was made with other parameters than those of today."""

    def derive(
        self, password: str, salt: bytes, iterations: int
    ) -> Awaitable[ScramKeys]:
        """Make the SCRAM keys of a password that was prepared."""


class Vault:
    """
    The secrets of all accounts.

    @ivar rows: Where they are kept.
    @ivar hashes: Who computes hashes.
    @ivar counters: C{busy} and C{unavailable}, when it could not be done; C{bad-keys},
        when an account's SCRAM keys could not be read; C{rehashed}.
    """

    def __init__(
        self,
        rows: AccountRows,
        hashes: Hashes,
        random: Callable[[int], bytes],
        counters: Counter[str],
    ) -> None:
        """
        @param random: Gives so many random bytes.
        """
        self.rows = rows
        self.hashes = hashes
        self.counters = counters
        self._random = random
        self._secret = random(_SECRET_SIZE)
        # One change of an account at a time, so that none undoes another that was
        # made while its hash was computed.
        self._changing: set[str] = set()

    async def load(self) -> None:
        """
        Read the server's secret, or keep the one that was made.

        @raise StoreError: If the store cannot.
        """
        secret = await self.rows.secret(SCRAM_SECRET)
        if secret is None:
            await self.rows.put_secret(SCRAM_SECRET, self._secret)
        else:
            self._secret = secret

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Tell who asked what went wrong beneath: an L{AccountError}."""
        try:
            yield
        except BusyError:
            self.counters["busy"] += 1
            raise AccountError(Refusal.BUSY) from None
        except StoreError:
            self.counters["unavailable"] += 1
            raise AccountError(Refusal.UNAVAILABLE) from None

    @contextmanager
    def change(self, key: str) -> Iterator[None]:
        """
        Do what changes an account; as L{guard}.

        @raise AccountError: C{BUSY} if it is being changed already.
        """
        if key in self._changing:
            self.counters["busy"] += 1
            raise AccountError(Refusal.BUSY)
        self._changing.add(key)
        try:
            with self.guard():
                yield
        finally:
            self._changing.discard(key)

    def prepare(self, password: str, refusal: Refusal) -> str:
        """
        Prepare a password.

        @param refusal: Why it is refused when no password may be so.
        @raise AccountError: With that.
        """
        try:
            return self.hashes.prepare(password)
        except PasswordError:
            raise AccountError(refusal) from None

    async def verify(self, row: AccountRow | None, prepared: str) -> bool:
        """
        Say whether a password is an account's; as slow when there is no account.

        @raise BusyError: If too many wait.
        """
        hashed = None if row is None else row.password
        right = await self.hashes.verify(hashed or self.hashes.dummy, prepared)
        return right and hashed is not None

    async def renewed(
        self, row: AccountRow, prepared: str, iterations: int
    ) -> AccountRow:
        """
        Give an account with what it lacks, or has of other parameters than wanted.

        @param prepared: Its password.
        @param iterations: Of its SCRAM keys; 0 for no keys.
        @raise BusyError: If too many wait.
        """
        if row.password is None or self.hashes.needs_rehash(row.password):
            row = replace(row, password=await self.hashes.hash(prepared))
        keys = self.keys(row)
        if not iterations:
            return replace(row, scram=None)
        if keys is None or keys.iterations != iterations:
            keys = await self.hashes.derive(
                prepared, self._random(SALT_SIZE), iterations
            )
            row = replace(row, scram=keys.to_json())
        return row

    async def refresh(self, row: AccountRow, prepared: str, iterations: int) -> None:
        """
        Renew an account whose password was right just now, if nothing is in the way.
        """
        try:
            with self.change(row.key):
                fresh = await self.renewed(row, prepared, iterations)
                if fresh != row and await self.rows.get(row.key) == row:
                    await self.rows.put(fresh)
                    self.counters["rehashed"] += 1
        except AccountError:
            return  # it has been counted, and the next login tries again

    def keys(self, row: AccountRow) -> ScramKeys | None:
        """Give an account's SCRAM keys, if it has any."""
        if row.scram is None:
            return None
        try:
            return ScramKeys.from_json(row.scram)
        except ValueError:
            self.counters["bad-keys"] += 1
            return None

    def made_up(self, key: str, iterations: int) -> ScramKeys:
        """Give the keys of an account that does not exist."""
        return made_up(self._secret, key, iterations or LEAST_ITERATIONS)
