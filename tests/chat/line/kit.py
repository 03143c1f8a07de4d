"""A chat in memory, with line clients that type and read, and no reactor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

from netsvc.chat.accounts.checks import Account
from netsvc.chat.accounts.errors import AccountError, Refusal
from netsvc.chat.events import Event, Said
from netsvc.chat.line.frontend import LineFrontend
from netsvc.chat.line.intake import LineIntake
from netsvc.chat.line.link import Peer, Work
from netsvc.chat.line.options import LineOptions
from netsvc.chat.line.session import LineSession
from netsvc.chat.names import fold
from netsvc.chat.network import Ban, HistoryBusy, Network, NoSuchMessage, Point
from netsvc.chat.records import Record, event
from tests.chat.hub_fakes import Chat


class Timer:
    """Something that will be called."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        """Call it no more."""
        self.cancelled = True


class Waiting:
    """Something to await until a test gives its result."""

    def __init__(self) -> None:
        self.done = False

    def __await__(self) -> Any:
        while not self.done:
            yield self


class Memory:
    """
    A history in memory.

    @ivar said: What was kept, by target.
    @ivar busy: Whether it answers nothing.
    @ivar holding: Whether what is kept is not safe yet.
    @ivar forgetful: Whether it knows no msgid.
    @ivar wait: What questions wait for.
    """

    days = 30.0
    messages = 10_000

    def __init__(self) -> None:
        self.said: dict[str, list[Event]] = {}
        self.busy = self.holding = self.forgetful = False
        self.wait: Waiting | None = None
        self.ticket = 0

    def append(self, record: Record) -> int:
        self.said.setdefault(record.target, []).append(event(record))
        if not self.holding:
            return 0
        self.ticket += 1
        return self.ticket

    def room_target(self, room: str) -> str:
        return room

    def direct_target(self, first: str, second: str) -> str:
        return " ".join(sorted((first, second)))

    def private(self, room: str, private: bool) -> None:
        """Nothing is sealed."""

    def ended(self, room: str) -> None:
        """Nothing is sealed."""

    async def _messages(self, target: str, end: int | None = None) -> list[Said]:
        if self.wait is not None:
            await self.wait
        if self.busy:
            raise HistoryBusy
        said = self.said.get(target, [])[:end]
        return [each for each in said if type(each) is Said]

    async def latest(
        self, target: str, after: Point | None, limit: int, **kwargs: Any
    ) -> Sequence[Event]:
        return (await self._messages(target))[-limit:]

    async def before(
        self, target: str, point: Point, limit: int, **kwargs: Any
    ) -> Sequence[Event]:
        kept = self.said.get(target, [])
        if point.time is not None:
            end = sum(each.time < point.time for each in kept)
        else:
            ids = [each.msgid for each in kept]
            if self.forgetful or point.msgid not in ids:
                raise NoSuchMessage(point.msgid)
            end = ids.index(point.msgid)
        return (await self._messages(target, end))[-limit:]

    async def search(self, target: str, words: str, limit: int) -> list[Said]:
        found = await self._messages(target)
        return [each for each in found if words in each.text][-limit:]


class Bans:
    """Bans by host."""

    def __init__(self, **reasons: str) -> None:
        self.reasons = {key.replace("_", "."): why for key, why in reasons.items()}

    def find(self, user: str, hosts: list[str]) -> Ban | None:
        for host in hosts:
            if host in self.reasons:
                return Ban(f"*@{host}", self.reasons[host], "admin", 0, None)
        return None


class FakeAccounts:
    """
    Accounts by name, with their passwords.

    @ivar wait: What questions wait for.
    """

    def __init__(self, **passwords: str) -> None:
        self.passwords = passwords
        self.wait: Waiting | None = None
        self.sources: list[Any] = []

    def reserved(self, nick: str) -> str | None:
        for name in self.passwords:
            if fold(name) == fold(nick):
                return name
        return None

    async def _asked(self, source: Any) -> None:
        self.sources.append(source)
        if self.wait is not None:
            await self.wait

    async def login(self, name: str, password: str, *, source: Any) -> Account:
        await self._asked(source)
        owner = self.reserved(name)
        if owner is None or self.passwords[owner] != password:
            raise AccountError(Refusal.WRONG)
        return Account(owner, 0)

    async def register(self, name: str, password: str, *, source: Any) -> Account:
        await self._asked(source)
        if self.reserved(name) is not None:
            raise AccountError(Refusal.ALREADY_REGISTERED)
        self.passwords[name] = password
        return Account(name, 0)

    async def change_password(
        self, account: str | None, old: str, new: str, *, source: Any
    ) -> None:
        if account is None:
            raise AccountError(Refusal.NOT_LOGGED_IN)
        await self.login(account, old, source=source)
        self.passwords[account] = new


class Client:
    """
    A client and its link, in memory.

    @ivar data: What it was sent and has not read.
    @ivar unsent: What a test says that it does not take.
    @ivar failures: Mistakes of ours.
    """

    def __init__(self, room: LineChat, address: str | None, secure: bool) -> None:
        self.chat = room
        self.data = b""
        self.encoding = "utf-8"
        self.unsent = 0
        self.closed = self.was_cut = self.held = False
        self.failures: list[Exception] = []
        self._works: list[tuple[Work, Timer, Callable[[Exception | None], None]]] = []
        self.session = LineSession(room.frontend, self, Peer(address, secure))
        self.intake = LineIntake(self.session, self)

    # The link.

    @property
    def stream(self) -> Client:
        return self

    def write(self, data: bytes) -> None:
        assert data and not self.closed, (data, self.closed)
        self.data += data

    def pending(self) -> int:
        return self.unsent

    def end(self) -> None:
        self.closed = True

    def cut(self) -> None:
        self.was_cut = True
        self.later(0, self.lose)

    def hold(self) -> None:
        assert not self.held
        self.held = True

    def release(self) -> None:
        assert self.held
        self.held = False

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        timer = Timer(self.chat.now + seconds, call)
        self.chat.timers.append(timer)
        return timer

    def run(
        self, work: Work, seconds: float, done: Callable[[Exception | None], None]
    ) -> None:
        def expire() -> None:
            self._works.remove(entry)
            work.close()
            done(TimeoutError())

        entry = (work, self.later(seconds, expire), done)
        self._works.append(entry)
        self.go_on()

    def go_on(self) -> None:
        """Go on with the work that waits."""
        for entry in list(self._works):
            work, timer, done = entry
            error: Exception | None = None
            try:
                work.send(None)
            except StopIteration:
                pass
            except Exception as e:
                error = e
            else:
                continue
            timer.cancel()
            self._works.remove(entry)
            done(error)

    def failed(self, error: Exception) -> None:
        self.failures.append(error)

    # The client.

    @property
    def nick(self) -> str:
        return self.session.me.nick

    def feed(self, data: bytes) -> None:
        """Send bytes."""
        self.intake.feed(data)

    def type(self, *lines: str) -> Client:
        """Send lines, each in one go."""
        for line in lines:
            self.feed(line.encode(self.encoding) + b"\n")
        return self

    def read(self) -> list[str]:
        """Give the lines that came since the last time."""
        data, self.data = self.data, b""
        text = data.decode(self.encoding)
        assert not text or text.endswith("\r\n"), text
        lines = text.split("\r\n")[:-1]
        assert not any("\n" in line or "\r" in line for line in lines), lines
        return lines

    def ask(self, *lines: str) -> list[str]:
        """Type lines; give what comes back."""
        self.read()
        return self.type(*lines).read()

    def lose(self, reason: str = "Connection lost") -> None:
        """The connection is gone."""
        for work, timer, _ in self._works:
            work.close()
            timer.cancel()
        self._works.clear()
        self.intake.lost(reason)


class LineChat(Chat):
    """
    A chat with a line frontend.

    @ivar timers: Calls that are due later.
    @ivar memory: The history.
    """

    def __init__(
        self,
        options: LineOptions | None = None,
        *,
        history: bool = True,
        accounts: FakeAccounts | None = None,
        limits: Any = None,
        **network: Any,
    ) -> None:
        self.timers: list[Timer] = []
        self.memory = Memory()
        more: dict[str, Any] = {}
        if accounts is not None:
            more["reserved"] = accounts.reserved
        if history:
            more["archive"] = self.memory
        super().__init__(limits, self.memory if history else None, **more)
        self.network = Network(
            hub=self.hub,
            name="irc.test.example",
            network="TestNet",
            version="netsvc",
            started=0,
            milliseconds=lambda: int(self.now * 1000),
            seconds=lambda: self.now,
            cloak=lambda address: f"{address or 'local'}.cloak",
            history=self.memory if history else None,  # type: ignore[arg-type]
            accounts=accounts,  # type: ignore[arg-type]
            **network,
        )
        self.frontend = LineFrontend(self.network, options, zone=UTC)

    @property
    def counters(self) -> dict[str, int]:
        """What was counted."""
        return dict(self.network.counters)

    @property
    def due(self) -> list[Timer]:
        """Calls that nobody has cancelled."""
        return [timer for timer in self.timers if not timer.cancelled]

    def connect(
        self, address: str | None = "192.0.2.1", *, secure: bool = False
    ) -> Client:
        """Let a client connect, which has not read its greeting."""
        client = Client(self, address, secure)
        client.intake.begin()
        return client

    def client(self, nick: str = "", address: str = "192.0.2.1") -> Client:
        """Let a client connect, take a nick, and have read all there is."""
        client = self.connect(address)
        if nick:
            client.type(f"/nick {nick}")
        client.read()
        return client

    def clients(self, *nicks: str) -> list[Client]:
        """Let clients connect from different hosts, who have read all there is."""
        found = [
            self.client(nick, f"192.0.2.{number}")
            for number, nick in enumerate(nicks, 1)
        ]
        for client in found:
            client.read()
        return found

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        end = self.now + seconds
        while due := [timer for timer in self.due if timer.at <= end]:
            timer = min(due, key=lambda each: each.at)
            self.timers.remove(timer)
            self.now = max(self.now, timer.at)
            timer.call()
        self.now = end
        self.timers = self.due

    def commit(self) -> None:
        """What is kept is safe now."""
        self.courier.committed(self.memory.ticket)
