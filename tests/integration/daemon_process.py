"""Runs C{twistd netsvc --config FILE} as an operator does, and reloads it."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.echo_process import COMMANDS, PATIENCE, until
from tests.integration.streams import ANSWER

#: How each runner is started.
RUNNERS = {
    "twistd": ("twistd", "-n", "--pidfile=", "netsvc"),
    "netsvc": ("netsvc", "run", "netsvc"),
}

_LISTENS = re.compile(r"(netsvc-\w+)(?:/\S+)? listens on (\S+) \((.*)\)$", re.MULTILINE)
_TROUBLE = ("Traceback", "Unhandled", "#critical]", '"level": "critical"')

#: How the end of a reload is logged.
_ENDS = re.compile(r"\] (reloaded|not reloaded, .*)$", re.MULTILINE)


class DaemonProcess:
    """
    A process that runs what a configuration file says.

    @ivar pid: its process id.
    @ivar file: the file.
    """

    def __init__(
        self,
        folder: Path,
        text: str,
        runner: str = "twistd",
        command: Sequence[str] | None = None,
    ) -> None:
        """
        Start it; L{wait} waits until it listens.

        @param folder: its current directory, where the file and the log are.
        @param text: the file's text; a C{[daemon]} without an admin server is added.
        @param runner: a key of L{RUNNERS}.
        @param command: another command altogether.
        """
        self.file = folder / "netsvc.toml"
        self.write(text)
        program, *words = command or [*RUNNERS[runner], "--config", str(self.file)]
        self.log_file = folder / "netsvc.log"
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [str(COMMANDS / program), *words],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid

    def write(self, text: str) -> None:
        """Write the file anew."""
        daemon = "" if "[daemon]" in text else '[daemon]\nadmin = "off"\n'
        # One rename, as good editors and package managers do it.
        new = self.file.with_suffix(".new")
        new.write_text(text + "\n" + daemon)
        new.rename(self.file)

    def wait(self, listens: int) -> DaemonProcess:
        """Wait until it listens on so many strings."""

        def listening() -> bool:
            assert self.running, self.log()
            return len(_LISTENS.findall(self.log())) >= listens

        until(listening, "it listens", PATIENCE)
        return self

    def port(self, listen: str, service: str = "") -> int:
        """Give the port of the newest listen string that begins with C{listen}."""
        found = [
            address
            for name, text, address in _LISTENS.findall(self.log())
            if text.startswith(listen) and name.endswith(service)
        ]
        assert found, self.log()
        return int(found[-1].rpartition(":")[2])

    def log(self) -> str:
        """Give what it has written so far."""
        return self.log_file.read_text("utf-8", "replace")

    def lines(self, text: str) -> list[str]:
        """Give the lines of the log that contain C{text}."""
        return [line for line in self.log().splitlines() if text in line]

    def trouble(self) -> list[str]:
        """Give the lines of the log that must not be."""
        return [
            line for line in self.log().splitlines() if any(t in line for t in _TROUBLE)
        ]

    def reloads(self) -> list[str]:
        """Give how each reload has ended."""
        return _ENDS.findall(self.log())

    def reload(self, text: str | None = None) -> str:
        """Let it reload, with another text perhaps; wait, and give how it has ended."""
        if text is not None:
            self.write(text)
        before = len(self.reloads())
        self.signal(signal.SIGHUP)
        until(lambda: len(self.reloads()) > before, "it has reloaded", PATIENCE)
        return self.reloads()[before]

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

    def stop(self) -> None:
        """End it, at once if it drains."""
        self.signal(signal.SIGTERM)
        try:
            status = self.status(0.2)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGTERM)
            status = self.status()
        assert status == 0, (status, self.log())

    def kill(self) -> None:
        """End it for certain; for cleaning up."""
        if self.running:
            self._process.kill()
            self._process.wait(PATIENCE)


class Newcomers:
    """
    Clients that come at a fixed rate, say something, hear it, and go.

    @ivar served: how many were served.
    @ivar problems: what went wrong with the others.
    """

    def __init__(
        self,
        address: Callable[[], tuple[str, int]],
        rate: float,
        serve: Callable[[socket.socket], None],
    ) -> None:
        """
        Begin.

        @param address: Gives where to connect.
        @param rate: How many come in a second.
        @param serve: Talks on a connection; raises what goes wrong.
        """
        self.served = 0
        self.problems: list[str] = []
        self._address = address
        self._rate = rate
        self._serve = serve
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._come) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def _come(self) -> None:
        began, number = time.monotonic(), 0
        while not self._ending.is_set():
            number += 1
            due = began + number * len(self._threads) / self._rate
            self._ending.wait(max(0.0, due - time.monotonic()))
            try:
                with socket.create_connection(self._address(), ANSWER) as client:
                    self._serve(client)
            except (OSError, AssertionError) as error:
                self.problems.append(repr(error))
            else:
                self.served += 1

    def wait(self, number: int) -> None:
        """Wait until so many more were served."""
        enough = self.served + number
        until(lambda: self.served >= enough, f"{number} more are served")

    def stop(self) -> None:
        """End, and wait for the last ones."""
        self._ending.set()
        for thread in self._threads:
            thread.join()


class DaemonCase(SynchronousTestCase):
    """
    A test with a daemon, which it ends.

    @ivar folder: a folder of its own.
    """

    def setUp(self) -> None:
        """Make the folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)

    def start(self, text: str, listens: int, **how: Any) -> DaemonProcess:
        """Start a daemon and wait until it listens; see L{DaemonProcess}."""
        daemon = DaemonProcess(self.folder, text, **how)
        self.addCleanup(self._end, daemon)
        return daemon.wait(listens)

    def _end(self, daemon: DaemonProcess) -> None:
        try:
            if daemon.running:
                daemon.stop()
        finally:
            daemon.kill()
        self.assertEqual(daemon.trouble(), [], daemon.log())

    def connect(self, port: int) -> socket.socket:
        """Connect to a TCP port of 127.0.0.1."""
        client = socket.create_connection(("127.0.0.1", port), ANSWER)
        self.addCleanup(client.close)
        return client

    def newcomers(
        self, port: int, rate: float, serve: Callable[[socket.socket], None]
    ) -> Newcomers:
        """Let clients come to a port of 127.0.0.1; see L{Newcomers}."""
        coming = Newcomers(lambda: ("127.0.0.1", port), rate, serve)
        self.addCleanup(coming.stop)
        return coming


def echoes(client: socket.socket) -> None:
    """See that a connection gives back what is sent."""
    client.sendall(b"hello")
    got = b""
    while len(got) < 5:
        data = client.recv(5 - len(got))
        assert data, "the connection has ended"
        got += data
    assert got == b"hello", got


def shown_name(port: int) -> str:
    """Connect with TLS, exchange a line, and give the name in the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), ANSWER) as plain,
        context.wrap_socket(plain) as client,
    ):
        der = client.getpeercert(binary_form=True)
        client.sendall(b"x")
        assert client.recv(1) == b"x"
    from cryptography import x509

    assert der is not None
    name = x509.load_der_x509_certificate(der).subject
    return str(name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
