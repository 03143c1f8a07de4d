"""Runs netsvc-echo as an operator does, and looks at it from outside.

L{EchoCase} starts processes from the commands beside C{sys.executable}, on loopback
ports that the system chooses, and ends each by its pid within a deadline. Whatever
such a process writes must be free of tracebacks and critical lines, in every test.
"""

from __future__ import annotations

import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.streams import ANSWER, receive

#: Where the commands of the environment under test are.
COMMANDS = Path(sys.executable).parent

#: How each runner is started; the service's options follow.
RUNNERS = {
    "twistd": ("twistd", "-n", "--pidfile=", "netsvc-echo"),
    "twist": ("twist", "--log-format=text", "netsvc-echo"),
    "netsvc": ("netsvc", "run", "netsvc-echo"),
}

#: Listen strings for a TCP and a UDP port that the system chooses.
TCP = "tcp:0:interface=127.0.0.1"
UDP = "udp:0:interface=127.0.0.1"

#: What the service listens on when it is not told.
DEFAULT = ("tcp:7007", "udp:7007")

#: Seconds that a process may take to listen, and to end, on a busy machine.
PATIENCE = 60.0

#: Seconds that a client waits for an answer that must not come.
SILENCE = 0.3

_LISTENS = re.compile(r"netsvc-echo listens on (\w+):.* \((.*)\)$", re.MULTILINE)
_STOPPED = re.compile(r"netsvc-echo has stopped: (.*)$", re.MULTILINE)
_TROUBLE = ("Traceback", "Unhandled", "#critical]", '"level": "critical"')


def until(condition: Callable[[], Any], what: str, seconds: float = ANSWER) -> Any:
    """Wait for a true value of C{condition}, for a bounded time, and give it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(0.01)
    return value


def tool(name: str) -> str:
    """Give the path of a program, or skip the test and say which one is missing."""
    path = shutil.which(name)
    if path is None:
        raise SkipTest(f"{name} is not installed")
    return path


def need_root(why: str) -> None:
    """Skip the test where it does not run as root."""
    if os.geteuid() != 0:
        raise SkipTest(f"{why} needs root")


def status_of(pid: int, field: str) -> int:
    """Give a number of C{/proc/PID/status}; sizes are in KiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)
    assert found, field
    return int(found[1])


def cpu_seconds(pid: int) -> float:
    """Give the processor time that the main thread of a process has used."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def traced() -> bool:
    """Whether the processes that are started measure their coverage: they are slow."""
    return "COVERAGE_PROCESS_CONFIG" in os.environ


def children(pid: int) -> list[int]:
    """Give the children of a process, zombies too."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


