"""Many connections, floods, bursts, and those that never finish."""

from __future__ import annotations

import contextlib
import random
import re
import select
import signal
import socket
import ssl
import struct
import sys
import threading
import time

from tests.integration.attempts import best, rests, waited
from tests.integration.echo_process import (
    TCP,
    EchoCase,
    EchoProcess,
    tool,
    traced,
    until,
)
from tests.integration.figures import figure
from tests.integration.ping_servers import make_certificate
from tests.integration.streams import ended, fill, receive_all, reset
from tests.integration.test_echo_protocol import tls_listen

#: Seconds that what must come may take.
PATIENCE = 60.0

#: A program that opens seventy descriptors and then runs what follows it.
TAKE_SEVENTY = """
import os, sys
for _ in range(70):
    os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class IdleTests(EchoCase):
    """Connections on which nothing happens."""

    def test_memory(self) -> None:
        """
        Nine thousand connections, or what the system allows, after one echo each,
        cost at most 2.0 KiB of memory each, and five thousand of them less than 1 %
        of a processor; the service's own limits are on.
        """
        server = self.start(listen=(TCP,))
        count = min(9000, self.allow_descriptors(9300) - 300)
        one = self.connect(server)
        self.assert_echo(one)
        before = server.rss()
        clients = []
        for number in range(count):
            host = f"127.0.{1 + number // 200 // 200}.{1 + number // 200 % 200}"
            client = self.connect(server, host)
            client.send(b"hello")
            clients.append(client)
        for client in clients:
            self.assertEqual(client.recv(5), b"hello")
        each = (server.rss() - before) / count
        figure(self, f"memory a connection, of {count}", each, "KiB", most=2.0)
        if not traced():
            time.sleep(1)

            def busy() -> float:
                """Give the percentage of a processor that five thousand cost."""
                before, began = server.cpu(), time.monotonic()
                time.sleep(2)
                share = (server.cpu() - before) / (time.monotonic() - began)
                return 100 * share / count * 5000

            figure(self, "processor for 5,000", best(busy, 1.0), "%", most=1.0)
        self.assert_echo(one)
        for client in clients:
            client.close()
        until(lambda: server.descriptors() < 100, "they are closed", PATIENCE)
        self.assertEqual(server.stop()["connections"], count + 1)


class StallTests(EchoCase):
    """Peers that do not read."""

    def test_writer_that_never_reads(self) -> None:
        """
        Of 500 MiB from a client that never reads only what the kernel's buffers
        and one pipe hold is taken; the service's memory grows by 2 MiB at the most,
        and others are served.
        """
        server = self.start(listen=(TCP, "unix:echo.sock"))
        self.assert_echo(self.connect(server))
        before = server.rss()
        taken = fill(self.connect(server))
        self.assertLess(taken, 50 << 20)
        self.assertLess(fill(self.connect_unix("echo.sock")), 50 << 20)
        self.assert_echo(self.connect(server))
        grown = (server.rss() - before) / 1024
        figure(self, "memory grown", grown, "MiB", most=2.0)
        until(lambda: rests(server.cpu), "it rests", PATIENCE)

    def test_close_with_unread_data(self) -> None:
        """
        A connection that is to be closed and whose peer does not take what is left
        is freed within C{--close-timeout} and a second.
        """
        server = self.start(
            *("--idle-timeout", "1s", "--close-timeout", "500ms"), listen=(TCP,)
        )
        attempts = 0

        def measure() -> float:
            nonlocal attempts
            attempts += 1
            client = self.connect(server)
            fill(client)
            # Two sweeps of half a second may pass until it counts as idle.
            idle_since = time.monotonic()
            until(lambda: reset(client), "it is cut", PATIENCE)
            # Idle at 1 s, seen in two sweeps; then the closing time, and a second.
            return time.monotonic() - idle_since - 2

        took = best(measure, 1.5)
        figure(self, "freed after its closing time of 0.5 s", took, "s", most=1.5)
        counted = server.stop()
        self.assertEqual(counted["ended-idle-timeout"], attempts)
        self.assertEqual(counted["ended-close-timeout"], attempts)

    def test_end_with_unread_data(self) -> None:
        """
        A peer that has ended its output gets all of it however late it reads; the
        service's descriptor does not wait for that.
        """
        server = self.start(listen=(TCP,))
        self.assert_echo(self.connect(server))  # it has opened all that it needs
        before = server.descriptors()
        client = self.connect(server)
        client.sendall(bytes(300_000))
        client.shutdown(socket.SHUT_WR)
        # One pipe stays for the next large flow.
        until(lambda: server.descriptors() <= before + 2, "it is freed", PATIENCE)
        self.assertEqual(len(receive_all(client)), 300_000)


class HandshakeTests(EchoCase):
    """TLS handshakes that are never finished."""

    def test_silent_and_partial(self) -> None:
        """
        A thousand clients that say nothing, half a hello or a byte now and then are
        all cut after C{--handshake-timeout}; meanwhile honest handshakes succeed.
        """
        make_certificate(self.folder)
        context = ssl.create_default_context(cafile=self.folder / "certificate.pem")
        server = self.start(
            *("--handshake-timeout", "2s", "--max-connections-per-source", "0"),
            listen=(tls_listen(self.folder),),
        )
        port = server.port("ssl")
        self.allow_descriptors(2000)
        hello = client_hello()

        def held_up() -> float:
            """Give the seconds for which the machine was busy with something else."""
            return waited(server.pid) + waited("thread-self")

        def honest() -> float:
            """Do a handshake; give the seconds it took on a machine of its own."""
            began = time.monotonic() - held_up()
            plain = self.connect(port)
            with context.wrap_socket(plain, server_hostname="localhost") as client:
                took = time.monotonic() - held_up() - began
                self.assert_echo(client)
            return took

        # What came of each attack as a part of what may be; how slow honest ones were,
        # when all others were cut, and how long the machine was busy until then.
        found: list[tuple[float, float, float, float]] = []

        def attack() -> float:
            """Be attacked; give the first figure of C{found}."""
            start = time.monotonic()
            clients = [self.connect(port) for _ in range(1000)]
            opened, before = time.monotonic(), held_up()
            for number, client in enumerate(clients):
                if number % 3:
                    client.send(hello[: number % 3 * 60])
            times: list[float] = []
            while time.monotonic() - start < 1.5 or not times:
                times.append(honest())
                # A byte now and then is no progress.
                for client in clients[1::3]:
                    with contextlib.suppress(OSError):  # it may have been cut by now
                        client.send(hello[60:61])
                time.sleep(0.1)
            for client in clients:
                self.assertTrue(ended(client, PATIENCE))
                client.close()
            took, busy = time.monotonic() - opened, held_up() - before
            score = max(max(times) / 0.5, (took - busy) / 3)
            found.append((score, max(times), took, busy))
            return score

        best(attack, 1.0)
        _, slowest, took, busy = min(found)
        figure(self, "slowest honest handshake", 1000 * slowest, "ms", most=500)
        what = "all cut, with a timeout of 2 s"
        figure(self, what, took, "s", least=1.5, most=3 + busy)
        cut = server.stop()["ended-handshake-timeout"] / len(found)
        figure(self, "cut", cut, "connections", least=1000)

    def test_garbage(self) -> None:
        """What is no TLS ends its connection and no other."""
        make_certificate(self.folder)
        context = ssl.create_default_context(cafile=self.folder / "certificate.pem")
        server = self.start(listen=(tls_listen(self.folder),))
        port = server.port("ssl")
        chance = random.Random(9)
        for number in range(200):
            client = self.connect(port)
            client.send(
                chance.randbytes(300) if number % 2 else b"GET / HTTP/1.1\r\n\r\n"
            )
            client.close()
        with context.wrap_socket(
            self.connect(port), server_hostname="localhost"
        ) as honest:
            self.assert_echo(honest)


def client_hello() -> bytes:
    """Give the first message of a TLS client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


