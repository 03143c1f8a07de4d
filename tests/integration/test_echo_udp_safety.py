"""Forged and random datagrams."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import struct
import time

from tests.integration.attempts import rests
from tests.integration.echo_process import UDP, EchoCase, EchoProcess, need_root, until
from tests.integration.figures import figure

#: Seconds that what must come may take.
PATIENCE = 60.0


def forge(source: tuple[str, int], target: tuple[str, int], data: bytes) -> None:
    """Send one datagram that claims to come from C{source}. Needs root."""
    header = struct.pack(
        "!BBHHHBBH4s4s",
        *(0x45, 0, 28 + len(data), 862, 0, 64, socket.IPPROTO_UDP, 0),
        *(socket.inet_aton(source[0]), socket.inet_aton(target[0])),
    )
    udp = struct.pack("!HHHH", source[1], target[1], 8 + len(data), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(header + udp + data, (target[0], 0))


class LoopTests(EchoCase):
    """A datagram that makes one echo service talk to another (CVE-2024-2169)."""

    def test_same_port(self) -> None:
        """Two services on the same port of two addresses do not answer each other."""
        need_root("forging a datagram")
        first = self.start(listen=(UDP,))
        port = first.port("udp")
        second = self.start(listen=(f"udp:{port}:interface=127.0.0.2",))
        forge(("127.0.0.2", port), ("127.0.0.1", port), b"loop")
        self.assert_datagram(self.datagrams(first))
        self.assert_datagram(self.datagrams(second, to="127.0.0.2"))
        counted = first.stop()
        self.assertEqual((counted["datagrams"], counted["unanswered-loop"]), (2, 1))
        self.assertEqual(second.stop()["datagrams"], 1)

    def test_itself(self) -> None:
        """A service with two ports does not answer from one to the other."""
        need_root("forging a datagram")
        server = self.start(listen=(UDP, UDP))
        one, other = server.port("udp", 0), server.port("udp", 1)
        forge(("127.0.0.1", one), ("127.0.0.1", other), b"loop")
        forge(("127.0.0.1", one), ("127.0.0.1", one), b"loop")
        self.assert_datagram(self.datagrams(one))
        counted = server.stop()
        self.assertEqual((counted["datagrams"], counted["unanswered-loop"]), (3, 2))
        answered = counted["datagrams"] - counted["unanswered-loop"] - 1
        figure(self, "forged datagrams answered", answered, most=1)

    def test_other_ports(self) -> None:
        """
        Between two services on different ports, which cannot know of each other,
        C{--udp-rate} bounds what a forged datagram can start.
        """
        need_root("forging a datagram")
        options = ("--udp-rate", "1/m:20")
        first = self.start(*options, listen=(UDP,))
        second = self.start(*options, listen=("udp:0:interface=127.0.0.2",))
        forge(
            ("127.0.0.2", second.port("udp")),
            ("127.0.0.1", first.port("udp")),
            b"loop",
        )
        until(lambda: rests(first.cpu) and rests(second.cpu), "they rest", PATIENCE)
        for server in (first, second):
            counted = server.stop()
            self.assertLessEqual(counted["datagrams"], 22)


class RandomTests(EchoCase):
    """Whatever arrives."""

    def test_flood(self) -> None:
        """
        A hundred thousand random datagrams of 0 to 65507 bytes from many addresses
        leave the service alive and its memory as it was.
        """
        server = self.start(listen=(UDP,))
        chance = random.Random(13)
        noise = chance.randbytes(70_000)
        sources = []
        for number in range(200):
            source = self.datagrams(server, (f"127.0.3.{1 + number}", 0))
            source.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
            source.setblocking(False)
            sources.append(source)

        def volley(count: int) -> None:
            for number in range(count):
                size = int(65_507 ** chance.random()) if number % 50 else 65_507
                start = number % 4096
                try:
                    sources[number % 200].send(noise[start : start + size - number % 2])
                except BlockingIOError:
                    time.sleep(0.001)

        # What it needs for the first ones it keeps.
        for _ in range(10):
            volley(2000)
            time.sleep(0.02)
        time.sleep(0.2)
        before = server.rss()
        # 25,000 a second, as far as this machine keeps up.
        due = time.monotonic()
        for _ in range(50):
            volley(2000)
            due += 0.08
            time.sleep(max(0.0, due - time.monotonic()))
        for source in sources:
            source.close()
        self.reach_its_end(server)
        client = self.datagrams(server)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        for size in (0, 1, 8192, 8193, 9000, 65_507, *range(5, 65_507, 2003)):
            self.assert_datagram(client, os.urandom(size))
        figure(self, "memory grown", server.rss() - before, "KiB", most=1024)
        counted = server.stop()
        came = counted["datagrams"] + counted.get("dropped-by-kernel", 0)
        self.assertGreater(came, 50_000)
        self.assertGreater(counted["datagrams"], 5_000)

    def reach_its_end(self, server: EchoProcess) -> int:
        """
        Wait until all that has been sent so far is read; give how many datagrams that
        has taken, each of which may have found no room.
        """
        client = self.datagrams(server)
        deadline = time.monotonic() + PATIENCE
        tries = 0
        while time.monotonic() < deadline:
            tries += 1
            client.settimeout(0.2)
            client.send(b"%d" % tries)
            with contextlib.suppress(TimeoutError):
                while client.recv(100) != b"%d" % tries:
                    pass  # an answer that comes late
                return tries
        raise AssertionError("it does not answer")

    def test_dropped_by_kernel(self) -> None:
        """
        What the kernel drops while the service stands still is in the line that it
        writes when it has stopped; each datagram is counted once.
        """
        server = self.start("--udp-rate", "off", listen=(UDP,))
        client = self.datagrams(server)
        server.signal(signal.SIGSTOP)
        # The buffer may hold 8 MiB.
        flood = 1000
        for _ in range(flood):
            client.send(bytes(16_000))
        server.signal(signal.SIGCONT)
        tries = self.reach_its_end(server)
        counted = server.stop()
        self.assertGreater(counted["dropped-by-kernel"], 0)
        total = counted["datagrams"] + counted["dropped-by-kernel"]
        self.assertEqual(total, flood + tries)

    def test_after_a_stall(self) -> None:
        """What came while the service stood still is answered when it goes on."""
        server = self.start(listen=(UDP,))
        client = self.datagrams(server)
        server.signal(signal.SIGSTOP)
        for number in range(100):
            client.send(b"%d" % number)
        server.signal(signal.SIGCONT)
        client.settimeout(PATIENCE)
        answers = [client.recv(100) for _ in range(100)]
        self.assertEqual(answers, [b"%d" % number for number in range(100)])
