"""
Logging in: by a password, by a certificate, by SCRAM; and how often.

What L{netsvc.chat.accounts.sasl.advance} asks. An unknown account and a wrong password
are the same to who asks: one text, and one hash computed (of a password that nobody
has). An account may be logged in on any number of connections: nothing here counts
them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from netsvc.chat.accounts.checks import Account, ScramLogin
from netsvc.chat.accounts.errors import AccountError, Refusal
from netsvc.chat.accounts.fingerprints import parse_fingerprint
from netsvc.chat.accounts.rows import AccountRow
from netsvc.chat.accounts.rules import AccountRules
from netsvc.chat.accounts.taken import TakenNames
from netsvc.chat.accounts.throttle import LoginThrottle, Ticket
from netsvc.chat.accounts.vault import Vault
from netsvc.chat.names import fold, valid_account
from netsvc.daemon.limits import source_key

Host = str | bytes | None


class Logins:
    """
    The accounts, as those see them who log in.

    A C{source} is the address of who asks, see L{netsvc.daemon.limits.source_key}.

    @ivar rules: What is allowed.
    @ivar counters: What happened, by name: C{registered}, C{deleted}, C{login},
        C{login-wrong}; throttled: C{login-source}, C{login-account},
        C{registration-source}; C{accounts-full}; and those of L{Vault}.
    """

    def __init__(
        self,
        vault: Vault,
        names: TakenNames,
        rules: AccountRules,
        seconds: Callable[[], float],
    ) -> None:
        """
        @param vault: The secrets.
        @param names: The names.
        @param rules: What is allowed.
        @param seconds: A clock that only goes forwards.
        """
        self.rules = rules
        self.counters = vault.counters
        self._vault = vault
        self._rows = vault.rows
        self._names = names
        self._seconds = seconds
        self._start_throttle()

    def configure(self, rules: AccountRules) -> None:
        """Go by other rules from now on; budgets start anew if their rates change."""
        old, self.rules = self.rules, rules
        if (old.source_rate, old.account_rate) != (
            rules.source_rate,
            rules.account_rate,
        ):
            self._start_throttle()

    def _start_throttle(self) -> None:
        rules = self.rules
        self._throttle = LoginThrottle(
            rules.source_rate, rules.account_rate, self.counters
        )

    def exists(self, name: str) -> bool:
        """Say whether there is an account of that name."""
        return self.reserved(name) is not None

    def reserved(self, nick: str) -> str | None:
        """Give the account whose name a nick is: nobody else may use it."""
        return self._names.name(fold(nick))

    async def login(self, name: str, password: str, *, source: Host) -> Account:
        """
        Log in by a password.

        @raise AccountError: C{OFF}, C{WRONG}, C{THROTTLED}, C{BUSY}, C{UNAVAILABLE}.
        """
        key = fold(name) if valid_account(name) else None
        ticket = self._admit(source, key)
        row, prepared = await self._verified(key, password, ticket)
        await self._vault.refresh(row, prepared, self.rules.scram_iterations)
        return self._logged_in(row, ticket)

    async def login_certificate(
        self, fingerprint: str, *, source: Host, name: str | None = None
    ) -> Account:
        """
        Log in by a certificate that the TLS layer has verified the client to have.

        @param fingerprint: Its SHA-256, see L{netsvc.chat.accounts.fingerprints}.
        @param name: The account that the client means, if it says so.
        @raise AccountError: C{OFF}, C{WRONG}, C{THROTTLED}, C{UNAVAILABLE},
            C{BAD_FINGERPRINT}.
        """
        sha256 = parse_fingerprint(fingerprint)
        ticket = self._admit(source, None)
        row = await self._read(self._rows.by_fingerprint, sha256, ticket)
        if row is None or (name is not None and fold(name) != row.key):
            raise self._wrong()
        return self._logged_in(row, ticket._replace(key=row.key))

    async def scram_start(self, name: str, *, source: Host) -> ScramLogin:
        """
        Begin a login by SCRAM: give the keys that a proof is checked against.

        An unknown account has keys too, always the same, and nothing proves them.

        @raise AccountError: C{OFF}, C{THROTTLED}, C{UNAVAILABLE}.
        """
        key = fold(name) if valid_account(name) else None
        ticket = self._admit(source, key)
        row = None
        if key is not None:
            row = await self._read(self._rows.get, key, ticket)
        keys = None if row is None else self._vault.keys(row)
        if row is not None and keys is not None:
            return ScramLogin(keys, row, ticket)
        keys = self._vault.made_up(fold(name), self.rules.scram_iterations)
        return ScramLogin(keys, None, ticket)

    async def scram_finish(self, login: ScramLogin) -> Account:
        """
        End a login by SCRAM whose proof was right.

        @raise AccountError: C{WRONG} if the keys are others in the meantime;
            C{UNAVAILABLE}.
        """
        if login.row is None:
            raise self._wrong()
        row = await self._read(self._rows.get, login.row.key, login.ticket)
        if row is None or row.scram != login.row.scram:
            raise self._wrong()
        return self._logged_in(row, login.ticket)

    def _admit(self, source: Host, key: str | None) -> Ticket:
        """Begin a try, unless there were too many."""
        if not self.rules.enabled:
            raise AccountError(Refusal.OFF)
        ticket = self._throttle.take(source_key(source), key, self._seconds())
        if ticket is None:
            raise AccountError(Refusal.THROTTLED)
        return ticket

    async def _read(
        self,
        read: Callable[[str], Awaitable[AccountRow | None]],
        key: str,
        ticket: Ticket,
    ) -> AccountRow | None:
        """Give an account that is not deleted; a try that cannot be made is free."""
        try:
            with self._vault.guard():
                row = await read(key)
        except AccountError:
            self._throttle.give_back(ticket)
            raise
        return row if row is not None and self.exists(row.key) else None

    async def _verified(
        self, key: str | None, password: str, ticket: Ticket
    ) -> tuple[AccountRow, str]:
        """Give the account whose password that is, and the password as prepared."""
        try:
            prepared = self._vault.prepare(password, Refusal.WRONG)
        except AccountError:
            raise self._wrong() from None
        row = None
        if key is not None:
            row = await self._read(self._rows.get, key, ticket)
        try:
            with self._vault.guard():
                right = await self._vault.verify(row, prepared)
        except AccountError:
            self._throttle.give_back(ticket)
            raise
        if row is None or not right or not self.exists(row.key):
            raise self._wrong()
        return row, prepared

    def _logged_in(self, row: AccountRow, ticket: Ticket) -> Account:
        self._throttle.succeeded(ticket)
        self.counters["login"] += 1
        return Account(row.name, row.created)

    def _wrong(self) -> AccountError:
        self.counters["login-wrong"] += 1
        return AccountError(Refusal.WRONG)
