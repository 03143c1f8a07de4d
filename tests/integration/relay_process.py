"""
Runs netsvc-relay as an operator does, with peers that a test plays.

L{RelayCase} starts processes on loopback ports that the system chooses and ends them
all. Whatever such a process writes must be free of tracebacks and critical lines, in
every test. All waits are bounded.
"""

from __future__ import annotations

import re
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.echo_process import COMMANDS, PATIENCE, status_of, until
from tests.integration.streams import ANSWER

#: Seconds after which something is asked again that may have been lost.
AGAIN = 5.0

#: A listen string for a port that the system chooses.
UDP = "udp:0:interface=127.0.0.1"

_LISTENS = re.compile(
    r"netsvc-[a-z]+ listens on [^\n]*\((?:127\.0\.0\.\d|0\.0\.0\.0|\[::1?\]):(\d+)\)$",
    re.MULTILINE,
)
_STOPPED = re.compile(r"netsvc-relay has stopped: (.*)$", re.MULTILINE)
_TROUBLE = ("Traceback", "Unhandled", "#critical]", '"level": "critical"')


class RelayProcess:
    """
    A process that runs netsvc-relay.

    @ivar pid: Its process id.
    """

    def __init__(
        self, folder: Path, listens: Sequence[str], options: Sequence[str], plugin: str
    ) -> None:
        """Start it; L{wait} waits until it listens."""
        self._listens = len(listens) + options.count("--alternate")
        self._log = folder / f"relay{time.monotonic_ns()}.log"
        flag = "--listen" if plugin == "netsvc-relay" else "--udp"
        words = [word for each in listens for word in (flag, each)]
        if plugin == "netsvc-chat":
            self._listens += options.count("--line") + options.count("--irc")
            self._listens -= options.count("off")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    str(COMMANDS / "twistd"),
                    "-n",
                    "--pidfile=",
                    plugin,
                    *words,
                    "--store",
                    ":memory:",
                    *options,
                ],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid
        self.ports: list[int] = []

    @property
    def log(self) -> str:
        """What it has written."""
        return self._log.read_text("utf-8", "replace")

    @property
    def port(self) -> int:
        """The first port."""
        return self.ports[0]

    def wait(self) -> RelayProcess:
        """Wait until it listens on everything."""

        def listening() -> bool:
            assert self._process.poll() is None, self.log
            self.ports = [int(port) for port in _LISTENS.findall(self.log)]
            return len(self.ports) == self._listens

        until(listening, "the relay listens", PATIENCE)
        return self

    def memory(self) -> int:
        """Give its resident memory, in KiB."""
        return status_of(self.pid, "VmRSS")

    def stop(self) -> dict[str, int]:
        """Stop it; give what it has counted."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(PATIENCE)
        assert status == 0, (status, self.log)
        found = _STOPPED.search(self.log)
        assert found, self.log
        pairs = (each.split("=") for each in found[1].split(", ") if each)
        return {name: int(number) for name, number in pairs}

    def end(self) -> None:
        """End it for certain."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE)

    def trouble(self) -> list[str]:
        """Give the lines of its log that must not be there."""
        return [
            line for line in self.log.splitlines() if any(t in line for t in _TROUBLE)
        ]


class UdpPeer:
    """A peer whose code is socket(), sendto(), recvfrom()."""

    def __init__(self, port: int, host: str = "127.0.0.1", source: str = "") -> None:
        """
        @param port: The relay's.
        @param source: The peer's own address.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.skt = socket.socket(family, socket.SOCK_DGRAM)
        self.skt.bind((source or ("::1" if ":" in host else "127.0.0.1"), 0))
        self._to = (host, port)
        self.seen: list[bytes] = []

    def say(self, *datagrams: bytes) -> None:
        """Send."""
        for data in datagrams:
            self.skt.sendto(data, self._to)

    def hear(self, seconds: float = ANSWER) -> bytes:
        """Give the next datagram; empty if none comes."""
        if not select.select([self.skt], [], [], seconds)[0]:
            return b""
        data = self.skt.recv(65536)
        self.seen.append(data)
        return data

    def until(self, text: bytes, seconds: float = PATIENCE) -> bytes:
        """Take datagrams until one has a text; give it."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            data = self.hear(left)
            if text in data:
                return data
        raise AssertionError(f"never heard: {text!r}; but {self.seen}")

    def sync(self) -> None:
        """Wait until the relay has done all that anybody has sent it so far."""

        def answered() -> bool:
            self.say(b"/help quit")
            end = time.monotonic() + AGAIN
            while data := self.hear(max(end - time.monotonic(), 0)):
                if b"/quit" in data:
                    return True
            return False

        until(answered, "the relay answers", PATIENCE)

    def drain(self, seconds: float = 0.1) -> list[bytes]:
        """Take all that is there."""
        found = []
        while data := self.hear(seconds):
            found.append(data)
        return found


class RelayCase(SynchronousTestCase):
    """Starts relays, and ends them."""

    def setUp(self) -> None:
        """Make a folder."""
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def start(
        self,
        *options: str,
        listens: Sequence[str] = (UDP,),
        plugin: str = "netsvc-relay",
    ) -> RelayProcess:
        """Start a relay and wait until it listens."""
        return self.begin(*options, listens=listens, plugin=plugin).wait()

    def begin(
        self,
        *options: str,
        listens: Sequence[str] = (UDP,),
        plugin: str = "netsvc-relay",
    ) -> RelayProcess:
        """Start a relay."""
        relay = RelayProcess(self.folder, listens, options, plugin)
        self.addCleanup(self._end, relay)
        return relay

    def _end(self, relay: RelayProcess) -> None:
        relay.end()
        self.assertEqual(relay.trouble(), [])

    def peer(
        self, relay: RelayProcess, host: str = "127.0.0.1", source: str = ""
    ) -> UdpPeer:
        """Make a peer."""
        peer = UdpPeer(relay.port, host, source)
        self.addCleanup(peer.skt.close)
        return peer

    def member(self, relay: RelayProcess, nick: bytes) -> UdpPeer:
        """Make a peer that is in the lobby under a nick."""
        peer = self.peer(relay)
        peer.say(b"/nick " + nick)
        peer.until(b"is now known as " + nick)
        return peer
