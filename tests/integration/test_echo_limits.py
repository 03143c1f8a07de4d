"""The limits that an operator sets, seen from a client, and counted by reason."""

from __future__ import annotations

import os
import socket
import time

from tests.integration.echo_process import TCP, UDP, EchoCase, need_root, until
from tests.integration.streams import ended

#: Seconds that what must come may take.
PATIENCE = 60.0


def echoes(client: socket.socket) -> bool:
    """Tell whether a connection is still served."""
    try:
        client.sendall(b"x")
        return client.recv(1) == b"x"
    except ConnectionError:
        return False


class ConnectionLimitTests(EchoCase):
    """How many connections there may be, and how fast they may come."""

    def test_in_all(self) -> None:
        """Beyond C{--max-connections} a connection ends at once; others go on."""
        server = self.start("--max-connections", "5")
        clients = [self.connect(server) for _ in range(5)]
        for client in clients:
            self.assert_echo(client)
        for _ in range(3):
            self.assertTrue(ended(self.connect(server)))
        for client in clients:
            self.assert_echo(client)
        self.assert_datagram(self.datagrams(server))
        clients.pop().close()
        until(lambda: self.served(server.port()), "there is room again", PATIENCE)
        self.assertGreaterEqual(server.stop()["refused-max-connections"], 3)

    def served(self, port: int) -> bool:
        """Whether a new connection is served; it stays open."""
        return echoes(self.connect(port))

    def test_of_one_source(self) -> None:
        """C{--max-connections-per-source} holds for each address on its own."""
        server = self.start("--max-connections-per-source", "2")
        for host in ("127.0.0.2", "127.0.0.3"):
            clients = [self.connect(server, host) for _ in range(2)]
            self.assertTrue(ended(self.connect(server, host)))
            for client in clients:
                self.assert_echo(client)
        self.assertEqual(server.stop()["refused-max-connections-per-source"], 2)

    def test_rate(self) -> None:
        """
        C{--connection-rate} lets a burst in, refuses what comes faster, and does
        not touch other addresses.
        """
        server = self.start("--connection-rate", "1/m:3")
        for _ in range(3):
            self.assert_echo(self.connect(server, "127.0.0.2"))
        self.assertTrue(ended(self.connect(server, "127.0.0.2")))
        self.assert_echo(self.connect(server, "127.0.0.3"))
        self.assertEqual(server.stop()["refused-connection-rate"], 1)
        server = self.start("--connection-rate", "2/s:1")
        self.assert_echo(self.connect(server))
        until(lambda: self.served(server.port()), "the next one is let in", PATIENCE)

    def test_log(self) -> None:
        """A thousand refusals are at most a line a second."""
        server = self.start("--max-connections", "1", listen=(TCP,))
        self.assert_echo(self.connect(server))
        start = time.monotonic()
        for _ in range(1000):
            with socket.create_connection(("127.0.0.1", server.port())):
                pass
        # Whoever comes last is refused when all before it were.
        self.assertEqual(self.connect(server).recv(1), b"")
        until(lambda: server.lines("refused a connection"), "it says so", PATIENCE)
        lines = len(server.lines("refused a connection"))
        self.assertLessEqual(lines, time.monotonic() - start + 1)
        until(lambda: server.descriptors() < 30, "they are closed", PATIENCE)
        self.assertEqual(server.stop()["refused-max-connections"], 1001)


class TimeoutTests(EchoCase):
    """What happens to a connection on which nothing moves."""

    def test_idle(self) -> None:
        """C{--idle-timeout} ends the silent ones, and not those that talk."""
        server = self.start("--idle-timeout", "1s", listen=(TCP,))
        for _ in range(3):
            silent, busy = self.connect(server), self.connect(server)
            start = last = time.monotonic()
            slowest = 0.0
            self.assert_echo(silent)
            gone = False
            while (well := echoes(busy)) and not gone:
                now = time.monotonic()
                self.assertLess(now - start, PATIENCE)
                slowest, last = max(slowest, now - last), now
                gone = ended(silent, 0.1)
            if well:
                self.assertGreater(time.monotonic() - start, 0.8)
                break
            # On a busy machine this one was silent for too long, too.
            self.assertGreater(max(slowest, time.monotonic() - last), 0.5)
        else:
            self.fail("one that talks is ended")
        busy.close()
        self.assertGreaterEqual(server.stop()["ended-idle-timeout"], 1)


class DatagramLimitTests(EchoCase):
    """Which datagrams are answered."""

    def test_rate(self) -> None:
        """C{--udp-rate} holds for each source address on its own."""
        server = self.start("--udp-rate", "1/m:10", listen=(UDP,))
        last = []
        for host in ("127.0.0.2", "127.0.0.3"):
            for _ in range(5):
                # Another port is no other source.
                client = self.datagrams(server, (host, 0))
                self.assert_datagram(client)
                self.assert_datagram(client)
            last.append(client)
        self.assert_silent(*last)
        self.assert_datagram(self.datagrams(server))
        self.assertEqual(server.stop()["unanswered-rate"], 2)

    def test_privileged_ports(self) -> None:
        """Source ports below 1024 are not answered, nor is C{UDP} on reflectors'."""
        need_root("a source port below 1024")
        server = self.start(listen=(UDP,))
        ports = (1, 1023, 7, 19, 1900, 11211)
        self.assert_silent(
            *(self.datagrams(server, ("127.0.0.9", port)) for port in ports)
        )
        self.assert_datagram(self.datagrams(server, ("127.0.0.9", 1024)))
        counted = server.stop()
        self.assertEqual(counted["unanswered-privileged-port"], 2)
        self.assertEqual(counted["unanswered-reflector"], 4)

    def test_reflectors(self) -> None:
        """Known reflectors above port 1023 are not answered."""
        server = self.start(listen=(UDP,))
        self.assert_silent(self.datagrams(server, ("127.0.0.10", 11211)))
        self.assert_datagram(self.datagrams(server))
        self.assertEqual(server.stop()["unanswered-reflector"], 1)

    def test_answer_privileged_ports(self) -> None:
        """C{--answer-privileged-ports} answers to all ports but its own."""
        server = self.start("--answer-privileged-ports", listen=(UDP,))
        ports = (7, 53, 1023, 11211) if os.geteuid() == 0 else (11211,)
        for port in ports:
            self.assert_datagram(self.datagrams(server, ("127.0.0.11", port)))
        own = server.port("udp")
        self.assert_silent(self.datagrams(server, ("127.0.0.11", own)))
        self.assert_datagram(self.datagrams(server))
        self.assertEqual(server.stop()["unanswered-loop"], 1)
