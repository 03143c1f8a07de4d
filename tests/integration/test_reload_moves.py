"""SIGHUP: a port goes from one service to another, and is open all the time."""

from __future__ import annotations

import socket

from tests.integration.balance_peers import free_ports
from tests.integration.daemon_process import DaemonCase, echoes
from tests.integration.echo_process import until
from tests.integration.streams import ANSWER

#: Reloads under load, connections a second, and how many come between two reloads.
RELOADS = 6
RATE = 100
BETWEEN = 5

AT = "interface=127.0.0.1"


def two(port: int, udp: int, other: int, *, swapped: bool) -> str:
    """Give two echo services, one of which has the ports."""
    has = f'listen = ["tcp:{port}:{AT}", "udp:{udp}:{AT}"]'
    has_not = f'listen = ["tcp:{other}:{AT}"]'
    first, second = (has_not, has) if swapped else (has, has_not)
    return (
        f'[[echo]]\nname = "one"\n{first}\n'
        f'[[echo]]\nname = "two"\n{second}\ngreeting = "two"\n'
    )


def answers(client: socket.socket, port: int, text: bytes) -> bool:
    """Tell whether a datagram is sent back."""
    client.sendto(text, ("127.0.0.1", port))
    return client.recv(100) == text


class MoveTests(DaemonCase):
    """Tests of ports that change hands."""

    def datagrams(self) -> socket.socket:
        """Make a client of UDP."""
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(ANSWER)
        return client

    def greets(self, client: socket.socket) -> bool:
        """Talk on a connection; tell whether it was greeted by the second one."""
        client.settimeout(ANSWER)
        client.sendall(b"hello")
        got = b""
        while not got.endswith(b"hello"):
            data = client.recv(100)
            assert data, "the connection has ended"
            got += data
        assert got in (b"hello", b"two\r\nhello"), got
        return got.startswith(b"two")

    def under_load(self, text: str = "") -> None:
        """Let ports go to and fro while clients come, and see that none is lost."""
        port, other = free_ports(2)
        (udp,) = free_ports(1)
        daemon = self.start(two(port, udp, other, swapped=False) + text, 3)
        there = self.connect(port)
        client = self.datagrams()
        self.assertTrue(answers(client, udp, b"before"))
        coming = self.newcomers(port, RATE, lambda client: void(self.greets(client)))
        for number in range(RELOADS):
            swapped = number % 2 == 0
            found = daemon.reload(two(port, udp, other, swapped=swapped) + text)
            self.assertEqual(found, "reloaded", daemon.log())
            with socket.create_connection(("127.0.0.1", port), ANSWER) as new:
                self.assertEqual(self.greets(new), swapped)
            for n in range(20):
                self.assertTrue(answers(client, udp, b"%d %d" % (number, n)))
            echoes(there)
            coming.wait(BETWEEN)
        coming.stop()
        self.assertEqual(coming.problems, [])
        self.assertGreaterEqual(coming.served, RELOADS * BETWEEN)

    def test_to_and_fro(self) -> None:
        """Of those who come meanwhile nobody is refused; who is there stays."""
        self.under_load()

    def test_workers(self) -> None:
        """With several processes it is the same."""
        self.under_load('[daemon]\nadmin = "off"\nworkers = 2\n')

    def test_another_kind(self) -> None:
        """A service that goes leaves its port to a new one of another kind; who is
        connected to it stays while it drains."""
        (port,) = free_ports(1)
        daemon = self.start(f'[echo]\nlisten = ["tcp:{port}:{AT}"]\n', 1)
        there = self.connect(port)
        echoes(there)
        chat = (
            f'[chat]\nline = ["tcp:{port}:{AT}"]\n'
            'irc = ["unix:irc.sock"]\nstore = ":memory:"\n'
        )
        self.assertEqual(daemon.reload(chat), "reloaded", daemon.log())
        with socket.create_connection(("127.0.0.1", port), ANSWER) as new:
            self.assertIn(b"elcome", new.recv(1000))
        there.close()
        until(lambda: daemon.lines("netsvc-echo has stopped"), "echo has gone")
        with socket.create_connection(("127.0.0.1", port), ANSWER) as new:
            self.assertIn(b"elcome", new.recv(1000))

    def test_comes_back(self) -> None:
        """A service that is gone can come back while those who are there stay."""
        port, other = free_ports(2)
        (udp,) = free_ports(1)
        both = two(port, udp, other, swapped=False)
        daemon = self.start(both, 3)
        there = self.connect(port)
        echoes(there)
        _, name, rest = both.partition('[[echo]]\nname = "two"')
        self.assertEqual(daemon.reload(name + rest), "reloaded", daemon.log())
        with self.assertRaises(ConnectionRefusedError):
            self.connect(port)
        self.assertEqual(daemon.reload(both), "reloaded", daemon.log())
        echoes(self.connect(port))
        self.assertTrue(answers(self.datagrams(), udp, b"again"))
        echoes(there)
        there.close()
        until(lambda: daemon.lines("netsvc-echo/one has stopped"), "the old has gone")
        echoes(self.connect(port))

    def test_refused(self) -> None:
        """If something else is wrong, the port stays where it was, and goes later."""
        port, other = free_ports(2)
        (udp,) = free_ports(1)
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        busy = taken.getsockname()[1]
        daemon = self.start(two(port, udp, other, swapped=False), 3)
        wrong = f'[[echo]]\nname = "three"\nlisten = ["tcp:{busy}:{AT}"]\n'
        moved = two(port, udp, other, swapped=True)
        self.assertIn("1 to correct", daemon.reload(moved + wrong))
        client = self.datagrams()
        for _ in range(10):
            self.assertFalse(self.greets(self.connect(port)))
            self.assertTrue(answers(client, udp, b"still"))
        self.assertEqual(daemon.reload(moved), "reloaded", daemon.log())
        for _ in range(10):
            self.assertTrue(self.greets(self.connect(port)))
            self.assertTrue(answers(client, udp, b"again"))


def void(_: object) -> None:
    """Give nothing."""
