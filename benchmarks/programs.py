"""The programs a benchmark starts: the C ones compiled, servers, the load generator."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Literal

from benchmarks import machine
from benchmarks.errors import BenchError

HOST = "127.0.0.1"
CLIENT = "127.0.1.1"
SERVER_PORTS = range(20000, 32000)
SOURCES = Path(__file__).parent / "c"

#: Seconds until a server must answer, the load generator must report, a process that
#: was asked to end must have ended.
START_TIMEOUT = 15.0
LOAD_TIMEOUT = 60.0
STOP_TIMEOUT = 3.0

#: Seconds that a server gets to finish what the last answer left over.
REST = 0.02

Kind = Literal["tcp", "udp"]

#: Says whether a server on a port works.
Ready = Callable[[Kind, int], bool]

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

    def compile(self) -> None:
        """Compile the C programs.

        @raise BenchError: if there is no C compiler, or it fails.
        """
        if shutil.which("cc") is None:
            raise BenchError("no C compiler: install one (cc), the peers in C need it")
        for target, sources in (
            (self.echo, [SOURCES / "echo.c"]),
            (self.load, sorted(SOURCES.glob("load*.c"))),
        ):
            done = subprocess.run(
                ["cc", "-O2", "-Wall", "-o", target, *map(str, sources)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise BenchError(f"cc fails: {last_line(done.stderr)}")


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


def answers(kind: Kind, port: int) -> bool:
    """Say whether a server gives back what it is sent."""
    # From another address: a TCP socket can connect to itself.
    with probe(kind, CLIENT, 0) as client:
        client.settimeout(0.5)
        try:
            client.connect((HOST, port))
            client.sendall(b"ready?\r\n")
            return client.recv(64) == b"ready?\r\n"
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


class Server:
    """A server under test, from its start until the C{with} block is left."""

    def __init__(
        self, workshop: Workshop, command: Command, kind: Kind, ready: Ready = answers
    ) -> None:
        self._workshop = workshop
        self._ready = ready
        self.port = free_port(kind)
        self._kind = kind
        self._command = command(workshop, self.port)
        self._log = workshop.folder / "server.log"

    def __enter__(self) -> Server:
        """Start it and wait until it answers."""
        with self._log.open("wb") as log:
            self._process = start(
                self._command,
                self._workshop.server_core,
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
        while not self._ready(self._kind, self.port):
            if has_ended(self._process):
                raise BenchError(f"the server does not start: {self.last_word()}")
            if time.monotonic() > deadline:
                raise BenchError(f"the server does not answer: {self.last_word()}")
            time.sleep(0.02)

    def last_word(self) -> str:
        """Return the last line that it printed."""
        return last_line(self._log.read_text(errors="replace"))

    def processes(self) -> list[int]:
        """Return its processes."""
        return machine.session_processes(self.pid)


@dataclass(frozen=True)
class LoadResult:
    """What the load generator did between its marks."""

    units: int
    errors: int
    resent: int
    served: int
    wall: float
    cpu: float


def parse_result(line: str) -> LoadResult:
    """Read the last line of the load generator.

    @raise BenchError: if it is no such line.
    """
    try:
        found = json.loads(line)
        return LoadResult(
            units=int(found["units"]),
            errors=int(found["errors"]),
            resent=int(found["resent"]),
            served=int(found["served"]),
            wall=float(found["wall"]),
            cpu=float(found["cpu"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(f"the load generator prints {line!r}") from error


@dataclass
class Load:
    """One run of the load generator against a server.

    @ivar options: its options by name, C{per_source} for C{--per-source}.
    """

    workshop: Workshop
    server: Server
    mode: str
    options: Mapping[str, float]

    def command(self) -> list[str]:
        """Return its command line."""
        settings = {
            "port": self.server.port,
            "seconds": self.workshop.seconds,
            "warmup": self.workshop.warmup,
            **self.options,
        }
        return [
            self.workshop.load,
            self.mode,
            *(f"--{key.replace('_', '-')}={value}" for key, value in settings.items()),
        ]

    def run(self, at_mark: Callable[[], None]) -> LoadResult:
        """Run it, and call C{at_mark} before and after the measured part.

        The server is at rest at both marks.

        @raise BenchError: if it fails.
        """
        errors = self.workshop.folder / "load.log"
        with errors.open("wb") as log:
            process = start(
                self.command(),
                self.workshop.load_core,
                self.workshop.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        with process:
            try:
                lines = self._lines(process, errors)
                for expected in ("start", "stop"):
                    if (line := next(lines)) != expected:
                        raise BenchError(f"the load generator prints {line!r}")
                    time.sleep(REST)
                    at_mark()
                    assert process.stdin is not None
                    os.write(process.stdin.fileno(), b"go\n")
                return parse_result(next(lines))
            finally:
                end(process)

    def _lines(self, process: subprocess.Popen[bytes], errors: Path) -> Iterator[str]:
        """Return what it prints, line by line; never waits for ever."""
        assert process.stdout is not None
        waiting, descriptor = b"", process.stdout.fileno()
        while True:
            line, newline, rest = waiting.partition(b"\n")
            if newline:
                waiting = rest
                yield line.decode()
                continue
            if not select.select([descriptor], [], [], LOAD_TIMEOUT)[0]:
                raise BenchError(
                    f"the load generator is stuck; server: {self.server.last_word()}"
                )
            data = os.read(descriptor, 4096)
            if not data:
                raise BenchError(last_line(errors.read_text(errors="replace")))
            waiting += data


def python(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module of this package."""
    return [sys.executable, "-P", "-m", module, *arguments]


def twistd() -> str:
    """Return the path of the C{twistd} that belongs to this Python."""
    return str(Path(sys.executable).parent / "twistd")
