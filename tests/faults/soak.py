"""Faults that take their time, and those that several services must stand alike."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time

from tests.integration.balance_process import BalanceCase
from tests.integration.chat_process import ChatCase
from tests.integration.dns_process import DNSProcess
from tests.integration.echo_process import TCP, UDP, EchoCase, status_of, until
from tests.integration.figures import figure
from tests.integration.ping_servers import make_certificate
from tests.integration.streams import ended, fill

#: Seconds for which a flood goes on at the most, and without anything being taken.
FLOOD = 5.0
QUIET = 1.0

#: Seconds after which who sends a byte now and then must have been cut; it would go on
#: for 40 s, and its deadline is 2 s.
CUT = 20.0

#: MiB by which memory may grow for a peer that never reads.
STALLED = 2


def rss(pid: int) -> int:
    """Give a process's own memory in KiB."""
    return status_of(pid, "RssAnon")


def flood(client: socket.socket, piece: bytes) -> None:
    """Send something again and again, and read nothing, until nothing is taken."""
    client.setblocking(False)
    data = piece * (1 + 65_536 // len(piece))
    began = taken = time.monotonic()
    while (now := time.monotonic()) - taken < QUIET and now - began < FLOOD:
        try:
            client.send(data)
            taken = now
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:
            break  # it was cut


class SecureIdleTests(EchoCase):
    """TLS connections on which nothing happens."""

    def test_memory(self) -> None:
        """
        Five thousand, or what the system allows, cost at most 27 KiB each; opened and
        closed three times, they leave nothing more behind than the first time.
        """
        certificate, _ = make_certificate(self.folder)
        context = ssl.create_default_context(cafile=str(certificate))
        key = self.folder / "key.pem"
        server = self.start(
            *("--max-connections-per-source", "0"),
            listen=(
                f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}",
            ),
        )
        count = min(5000, self.allow_descriptors(5300) - 300)
        before, each = rss(server.pid), []
        plateau = []
        for _ in range(3):
            clients = []
            for _ in range(count):
                plain = self.connect(server.port("ssl"))
                client = context.wrap_socket(plain, server_hostname="localhost")
                client.send(b"x")
                clients.append(client)
            for client in clients:
                self.assertEqual(client.recv(1), b"x")
            each.append((rss(server.pid) - before) / count)
            plateau.append(rss(server.pid))
            for client in clients:
                client.close()
            until(lambda: server.descriptors() < 50, "they are closed", 60)
        figure(self, f"memory a connection, of {count}", each[0], "KiB", most=27)
        grown = 100 * (plateau[2] / plateau[1] - 1)
        figure(self, "third time, against the second", grown, "%", most=2)


class ChatStallTests(ChatCase):
    """Who asks, and reads no answer."""

    def test_chat(self) -> None:
        """A client that asks for help without end, and reads none."""
        server = self.start("--command-rate", "off", store=":memory:")
        watcher = self.line(server, "watcher")
        before = rss(server.pid)
        for port, piece in (
            (server.line_port(), b"/help\r\n"),
            (server.irc_port(), b"NICK a\r\nUSER a 0 * :a\r\nHELP\r\n"),
        ):
            flood(self.connect(port, 4096), piece)
        watcher.sync()
        grown = (rss(server.pid) - before) / 1024
        figure(self, "memory of chat grown", grown, "MiB", most=STALLED)


class StallTests(BalanceCase):
    """Peers that send, and never read."""

    def test_balance(self) -> None:
        """A client of a balancer whose backend echoes all that it sends."""
        balancer = self.start(backends=[self.backend()])
        before = rss(balancer.process.pid)
        with socket.create_connection(("127.0.0.1", balancer.port)) as client:
            self.assertLess(fill(client), 100 << 20)
            grown = (rss(balancer.process.pid) - before) / 1024
        figure(self, "memory of the balancer grown", grown, "MiB", most=STALLED)

    def test_dns(self) -> None:
        """A client that asks over TCP without end, and reads no answer."""
        server = DNSProcess(self.folder, "--upstream", "127.0.0.1:9", "--rate", "off")
        self.addCleanup(server.kill)
        server.wait()
        query = bytes.fromhex("00010100000100000000000009") + b"localhost\0\0\1\0\1"
        framed = len(query).to_bytes(2, "big") + query
        before = rss(server.pid)
        for port, piece in ((server.port, framed), (server.line, b"localhost\r\n")):
            with socket.create_connection(("127.0.0.1", port)) as client:
                flood(client, piece)
        grown = (rss(server.pid) - before) / 1024
        figure(self, "memory of dns grown", grown, "MiB", most=STALLED)


class SlowTests(BalanceCase):
    """A byte now and then."""

    def drip(self, port: int, data: bytes) -> None:
        """Send a byte every 0.2 s, and see that the connection ends in time."""
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", port)) as client:
            for number in range(200):
                with contextlib.suppress(OSError):
                    client.send(data[number % len(data) :][:1])
                if ended(client, 0.2):
                    break
        figure(self, "cut after", time.monotonic() - began, "s", most=CUT)

    def test_balance(self) -> None:
        """A PROXY header that never ends is cut at the client's deadline."""
        balancer = self.start(
            *("--client-timeout", "2s", "--accept-proxy"),
            *("--trust", "127.0.0.0/8"),
            backends=[self.backend()],
        )
        self.drip(balancer.port, b"PROXY TCP4 ")

    def test_dns(self) -> None:
        """A DNS message that never ends is cut at the idle timeout."""
        server = DNSProcess(
            *(self.folder, "--upstream", "127.0.0.1:9", "--idle-timeout", "2s")
        )
        self.addCleanup(server.kill)
        server.wait()
        self.drip(server.port, b"\0\x40" + bytes(64))


class AmplificationTests(EchoCase):
    """Questions whose source is forged."""

    def test_echo(self) -> None:
        """Ten thousand questions have answers of no more bytes than they had."""
        server = self.start(listen=(UDP,))
        client = self.datagrams(server)
        client.setblocking(False)
        asked = answered = 0
        for number in range(10_000):
            with contextlib.suppress(BlockingIOError):
                asked += client.send(bytes(number % 200))
            with contextlib.suppress(BlockingIOError):
                while True:
                    answered += len(client.recv(65_536))
        client.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while True:
                answered += len(client.recv(65_536))
        self.assertGreater(answered, 0)
        figure(self, "bytes out for a byte in", answered / asked, most=1)


class LeakTests(EchoCase):
    """Connections that come and go."""

    def test_churn(self) -> None:
        """Of 50,000 nothing is left: neither memory nor descriptors."""
        server = self.start("--max-connections-per-source", "0", listen=(TCP,))

        def cycle(count: int) -> None:
            for _ in range(count):
                with socket.create_connection(("127.0.0.1", server.port())) as client:
                    client.send(b"hello")
                    client.recv(5)

        cycle(10_000)
        descriptors, before = server.descriptors(), rss(server.pid)
        cycle(50_000)
        until(lambda: server.descriptors() <= descriptors, "they are closed")
        each = 1024 * (rss(server.pid) - before) / 50_000
        figure(self, "memory kept", each, "bytes a connection", most=10)
