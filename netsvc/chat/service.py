"""
The chat service: the store, the hub, its frontends and their listeners, in the order
in which they start and stop.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from twisted.application.service import Service
from twisted.internet import defer, task
from twisted.logger import Logger

from netsvc import __version__
from netsvc.chat import confusables
from netsvc.chat.accounts.passwords import Passwords
from netsvc.chat.accounts.registry import Accounts
from netsvc.chat.accounts.rules import AccountRules
from netsvc.chat.accounts.stored import StoredRows
from netsvc.chat.accounts.workers import Workers
from netsvc.chat.chronicle import Chronicle
from netsvc.chat.cloak import cloaker, uncloaked
from netsvc.chat.courier import Courier
from netsvc.chat.hub import Hub
from netsvc.chat.irc.config import IrcConfig, WebGateway
from netsvc.chat.irc.frontend import IrcFrontend
from netsvc.chat.irc.server import IrcFactory
from netsvc.chat.klines import KLines
from netsvc.chat.limits import HubLimits
from netsvc.chat.line.frontend import LineFrontend
from netsvc.chat.line.options import LineOptions
from netsvc.chat.line.server import LineFactory
from netsvc.chat.message_ids import message_ids
from netsvc.chat.names import WORDS, fold
from netsvc.chat.network import Network
from netsvc.chat.settings import ChatSettings
from netsvc.chat.store.archive import Archive
from netsvc.chat.store.bans import Bans
from netsvc.chat.store.database import default_path
from netsvc.chat.store.errors import StoreError
from netsvc.chat.store.history import History
from netsvc.chat.store.limits import StoreLimits
from netsvc.chat.store.markers import Markers
from netsvc.chat.store.retention import Retention
from netsvc.chat.store.seam import Work
from netsvc.chat.store.store import Store
from netsvc.daemon import logs
from netsvc.daemon.connections import Connections, Timeouts
from netsvc.daemon.descriptors import connection_limit
from netsvc.daemon.lifecycle import refuse
from netsvc.daemon.limits import ConnectionLimits
from netsvc.daemon.listen import Listen
from netsvc.daemon.listeners import Listeners
from netsvc.multiplex import fan_out

NAME = "netsvc-chat"

#: Seconds between two looks at who has not registered, or is silent.
TICK = 1.0

#: Descriptors for the store and its threads.
_STORE_FILES = 16

#: The most bytes of a message of the day, and the most of a password file.
_MOTD_LIMIT = 64 * 1024
_PASSWORD_LIMIT = 512

DAY = 86400

#: Who is said to have said what a deleted account had; no nick can be this.
_DELETED = "(deleted)"

_T = TypeVar("_T")


def _milliseconds() -> int:
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


def read_text(path: Path, limit: int) -> str:
    """
    Read a small file of text.

    @raise ValueError: If it cannot be read, is too large or no UTF-8: one line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > limit:
        raise ValueError(f"{path} has more than {limit} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error.reason}") from None


