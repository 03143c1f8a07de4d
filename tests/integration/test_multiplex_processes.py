"""
Tests of the multiplexer in processes of its own: overload, fairness, other servers.

Run as a program this module is the server under test: an echo on a port of the
system's choice, which it prints.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.attempts import best, rests

#: Where the package is, for programs started elsewhere.
ROOT = Path(__file__).parents[2]

#: Seconds that something which must happen may take.
PATIENCE = 60.0

#: Descriptors that the overloaded server may have.
DESCRIPTORS = 100

#: Connections that are made to it.
CONNECTIONS = 300

#: Seconds between two ticks of the server's timer.
TICK = 0.005

#: Seconds of its own processor time by which a tick may be late: those in which the
#: machine is busy with something else do not count. Without bounds it is all there is.
LATE = 0.25

#: Connections that send small messages while one sends bulk.
BUSY = 50


def serve(flow: bool) -> None:
    """Echo, by a flow or by a protocol, until a signal comes."""
    from twisted.internet import reactor as any_reactor
    from twisted.internet.protocol import Factory, Protocol
    from twisted.logger import globalLogBeginner, textFileLogObserver

    from netsvc.multiplex import forward, multiplexed

    reactor: Any = any_reactor

    class Echo(Protocol):
        """Echoes."""

        transport: Any

        def connectionMade(self) -> None:
            """Leave it to a flow, if that is asked for."""
            if flow:
                forward(self.transport, self.transport)

        def dataReceived(self, data: bytes) -> None:
            """Send it back."""
            self.transport.write(data)

    # How late the timer was at worst, and when it was last called, in time of the
    # processor.
    worst, last = [0.0], [time.process_time()]

    def tick() -> None:
        now = time.process_time()
        worst[0] = max(worst[0], now - last[0])
        last[0] = now
        reactor.callLater(TICK, tick)

    globalLogBeginner.beginLoggingTo(
        [textFileLogObserver(sys.stderr)], redirectStandardIO=False
    )
    mux = multiplexed()
    port = mux.listenTCP(0, Factory.forProtocol(Echo), interface="127.0.0.1")

    class Clock(Protocol):
        """Tells how late the timer was, and starts anew."""

        transport: Any

        def connectionMade(self) -> None:
            """Do so."""
            self.transport.write(b"%.6f\n" % worst[0])
            worst[0] = 0.0
            self.transport.loseConnection()

    clock = reactor.listenTCP(0, Factory.forProtocol(Clock), interface="127.0.0.1")
    print(port.getHost().port, clock.getHost().port, flush=True)
    tick()
    reactor.run()


class ProcessTestCase(SynchronousTestCase):
    """A test with a process that is ended with it."""

    def start(self, *command: str, **kwargs: Any) -> tuple[Any, Path]:
        """Return a process and the file to which it writes its log."""
        log = Path(self.mktemp())
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stderr=file,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                **kwargs,
            )
        self.addCleanup(self.end, process)
        return process, log

    def end(self, process: Any) -> None:
        """End a process."""
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def server(self, *arguments: str, **kwargs: Any) -> tuple[Any, Path, int, int]:
        """Return a server, its log, its port, and the port of its clock."""
        process, log = self.start(
            sys.executable,
            "-m",
            __name__,
            *arguments,
            stdout=subprocess.PIPE,
            **kwargs,
        )
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
        self.assertTrue(ready, "the server does not start")
        port, clock = process.stdout.readline().split()
        return process, log, int(port), int(clock)

    def connect(self, port: int) -> socket.socket:
        """Return a connection."""
        client = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.addCleanup(client.close)
        return client

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until something is true."""
        end = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end, "it takes too long")
            time.sleep(0.01)


