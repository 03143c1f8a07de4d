"""Clients that come all the time, and backends that can be killed or frozen.

L{Load} makes new connections through a balancer without a pause, and holds some
sessions on which it asks again and again. What it saw, with times, tells what a
fault has cost. Its backends say who they are at the beginning of each connection.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.names import dns

from tests.integration.balance_process import PATIENCE, Backend, greet
from tests.integration.echo_process import until
from tests.integration.streams import receive

#: Seconds after which a connection or an answer counts as failed.
IMPATIENCE = 30.0

#: Seconds between two connections of one client, and two questions of a session.
PAUSE = 0.02

_SERVER = """
import socket, sys, threading

def serve(connection):
    with connection:
        connection.sendall(sys.argv[1].encode())
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
        except OSError:
            pass

listening = socket.create_server((sys.argv[2], int(sys.argv[3])), backlog=128)
print(listening.getsockname()[1], flush=True)
while True:
    connection, _ = listening.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
"""


class ServerProcess:
    """A backend of one letter that is a process: it says its letter, then echoes.

    @ivar port: its port.
    """

    def __init__(self, letter: str, port: int = 0, host: str = "127.0.0.1") -> None:
        """Start it and wait until it listens."""
        self.letter = letter
        self._host = host
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SERVER, letter, host, str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        with self._process.stdout:
            self.port = int(self._process.stdout.readline())

    @property
    def spec(self) -> str:
        """What C{--backend} takes."""
        return f"{self._host}:{self.port},name={self.letter}"

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def freeze(self) -> None:
        """Stop it, and wait until it stands still."""
        self.signal(signal.SIGSTOP)
        status = Path(f"/proc/{self._process.pid}/stat")

        def still() -> bool:
            return status.read_text().rpartition(")")[2].split()[0] == "T"

        until(still, "it stands still", PATIENCE)

    def close(self) -> None:
        """Kill it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE)


def letter_backend(letter: str, **how: Any) -> Backend:
    """Give a backend of one letter that is played by threads."""
    return Backend(greet(letter.encode()), **how)


@dataclass(frozen=True)
class Try:
    """One new connection: when it was begun, whose it was, and what went wrong."""

    began: float
    seconds: float
    letter: str
    problem: str = ""


class Held:
    """A session that is held, and on which something is asked again and again.

    @ivar letter: the backend's.
    @ivar asked: how often it has answered.
    @ivar problem: what has ended it; empty while it is well.
    """

    def __init__(self, port: int) -> None:
        """Begin it."""
        self.asked = 0
        self.problem = ""
        self.stream = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.letter = receive(self.stream, 1).decode()
        self.stream.settimeout(IMPATIENCE)

    def ask(self) -> None:
        """Ask once more."""
        question = b"%08d" % self.asked
        try:
            self.stream.sendall(question)
            answer = receive(self.stream, len(question))
            self.problem = "" if answer == question else f"answer {answer!r}"
        except OSError as error:
            self.problem = repr(error)
        else:
            self.asked += 1


class Load:
    """Clients that come all the time, in threads.

    @ivar tries: each new connection.
    @ivar held: the sessions that are held.
    """

    def __init__(self, port: int, clients: int = 2, held: int = 0) -> None:
        """Begin.

        @param port: the balancer's.
        @param clients: how many come at once.
        @param held: how many sessions to hold.
        """
        self._port = port
        self._over = threading.Event()
        self.tries: list[Try] = []
        self.held = [Held(port) for _ in range(held)]
        self._threads = [
            threading.Thread(target=self._come, daemon=True) for _ in range(clients)
        ] + [
            threading.Thread(target=self._hold, args=(each,), daemon=True)
            for each in self.held
        ]
        for thread in self._threads:
            thread.start()

    def _come(self) -> None:
        while not self._over.wait(PAUSE):
            self.tries.append(self.once())

    def once(self) -> Try:
        """Connect, ask, and take the answer."""
        began = time.monotonic()
        letter = problem = ""
        try:
            with socket.create_connection(
                ("127.0.0.1", self._port), IMPATIENCE
            ) as client:
                client.sendall(b"question")
                letter = receive(client, 1).decode()
                answer = receive(client, 8)
                if answer != b"question":
                    problem = f"answer {letter!r}{answer!r}"
        except OSError as error:
            problem = repr(error)
        return Try(began, time.monotonic() - began, letter, problem)

    def _hold(self, session: Held) -> None:
        while not session.problem and not self._over.wait(PAUSE):
            session.ask()

    def run(self, seconds: float) -> float:
        """Go on for so many seconds, and give the time then."""
        time.sleep(seconds)
        return time.monotonic()

    def failed(self, since: float = 0.0) -> list[Try]:
        """Give the connections that were begun since then and have failed."""
        return [
            each for each in list(self.tries) if each.problem and each.began >= since
        ]

    def letters(self, since: float, to: float = float("inf")) -> Counter[str]:
        """Count who has served those that were begun from then to then."""
        return Counter(
            each.letter
            for each in list(self.tries)
            if not each.problem and since <= each.began < to
        )

    def burst(self, number: int) -> Counter[str]:
        """Come so many times, one after the other, each of which must be served.

        @return: how many each backend has served.
        """
        tries = [self.once() for _ in range(number)]
        problems = [each for each in tries if each.problem]
        assert not problems, problems
        return Counter(each.letter for each in tries)

    def stop(self) -> None:
        """Come no more; sessions end."""
        self._over.set()
        for each in self.held:
            with contextlib.suppress(OSError):
                each.stream.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        for each in self.held:
            each.stream.close()


