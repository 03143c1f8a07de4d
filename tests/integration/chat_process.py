"""
Runs netsvc-chat as an operator does, with clients that a test plays.

L{ChatCase} starts processes on loopback ports that the system chooses, with stores of
their own, and ends them all. Whatever such a process writes must be free of tracebacks
and critical lines, in every test. All waits are bounded.
"""

from __future__ import annotations

import re
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.echo_process import COMMANDS, PATIENCE, cpu_seconds, until
from tests.integration.streams import ANSWER

#: A listen string for a port that the system chooses.
TCP = "tcp:0:interface=127.0.0.1"

#: The server's name.
SERVER = "irc.test.example"

_LISTENS = re.compile(
    r"netsvc-chat listens on [^\n]*\(127\.0\.0\.1:(\d+)\)$", re.MULTILINE
)
_STOPPED = re.compile(r"netsvc-chat has stopped: (.*)$", re.MULTILINE)
_TROUBLE = ("Traceback", "Unhandled", "#critical]", '"level": "critical"')


def command(
    *options: str,
    store: str | Path = ":memory:",
    line: Sequence[str] = (TCP,),
    irc: Sequence[str] = (TCP,),
) -> list[str]:
    """Give the command line of a service; see L{ChatProcess}."""
    listens = [word for each in line for word in ("--line", each)]
    listens += [word for each in irc for word in ("--irc", each)]
    words = (*listens, "--store", str(store), "--server-name", SERVER)
    # A busy disk is not one that does not answer.
    words = (*words, "--store-deadline", "60s", *options)
    return [str(COMMANDS / "twistd"), "-n", "--pidfile=", "netsvc-chat", *words]


