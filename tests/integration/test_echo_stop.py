"""SIGTERM and SIGINT: what is in flight is finished, what does not end is cut."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
import time

from tests.integration.echo_process import TCP, EchoCase, EchoProcess, until
from tests.integration.figures import figure
from tests.integration.streams import fill, receive

#: The size of a large flow.
LARGE = 20_000_000

#: Seconds that what must come may take.
PATIENCE = 60.0

#: Seconds in which a stop that does not wait for its drain timeout of 5 min is over.
AT_ONCE = 30.0


class DrainTests(EchoCase):
    """A stop while clients are at work."""

    def drain(self, number: int) -> None:
        """
        Ten small exchanges and ten flows of 20 MB that are in flight when C{number}
        comes are completed, nothing new is accepted, and the exit status is 0.
        """
        server = self.start("--drain-timeout", "5m", listen=(TCP,))
        data = random.Random(number).randbytes(LARGE)
        small = [self.connect(server) for _ in range(10)]
        large = [self.connect(server) for _ in range(10)]
        for client in large:
            client.settimeout(PATIENCE)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        go = threading.Event()
        returned: list[int] = []

        def send(client: socket.socket) -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        def read(client: socket.socket) -> None:
            buffer, at = memoryview(bytearray(1 << 20)), 0
            while got := client.recv_into(buffer):
                if buffer[:got] != data[at : at + got]:
                    return
                at += got
                if at == got:
                    go.wait()
            returned.append(at)

        threads = [threading.Thread(target=send, args=(each,)) for each in large]
        threads += [threading.Thread(target=read, args=(each,)) for each in large]
        for thread in threads:
            thread.start()
        for client in small:
            client.sendall(b"before")
            self.assertEqual(client.recv(100), b"before")
        # The second half of each exchange is there when it sees the signal: a second
        # without it, on a busy machine, and the exchange would be taken for finished.
        server.signal(signal.SIGSTOP)
        server.signal(number)
        for client in small:
            client.sendall(b"after")
        server.signal(signal.SIGCONT)
        for client in small:
            self.assertEqual(receive(client, 5), b"after")
        until(lambda: server.lines("draining"), "it drains", PATIENCE)
        self.assert_refused(server)
        go.set()
        for thread in threads:
            thread.join()
        self.assertEqual(returned, [LARGE] * 10)
        figure(self, "completed, of 20", len(returned) + len(small), least=20)
        self.assertEqual(server.status(PATIENCE), 0)
        for client in small:
            self.assertEqual(client.recv(100), b"")
        counted = server.counters()
        self.assertEqual(counted["connections"], 20)
        self.assertEqual(counted["bytes"], 10 * LARGE + 10 * 11)
        self.assertNotIn("ended-drain-timeout", counted)

    def assert_refused(self, server: EchoProcess) -> None:
        """See that nothing listens any more."""
        with socket.socket() as late:
            self.assertRaises(
                ConnectionRefusedError, late.connect, ("127.0.0.1", server.port())
            )

    def test_sigterm(self) -> None:
        """SIGTERM drains."""
        self.drain(signal.SIGTERM)

    def test_sigint(self) -> None:
        """SIGINT, as from Ctrl-C, does the same."""
        self.drain(signal.SIGINT)

    def busy(self, *options: str) -> EchoProcess:
        """Start a service with a client that never reads and one that never ends."""
        server = self.start(*options, listen=(TCP,))
        fill(self.connect(server))
        talker = self.connect(server)
        over = threading.Event()

        def talk() -> None:
            try:
                while not over.is_set():
                    talker.sendall(b"x")
                    talker.recv(1)
                    over.wait(0.05)
            except OSError:
                pass

        thread = threading.Thread(target=talk)
        self.addCleanup(thread.join)
        self.addCleanup(over.set)
        thread.start()
        return server

    def test_hard_stop(self) -> None:
        """What is not finished after C{--drain-timeout} is cut; the status is 0."""
        server = self.busy("--drain-timeout", "1s")
        start = time.monotonic()
        server.signal(signal.SIGTERM)
        self.assertEqual(server.status(PATIENCE), 0)
        self.assertGreaterEqual(time.monotonic() - start, 0.9)
        self.assertEqual(server.counters()["ended-drain-timeout"], 2)

    def test_second_signal(self) -> None:
        """A second signal, of either kind, stops at once, with status 0."""
        server = self.busy("--drain-timeout", "5m")
        server.signal(signal.SIGTERM)
        until(lambda: server.lines("draining"), "it drains", PATIENCE)
        self.assertRaises(subprocess.TimeoutExpired, server.status, 0.3)
        start = time.monotonic()
        server.signal(signal.SIGINT)
        self.assertEqual(server.status(PATIENCE), 0)
        self.assertLess(time.monotonic() - start, AT_ONCE)

    def test_at_once(self) -> None:
        """With C{--drain-timeout 0} the first signal stops at once."""
        server = self.busy("--drain-timeout", "0")
        start = time.monotonic()
        server.signal(signal.SIGTERM)
        self.assertEqual(server.status(PATIENCE), 0)
        self.assertLess(time.monotonic() - start, AT_ONCE)

    def test_idle_connections(self) -> None:
        """Connections on which nothing moves do not hold a stop up."""
        server = self.start("--drain-timeout", "5m", listen=(TCP,))
        clients = [self.connect(server) for _ in range(50)]
        for client in clients:
            self.assert_echo(client)
        start = time.monotonic()
        server.signal(signal.SIGTERM)
        self.assertEqual(server.status(PATIENCE), 0)
        self.assertLess(time.monotonic() - start, AT_ONCE)
        for client in clients:
            self.assertEqual(client.recv(1), b"")

    def test_unread_requests(self) -> None:
        """
        What has arrived before the signal is answered in full on connections that
        were silent for long, although the signal is seen first.
        """
        server = self.start("--max-connections-per-source", "0", listen=(TCP,))
        clients = [self.connect(server) for _ in range(400)]
        time.sleep(1.2)
        server.signal(signal.SIGSTOP)
        request = bytes(40_000)
        for client in clients:
            client.sendall(request)
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGCONT)
        for client in clients:
            self.assertEqual(len(receive(client, len(request))), len(request))
            self.assertEqual(client.recv(1), b"")
        self.assertEqual(server.status(PATIENCE), 0)
        counted = server.counters()
        self.assertEqual(counted["bytes"], 400 * len(request))
        self.assertNotIn("ended-drain-timeout", counted)

    def test_early(self) -> None:
        """A signal that comes as soon as it listens is not missed."""
        for runner in ("twistd", "twist", "netsvc"):
            server = self.start(listen=(TCP,), runner=runner)
            server.signal(signal.SIGTERM)
            self.assertEqual(server.status(PATIENCE), 0, server.log())

    def test_socket_file(self) -> None:
        """The file of a UNIX socket is gone after a stop."""
        server = self.start(listen=("unix:echo.sock",))
        self.assertTrue(os.path.exists(self.folder / "echo.sock"))
        server.stop()
        self.assertFalse(os.path.exists(self.folder / "echo.sock"))