class Network:
    """A network namespace of its own for the calling thread and what it starts.

    Needs root, and C{ip} and C{nft}.
    """

    def __init__(self) -> None:
        """Make it and enter it."""
        self.name = f"netsvc-test-{os.getpid()}"
        self._before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._run("ip", "netns", "add", self.name)
        try:
            self._enter(os.open(f"/run/netns/{self.name}", os.O_RDONLY))
            self._run("ip", "link", "set", "lo", "up")
        except BaseException:
            self.close()
            raise

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)

    def _enter(self, descriptor: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            if libc.setns(descriptor, 0):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(descriptor)

    def drop(self, port: int) -> None:
        """Let nothing through to a port any more, TCP or UDP, and say nothing."""
        rules = (
            "add table inet hole;"
            "add chain inet hole input { type filter hook input priority 0; };"
            f"add rule inet hole input tcp dport {port} drop;"
            f"add rule inet hole input udp dport {port} drop;"
        )
        self._run("nft", rules)

    def heal(self) -> None:
        """Let everything through again."""
        self._run("nft", "delete table inet hole")

    def close(self) -> None:
        """Leave it and remove it."""
        before, self._before = self._before, -1
        if before >= 0:
            self._enter(before)
            self._run("ip", "netns", "delete", self.name)


def descriptors(pid: int, kind: str) -> int:
    """Count the open descriptors of a process of one kind, such as C{pipe}."""
    count = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            count += os.readlink(each).startswith(f"{kind}:")
    return count


class Crowd:
    """A server that takes a while for each client, and counts those at a time.

    @ivar seen: when one came, and how many there were then.
    """

    def __init__(self) -> None:
        """Begin with nobody."""
        self.seen: list[tuple[float, int]] = []
        self._now = 0
        self._lock = threading.Lock()

    def serve(self, connection: socket.socket) -> None:
        """Take the question, wait, answer. A check asks nothing."""
        question = receive(connection, 8)
        if not question:
            return
        with self._lock:
            self._now += 1
            self.seen.append((time.monotonic(), self._now))
        time.sleep(0.02)
        with self._lock:
            self._now -= 1
        connection.sendall(question)


class _Datagrams:
    """A UDP server in a thread.

    @ivar port: its port on 127.0.0.1.
    """

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._socket.settimeout(0.1)
        self.port = int(self._socket.getsockname()[1])
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                data, sender = self._socket.recvfrom(65536)
                self._socket.sendto(self.answer(data, sender), sender)

    def answer(self, data: bytes, sender: Any) -> bytes:
        """Give the answer to a datagram."""
        raise NotImplementedError

    def close(self) -> None:
        """Answer no more."""
        self._over.set()
        self._thread.join(PATIENCE)
        self._socket.close()


class EchoPort(_Datagrams):
    """An echo server that adds its letter to the numbers that clients send.

    @ivar seen: what has come, with the senders.
    """

    def __init__(self, letter: bytes) -> None:
        """Begin to answer."""
        self._letter = letter
        self.seen: list[tuple[bytes, Any]] = []
        super().__init__()

    def answer(self, data: bytes, sender: Any) -> bytes:
        """Echo; checks must get back exactly what they sent."""
        self.seen.append((data, sender))
        return data + self._letter if data.isdigit() else data


class Names(_Datagrams):
    """A DNS server that knows a few names, on port 53 of a network of its own.

    @ivar answers: the IPv4 addresses of each name.
    """

    TTL = 1

    def __init__(self, answers: dict[str, list[str]]) -> None:
        """Begin to answer."""
        self.answers = answers
        super().__init__(53)

    def answer(self, data: bytes, sender: Any) -> bytes:
        """Answer a query: with addresses, or with none for another type."""
        message: Any = dns.Message()
        message.fromStr(data)
        message.answer = 1
        (query,) = message.queries
        # Names come in mixed case (draft-vixie-dnsext-dns0x20).
        addresses = self.answers.get(query.name.name.decode().lower(), [])
        if query.type == dns.A:
            message.answers = [
                dns.RRHeader(
                    query.name.name,
                    dns.A,
                    dns.IN,
                    self.TTL,
                    dns.Record_A(each, self.TTL),
                )
                for each in addresses
            ]
        encoded: bytes = message.toStr()
        return encoded
