"""The programs a benchmark starts: the C ones compiled, servers, their backends."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

from benchmarks import machine
from benchmarks.errors import BenchError

HOST = "127.0.0.1"
CLIENT = "127.0.1.1"

#: Where the backends of a proxy listen, on the same port as the proxy itself. Several,
#: as one would soon have used up its client ports when every connection is a new one.
BACKENDS = ("127.1.0.1", "127.1.0.2", "127.1.0.3", "127.1.0.4")

SERVER_PORTS = range(20000, 32000)
SOURCES = Path(__file__).parent / "c"

#: Seconds until a server must answer, and until a process that was asked to end must
#: have ended.
START_TIMEOUT = 15.0
STOP_TIMEOUT = 3.0

#: Not in everybody's search path, but servers are there.
_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")

Kind = Literal["tcp", "udp"]

#: What a backend does with what it gets: send it back at once, or all of it at the end.
BackendKind = Literal["tcp", "udp", "transfer"]

#: Says whether a server on an address and a port works.
Ready = Callable[[Kind, str, int], bool]

#: Makes the command line of a server that listens on a port.
Command = Callable[["Workshop", int], Sequence[str]]


@dataclass(frozen=True)
class Workshop:
    """Where the compiled programs are, and who runs on which core."""

    folder: Path
    server_core: int
    load_core: int
    seconds: float
    warmup: float = 0.5

    @property
    def echo(self) -> str:
        """The path of the C server."""
        return str(self.folder / "echo")

    @property
    def load(self) -> str:
        """The path of the load generator."""
        return str(self.folder / "load")

    def backend(self, kind: BackendKind, port: int) -> list[str]:
        """Return the command line of the backends of a proxy."""
        program = [str(self.folder / kind)] if kind == "transfer" else [self.echo, kind]
        return [*program, str(port), *BACKENDS]

    def compile(self) -> None:
        """Compile the C programs.

        @raise BenchError: if there is no C compiler, or it fails.
        """
        if shutil.which("cc") is None:
            raise BenchError("no C compiler: install one (cc), the peers in C need it")
        for target, sources in (
            (self.echo, [SOURCES / "echo.c"]),
            (self.load, sorted(SOURCES.glob("load*.c"))),
            (str(self.folder / "transfer"), [SOURCES / "transfer.c"]),
        ):
            done = subprocess.run(
                ["cc", "-O2", "-Wall", "-pthread", "-o", target, *map(str, sources)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise BenchError(f"cc fails: {last_line(done.stderr)}")


def program(name: str) -> str | None:
    """Return the path of an installed program, C{None} if there is none."""
    return shutil.which(name) or shutil.which(name, path=":".join(_FOLDERS))


def last_line(text: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no word"


def probe(kind: Kind, address: str, port: int) -> socket.socket:
    """Return a socket of ours, bound to an address."""
    type_ = socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
    made = socket.socket(socket.AF_INET, type_)
    try:
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made


def free_port(kind: Kind) -> int:
    """Return a port that nobody uses.

    Below those that the kernel gives to clients, so that none can take it meanwhile.

    @raise BenchError: if they are all taken.
    """
    for port in random.sample(SERVER_PORTS, 100):
        try:
            probe(kind, HOST, port).close()
        except OSError:
            continue
        return port
    raise BenchError("finds no free port to let a server listen on")


def answers(kind: Kind, host: str, port: int) -> bool:
    """Say whether a server gives back what it is sent."""
    # From another address: a TCP socket can connect to itself.
    with probe(kind, CLIENT, 0) as client:
        client.settimeout(0.5)
        try:
            client.connect((host, port))
            client.sendall(b"ready?\r\n")
            return client.recv(64) == b"ready?\r\n"
        except OSError:
            return False


def transfers(kind: Kind, host: str, port: int) -> bool:
    """Say whether a server gives as much as it gets, after its client's end."""
    with probe(kind, CLIENT, 0) as client:
        client.settimeout(0.5)
        try:
            client.connect((host, port))
            client.sendall(b"nready?")  # see c/transfer.c
            client.shutdown(socket.SHUT_WR)
            return len(client.recv(64, socket.MSG_WAITALL)) == len(b"ready?")
        except OSError:
            return False


