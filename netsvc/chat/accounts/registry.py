"""
The accounts: who may register, log in, change and delete, and how often.

L{Accounts} holds the rules; what is kept comes and goes by L{AccountRows}, the slow
hashes by L{Hashes}, and the time is an argument. Whatever is refused is an
L{AccountError}.

An unknown account and a wrong password are the same to who asks: one text, and one
hash computed (of a password that nobody has). An account may be logged in on any number
of connections: nothing here counts them.

A deleted account leaves its name behind (L{netsvc.chat.accounts.rows.DELETED}): whoever
took it next would be taken for its owner, and could read the private conversations of
old. L{Accounts.erase} frees it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from netsvc.chat.accounts.checks import Account
from netsvc.chat.accounts.errors import AccountError, Refusal
from netsvc.chat.accounts.fingerprints import parse_fingerprint
from netsvc.chat.accounts.logins import Host, Logins
from netsvc.chat.accounts.rows import DELETED, AccountRow, AccountRows
from netsvc.chat.accounts.rules import AccountRules
from netsvc.chat.accounts.taken import TakenNames
from netsvc.chat.accounts.throttle import MAX_TRACKED, Budgets
from netsvc.chat.accounts.vault import Hashes, Vault
from netsvc.chat.names import fold, valid_account
from netsvc.daemon.limits import source_key


class Accounts(Logins):
    """
    The accounts of one chat.

    A C{source} is the address of who asks, see L{netsvc.daemon.limits.source_key}.
    """

    def __init__(
        self,
        rows: AccountRows,
        hashes: Hashes,
        rules: AccountRules | None = None,
        *,
        seconds: Callable[[], float],
        milliseconds: Callable[[], int],
        random: Callable[[int], bytes],
        skeleton: Callable[[str], str] = fold,
        forbidden: Callable[[str], bool] = lambda name: False,
    ) -> None:
        """
        @param rows: Where they are kept.
        @param hashes: Who computes hashes.
        @param rules: What is allowed; by default the defaults.
        @param seconds: A clock that only goes forwards.
        @param milliseconds: The wall clock, since the epoch.
        @param random: Gives so many random bytes, as C{os.urandom}.
        @param skeleton: Gives the same for names that look the same (UTS 39).
        @param forbidden: Whether nobody may register a name, because it has a meaning
            of its own (a guest's, say).
        """
        counters: Counter[str] = Counter()
        vault = Vault(rows, hashes, random, counters)
        names = TakenNames(skeleton)
        super().__init__(vault, names, rules or AccountRules(), seconds)
        self._milliseconds = milliseconds
        self._forbidden = forbidden
        self._start_registrations()

    async def load(self) -> None:
        """
        Read the names, and the server's secret: once, before anything else.

        @raise StoreError: If they cannot be read.
        """
        for key, name, flags in await self._rows.names():
            if flags & DELETED:
                self._names.delete(key, name)
            else:
                self._names.add(key, name)
        await self._vault.load()

    def configure(self, rules: AccountRules) -> None:
        """Go by other rules from now on; budgets start anew if their rates change."""
        rate = self.rules.registration_rate
        super().configure(rules)
        if rate != rules.registration_rate:
            self._start_registrations()

    def _start_registrations(self) -> None:
        rate = self.rules.registration_rate
        self._registrations = None if rate is None else Budgets(rate, MAX_TRACKED)

    def __len__(self) -> int:
        """Give the number of accounts, without the deleted ones."""
        return self._names.live

    def looks_like(self, nick: str) -> str | None:
        """Give the account whose name a nick is or looks like."""
        return self._names.looks_like(nick)

    def was_deleted(self, name: str) -> bool:
        """Say whether a name is that of an account that was deleted."""
        return self._names.deleted(fold(name))

    async def register(self, name: str, password: str, *, source: Host) -> Account:
        """
        Make an account.

        @raise AccountError: C{OFF}, C{BAD_NAME}, C{WEAK_PASSWORD},
            C{ALREADY_REGISTERED}, C{CONFUSABLE}, C{FULL}, C{THROTTLED}, C{BUSY},
            C{UNAVAILABLE}.
        """
        if not (self.rules.enabled and self.rules.registration):
            raise AccountError(Refusal.OFF)
        if not valid_account(name) or self._forbidden(name):
            raise AccountError(Refusal.BAD_NAME)
        key = fold(name)
        prepared = self._new_password(password)
        if self._names.taken(key):
            raise AccountError(Refusal.ALREADY_REGISTERED)
        if self._names.looks_like(name) is not None:
            raise AccountError(Refusal.CONFUSABLE)
        if len(self._names) >= self.rules.max_accounts:
            self.counters["accounts-full"] += 1
            raise AccountError(Refusal.FULL)
        who = source_key(source)
        budgets = self._registrations
        if budgets is not None and not budgets.allow(who, self._seconds()):
            self.counters["registration-source"] += 1
            raise AccountError(Refusal.THROTTLED)
        row = AccountRow(key, name, self._milliseconds(), None, None)
        self._names.add(key, name)  # before anybody else asks for it
        try:
            with self._vault.change(key):
                row = await self._renewed(row, prepared)
                await self._rows.put(row)
        except BaseException:  # also when who asked has gone, and waits no more
            self._names.erase(key, name)
            if budgets is not None:
                budgets.give_back(who)
            raise
        self.counters["registered"] += 1
        return Account(name, row.created)

    async def change_password(
        self, account: str | None, old: str, new: str, *, source: Host
    ) -> None:
        """
        Give an account another password. Connections that are logged in remain so.

        @param account: As whom the asking connection is logged in.
        @raise AccountError: C{NOT_LOGGED_IN}, C{WEAK_PASSWORD} (the new one), and as
            L{login}.
        """
        prepared = self._new_password(new)
        row = await self._own(account, old, source)
        with self._vault.change(row.key):
            await self._unchanged(row)
            bare = replace(row, password=None, scram=None)
            await self._rows.put(await self._renewed(bare, prepared))
        # Who knew the old one only is a stranger from now on.
        self._throttle.forget(row.key, but=source_key(source))

    async def delete(
        self, account: str | None, password: str, *, source: Host
    ) -> Account:
        """
        Delete an account: password, keys and certificates; its name stays taken.

        What the history keeps of it, and the connections that are logged in as it, are
        for who called to see to.

        @param account: As whom the asking connection is logged in.
        @raise AccountError: C{NOT_LOGGED_IN}, and as L{login}.
        """
        row = await self._own(account, password, source)
        with self._vault.change(row.key):
            await self._unchanged(row)
            # First the row: certificates without an account let nobody in.
            gone = replace(row, password=None, scram=None, flags=row.flags | DELETED)
            await self._rows.put(gone)
            self._names.delete(row.key, row.name)
            for sha256 in await self._rows.fingerprints(row.key):
                await self._rows.remove_fingerprint(row.key, sha256)
        self.counters["deleted"] += 1
        return Account(row.name, row.created)

    async def erase(self, name: str) -> bool:
        """
        Remove an account with its name, for an operator; say whether there was one.

        Who calls must have removed its private conversations from the history.

        @raise AccountError: C{BUSY}, C{UNAVAILABLE}.
        """
        key = fold(name)
        if not self._names.taken(key):
            return False
        with self._vault.change(key):
            await self._rows.delete(key)
            self._names.erase(key, self._names.name(key) or name)
        return True

    async def add_fingerprint(self, account: str | None, fingerprint: str) -> None:
        """
        Let a certificate log an account in.

        A frontend gives the one that the asking connection has shown: who could name
        another's would log that person in as themselves.

        @raise AccountError: C{NOT_LOGGED_IN}, C{BAD_FINGERPRINT},
            C{FINGERPRINT_TAKEN}, C{TOO_MANY_FINGERPRINTS}, C{BUSY}, C{UNAVAILABLE}.
        """
        key = self._logged_in_as(account)
        sha256 = parse_fingerprint(fingerprint)
        with self._vault.change(key):
            held = await self._rows.fingerprints(key)
            if sha256 in held:
                return
            if len(held) >= self.rules.max_fingerprints:
                raise AccountError(Refusal.TOO_MANY_FINGERPRINTS)
            if not await self._rows.add_fingerprint(key, sha256):
                raise AccountError(Refusal.FINGERPRINT_TAKEN)

    async def remove_fingerprint(self, account: str | None, fingerprint: str) -> bool:
        """
        Let a certificate log an account in no more; say whether it did.

        @raise AccountError: C{NOT_LOGGED_IN}, C{BAD_FINGERPRINT}, C{UNAVAILABLE}.
        """
        key = self._logged_in_as(account)
        sha256 = parse_fingerprint(fingerprint)
        with self._vault.guard():
            return await self._rows.remove_fingerprint(key, sha256)

    async def fingerprints(self, account: str | None) -> Sequence[str]:
        """
        Give the certificates of an account.

        @raise AccountError: C{NOT_LOGGED_IN}, C{UNAVAILABLE}.
        """
        key = self._logged_in_as(account)
        with self._vault.guard():
            return await self._rows.fingerprints(key)

    def _new_password(self, password: str) -> str:
        """Prepare a password that is to be set."""
        prepared = self._vault.prepare(password, Refusal.WEAK_PASSWORD)
        if len(prepared) < self.rules.min_password:
            raise AccountError(Refusal.WEAK_PASSWORD)
        return prepared

    async def _renewed(self, row: AccountRow, prepared: str) -> AccountRow:
        return await self._vault.renewed(row, prepared, self.rules.scram_iterations)

    async def _own(
        self, account: str | None, password: str, source: Host
    ) -> AccountRow:
        """Let the owner of an account prove that it is them."""
        key = self._logged_in_as(account)
        ticket = self._admit(source, key)
        row, _ = await self._verified(key, password, ticket)
        self._throttle.succeeded(ticket)
        return row

    async def _unchanged(self, row: AccountRow) -> None:
        """Refuse if an account was changed since its password was checked."""
        if await self._rows.get(row.key) != row:
            raise AccountError(Refusal.BUSY)

    def _logged_in_as(self, account: str | None) -> str:
        """Give the key of the account as which somebody is logged in."""
        if account is None or not self.exists(account):
            raise AccountError(Refusal.NOT_LOGGED_IN)
        return fold(account)
