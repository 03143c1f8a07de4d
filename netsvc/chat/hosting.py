"""
What a hub needs beside it: the store, the accounts, the files that are read for it.

A service that has a hub of its own has a L{HubHost}; its frontends get the
L{Network<netsvc.chat.network.Network>}.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.internet import defer
from twisted.logger import Logger

from netsvc import __version__
from netsvc.chat import confusables
from netsvc.chat.accounts.passwords import Passwords
from netsvc.chat.accounts.registry import Accounts
from netsvc.chat.accounts.stored import StoredRows
from netsvc.chat.accounts.workers import Workers
from netsvc.chat.chronicle import Chronicle
from netsvc.chat.cloak import cloaker, uncloaked
from netsvc.chat.courier import Courier
from netsvc.chat.hub import Hub
from netsvc.chat.hub_config import (
    account_rules,
    hub_limits,
    operators,
    read_motd,
    read_password,
)
from netsvc.chat.hub_settings import HubSettings
from netsvc.chat.klines import KLines
from netsvc.chat.message_ids import message_ids
from netsvc.chat.names import WORDS, fold
from netsvc.chat.network import Network
from netsvc.chat.store.archive import Archive
from netsvc.chat.store.bans import Bans
from netsvc.chat.store.errors import StoreError
from netsvc.chat.store.history import History
from netsvc.chat.store.limits import StoreLimits
from netsvc.chat.store.markers import Markers
from netsvc.chat.store.retention import Retention
from netsvc.chat.store.seam import Work
from netsvc.chat.store.store import Store
from netsvc.daemon.refusing import refuse

#: Descriptors for the store and its threads.
STORE_FILES: Final = 16

DAY = 86400

#: Who is said to have said what a deleted account had; no nick can be this.
_DELETED = "(deleted)"

_T = TypeVar("_T")


def milliseconds() -> int:
    """Give the wall clock, in ms since the epoch."""
    return time.time_ns() // 1_000_000


async def _at_once(value: _T) -> _T:
    """Give what is there already to who awaits it."""
    return value


class _OpeningStore:
    """
    The store; while it is being opened, its connection itself, so that all that must
    be known before the first client comes is read at once.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection: sqlite3.Connection | None = None

    def submit(self, work: Work[_T]) -> Awaitable[_T]:
        """Write."""
        if self._connection is not None:
            return _at_once(work(self._connection))
        return self._store.submit(work)

    def post(self, work: Work[object]) -> None:
        """Write, with nobody waiting."""
        self._store.post(work)

    def read(self, work: Work[_T]) -> Awaitable[_T]:
        """Read."""
        if self._connection is not None:
            return _at_once(work(self._connection))
        return self._store.read(work)

    def opening(
        self, load: Callable[[], Coroutine[Any, Any, None]]
    ) -> Callable[[sqlite3.Connection], None]:
        """Make what L{Store.start} calls of a coroutine that awaits the store only."""

        def call(connection: sqlite3.Connection) -> None:
            self._connection = connection
            try:
                load().send(None)
            except StopIteration:
                pass
            else:
                raise AssertionError("it awaits something else than the store")
            finally:
                self._connection = None

        return call