#: For how many connections there is room among 100 descriptors: 64 are kept, and
#: two for each of six pipes.
ROOM = 100 - 64 - 2 * 6


class DescriptorTests(EchoCase):
    """More connections than there are descriptors."""

    def crowd(
        self, *options: str, wrap: tuple[str, ...] = ("prlimit", "--nofile=100:100")
    ) -> dict[str, int]:
        """
        Open 300 connections to a service that may have 100 descriptors, and see
        that all are answered or ended and that those which are served go on.
        """
        tool("prlimit")
        server = self.start(*options, wrap=wrap)
        datagrams = self.datagrams(server)
        first = self.connect(server)
        self.assert_echo(first)
        before = server.descriptors()
        start = time.monotonic()
        served = []
        ended_or_served = 0
        clients = [self.connect(server) for _ in range(300)]
        for client in clients:
            try:
                client.send(b"x")
                if client.recv(1) == b"x":
                    served.append(client)
                ended_or_served += 1
            except ConnectionError:
                ended_or_served += 1
        self.assertGreater(len(served), 10)
        self.assertLess(len(served), 100)
        until(lambda: rests(server.cpu), "it rests", PATIENCE)
        for client in (first, *served):
            self.assert_echo(client)
        self.assert_datagram(datagrams)
        said = server.lines("refused a connection")
        said += server.lines("cannot accept connections")
        took = time.monotonic() - start
        self.assertGreater(len(said), 0)
        figure(self, "log lines a second", len(said) / (took + 1), most=1)
        figure(self, "answered or ended, of 300", ended_or_served, least=300)
        for client in served:
            client.close()
        until(lambda: server.descriptors() <= before, "they are closed", PATIENCE)
        self.assert_echo(self.connect(server))
        return server.stop()

    def test_limit_is_lowered(self) -> None:
        """C{--max-connections} is lowered to what the system's limit leaves."""
        counted = self.crowd("--max-connections", "1000")
        self.assertEqual(counted["refused-max-connections"], 301 - ROOM)

    def test_bulk(self) -> None:
        """
        What large flows need beside their connections is left to them: up to the
        number of connections that the service says it takes, all are served.
        """
        tool("prlimit")
        server = self.start(
            "--max-connections-per-source", "0", "--max-connections", "1000",
            listen=(TCP,), wrap=("prlimit", "--nofile=200:200"),
        )  # fmt: skip
        said = re.search(r"takes (\d+), and not max_connections", server.log())
        assert said
        takes = int(said[1])
        self.assertGreater(takes, 80)
        bulk = [self.connect(server) for _ in range(70)]
        for client in bulk:
            # Who has sent so much at once holds a pipe until it sends less again.
            self.assert_echo(client, bytes(100_000))
        self.assertGreater(server.descriptors(), 70 + 20)
        for _ in range(takes - 70):
            self.assert_echo(self.connect(server))
        self.assertTrue(ended(self.connect(server)))
        for client in bulk:
            self.assert_echo(client, bytes(100_000))
        self.assertEqual(server.lines("cannot accept connections"), [])
        counted = server.stop()
        self.assertEqual(counted["connections"], takes)
        self.assertEqual(counted["refused-max-connections"], 1)

    def test_none_left(self) -> None:
        """
        Where something else has taken the descriptors, so that they run out before
        the limit is reached, connections that find none are ended at once.
        """
        counted = self.crowd(
            wrap=(sys.executable, "-c", TAKE_SEVENTY, "prlimit", "--nofile=100:100")
        )
        self.assertNotIn("refused-max-connections", counted)
        self.assertLess(counted["connections"], ROOM)