class EchoProcess:
    """A process that runs netsvc-echo.

    @ivar pid: its process id.
    @ivar log_file: what it writes, on stdout and stderr.
    """

    def __init__(
        self,
        folder: Path,
        options: Iterable[str] = (),
        *,
        listen: Sequence[str] = (TCP, UDP),
        runner: str = "twistd",
        reactor: str | None = None,
        wrap: Sequence[str] = (),
        stdout: int | None = None,
    ) -> None:
        """Start it; L{wait} waits until it listens.

        @param folder: its current directory, where its log is written, too.
        @param options: the service's options.
        @param listen: its listen strings; none for the service's own default.
        @param runner: a key of L{RUNNERS}.
        @param reactor: the name of the reactor.
        @param wrap: a command that runs the command which follows it.
        @param stdout: the descriptor to write to, instead of the log file.
        """
        self.command = command(runner, options, listen=listen, reactor=reactor)
        self._listens = len(listen) or len(DEFAULT)
        number = len(list(folder.glob("echo*.log")))
        self.log_file = folder / f"echo{number}.log"
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [*wrap, *self.command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
            )
        self.pid = self._process.pid
        self._ports: dict[str, list[int]] = {}

    def wait(self) -> EchoProcess:
        """Wait until it listens on everything."""

        def listening() -> bool:
            assert self._process.poll() is None, self.log()
            return self.learn(self.log())

        until(listening, "the echo service listens", PATIENCE)
        return self

    def learn(self, log: str) -> bool:
        """Take the ports from what it has written; give whether all are there."""
        self._ports.clear()
        found = _LISTENS.findall(log)
        for kind, address in found:
            _, _, port = address.rpartition(":")
            self._ports.setdefault(kind, []).append(int(port) if port.isdigit() else 0)
        return len(found) == self._listens

    def port(self, kind: str = "tcp", number: int = 0) -> int:
        """Give the port of a listen string: the nth one that begins with C{kind}."""
        return self._ports[kind][number]

    def log(self) -> str:
        """Give what it has written so far."""
        return self.log_file.read_text("utf-8", "replace")

    def lines(self, text: str) -> list[str]:
        """Give the lines of the log that contain C{text}."""
        return [line for line in self.log().splitlines() if text in line]

    def trouble(self) -> list[str]:
        """Give the lines of the log that no peer must be able to cause."""
        return [
            line for line in self.log().splitlines() if any(t in line for t in _TROUBLE)
        ]

    def rss(self) -> int:
        """Give its anonymous memory in KiB."""
        return status_of(self.pid, "RssAnon")

    def cpu(self) -> float:
        """Give the seconds of processor time it has used."""
        return cpu_seconds(self.pid)

    def descriptors(self) -> int:
        """Give how many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def status(self, seconds: float = PATIENCE) -> int:
        """Wait for its end, and give its exit status."""
        return self._process.wait(seconds)

    def stop(self) -> dict[str, int]:
        """End it, at once if it drains, and give what it has counted."""
        self.signal(signal.SIGTERM)
        try:
            status = self.status(0.2)
        except subprocess.TimeoutExpired:
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
        """End it for certain; for cleaning up."""
        if self.running:
            self._process.kill()
            self._process.wait(PATIENCE)


def command(
    runner: str,
    options: Iterable[str] = (),
    *,
    listen: Sequence[str] = (TCP, UDP),
    reactor: str | None = None,
) -> list[str]:
    """Give the command line of a service; see L{EchoProcess}."""
    program, *words = RUNNERS[runner]
    if reactor is not None:
        words[words.index("netsvc-echo") : 0] = ["--reactor", reactor]
    listens = [word for each in listen for word in ("--listen", each)]
    return [str(COMMANDS / program), *words, *listens, *options]


class EchoCase(SynchronousTestCase):
    """A test with echo processes and clients, all of which it ends.

    @ivar folder: a folder of its own.
    """

    def setUp(self) -> None:
        """Make the folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)

    def start(self, *options: str, **how: Any) -> EchoProcess:
        """Start a service and wait until it listens; see L{EchoProcess}."""
        server = EchoProcess(self.folder, options, **how)
        self.addCleanup(self._end, server)
        return server.wait()

    def _end(self, server: EchoProcess) -> None:
        """End a service if it runs, and see what it has written."""
        try:
            if server.running:
                server.stop()
        finally:
            server.kill()
        self.assertEqual(server.trouble(), [], server.log())

    def connect(
        self, where: int | EchoProcess, source: str | None = None
    ) -> socket.socket:
        """Connect to a TCP port of 127.0.0.1, from C{source} if given."""
        port = where if isinstance(where, int) else where.port("tcp")
        client = socket.socket()
        self.addCleanup(client.close)
        client.settimeout(ANSWER)
        if source is not None:
            client.bind((source, 0))
        client.connect(("127.0.0.1", port))
        return client

    def connect_unix(self, name: str) -> socket.socket:
        """Connect to a UNIX socket in the folder."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(ANSWER)
        # Its whole path may be longer than an address may be.
        folder = os.open(self.folder, os.O_DIRECTORY)
        try:
            client.connect(f"/proc/self/fd/{folder}/{name}")
        finally:
            os.close(folder)
        return client

    def datagrams(
        self,
        where: int | EchoProcess,
        source: tuple[str, int] = ("127.0.0.1", 0),
        to: str = "127.0.0.1",
    ) -> socket.socket:
        """Make a UDP socket that is connected to a port, from C{source}."""
        port = where if isinstance(where, int) else where.port("udp")
        family = socket.AF_INET6 if ":" in to else socket.AF_INET
        client = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(ANSWER)
        client.bind(source)
        client.connect((to, port))
        return client

    def allow_descriptors(self, wanted: int) -> int:
        """Let this process open so many descriptors, and give how many it may."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        more = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, more), hard))
        return max(soft, more)

    def assert_echo(self, client: socket.socket, data: bytes = b"hello") -> None:
        """See that a stream gives C{data} back; it must fit in the buffers."""
        client.sendall(data)
        self.assertEqual(receive(client, len(data)), data)

    def assert_datagram(self, client: socket.socket, data: bytes = b"hello") -> None:
        """See that a datagram comes back as it is."""
        client.send(data)
        self.assertEqual(client.recv(65536), data)

    def assert_silent(self, *clients: socket.socket, data: bytes = b"hello") -> None:
        """See that a datagram of each client is not answered."""
        for client in clients:
            client.send(data)
        answered, _, _ = select.select(clients, [], [], SILENCE)
        self.assertEqual(answered, [])

    def run_tool(
        self, *words: str, stdin: bytes = b"", seconds: float = ANSWER
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program that must be installed, with C{stdin}, to its end."""
        path = tool(words[0])
        return subprocess.run(
            [path, *words[1:]],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            timeout=seconds,
        )