class ChatService(Service):
    """
    netsvc-chat.

    @ivar network: The chat.
    """

    _log = Logger()

    def __init__(self, settings: ChatSettings, reactor: Any) -> None:
        """
        @param settings: What is asked for.
        @param reactor: The reactor.
        """
        self._settings = settings
        self._reactor = reactor
        path = settings.store or default_path(os.environ)
        limits = StoreLimits(deadline=settings.store_deadline)
        self.store = Store(path, reactor, limits=limits)
        self._opening = _OpeningStore(self.store)
        self._rows = StoredRows(self._opening)
        self._archive = Archive(self.store)
        self._bans = Bans(self.store)
        self._markers = Markers(self.store)
        self._retention = Retention(
            self.store,
            reactor,
            time.time,
            keep_time=settings.history_days or None,
            keep_rows=settings.history_messages or None,
        )
        self._workers = Workers(reactor)
        self.passwords = Passwords(self._workers.run)
        self._accounts = self._make_accounts()
        self.network = self._make_network()
        self._irc = IrcFrontend(
            self.network,
            self._irc_config(),
            nonce=lambda: secrets.token_urlsafe(18),
            fan_out=fan_out,
        )
        self._line = LineFrontend(self.network, self._line_options(), fan_out=fan_out)
        self._max_connections = connection_limit(
            settings.max_connections, others=_STORE_FILES
        )
        timeouts = Timeouts(
            idle=0,  # the frontends know better who is idle
            handshake=settings.handshake_timeout,
            close=settings.close_timeout,
        )
        self.connections = Connections(
            NAME,
            ConnectionLimits(
                self._max_connections,
                settings.max_connections_per_source,
                settings.connection_rate,
            ),
            timeouts,
            reactor,
        )
        self._listeners = [
            self._listen(settings.line, self._line_factory),
            self._listen(settings.irc, self._irc_factory),
        ]
        self._ticking = task.LoopingCall(self._tick)
        self._ticking.clock = reactor

    # What there is.

    def _make_accounts(self) -> Accounts | None:
        settings = self._settings
        if not settings.accounts:
            return None
        rules = AccountRules(
            min_password=settings.min_password,
            source_rate=settings.login_rate,
            account_rate=settings.account_login_rate,
            registration_rate=settings.registration_rate,
        )
        return Accounts(
            self._rows,
            self.passwords,
            rules,
            seconds=self._reactor.seconds,
            milliseconds=_milliseconds,
            random=os.urandom,
            skeleton=confusables.key,
            forbidden=lambda name: fold(name) in WORDS,
        )

    def _make_network(self) -> Network:
        settings, accounts = self._settings, self._accounts
        keeps = settings.history
        started = _milliseconds()
        hub = Hub(
            name=settings.server_name,
            courier=Courier(self.store if keeps else None),
            milliseconds=_milliseconds,
            seconds=self._reactor.seconds,
            new_id=message_ids(started, os.urandom),
            limits=HubLimits(
                members=settings.max_connections,
                rooms=settings.max_rooms,
                rooms_per_member=settings.max_rooms_per_member,
                members_per_room=settings.max_members_per_room,
                message_rate=settings.message_rate,
                join_rate=settings.join_rate,
                nick_rate=settings.nick_rate,
            ),
            archive=self._archive if keeps else None,
            reserved=self._reserved,
        )
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
            milliseconds=_milliseconds,
            seconds=self._reactor.seconds,
            cloak=uncloaked,
            motd=self._read_motd(),
            lobby=settings.lobby,
            password=self._read_password(),
            operators={each.name: each.hashed for each in settings.oper},
            verifier=self.passwords,
            accounts=accounts,
            history=chronicle if keeps else None,
            forget=self._forget,
            bans=KLines(self._bans, _milliseconds),
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
        path = self._settings.motd
        if path is None:
            return []
        try:
            return read_text(path, _MOTD_LIMIT).splitlines()
        except ValueError as error:
            refuse(f"{NAME}: --motd: {error}")

    def _read_password(self) -> str | None:
        """
        Read the server's password.

        @raise SystemExit: If it cannot be read, or is empty.
        """
        path = self._settings.password
        if path is None:
            return None
        try:
            password = read_text(path, _PASSWORD_LIMIT).rstrip("\r\n")
            if not password:
                raise ValueError(f"{path} is empty")
        except ValueError as error:
            refuse(f"{NAME}: --password: {error}")
        return password

    def _irc_config(self) -> IrcConfig:
        settings = self._settings
        idle = settings.idle_timeout
        return IrcConfig(
            registration_timeout=settings.registration_timeout,
            ping_interval=idle / 2,
            ping_timeout=idle,
            command_rate=settings.command_rate,
            send_queue=settings.send_queue,
            password_rate=settings.login_rate,
            sts_port=settings.sts_port or None,
            sts_duration=int(settings.sts_duration) if settings.sts_name else None,
            sts_names=frozenset(name.lower() for name in settings.sts_name),
            gateways=tuple(
                WebGateway(each.address, each.password) for each in settings.webirc
            ),
        )

    def _line_options(self) -> LineOptions:
        settings = self._settings
        return LineOptions(
            line_limit=settings.line_limit,
            replay=settings.replay,
            send_queue=settings.send_queue,
            command_rate=settings.command_rate,
            idle_timeout=settings.idle_timeout,
            password_timeout=settings.registration_timeout,
            password_rate=settings.login_rate,
        )

    def _tick(self) -> None:
        """Look who is silent, or has taken too long."""
        self._irc.tick()
        self._line.tick()

    def _listen(self, listens: tuple[Listen | None, ...], make: Any) -> Listeners:
        """Make the listeners of one frontend."""
        bound = [listen for listen in listens if listen is not None]

        def datagram() -> Any:
            raise ValueError("chat does not listen on datagrams")

        return Listeners(NAME, bound, make, datagram, self._reactor)

    def _irc_factory(self, transport: str) -> IrcFactory:
        """Make the factory of an IRC stream."""
        return IrcFactory(self.connections, transport, self._irc, self._reactor)

    def _line_factory(self, transport: str) -> LineFactory:
        """Make the factory of a stream of lines."""
        return LineFactory(self.connections, transport, self._line, self._reactor)

    def _forget(self, account: str) -> None:
        """
        Forget what a deleted account has said, a little at a time.

        Its messages in rooms stay, under a name that was nobody's.
        """
        self._retention.forget(account, _DELETED).addErrback(
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
        if self._accounts is None:
            return None
        if self._accounts.was_deleted(nick):
            return nick
        return self._accounts.looks_like(nick)

    def _noted(self, who: str, what: str, about: str) -> None:
        """Log what an operator has done, or tried."""
        self._log.info(
            "operator {who}: {what} {about}",
            who=who,
            what=what,
            about=about,
            event="operator",
        )

    def rehash(self) -> str:
        """
        Read the message of the day again.

        @return: What went wrong, or nothing.
        """
        path = self._settings.motd
        if path is not None:
            try:
                self.network.motd[:] = read_text(path, _MOTD_LIMIT).splitlines()
            except ValueError as error:
                return str(error)
        return ""

    # The store.

    async def _settled(self) -> None:
        """Wait until all that was said before is stored."""
        if self.store.waiting:
            await self.store.submit(lambda connection: None)

    def _open_store(self) -> None:
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
            refuse(f"{NAME}: --store: {error}")

    async def _load(self) -> None:
        """Read what must be known before the first client comes."""
        if self._accounts is not None:
            await self._accounts.load()
        if self._settings.cloak:
            secret = await self._rows.secret("cloak")
            if secret is None:
                secret = os.urandom(32)
                await self._rows.put_secret("cloak", secret)
            self.network.cloak = cloaker(secret)

    def _degraded(self, reason: str) -> None:
        """Chat goes on unstored."""
        self._log.error(
            "{service} does not store what is said: {reason}",
            service=NAME,
            reason=reason,
            event="store-degraded",
        )
        self.network.tell_operators(f"What is said is not stored: {reason}")

    def _recovered(self) -> None:
        """What is said is stored again."""
        self._archive.resave()
        self._bans.resave()
        self._log.warn(
            "{service} stores what is said again", service=NAME, event="store-recovered"
        )
        self.network.tell_operators("What is said is stored again")

    # IService

    def privilegedStartService(self) -> None:
        """
        Bind the ports.

        @raise SystemExit: If one cannot be bound.
        """
        super().privilegedStartService()
        try:
            for listeners in self._listeners:
                listeners.privilegedStartService()
        except BaseException:
            for listeners in self._listeners:
                listeners.stop_listening()
            raise

    def startService(self) -> None:
        """
        Start.

        @raise SystemExit: If a port cannot be bound or the store not be used, with
            one line for operators.
        """
        self._open_store()
        self._workers.start()
        super().startService()
        for listeners in self._listeners:
            listeners.startService()
        self.connections.start()
        self._retention.start()
        self._ticking.start(TICK, now=False)
        if self._max_connections < self._settings.max_connections:
            self._log.warn(
                "netsvc-chat takes {limit} connections: the system allows no more"
                " open files (ulimit -Hn)",
                limit=self._max_connections,
                event="limit-lowered",
            )

    def drain(self, timeout: float) -> defer.Deferred[None]:
        """
        Stop listening, say good-bye to everybody, and let that go out.

        @param timeout: Seconds after which to cut the connections.
        @return: A Deferred that fires when none is left.
        """
        for listeners in self._listeners:
            listeners.stop_listening()
        for member in list(self.network.hub.state.members.values()):
            member.session.close("The server is stopping")
        for session in list(self._irc.unregistered):
            session.close("The server is stopping")
        self._line.stop("The server is stopping")
        return self.connections.drain(timeout)

    @defer.inlineCallbacks
    def stopService(self) -> Any:
        """Stop: close the ports, cut the connections, finish the store."""
        super().stopService()
        for listeners in self._listeners:
            yield listeners.stopService()
        if self._ticking.running:
            self._ticking.stop()
        self.connections.stop()
        self._retention.stop()
        yield self.store.stop()
        self._workers.stop()
        counters = self.counters()
        self._log.info(
            "netsvc-chat has stopped: {text}",
            text=", ".join(f"{k}={v}" for k, v in counters.items()),
            counters=counters,
            event="stopped",
        )

    def counters(self) -> dict[str, int]:
        """Give what was counted since the start, by name."""
        counted: Counter[str] = Counter()
        counted["connections"] = self.connections.accepted
        counted["deliveries"] = self.network.hub.courier.deliveries
        for reason, number in self.connections.limits.refused.items():
            counted[f"refused-{reason}"] = number
        turned_away = sum(each.turned_away for each in self._listeners)
        if turned_away:
            counted["refused-descriptors"] = turned_away
        for reason, number in self.connections.ended.items():
            counted[f"ended-{reason}"] = number
        for limit, number in self.network.hub.refused.items():
            counted[f"limit-{limit}"] = number
        counted.update(self.network.counters)
        if self._accounts is not None:
            for name, number in self._accounts.counters.items():
                counted[f"accounts-{name}"] = number
        for name, number in asdict(self.store.counters).items():
            if number:
                counted[f"store-{name.replace('_', '-')}"] = number
        if logs.write_errors:
            counted["log-write-errors"] = logs.write_errors
        return dict(counted)
