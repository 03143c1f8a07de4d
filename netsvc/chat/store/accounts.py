"""
Accounts as the store keeps them: rows in, rows out. The rules are elsewhere.

Keys are folded names (L{netsvc.chat.names.fold}). The functions are
L{netsvc.chat.store.seam.Work}, once their other arguments are bound; L{Accounts} does
that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from netsvc.chat.store.errors import StoreError
from netsvc.chat.store.seam import Keeper

MAX_FINGERPRINTS: Final = 16
"""Certificates of one account."""

MAX_NICKS: Final = 16
"""Nicks that one account may reserve."""

_COLUMNS: Final = "key, name, created, password, scram, flags"


@dataclass(frozen=True, slots=True)
class Account:
    """
    One account.

    @ivar key: Its folded name.
    @ivar name: As it is spelled.
    @ivar created: When, in ms since the epoch.
    @ivar password: The hash of its password, or C{None}.
    @ivar scram: Its SCRAM keys as JSON, or C{None}.
    @ivar flags: Bits that the rules give a meaning.
    """

    key: str
    name: str
    created: int
    password: str | None = field(default=None, repr=False)
    scram: str | None = field(default=None, repr=False)
    flags: int = 0


class AccountExistsError(StoreError):
    """There is an account of that name, or that is what the nick is reserved for."""


class Accounts:
    """The accounts of a store. Any of these may fail with L{StoreError}."""

    def __init__(self, keeper: Keeper) -> None:
        """Keep accounts in a store."""
        self._keeper = keeper

    def get(self, key: str) -> Awaitable[Account | None]:
        """Give an account, or C{None}."""
        return self._keeper.read(partial(get, key))

    def page(self, after: str = "", limit: int = 1_000) -> Awaitable[list[Account]]:
        """Give accounts in the order of their keys, from behind one on."""
        return self._keeper.read(partial(page, after, limit))

    def create(self, account: Account) -> Awaitable[None]:
        """
        Keep a new account, whose own name is its first reserved nick.

        @raise AccountExistsError: The name, or the nick, is taken.
        """
        return self._keeper.submit(partial(create, account))

    def put(self, account: Account) -> Awaitable[bool]:
        """Change an account; say whether it was there."""
        return self._keeper.submit(partial(put, account))

    def delete(self, key: str) -> Awaitable[bool]:
        """Delete an account with its certificates, nicks and markers; say whether it
        was there. Its history is L{netsvc.chat.store.retention.anonymise}'s."""
        return self._keeper.submit(partial(delete, key))

    def by_fingerprint(self, sha256: str) -> Awaitable[Account | None]:
        """Give the account of a certificate, by its SHA-256 in hexadecimal."""
        return self._keeper.read(partial(by_fingerprint, sha256))

    def fingerprints(self, key: str) -> Awaitable[list[str]]:
        """Give the certificates of an account."""
        return self._keeper.read(partial(fingerprints, key))

    def add_fingerprint(self, key: str, sha256: str) -> Awaitable[None]:
        """
        Let a certificate stand for an account.

        @raise AccountExistsError: It stands for another one.
        @raise StoreError: There is no such account, or it has too many.
        """
        return self._keeper.submit(partial(add_fingerprint, key, sha256))

    def remove_fingerprint(self, key: str, sha256: str) -> Awaitable[bool]:
        """Take that back; say whether it was so."""
        return self._keeper.submit(partial(remove_fingerprint, key, sha256))

    def reserve(self, nick: str, name: str, key: str) -> Awaitable[None]:
        """
        Reserve a nick for an account.

        @param nick: Folded.
        @param name: As it is spelled.
        @param key: The account's.
        @raise AccountExistsError: It is reserved for another one.
        @raise StoreError: There is no such account, or it has too many.
        """
        return self._keeper.submit(partial(reserve, nick, name, key))

    def release(self, nick: str, key: str) -> Awaitable[bool]:
        """Take that back; say whether it was so."""
        return self._keeper.submit(partial(release, nick, key))


def get(key: str, connection: sqlite3.Connection) -> Account | None:
    """Give an account, or C{None}."""
    row = connection.execute(
        f"select {_COLUMNS} from account where key = ?", (key,)
    ).fetchone()
    return None if row is None else Account(*row)