def start(
    command: Sequence[str],
    core: int,
    folder: Path,
    stdin: int,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
) -> subprocess.Popen[bytes]:
    """Start a program on one core, in a session of its own.

    A session of its own keeps Ctrl-C for us, and holds whatever it starts in turn.
    """
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    except OSError as error:
        raise BenchError(f"cannot start {command[0]}: {error.strerror}") from error


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Say whether a program has ended, and leave it to L{end} to reap it."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, flags) is not None


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program and whatever it has started, if need be by force."""
    try:
        # Not Popen.terminate, which would reap it first.
        os.kill(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT
        while not has_ended(process) and time.monotonic() < deadline:
            time.sleep(0.005)
    finally:
        # The group bears the program's number, which is nobody else's until it is
        # reaped.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Program:
    """A server, from its start until the C{with} block is left."""

    def __init__(
        self,
        workshop: Workshop,
        name: str,
        command: Sequence[str],
        core: int,
        is_ready: Callable[[], bool],
    ) -> None:
        self._workshop = workshop
        self._name = name
        self._command = command
        self._core = core
        self._is_ready = is_ready
        self._log = workshop.folder / f"{name}.log"

    def __enter__(self) -> Self:
        """Start it and wait until it answers."""
        with self._log.open("wb") as log:
            self._process = start(
                self._command,
                self._core,
                self._workshop.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid
        try:
            self._wait_until_ready()
        except BaseException:
            end(self._process)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it."""
        end(self._process)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self._is_ready():
            if has_ended(self._process):
                raise BenchError(f"the {self._name} does not start: {self.last_word()}")
            if time.monotonic() > deadline:
                raise BenchError(
                    f"the {self._name} does not answer: {self.last_word()}"
                )
            time.sleep(0.02)

    def last_word(self) -> str:
        """Return the last line that it printed."""
        return last_line(self._log.read_text(errors="replace"))

    def processes(self) -> list[int]:
        """Return its processes."""
        return machine.session_processes(self.pid)


class Server(Program):
    """A server under test, and what is behind it if it is a proxy.

    @ivar backend: runs on the load generator's core, and ends after the server.
    """

    def __init__(
        self,
        workshop: Workshop,
        command: Command,
        kind: Kind,
        ready: Ready = answers,
        behind: BackendKind | None = None,
    ) -> None:
        self.port = port = free_port(kind)
        super().__init__(
            workshop,
            "server",
            command(workshop, port),
            workshop.server_core,
            lambda: ready(kind, HOST, port),
        )
        self.backend: Program | None = None
        if behind is not None:
            works = transfers if behind == "transfer" else answers
            self.backend = Program(
                workshop,
                "backend",
                workshop.backend(behind, port),
                workshop.load_core,
                lambda: all(works(kind, host, port) for host in BACKENDS),
            )

    def __enter__(self) -> Self:
        """Start it, its backend first."""
        if self.backend is None:
            return super().__enter__()
        self.backend.__enter__()
        try:
            return super().__enter__()
        except BaseException:
            self.backend.__exit__(None, None, None)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it, its backend last."""
        super().__exit__(kind, value, traceback)
        if self.backend is not None:
            self.backend.__exit__(kind, value, traceback)

    def clocks(self) -> tuple[float, float]:
        """Return the CPU seconds that its processes and its backend have used."""
        behind = [] if self.backend is None else self.backend.processes()
        return machine.cpu_seconds(self.processes()), machine.cpu_seconds(behind)


def python(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module of this package."""
    return [sys.executable, "-P", "-m", module, *arguments]


def twistd(plugin: str, *arguments: str) -> list[str]:
    """Return the command line that runs a plugin of this Python's C{twistd}."""
    program = str(Path(sys.executable).parent / "twistd")
    return [program, "-n", "--pidfile=", plugin, *arguments]
