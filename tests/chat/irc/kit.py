"""A chat in memory, with IRC clients that send and read lines, and no reactor."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from netsvc.chat.bus import LocalBus
from netsvc.chat.courier import Courier
from netsvc.chat.hub import Hub
from netsvc.chat.irc.config import IrcConfig
from netsvc.chat.irc.frontend import IrcFrontend
from netsvc.chat.irc.link import Peer, Work
from netsvc.chat.irc.session import IrcSession
from netsvc.chat.limits import HubLimits
from netsvc.chat.network import Network
from tests.chat.irc.memory_history import MemoryHistory, Pending

#: 2026-04-30 12:00:00 UTC, in ms.
START = 1_777_550_400_000

SERVER = "irc.example.net"


class Clock:
    """A clock that goes forwards when told to, and calls what is due."""

    def __init__(self) -> None:
        """Start at L{START}."""
        self.now = 0.0
        self._calls: list[tuple[float, int, Callable[[], None], FakeTimer]] = []
        self._numbers = itertools.count()

    def seconds(self) -> float:
        """Give the seconds since the start."""
        return self.now

    def milliseconds(self) -> int:
        """Give the wall-clock time."""
        return START + round(self.now * 1000)

    def later(self, seconds: float, call: Callable[[], None]) -> FakeTimer:
        """Call something later."""
        timer = FakeTimer()
        self._calls.append((self.now + seconds, next(self._numbers), call, timer))
        return timer

    def advance(self, seconds: float = 0.0) -> None:
        """Let time go by."""
        end = self.now + seconds
        while True:
            due = [each for each in self._calls if each[0] <= end]
            if not due:
                break
            first = min(due, key=lambda each: each[:2])
            self._calls.remove(first)
            self.now = max(self.now, first[0])
            if not first[3].cancelled:
                first[2]()
        self.now = end


class FakeTimer:
    """Something that will be called."""

    def __init__(self) -> None:
        """Start not cancelled."""
        self.cancelled = False

    def cancel(self) -> None:
        """Call it no more."""
        self.cancelled = True


class FakeTransport:
    """What is written, and what becomes of the connection."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.data = b""
        self.written = 0

    def write(self, data: bytes) -> None:
        """Take bytes."""
        self.data += data
        self.written += len(data)


@dataclass
class Line:
    """
    A line that a client has got.

    @ivar raw: As it was, without its end.
    """

    raw: str
    tags: dict[str, str] = field(default_factory=dict)
    source: str = ""
    verb: str = ""
    params: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, raw: str) -> Line:
        """Read a line as a client does."""
        line, rest = cls(raw), raw
        if rest.startswith("@"):
            tags, _, rest = rest[1:].partition(" ")
            for tag in tags.split(";"):
                name, _, value = tag.partition("=")
                line.tags[name] = value
        if rest.startswith(":"):
            line.source, _, rest = rest[1:].partition(" ")
        rest, colon, last = rest.partition(" :")
        line.verb, *line.params = rest.split()
        if colon:
            line.params.append(last)
        return line


class FakeLink:
    """A session's connection, in memory."""

    def __init__(self, clock: Clock) -> None:
        """Start open."""
        self.stream = FakeTransport()
        self.clock = clock
        self.later = clock.later
        self.closed = self.aborted = self.held = False
        self.unsent = 0
        self.failures: list[Exception] = []
        self._work: Work | None = None
        self._done: Callable[[Exception | None], None] | None = None
        self._deadline: FakeTimer | None = None

    def pending(self) -> int:
        """Give what a test says that the peer has not taken."""
        return self.unsent

    def lose(self) -> None:
        """The connection ends."""
        self.closed = True

    def abort(self) -> None:
        """The connection is cut."""
        self.closed = self.aborted = True

    def hold(self) -> None:
        """Do not read."""
        self.held = True

    def release(self) -> None:
        """Read again."""
        self.held = False

    def sleep(self, seconds: float) -> Pending:
        """Give what is done after that time."""
        pending = Pending()

        def wake() -> None:
            pending.complete()
            self.resume()

        self.clock.later(seconds, wake)
        return pending

    def run(
        self, work: Work, seconds: float, done: Callable[[Exception | None], None]
    ) -> None:
        """Do some work as far as it goes."""
        self._work, self._done = work, done
        self._deadline = self.clock.later(seconds, self._too_long)
        self.resume()

    def resume(self) -> None:
        """Go on with the work that waits, if there is any."""
        work, done = self._work, self._done
        if work is None or done is None:
            return
        error: Exception | None = None
        try:
            work.send(None)
        except StopIteration:
            pass
        except Exception as e:
            error = e
        else:
            return
        self._finish()
        done(error)

    def _finish(self) -> None:
        assert self._deadline is not None
        self._deadline.cancel()
        self._work = self._done = None

    def _too_long(self) -> None:
        work, done = self._work, self._done
        assert work is not None and done is not None
        self._finish()
        work.close()
        done(TimeoutError())

    def failed(self, error: Exception) -> None:
        """Raise what must not happen in a test, unless it asks for it."""
        self.failures.append(error)