def attempts(client: socket.socket) -> int:
    """Give how often a client's kernel has sent something again, its SYN included."""
    # tcpi_total_retrans of struct tcp_info, after 8 bytes and 23 numbers.
    info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int(struct.unpack_from("I", info, 8 + 23 * 4)[0])


class BurstTests(EchoCase):
    """Many connections at once."""

    def test_after_a_stall(self) -> None:
        """
        Two thousand clients that connect while the service stands still for 300 ms
        are all served, none after a second attempt of its kernel (1 s).
        """
        server = self.start(listen=(TCP,))
        self.allow_descriptors(2300)
        self.assert_echo(self.connect(server))
        server.signal(signal.SIGSTOP)
        stopped = time.monotonic()
        poll = select.poll()
        clients = {}
        for number in range(2000):
            client = socket.socket()
            self.addCleanup(client.close)
            client.bind((f"127.0.0.{2 + number // 200}", 0))
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", server.port()))
            clients[client.fileno()] = client
            poll.register(client, select.POLLOUT)
        time.sleep(max(0.0, stopped + 0.3 - time.monotonic()))
        server.signal(signal.SIGCONT)
        waiting = set(clients)
        while waiting:
            for fd, mask in poll.poll(5000):
                client = clients[fd]
                if mask & select.POLLIN:
                    self.assertEqual(client.recv(10), b"x")
                    waiting.discard(fd)
                    poll.unregister(fd)
                else:
                    self.assertEqual(client.send(b"x"), 1)
                    poll.modify(fd, select.POLLIN)
        again = sum(attempts(client) > 0 for client in clients.values())
        what = "a second attempt of a client's kernel, of 2,000"
        figure(self, what, again, "connections", most=0)

    def test_one_source_floods(self) -> None:
        """
        Five thousand connections from one address take nothing from another one.
        """
        server = self.start()
        count = min(5000, self.allow_descriptors(5300) - 300)
        sources: list[str] = []
        samples: list[int] = []

        def attack() -> float:
            """Give the 99th percentile of what a victim's connection and echo take."""
            sources.append(f"127.0.1.{1 + len(sources)}")
            times = self.flood(server, sources[-1], count)
            samples.append(len(times))
            return sorted(times)[int(0.99 * len(times))]

        slowest = 1000 * best(attack, 0.5)
        what = f"a victim's connection and echo, 99th percentile of {samples[-1]}"
        figure(self, what, slowest, "ms", most=500)
        refused = server.stop()["refused-max-connections-per-source"]
        self.assertEqual(refused, len(sources) * (count - 256))

    def flood(self, server: EchoProcess, source: str, count: int) -> list[float]:
        """Flood a service from an address; give the seconds that others wait."""
        over = threading.Event()
        opened: list[socket.socket] = []

        def run() -> None:
            while len(opened) < count and not over.is_set():
                client = socket.socket()
                opened.append(client)
                client.bind((source, 0))
                client.connect(("127.0.0.1", server.port()))

        thread = threading.Thread(target=run)
        self.addCleanup(thread.join)
        self.addCleanup(over.set)
        thread.start()
        times: list[float] = []
        while thread.is_alive() or len(times) < 10:
            start = time.monotonic()
            victim = self.connect(server, "127.0.0.3")
            self.assert_echo(victim)
            victim.close()
            times.append(time.monotonic() - start)
        # Who comes last is served when all before it were accepted or refused.
        self.assert_echo(self.connect(server, "127.0.0.3"))
        for client in opened:
            client.close()
        self.assertEqual(len(opened), count)
        return times
