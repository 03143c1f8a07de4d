"""Runs netsvc-balance as an operator does, before backends that the test plays.

L{BalanceCase} starts balancers as processes on loopback ports that the system
chooses, and backends as threads (L{Backend}) or processes, and ends them all.
Whatever a balancer writes must be free of tracebacks and critical lines.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.echo_process import COMMANDS, until

_LISTENS = re.compile(
    r"netsvc-balance listens on (\w+):[^\n]* \(([^()\n]*)\)$", re.MULTILINE
)
_STOPPED = re.compile(r"netsvc-balance has stopped: (.*)$", re.MULTILINE)
_TROUBLE = ("Traceback", "Unhandled", "#critical]", '"level": "critical"')

#: Seconds that the balancer may take to start, to stop, and to find something out.
PATIENCE = 60.0

#: Seconds after which a backend gives a client up that says nothing.
LIFETIME = 60.0

#: SO_LINGER with no time: a close is a reset.
RESET = struct.pack("ii", 1, 0)


class BalanceProcess:
    """A process that runs netsvc-balance.

    @ivar log_file: what it writes, on stdout and stderr.
    @ivar control: its control socket.
    """

    def __init__(
        self,
        folder: Path,
        listen: Sequence[str],
        options: Sequence[str],
        wrap: Sequence[str] = (),
    ) -> None:
        """Start it; L{wait} waits until it listens.

        @param wrap: a command that runs the command which follows it.
        """
        number = len(list(folder.glob("balance*.log")))
        self.log_file = folder / f"balance{number}.log"
        self.control = folder / f"balance{number}.sock"
        self._listens = len(listen)
        self.command = [
            *wrap,
            str(COMMANDS / "twistd"),
            "-n",
            "--pidfile=",
            "netsvc-balance",
            *(word for each in listen for word in ("--listen", each)),
            "--control",
            str(self.control),
            *options,
        ]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.ports: list[int] = []

    def wait(self) -> BalanceProcess:
        """Wait until it listens on everything, and its first checks are over."""

        def listening() -> bool:
            assert self.process.poll() is None, self.log()
            return len(_LISTENS.findall(self.log())) == self._listens

        until(listening, "the balancer listens", PATIENCE)
        for _, address in _LISTENS.findall(self.log()):
            _, _, port = address.rpartition(":")
            self.ports.append(int(port) if port.isdigit() else 0)
        until(self._checked, "the first checks", PATIENCE)
        return self

    def _checked(self) -> bool:
        """Tell whether every backend has been checked."""
        try:
            states = [row["state"] for row in self.rows().values()]
        except (FileNotFoundError, ConnectionRefusedError):
            return False  # the control socket is not there yet
        return "unchecked" not in states

    @property
    def port(self) -> int:
        """The port of the first listen string."""
        return self.ports[0]

    def ask(self, command: str, **words: Any) -> Any:
        """Ask something on the control socket."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(self.control))
            line = json.dumps({"command": command, **words}) + "\n"
            client.sendall(line.encode())
            answer = json.loads(b"".join(iter(lambda: client.recv(65536), b"")))
        assert answer["ok"], answer
        return answer["result"]

    def rows(self) -> dict[str, dict[str, Any]]:
        """Give the backends of all pools, by name."""
        return {
            row["name"]: row for pool in self.ask("status") for row in pool["backends"]
        }

    def until_state(self, name: str, state: str, seconds: float = PATIENCE) -> None:
        """Wait until a backend is in a state."""
        until(
            lambda: self.rows()[name]["state"] == state, f"{name} is {state}", seconds
        )

    def log(self) -> str:
        """Give what it has written so far."""
        return self.log_file.read_text("utf-8", "replace")

    def trouble(self) -> list[str]:
        """Give the lines of the log that no peer must be able to cause."""
        return [
            line for line in self.log().splitlines() if any(t in line for t in _TROUBLE)
        ]

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def stop(self) -> dict[str, int]:
        """End it, at once if it drains, and give what it has counted."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(0.3)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGTERM)
            status = self.process.wait(PATIENCE)
        assert status == 0, (status, self.log())
        return self.counters()

    def counters(self) -> dict[str, int]:
        """Give the numbers of the line that it writes when it has stopped."""
        found = _STOPPED.search(self.log())
        assert found, self.log()
        pairs = (pair.partition("=") for pair in found[1].split(", "))
        return {name: int(number) for name, _, number in pairs}

    def kill(self) -> None:
        """End it for certain."""
        if self.running:
            self.process.kill()
            self.process.wait(PATIENCE)


#: What a backend does with a connection.
Behaviour = Callable[[socket.socket], None]


def echo(connection: socket.socket) -> None:
    """Send everything back, to the end."""
    while data := connection.recv(65536):
        connection.sendall(data)


def late(connection: socket.socket) -> None:
    """Answer only after the end of the question."""
    data = b"".join(iter(lambda: connection.recv(65536), b""))
    threading.Event().wait(0.3)
    connection.sendall(b"late:" + data)


def reset(connection: socket.socket) -> None:
    """Break off after the first bytes."""
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def greet(text: bytes) -> Behaviour:
    """Say who it is, then echo."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(text)
        echo(connection)

    return behave