class Client:
    """
    An IRC client.

    @ivar session: The server's side of it.
    @ivar link: Its connection.
    """

    def __init__(self, chat: Chat, peer: Peer) -> None:
        """Connect."""
        self.chat = chat
        self.link = FakeLink(chat.clock)
        self.session = IrcSession(chat.frontend, self.link, peer)

    def send(self, *lines: str | bytes) -> None:
        """Send lines, all in one flight."""
        self.session.receive(
            b"".join(
                (line.encode() if isinstance(line, str) else line) + b"\r\n"
                for line in lines
            )
        )

    def raw(self) -> list[str]:
        """Give the lines that came since the last look, without their ends."""
        data, self.link.stream.data = self.link.stream.data, b""
        assert not data or data.endswith(b"\r\n"), data
        assert b"\r\r" not in data, data
        if self.link.failures:
            raise self.link.failures.pop()
        return data.decode().split("\r\n")[:-1]

    def lines(self) -> list[Line]:
        """Give the lines that came since the last look."""
        return [Line.read(raw) for raw in self.raw()]

    def verbs(self) -> list[str]:
        """Give the commands and numerics that came since the last look."""
        return [line.verb for line in self.lines()]

    def ask(self, *lines: str | bytes) -> list[str]:
        """Send lines, and give what came then; what came before is forgotten."""
        self.raw()
        self.send(*lines)
        return self.raw()

    def lose(self, reason: str = "Connection closed") -> None:
        """Lose the connection."""
        self.session.lost(reason)

    @property
    def closed(self) -> bool:
        """Whether the server has ended the connection."""
        return self.link.closed


class Chat:
    """
    A chat with an IRC frontend.

    @ivar clock: Its time.
    @ivar hub: Its hub.
    @ivar network: What frontends share.
    @ivar frontend: The IRC side.
    """

    def __init__(
        self,
        config: IrcConfig | None = None,
        limits: HubLimits | None = None,
        *,
        history: MemoryHistory | None = None,
        **network: Any,
    ) -> None:
        """
        Start one.

        @param config: The frontend's settings; by default without a command rate, and
            without a mark before user names.
        @param limits: The hub's limits.
        @param history: What keeps, names and gives what was said.
        @param network: Other attributes of the network.
        """
        self.clock = Clock()
        ids = itertools.count(1)
        accounts = network.get("accounts")
        self.courier = Courier(history)
        if history is not None:
            history.courier = self.courier
        self.hub = Hub(
            name=SERVER,
            courier=self.courier,
            milliseconds=self.clock.milliseconds,
            seconds=self.clock.seconds,
            new_id=lambda: f"m{next(ids)}",
            limits=limits,
            archive=history,
            reserved=(lambda nick: None) if accounts is None else accounts.reserved,
            bus=LocalBus(),
        )
        self.network = Network(
            hub=self.hub,
            name=SERVER,
            network="Example",
            version="netsvc-1",
            started=START,
            milliseconds=self.clock.milliseconds,
            seconds=self.clock.seconds,
            cloak=lambda address: f"{address or 'unix'}.cloak",
            history=history,
            **network,
        )
        self.frontend = IrcFrontend(
            self.network,
            config or IrcConfig(command_rate=None, user_prefix=""),
            nonce=lambda: "servernonce",
        )

    def connect(
        self,
        address: str | None = "192.0.2.1",
        *,
        secure: bool = False,
        fingerprint: str | None = None,
    ) -> Client:
        """Connect a client, which sends nothing yet."""
        return Client(self, Peer(address, secure, fingerprint))

    def client(
        self,
        nick: str,
        *caps: str,
        address: str = "192.0.2.1",
        account: str | None = None,
    ) -> Client:
        """
        Connect a client, register it with capabilities, and forget the welcome.

        @param account: The account that it is logged in to, whatever its password.
        """
        client = self.connect(address)
        if account is not None:
            client.session.logged_in(account)
        if caps:
            client.send("CAP LS 302", f"CAP REQ :{' '.join(caps)}")
        client.send(f"NICK {nick}", f"USER {nick.lower()} 0 * :{nick} Real")
        if caps:
            client.send("CAP END")
        verbs = client.verbs()
        assert "001" in verbs, verbs
        return client

    def room(self, name: str, *nicks: str) -> list[Client]:
        """Connect clients and bring them into a room; the first is its operator."""
        clients = [self.client(nick) for nick in nicks]
        for client in clients:
            client.send(f"JOIN {name}")
        for client in clients:
            client.raw()
        return clients
