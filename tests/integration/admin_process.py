"""Runs netsvc with admin pages, as an operator does, and asks them."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

#: Where the commands of the environment under test are.
COMMANDS = Path(sys.executable).parent

#: Seconds that a process may take to listen, and to end, on a busy machine.
PATIENCE = 60.0

_LISTENS = re.compile(
    r"(netsvc-\w+)(?:/\S+)? listens on (\S+) \((\S+)\)$", re.MULTILINE
)
_TROUBLE = ("Traceback", "Unhandled", "#critical]")

CONFIGURATION = """
[daemon]
admin = ["unix:admin.sock", "tcp:0:interface=127.0.0.1"]
drain_timeout = "50s"
{daemon}

[echo]
listen = ["tcp:0:interface=127.0.0.1", "udp:0:interface=127.0.0.1"]

[chat]
line = ["tcp:0:interface=127.0.0.1"]
irc = ["tcp:0:interface=127.0.0.1"]
store = ":memory:"
{chat}

[dns]
dns = ["udp:0:interface=127.0.0.1", "tcp:0:interface=127.0.0.1"]
line = "off"
upstream = ["127.0.0.1:1"]

[relay]
listen = ["udp:0:interface=127.0.0.1"]

[balance]
listen = ["tcp:0:interface=127.0.0.1"]
backend = ["127.0.0.1:{backend},name=good", "127.0.0.1:1,name=bad"]
"""


def tool(name: str) -> str:
    """Give the path of a program, or skip the test and say which one is missing."""
    path = shutil.which(name)
    if path is None:
        raise SkipTest(f"{name} is not installed")
    return path


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Wait for a true value, for a bounded time, and give it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)
    return value


class AdminProcess:
    """
    A daemon with echo, chat and a balancer.

    @ivar folder: Where it runs: its socket is C{admin.sock} there.
    @ivar ports: Its TCP ports by service, in the order of the listen strings.
    """

    def __init__(
        self,
        folder: Path,
        daemon: str = "",
        chat: str = "",
        wrap: Sequence[str] = (),
    ) -> None:
        """
        Start it, and wait until it listens.

        @param daemon: More of C{[daemon]}.
        @param chat: More of C{[chat]}.
        @param wrap: A command that runs it.
        """
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.configuration = folder / "netsvc.toml"
        self._daemon, self._chat = daemon, chat
        self.backend = socket.create_server(("127.0.0.1", 0))
        self.write()
        self.log_file = folder / "log"
        self._log = self.log_file.open("wb")
        self.process = subprocess.Popen(
            [*wrap, COMMANDS / "netsvc", "run", "netsvc", "--config", "netsvc.toml"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.ports: dict[str, list[int]] = {}
        try:
            until(self._listens, "it listens")
        except AssertionError:
            self.end()
            raise

    def write(self, more: str = "") -> None:
        """Write the configuration."""
        text = CONFIGURATION.format(
            daemon=self._daemon,
            chat=self._chat,
            backend=self.backend.getsockname()[1],
        )
        self.configuration.write_text(text + more)

    def log(self) -> str:
        """Give what it has written."""
        return self.log_file.read_text(errors="replace")

    def _listens(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"it has ended: {self.log()}")
        found = _LISTENS.findall(self.log())
        ports: dict[str, list[int]] = {}
        for service, listen, address in found:
            if listen.startswith("tcp:"):
                port = int(address.rpartition(":")[2])
                ports.setdefault(service, []).append(port)
        self.ports = ports
        expected = ("netsvc-admin", "netsvc-echo", "netsvc-chat", "netsvc-balance")
        return all(each in ports for each in expected) and len(found) >= 10

    @property
    def port(self) -> int:
        """The TCP port of the admin pages."""
        return self.ports["netsvc-admin"][0]

    def end(self) -> int:
        """End it, and give its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(PATIENCE)
        self._log.close()
        self.backend.close()
        return self.process.returncode


class AdminCase(SynchronousTestCase):
    """Tests of a running daemon; each looks at its log at the end."""

    #: What else the configuration has, in [daemon] and [chat].
    daemon = ""
    chat = ""
    wrap: Sequence[str] = ()

    def setUp(self) -> None:
        """Start it."""
        self.folder = Path(self.mktemp()).absolute()
        self.admin = AdminProcess(self.folder, self.daemon, self.chat, self.wrap)
        self.addCleanup(self._look)
        self.addCleanup(self.admin.end)

    def _look(self) -> None:
        for trouble in _TROUBLE:
            self.assertNotIn(trouble, self.admin.log())

    def connect(self, port: int | None = None) -> socket.socket:
        """Connect, to the admin pages if nothing else is said."""
        found = socket.create_connection(
            ("127.0.0.1", port or self.admin.port), timeout=PATIENCE
        )
        self.addCleanup(found.close)
        return found

    def curl(self, *arguments: str, unix: bool = True) -> tuple[int, str]:
        """Run curl; give the status and the body."""
        where = ["--unix-socket", "admin.sock"] if unix else []
        base = "http://localhost" if unix else f"http://127.0.0.1:{self.admin.port}"
        *options, path = arguments
        run = subprocess.run(
            [
                tool("curl"),
                "-s",
                "-w",
                r"\n%{http_code}",
                *where,
                *options,
                base + path,
            ],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        body, _, code = run.stdout.rpartition("\n")
        return int(code), body

    def netsvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        return subprocess.run(
            [COMMANDS / "netsvc", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


def read_all(client: socket.socket) -> bytes:
    """Read until the end, be it a reset."""
    return b"".join(_chunks(client))


def _chunks(client: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            data = client.recv(65536)
        except ConnectionError:
            return
        if not data:
            return
        yield data
