"""Runs netsvc with several workers, and looks at them from outside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.echo_process import COMMANDS, PATIENCE, children, until
from tests.integration.streams import ANSWER

#: Where an echo service listens in these tests, on ports that the system chooses.
TCP = "tcp:0:interface=127.0.0.1"
UDP = "udp:0:interface=127.0.0.1"

ECHO = f'[echo]\nlisten = ["{TCP}", "{UDP}"]\n'


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def echoed(port: int, data: bytes = b"hello", host: str = "127.0.0.1") -> bool:
    """Connect, send, and tell whether the same comes back."""
    try:
        with socket.create_connection((host, port), ANSWER) as skt:
            skt.sendall(data)
            got = b""
            while len(got) < len(data) and (chunk := skt.recv(4096)):
                got += chunk
    except OSError:
        return False
    return got.startswith(data)


class Workers:
    """A daemon with workers: C{twistd -n netsvc}."""

    def __init__(
        self, folder: Path, text: str, workers: int = 2, wrap: Sequence[str] = ()
    ) -> None:
        """
        Start it.

        @param folder: Where its files are.
        @param text: Its tables, without C{[daemon]}.
        @param workers: How many there are.
        @param wrap: A command that runs the command which follows it.
        """
        self.folder = folder
        self.workers = workers
        self.file = folder / "netsvc.toml"
        self.log_file = folder / "log"
        self.configure(text)
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *wrap,
                    COMMANDS / "twistd",
                    *("-n", "--pidfile=", "netsvc", "--config", self.file),
                ],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        self.pid = self.process.pid

    def configure(self, text: str) -> None:
        """Write the configuration file."""
        admin = self.folder / "admin.sock"
        self.file.write_text(
            f'[daemon]\nworkers = {self.workers}\nadmin = "unix:{admin}"\n'
            f'log_format = "json"\ndrain_timeout = 50\n{text}'
        )

    def wait(self) -> Workers:
        """Wait until all workers serve."""
        until(self._started, "start", PATIENCE)
        return self

    def _started(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(self.log_file.read_text())
        return len(self.events("worker-ready")) >= self.workers

    def log(self) -> list[dict[str, Any]]:
        """Give what was logged so far."""
        lines = self.log_file.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self, name: str, **fields: Any) -> list[dict[str, Any]]:
        """Give the events of a kind."""
        return [
            each
            for each in self.log()
            if each.get("event") == name
            and all(each.get(key) == value for key, value in fields.items())
        ]

    def port(self, kind: str = "tcp") -> int:
        """Give the port of the first listen string of a kind."""
        found = [
            int(each["address"].rpartition(":")[2])
            for each in self.events("listening")
            if each["listen"].startswith(kind + ":")
        ]
        return found[0]

    def pids(self) -> list[int]:
        """Give the workers."""
        return children(self.pid)

    def reload(self, text: str) -> list[str]:
        """Change the file, and give what is wrong with it."""
        self.configure(text)
        before = len(self.events("reloaded")) + len(self.events("reload-refused"))
        problems = len(self.events("reload-problem"))
        os.kill(self.pid, signal.SIGHUP)
        until(
            lambda: (
                len(self.events("reloaded")) + len(self.events("reload-refused"))
                > before
            ),
            "reload",
            PATIENCE,
        )
        return [each["problem"] for each in self.events("reload-problem")[problems:]]

    def status(self) -> dict[str, Any]:
        """Ask the admin server."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as skt:
            skt.settimeout(ANSWER)
            skt.connect(str(self.folder / "admin.sock"))
            skt.sendall(b"GET /status.json HTTP/1.0\r\nHost: localhost\r\n\r\n")
            data = b""
            while chunk := skt.recv(65536):
                data += chunk
        made: dict[str, Any] = json.loads(data.partition(b"\r\n\r\n")[2])
        return made

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it; give its exit status."""
        os.kill(self.pid, number)
        return self.process.wait(PATIENCE)

    def end(self) -> None:
        """Leave nothing behind."""
        pids = children(self.pid) if self.process.poll() is None else []
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        until(lambda: not any(map(alive, pids)), "end of the workers", PATIENCE)


class WorkersCase(SynchronousTestCase):
    """A test with daemons that have workers."""

    def setUp(self) -> None:
        """Make a folder with a short name, as sockets want it."""
        self.folder = Path(tempfile.mkdtemp(prefix="netsvc-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def run_workers(
        self, text: str = ECHO, workers: int = 2, wrap: Sequence[str] = ()
    ) -> Workers:
        """Start a daemon; at the end of the test its log is looked through."""
        made = Workers(self.folder, text, workers, wrap)
        self.addCleanup(self._look_through, made)
        self.addCleanup(made.end)
        return made

    def _look_through(self, made: Workers) -> None:
        text = made.log_file.read_text()
        for word in ("Traceback", "Unhandled", '"level": "critical"'):
            self.assertNotIn(word, text)