def page(after: str, limit: int, connection: sqlite3.Connection) -> list[Account]:
    """Give accounts in the order of their keys."""
    rows = connection.execute(
        f"select {_COLUMNS} from account where key > ? order by key limit ?",
        (after, limit),
    )
    return [Account(*row) for row in rows]


def count(connection: sqlite3.Connection) -> int:
    """Count the accounts."""
    (number,) = connection.execute("select count(*) from account").fetchone()
    return int(number)


def reserved(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    """Give all reserved nicks: by key, how they are spelled and whose they are."""
    rows = connection.execute("select key, name, account from nick order by key")
    return {key: (name, account) for key, name, account in rows}


def create(account: Account, connection: sqlite3.Connection) -> None:
    """Keep a new account; see L{Accounts.create}."""
    if get(account.key, connection) is not None:
        raise AccountExistsError(f"there is an account {account.name}")
    connection.execute(
        f"insert into account ({_COLUMNS}) values (?, ?, ?, ?, ?, ?)",
        (
            account.key,
            account.name,
            account.created,
            account.password,
            account.scram,
            account.flags,
        ),
    )
    reserve(account.key, account.name, account.key, connection)


def put(account: Account, connection: sqlite3.Connection) -> bool:
    """Change an account; see L{Accounts.put}."""
    cursor = connection.execute(
        "update account set name = ?, created = ?, password = ?, scram = ?, flags = ?"
        " where key = ?",
        (
            account.name,
            account.created,
            account.password,
            account.scram,
            account.flags,
            account.key,
        ),
    )
    return cursor.rowcount > 0


def delete(key: str, connection: sqlite3.Connection) -> bool:
    """Delete an account; see L{Accounts.delete}."""
    return connection.execute("delete from account where key = ?", (key,)).rowcount > 0


def by_fingerprint(sha256: str, connection: sqlite3.Connection) -> Account | None:
    """Give the account of a certificate, or C{None}."""
    row = connection.execute(
        "select account from fingerprint where sha256 = ?", (sha256,)
    ).fetchone()
    return None if row is None else get(row[0], connection)


def fingerprints(key: str, connection: sqlite3.Connection) -> list[str]:
    """Give the certificates of an account."""
    rows = connection.execute(
        "select sha256 from fingerprint where account = ? order by sha256", (key,)
    )
    return [sha256 for (sha256,) in rows]


def add_fingerprint(key: str, sha256: str, connection: sqlite3.Connection) -> None:
    """Let a certificate stand for an account; see L{Accounts.add_fingerprint}."""
    owner = by_fingerprint(sha256, connection)
    if owner is not None and owner.key != key:
        raise AccountExistsError("the certificate belongs to another account")
    if owner is None:
        if len(fingerprints(key, connection)) >= MAX_FINGERPRINTS:
            raise StoreError(f"an account has at most {MAX_FINGERPRINTS} certificates")
        connection.execute(
            "insert into fingerprint (sha256, account) values (?, ?)", (sha256, key)
        )


def remove_fingerprint(key: str, sha256: str, connection: sqlite3.Connection) -> bool:
    """Take a certificate from an account."""
    cursor = connection.execute(
        "delete from fingerprint where sha256 = ? and account = ?", (sha256, key)
    )
    return cursor.rowcount > 0


def reserve(nick: str, name: str, key: str, connection: sqlite3.Connection) -> None:
    """Reserve a nick for an account; see L{Accounts.reserve}."""
    row = connection.execute(
        "select account from nick where key = ?", (nick,)
    ).fetchone()
    if row is not None and row[0] != key:
        raise AccountExistsError(f"{name} is reserved for another account")
    if row is None:
        (known,) = connection.execute(
            "select count(*) from nick where account = ?", (key,)
        ).fetchone()
        if known >= MAX_NICKS:
            raise StoreError(f"an account has at most {MAX_NICKS} nicks")
    connection.execute(
        "insert or replace into nick (key, name, account) values (?, ?, ?)",
        (nick, name, key),
    )


def release(nick: str, key: str, connection: sqlite3.Connection) -> bool:
    """Take a nick from an account."""
    cursor = connection.execute(
        "delete from nick where key = ? and account = ?", (nick, key)
    )
    return cursor.rowcount > 0