def hold_port(host: str = "127.0.0.1") -> socket.socket:
    """
    Hold a TCP port on which nobody listens, or who is told of it: nobody else gets it.

    Servers that reuse addresses (L{socket.create_server}) can listen on it meanwhile.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((host, 0))
    return held


class Backend:
    """A TCP server that is played by threads of the test.

    @ivar port: its port on 127.0.0.1.
    @ivar accepted: how many connections it has had.
    """

    def __init__(
        self,
        behave: Behaviour = echo,
        port: int = 0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Listen, and serve each connection in a thread of its own."""
        self._behave = behave
        self._context = context
        self.accepted = 0
        self._live: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """What C{--backend} takes."""
        return f"127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.accepted += 1
            self._live.add(connection)
            thread = threading.Thread(
                target=self._serve, args=(connection,), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        served = connection
        try:
            connection.settimeout(LIFETIME)
            if self._context is not None:
                served = self._context.wrap_socket(connection, server_side=True)
                self._live.add(served)
            self._behave(served)
        except (OSError, ValueError):
            pass
        finally:
            with contextlib.suppress(OSError):
                served.close()
            connection.close()
            self._live.discard(connection)
            self._live.discard(served)

    def close(self) -> None:
        """Stop listening and break all connections off."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(PATIENCE)
        for connection in list(self._live):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)


class BalanceCase(SynchronousTestCase):
    """A test with balancers, backends and clients, all of which it ends.

    @ivar folder: a folder of its own, with a short path.
    """

    def setUp(self) -> None:
        """Make the folder."""
        folder = tempfile.TemporaryDirectory(prefix="netsvc-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def backend(self, behave: Behaviour = echo, **how: Any) -> Backend:
        """Start a backend."""
        backend = Backend(behave, **how)
        self.addCleanup(backend.close)
        return backend

    def port(self) -> int:
        """Give a TCP port that is ours, whether somebody listens on it or not."""
        held = hold_port()
        self.addCleanup(held.close)
        return int(held.getsockname()[1])

    def start(
        self,
        *options: str,
        backends: Sequence[Backend | str] = (),
        listen: Sequence[str] = ("tcp:0:interface=127.0.0.1",),
        wrap: Sequence[str] = (),
    ) -> BalanceProcess:
        """Start a balancer and wait until it has checked its backends."""
        words = []
        for each in backends:
            words += ["--backend", each.name if isinstance(each, Backend) else each]
        balancer = BalanceProcess(self.folder, listen, [*words, *options], wrap)
        self.addCleanup(self._end, balancer)
        return balancer.wait()

    def _end(self, balancer: BalanceProcess) -> None:
        try:
            if balancer.running:
                balancer.stop()
        finally:
            balancer.kill()
        self.assertEqual(balancer.trouble(), [], balancer.log())

    def connect(self, where: BalanceProcess | int, host: str = "127.0.0.1") -> Any:
        """Connect to a balancer."""
        port = where if isinstance(where, int) else where.port
        client = socket.create_connection((host, port), PATIENCE)
        self.addCleanup(client.close)
        return client

    def ask(self, where: BalanceProcess | int, question: bytes) -> bytes:
        """Send something with its end, and give all that comes back."""
        with self.connect(where) as client:
            client.sendall(question)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))