def hash_of(password: str) -> str:
    """Give the hash of a password, as an operator makes it."""
    done = subprocess.run(
        [str(COMMANDS / "netsvc"), "hash-password"],
        input=f"{password}\n".encode(),
        stdout=subprocess.PIPE,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout.decode().strip()


class ChatProcess:
    """
    A process that runs netsvc-chat.

    @ivar pid: Its process id.
    @ivar log_file: What it writes, on stdout and stderr.
    @ivar begun: When it was started, by the monotonic clock.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        store: str | Path = ":memory:",
        line: Sequence[str] = (TCP,),
        irc: Sequence[str] = (TCP,),
        wrap: Sequence[str] = (),
    ) -> None:
        """
        Start it; L{wait} waits until it listens.

        @param folder: Its current directory, where its log is written, too.
        @param options: The service's options.
        @param store: Where it keeps what is said.
        @param line: Its listen strings for lines.
        @param irc: Those for IRC.
        @param wrap: A command that runs the command which follows it.
        """
        self._lines, self._ircs = len(line), len(irc)
        number = len(list(folder.glob("chat*.log")))
        self.log_file = folder / f"chat{number}.log"
        self.begun = time.monotonic()
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [*wrap, *command(*options, store=store, line=line, irc=irc)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid
        self._ports: list[int] = []

    def wait(self) -> ChatProcess:
        """Wait until it listens on everything."""

        def listening() -> bool:
            assert self.running, self.log()
            self._ports = [int(port) for port in _LISTENS.findall(self.log())]
            return len(self._ports) == self._lines + self._ircs

        until(listening, "the chat listens", PATIENCE)
        return self

    def line_port(self, number: int = 0) -> int:
        """Give the port of a listen string for lines."""
        return self._ports[number]

    def irc_port(self, number: int = 0) -> int:
        """Give the port of a listen string for IRC."""
        return self._ports[self._lines + number]

    def log(self) -> str:
        """Give what it has written so far."""
        return self.log_file.read_text("utf-8", "replace")

    def trouble(self) -> list[str]:
        """Give the lines of the log that no peer must be able to cause."""
        return [
            line for line in self.log().splitlines() if any(t in line for t in _TROUBLE)
        ]

    def cpu(self) -> float:
        """Give the seconds of processor time it has used."""
        return cpu_seconds(self.pid)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def status(self, seconds: float = PATIENCE) -> int:
        """Wait for its end, and give its exit status."""
        return self._process.wait(seconds)

    def stop(self) -> dict[str, int]:
        """End it when it has drained, and give what it has counted."""
        self.signal(signal.SIGTERM)
        status = self.status()
        assert status == 0, (status, self.log())
        return self.counters()

    def counters(self) -> dict[str, int]:
        """Give the numbers of the line that it writes when it has stopped."""
        found = _STOPPED.search(self.log())
        assert found, self.log()
        pairs = (pair.partition("=") for pair in found[1].split(", "))
        return {name: int(number) for name, _, number in pairs}

    def kill(self) -> None:
        """End it for certain, and without warning."""
        if self.running:
            self._process.kill()
            self._process.wait(PATIENCE)


class Talker:
    """
    A client over a socket: it sends lines, and waits for lines.

    @ivar seen: All lines that it was sent, in order.
    @ivar rest: What came behind the last of them.
    @ivar encoding: Its character set.
    @ivar closed: Whether the stream has ended.
    """

    end = "\r\n"

    def __init__(self, client: socket.socket, encoding: str = "utf-8") -> None:
        """Talk over a socket that is connected."""
        self.socket = client
        self.encoding = encoding
        self.seen: list[str] = []
        self.closed = False
        self.rest = b""
        self._next = 0

    def send(self, *lines: str) -> None:
        """Send lines."""
        text = "".join(line + self.end for line in lines)
        self.socket.sendall(text.encode(self.encoding))

    def take(self, seconds: float) -> bool:
        """Receive what there is; say whether anything was, or the stream has ended."""
        # TLS may hold what select does not see.
        waiting = getattr(self.socket, "pending", int)()
        if not waiting and not select.select([self.socket], [], [], seconds)[0]:
            return False
        try:
            data = self.socket.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return True
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.got(line.removesuffix(b"\r").decode(self.encoding))
        return True

    def got(self, line: str) -> None:
        """Take a line."""
        self.seen.append(line)

    def expect(self, text: str, seconds: float = ANSWER) -> str:
        """
        Wait for a line that contains a text, behind those expected before; give it.
        """
        deadline = time.monotonic() + seconds
        while True:
            for number in range(self._next, len(self.seen)):
                if text in self.seen[number]:
                    self._next = number + 1
                    return self.seen[number]
            left = deadline - time.monotonic()
            if self.closed or left <= 0 or not self.take(left):
                what = "the stream has ended" if self.closed else f"{seconds:g} s"
                raise AssertionError(f"{text!r} not in {self.seen[-30:]} ({what})")

    def sync(self) -> None:
        """Wait until all that was sent so far is done."""
        raise NotImplementedError

    def forget(self) -> None:
        """Forget what was seen."""
        self.seen.clear()
        self._next = 0

    def has(self, text: str) -> bool:
        """Whether any line so far contains a text."""
        return any(text in line for line in self.seen)

    def wait_end(self, seconds: float = ANSWER) -> list[str]:
        """Wait for the end of the stream; give all lines."""
        deadline = time.monotonic() + seconds
        while not self.closed:
            left = deadline - time.monotonic()
            assert left > 0, f"no end within {seconds:g} s: {self.seen[-10:]}"
            self.take(left)
        return self.seen


class LineClient(Talker):
    """Somebody on a line, as telnet and nc are."""

    def sync(self) -> None:
        """Wait until all that was sent so far is done."""
        self.send("/help quit")
        self.expect("/quit [REASON]: leave")


class IrcClient(Talker):
    """An IRC client that answers pings."""

    def got(self, line: str) -> None:
        """Take a line."""
        super().got(line)
        if line.startswith("PING ") or " PING " in line[: len(SERVER) + 7]:
            self.send(f"PONG {line.rpartition(' ')[2]}")

    def register(self, nick: str, *caps: str) -> IrcClient:
        """Come in, with capabilities."""
        if caps:
            self.send("CAP LS 302", f"CAP REQ :{' '.join(caps)}")
        self.send(f"NICK {nick}", f"USER {nick} 0 * :{nick}")
        if caps:
            self.send("CAP END")
        self.expect(" 001 ")
        self.expect(" 422 ")
        return self

    def sync(self) -> None:
        """Wait until all that was sent so far is done."""
        self.send("PING :all-is-done")
        self.expect(":all-is-done")


class ChatCase(SynchronousTestCase):
    """
    A test with chats and clients, all of which it ends.

    @ivar folder: A folder of its own, with a short path.
    @ivar store: The path of a store in it.
    """

    def setUp(self) -> None:
        """Make the folder."""
        folder = tempfile.TemporaryDirectory(prefix="netsvc-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.store = self.folder / "chat.sqlite"

    def start(
        self,
        *options: str,
        store: str | Path | None = None,
        line: Sequence[str] = (TCP,),
        irc: Sequence[str] = (TCP,),
        wrap: Sequence[str] = (),
    ) -> ChatProcess:
        """Start a chat and wait until it listens; see L{ChatProcess}."""
        store = self.store if store is None else store
        server = ChatProcess(
            self.folder, *options, store=store, line=line, irc=irc, wrap=wrap
        )
        self.addCleanup(self._end, server)
        return server.wait()

    def _end(self, server: ChatProcess) -> None:
        """End a chat if it runs, and see what it has written."""
        try:
            if server.running:
                server.stop()
        finally:
            server.kill()
        self.assertEqual(server.trouble(), [], server.log())

    def connect(self, port: int, receive_buffer: int = 0) -> socket.socket:
        """Connect to a port."""
        client = socket.socket()
        self.addCleanup(client.close)
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(ANSWER)
        client.connect(("127.0.0.1", port))
        return client

    def line(
        self, server: ChatProcess, nick: str = "", encoding: str = "utf-8"
    ) -> LineClient:
        """Connect a line client, which is in the lobby when this is done."""
        client = LineClient(self.connect(server.line_port()), encoding)
        client.expect(" in #lobby, and what you type")
        if encoding != "utf-8":
            client.send(f"/charset {encoding}")
        if nick:
            client.send(f"/nick {nick}")
        client.sync()
        return client

    def irc(
        self, server: ChatProcess, nick: str, *caps: str, room: str = ""
    ) -> IrcClient:
        """Connect and register an IRC client, and bring it into a room."""
        client = IrcClient(self.connect(server.irc_port())).register(nick, *caps)
        if room:
            client.send(f"JOIN {room}")
            client.expect(" 366 ")
        return client

    def until(
        self, condition: Callable[[], object], what: str, seconds: float = ANSWER
    ) -> None:
        """Wait until something is so, for a bounded time."""
        until(condition, what, seconds)