class DescriptorTests(ProcessTestCase):
    """Tests of a server that has no descriptors left."""

    def test_exhausted(self) -> None:
        """
        Who cannot be served is closed and does not hang; who is served notices
        nothing; the log and the processor stay quiet; and then all is as before.
        """
        before = time.monotonic()
        process, log, port, _ = self.server(
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)
            )
        )
        clients = [self.connect(port) for _ in range(CONNECTIONS)]
        served: list[socket.socket] = []
        closed: list[socket.socket] = []
        for client in clients:
            client.settimeout(PATIENCE)  # for one that hangs
            with contextlib.suppress(ConnectionError):
                client.sendall(b"hello")
            try:
                answer = client.recv(100)
            except ConnectionError:
                answer = b""
            (served if answer else closed).append(client)
        self.assertTrue(DESCRIPTORS / 2 < len(served) < DESCRIPTORS)
        self.assertEqual(len(served) + len(closed), CONNECTIONS)

        for client in served:
            client.sendall(b"still here?")
            self.assertEqual(client.recv(100), b"still here?")
        self.wait(lambda: rests(lambda: self.processor_time(process), 1))

        lines = log.read_text().count("cannot accept connections")
        self.assertTrue(1 <= lines <= time.monotonic() - before + 1)
        self.assertNotIn("Traceback", log.read_text())

        for client in clients:
            client.close()

        def recovered() -> bool:
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
                try:
                    client.sendall(b"again")
                    return client.recv(100) == b"again"
                except ConnectionError:
                    return False

        self.wait(recovered)

    def processor_time(self, process: Any) -> float:
        """Return the seconds of processor time that a process has spent."""
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2]
        ticks = sum(int(field) for field in fields.split()[11:13])
        return ticks / os.sysconf("SC_CLK_TCK")


class FairnessTests(ProcessTestCase):
    """Tests of what else a process does while the multiplexer is saturated."""

    def lateness(self, clock: int) -> float:
        """Return by how much the timer was late since this was asked last, at worst."""
        with socket.create_connection(("127.0.0.1", clock), PATIENCE) as client:
            return float(client.recv(100))

    def load(self, port: int, seconds: float) -> tuple[int, int]:
        """
        Saturate a server.

        @return: The bytes echoed in bulk, and the small messages echoed.
        """
        bulk = self.connect(port)
        small = [self.connect(port) for _ in range(BUSY)]
        bulk.setblocking(False)
        poll = select.epoll()
        poll.register(bulk, select.EPOLLIN | select.EPOLLOUT)
        by_number = {}
        for client in small:
            poll.register(client, select.EPOLLIN)
            by_number[client.fileno()] = client
            client.send(b"ping")
        piece = bytes(1 << 18)
        moved = messages = 0
        began = time.monotonic()

        def enough() -> bool:
            return moved > 1 << 20 and messages > BUSY

        while (now := time.monotonic() - began) < seconds or (
            not enough() and now < PATIENCE
        ):
            for number, events in poll.poll(1):
                if number in by_number:
                    client = by_number[number]
                    client.send(client.recv(100))
                    messages += 1
                    continue
                with contextlib.suppress(BlockingIOError):
                    if events & select.EPOLLIN:
                        moved += len(bulk.recv(1 << 20))
                    if events & select.EPOLLOUT:
                        bulk.send(piece)
        poll.close()
        for client in (bulk, *small):
            client.close()
        return moved, messages

    def test_timers(self) -> None:
        """Bulk and many small messages delay neither a timer nor another service."""
        for how in ("flow", "copy"):
            _, log, port, clock = self.server(how)

            def late(port: int = port, clock: int = clock) -> float:
                self.lateness(clock)
                moved, messages = self.load(port, 0.7)
                self.assertGreater(moved, 1 << 20)
                self.assertGreater(messages, BUSY)
                return self.lateness(clock)

            self.assertLess(best(late, LATE), LATE, how)
            self.assertNotIn("Traceback", log.read_text())


class TwistdTests(ProcessTestCase):
    """Tests of other people's servers over the multiplexer."""

    def test_web(self) -> None:
        """C{twistd web} serves files through C{mux:}, unchanged."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        large = os.urandom(5 << 20)
        (folder / "large.bin").write_bytes(large)
        (folder / "hello.txt").write_text("hello\n")
        output = Path(self.mktemp())
        with output.open("wb") as stdout:
            self.start(
                str(Path(sys.executable).parent / "twistd"),
                "-n",
                "--pidfile=",
                "web",
                "--listen",
                "mux:0:interface=127.0.0.1",
                "--path",
                str(folder.absolute()),
                stdout=stdout,
            )
        started = re.compile(r"Site starting on (\d+)")
        self.wait(lambda: started.search(output.read_text()))
        found = started.search(output.read_text())
        assert found is not None
        connection = http.client.HTTPConnection(
            "127.0.0.1", int(found[1]), timeout=PATIENCE
        )
        self.addCleanup(connection.close)
        for name, content in (
            ("hello.txt", b"hello\n"),
            ("large.bin", large),
            ("hello.txt", b"hello\n"),
        ):
            connection.request("GET", f"/{name}")
            response = connection.getresponse()
            self.assertEqual(response.status, 200)
            self.assertEqual(response.read(), content)
        self.assertNotIn("Traceback", output.read_text())


if __name__ == "__main__":
    serve(sys.argv[1:] == ["flow"])
