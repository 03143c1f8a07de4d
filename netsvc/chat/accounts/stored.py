"""Accounts in the SQLite store: L{AccountRows} over L{netsvc.chat.store.accounts}."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial

from netsvc.chat.accounts.rows import AccountRow, NameRow
from netsvc.chat.store import accounts as stored
from netsvc.chat.store.seam import Keeper

#: How many accounts are read at a time.
PAGE = 1_000


def _row(account: stored.Account | None) -> AccountRow | None:
    if account is None:
        return None
    return AccountRow(
        account.key,
        account.name,
        account.created,
        account.password,
        account.scram,
        account.flags,
    )


class StoredRows:
    """The accounts of a store: an L{AccountRows}, see there."""

    def __init__(self, keeper: Keeper) -> None:
        """
        @param keeper: The store.
        """
        self._keeper = keeper
        self._accounts = stored.Accounts(keeper)

    async def names(self) -> Sequence[NameRow]:
        """Give the names of all accounts, deleted ones too."""
        found: list[NameRow] = []
        after = ""
        while page := await self._accounts.page(after, PAGE):
            found += [NameRow(each.key, each.name, each.flags) for each in page]
            after = page[-1].key
        return found

    async def get(self, key: str) -> AccountRow | None:
        """Give an account."""
        return _row(await self._accounts.get(key))

    async def put(self, row: AccountRow) -> None:
        """Write an account, new or in place of the one that has its key."""
        account = stored.Account(
            row.key, row.name, row.created, row.password, row.scram, row.flags
        )
        if not await self._accounts.put(account):
            await self._accounts.create(account)

    async def delete(self, key: str) -> None:
        """Remove an account, and its fingerprints."""
        await self._accounts.delete(key)

    async def by_fingerprint(self, sha256: str) -> AccountRow | None:
        """Give the account to which a certificate belongs."""
        return _row(await self._accounts.by_fingerprint(sha256))

    async def fingerprints(self, key: str) -> Sequence[str]:
        """Give the certificates of an account, sorted."""
        return await self._accounts.fingerprints(key)

    async def add_fingerprint(self, key: str, sha256: str) -> bool:
        """Give an account a certificate; say whether no other account has it."""
        try:
            await self._accounts.add_fingerprint(key, sha256)
        except stored.AccountExistsError:
            return False
        return True

    async def remove_fingerprint(self, key: str, sha256: str) -> bool:
        """Take a certificate from an account; say whether it had it."""
        return await self._accounts.remove_fingerprint(key, sha256)

    async def secret(self, name: str) -> bytes | None:
        """Give a secret of the server."""
        return await self._keeper.read(partial(_secret, name))

    async def put_secret(self, name: str, value: bytes) -> None:
        """Keep a secret of the server."""
        await self._keeper.submit(partial(_put_secret, name, value))


def _secret(name: str, connection: sqlite3.Connection) -> bytes | None:
    row = connection.execute(
        "select value from secret where name = ?", (name,)
    ).fetchone()
    return None if row is None else bytes(row[0])


def _put_secret(name: str, value: bytes, connection: sqlite3.Connection) -> None:
    connection.execute(
        "insert or replace into secret (name, value) values (?, ?)", (name, value)
    )