class HubHost:
    """
    A hub, its store and what else is beside it.

    @ivar label: What the service is called in the log.
    @ivar store: Where history and accounts are.
    @ivar passwords: Makes and checks hashes, elsewhere.
    @ivar network: What the frontends share.
    @ivar settings: What it goes by.
    @ivar accounts: Accounts, if there are any.
    @ivar retention: Keeps the history within bounds.
    @ivar reload: Reloads the whole daemon, if it can; fires with what is wrong.
    """

    _log = Logger()

    def __init__(
        self,
        service: str,
        settings: HubSettings,
        reactor: Any,
        members: int,
        path: Path,
    ) -> None:
        """
        @param service: The service's name, for messages.
        @param settings: What is asked for.
        @param reactor: The reactor.
        @param members: How many people there may be.
        @param path: The store's file, or C{:memory:}.
        @raise SystemExit: If a file cannot be read, with one line for operators.
        """
        self._service = self.label = service
        self.settings = settings
        self.reload: Callable[[], defer.Deferred[list[str]]] | None = None
        self._reactor = reactor
        self._members = members
        limits = StoreLimits(deadline=settings.store_deadline)
        self.store = Store(path, reactor, limits=limits)
        self._opening = _OpeningStore(self.store)
        self._rows = StoredRows(self._opening)
        self._archive = Archive(self.store)
        self._bans = Bans(self.store)
        self._markers = Markers(self.store)
        self.retention = Retention(
            self.store,
            reactor,
            time.time,
            keep_time=settings.history_days or None,
            keep_rows=settings.history_messages or None,
        )
        self._workers = Workers(reactor)
        self.passwords = Passwords(self._workers.run)
        self.accounts = self._make_accounts()
        self.network = self._make_network()

    def _make_accounts(self) -> Accounts | None:
        settings = self.settings
        if not settings.accounts:
            return None
        return Accounts(
            self._rows,
            self.passwords,
            account_rules(settings),
            seconds=self._reactor.seconds,
            milliseconds=milliseconds,
            random=os.urandom,
            skeleton=confusables.key,
            forbidden=lambda name: fold(name) in WORDS,
        )

    def _make_network(self) -> Network:
        settings, accounts = self.settings, self.accounts
        keeps = settings.history
        started = milliseconds()
        hub = Hub(
            name=settings.server_name,
            courier=Courier(self.store if keeps else None),
            milliseconds=milliseconds,
            seconds=self._reactor.seconds,
            new_id=message_ids(started, os.urandom),
            limits=hub_limits(settings, self._members),
            archive=self._archive if keeps else None,
            reserved=self._reserved,
        )
        self._archive.alive = hub.state.rooms.__contains__
        chronicle = Chronicle(
            History(self.store),
            self._archive,
            self._markers,
            days=settings.history_days / DAY,
            messages=settings.history_messages,
            settled=self._settled,
        )
        return Network(
            hub=hub,
            name=settings.server_name,
            network=settings.network_name,
            version=f"netsvc-{__version__}",
            started=started,
            milliseconds=milliseconds,
            seconds=self._reactor.seconds,
            cloak=uncloaked,
            motd=self._read_motd(),
            lobby=settings.lobby,
            password=self._read_password(),
            operators=operators(settings),
            verifier=self.passwords,
            accounts=accounts,
            history=chronicle if keeps else None,
            forget=self._forget,
            bans=KLines(self._bans, milliseconds),
            rehash=self.rehash,
            noted=self._noted,
            description=settings.server_description,
            plain_login=settings.plain_login,
            admin=(settings.admin, "", ""),
        )

    def _read_motd(self) -> list[str]:
        """
        Read the message of the day.

        @raise SystemExit: If it cannot be read, with one line for operators.
        """
        try:
            return read_motd(self.settings)
        except ValueError as error:
            refuse(f"{self._service}: --motd: {error}")

    def _read_password(self) -> str | None:
        """
        Read the server's password.

        @raise SystemExit: If it cannot be read, or is empty.
        """
        try:
            return read_password(self.settings)
        except ValueError as error:
            refuse(f"{self._service}: --password: {error}")

    def _forget(self, account: str) -> None:
        """
        Forget what a deleted account has said, a little at a time.

        Its messages in rooms stay, under a name that was nobody's.
        """
        self.retention.forget(account, _DELETED).addErrback(
            lambda failure: self._log.error(
                "what the deleted account {account} said is not forgotten: {reason}",
                account=account,
                reason=str(failure.value),
                event="forget-failed",
            )
        )

    def _reserved(self, nick: str) -> str | None:
        """
        Give the account that a nick, by its key, is or looks like the name of.

        Words with which lines of the server begin, and the names of deleted accounts,
        belong to accounts of that name, which there are not.
        """
        if nick in WORDS:
            return nick
        if self.accounts is None:
            return None
        if self.accounts.was_deleted(nick):
            return nick
        return self.accounts.looks_like(nick)

    def _noted(self, who: str, what: str, about: str) -> None:
        """Log what an operator has done, or tried."""
        self._log.info(
            "operator {who}: {what} {about}",
            who=who,
            what=what,
            about=about,
            event="operator",
        )

    async def rehash(self) -> str:
        """
        Reload the daemon: an operator asks for it.

        @return: What went wrong, or nothing.
        """
        if self.reload is None:
            return "there is nothing to read again"
        return "; ".join(await self.reload())

    # The store.

    async def _settled(self) -> None:
        """Wait until all that was said before is stored."""
        if self.store.waiting:
            await self.store.submit(lambda connection: None)

    def open(self) -> None:
        """
        Open the store and read what is kept in memory.

        @raise SystemExit: If it cannot be used, with one line for operators.
        """
        store = self.store
        store.on_committed = self.network.hub.courier.committed
        store.on_degraded = self._degraded
        store.on_recovered = self._recovered
        try:
            store.start(
                self._archive.load, self._bans.load, self._opening.opening(self._load)
            )
        except StoreError as error:
            refuse(f"{self._service}: --store: {error}")
        self._workers.start()

    async def _load(self) -> None:
        """Read what must be known before the first client comes."""
        if self.accounts is not None:
            await self.accounts.load()
        if self.settings.cloak:
            secret = await self._rows.secret("cloak")
            if secret is None:
                secret = os.urandom(32)
                await self._rows.put_secret("cloak", secret)
            self.network.cloak = cloaker(secret)

    def _degraded(self, reason: str) -> None:
        """Chat goes on unstored."""
        self._log.error(
            "{service} does not store what is said: {reason}",
            service=self.label,
            reason=reason,
            event="store-degraded",
        )
        self.network.tell_operators(f"What is said is not stored: {reason}")

    def _recovered(self) -> None:
        """What is said is stored again."""
        self._archive.resave()
        self._bans.resave()
        self._log.warn(
            "{service} stores what is said again",
            service=self.label,
            event="store-recovered",
        )
        self.network.tell_operators("What is said is stored again")

    def start(self) -> None:
        """Begin what goes on beside the chat."""
        self.retention.start()

    @defer.inlineCallbacks
    def stop(self) -> Any:
        """Finish the store."""
        self.retention.stop()
        yield self.store.stop()
        self._workers.stop()

    def counters(self) -> dict[str, int]:
        """Give what was counted since the start, by name."""
        counted: Counter[str] = Counter()
        counted["deliveries"] = self.network.hub.courier.deliveries
        for limit, number in self.network.hub.refused.items():
            counted[f"limit-{limit}"] = number
        counted.update(self.network.counters)
        if self.accounts is not None:
            for name, number in self.accounts.counters.items():
                counted[f"accounts-{name}"] = number
        for name, number in asdict(self.store.counters).items():
            if number:
                counted[f"store-{name.replace('_', '-')}"] = number
        return dict(counted)
