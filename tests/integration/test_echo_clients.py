"""RFC 862 with the clients that people have: nc, ncat, socat, telnet, scripts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

from tests.integration.echo_process import TCP, UDP, EchoCase, tool
from tests.integration.streams import receive, receive_all

#: Seconds that a program may take.
PATIENCE = 60.0

TEXT = "안녕하세요, 서버님. Hello, Server.\r\n"

#: What only a byte-exact echo gives back: every byte, and no line end at the end.
BYTES = bytes(range(256)) * 16 + TEXT.encode() + TEXT.encode("cp949") + b"end"

GREETING_CLIENT = """
import socket
s = socket.socket()
s.connect(("127.0.0.1", {port}))
s.send(b"Hello, Server.")
print(s.recv(100))
"""


class StreamToolTests(EchoCase):
    """Programs that speak TCP, or through a UNIX socket."""

    def setUp(self) -> None:
        """Start a service."""
        super().setUp()
        self.server = self.start(listen=(TCP, "unix:echo.sock"))
        self.port = str(self.server.port())

    def assert_returns(self, *words: str) -> None:
        """A program that shuts down its output gets all of it back, and the end."""
        done = self.run_tool(*words, stdin=BYTES)
        self.assertEqual((done.stdout, done.returncode), (BYTES, 0))

    def test_nc(self) -> None:
        """C{nc -N} gets everything back and then the end, over TCP and UNIX."""
        self.assert_returns("nc", "-N", "127.0.0.1", self.port)
        self.assert_returns("nc", "-N", "-U", "echo.sock")

    def test_ncat(self) -> None:
        """C{ncat} gets everything back and then the end, over TCP and UNIX."""
        self.assert_returns("ncat", "127.0.0.1", self.port)
        self.assert_returns("ncat", "-U", "echo.sock")

    def test_socat(self) -> None:
        """C{socat} gets everything back and then the end, over TCP and UNIX."""
        self.assert_returns("socat", "-t", "9", "-", f"TCP:127.0.0.1:{self.port}")
        self.assert_returns("socat", "-t", "9", "-", "UNIX-CONNECT:echo.sock")

    def test_telnet(self) -> None:
        """C{telnet} shows each line as it comes back."""
        client = subprocess.Popen(
            [tool("telnet"), "127.0.0.1", self.port],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        assert client.stdin and client.stdout
        for _ in range(3):
            self.assertNotEqual(client.stdout.readline(), b"")  # Trying, ...
        # Only ASCII: the byte 85 is one of those that this telnet swallows.
        for line in (b"Hello, Server.\r\n", b"quit\r\n"):
            client.stdin.write(line)
            client.stdin.flush()
            self.assertEqual(client.stdout.readline(), line)


class DatagramToolTests(EchoCase):
    """Programs that speak UDP."""

    def setUp(self) -> None:
        """Start a service."""
        super().setUp()
        self.server = self.start(listen=(UDP,))
        self.port = str(self.server.port("udp"))

    def assert_returns(self, *words: str) -> None:
        """A program gets its datagram back, and shows it."""
        client = subprocess.Popen(
            [tool(words[0]), *words[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        assert client.stdin and client.stdout
        client.stdin.write(TEXT.encode())
        client.stdin.flush()
        self.assertEqual(client.stdout.readline(), TEXT.encode())

    def test_nc(self) -> None:
        """C{nc -u} gets its datagram back."""
        self.assert_returns("nc", "-u", "127.0.0.1", self.port)

    def test_ncat(self) -> None:
        """C{ncat -u} gets its datagram back."""
        self.assert_returns("ncat", "-u", "127.0.0.1", self.port)

    def test_socat(self) -> None:
        """C{socat} gets its datagram back."""
        self.assert_returns("socat", "-", f"UDP:127.0.0.1:{self.port}")

    def nping(self, *words: str) -> str:
        """Send three datagrams with nping, and give what it says."""
        return self.run_tool(
            *("nping", "--udp", "-c", "3", "--delay", "50ms", "-p", self.port),
            *(*words, "127.0.0.1"),
            seconds=PATIENCE,
        ).stdout.decode()

    def test_nping(self) -> None:
        """C{nping --udp} gets an answer to each of its datagrams."""
        ports = ("-g", "40007") if _raw() else ("--unprivileged",)
        # It waits a second for the last answer, which a busy machine may need.
        for _ in range(3):
            said = self.nping("--data-length", "1000", *ports)
            if "Lost: 0 (0.00%)" in said:
                break
        self.assertIn("Lost: 0 (0.00%)", said)

    def test_nping_as_root(self) -> None:
        """
        What C{nping --udp} sends by itself as root is from port 53, as if a name
        server had asked: that is refused, and counted.
        """
        if not _raw():
            self.skipTest("nping sends from port 53 only as root")
        # What else is received is not for it: any ICMP on this machine.
        self.assertNotRegex(self.nping(), r"RCVD .* UDP ")
        self.assert_datagram(self.datagrams(self.server))
        self.assertEqual(self.server.stop()["unanswered-reflector"], 3)


def _raw() -> bool:
    """Whether nping would use raw sockets."""
    return os.geteuid() == 0


class ScriptTests(EchoCase):
    """What students write with C{socket}."""

    def test_greeting(self) -> None:
        """A client that says hello, and expects a hello, gets the greeting."""
        server = self.start("--greeting", "Hello, Client.", listen=(TCP,))
        script = GREETING_CLIENT.format(port=server.port())
        done = subprocess.run(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
        )
        self.assertIn(
            done.stdout,
            (
                "b'Hello, Client.\\r\\n'\n",
                "b'Hello, Client.\\r\\nHello, Server.'\n",
            ),
        )

    def test_greeting_then_echo(self) -> None:
        """After the greeting comes the echo, of small and of large flows."""
        server = self.start("--greeting", "안녕하세요", listen=(TCP,))
        hello = "안녕하세요\r\n".encode()
        client = self.connect(server)
        self.assertEqual(receive(client, len(hello)), hello)
        for data in (b"1", BYTES, BYTES * 10):
            self.assert_echo(client, data)
        eager = self.connect(server)
        eager.sendall(BYTES)
        eager.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(eager), hello + BYTES)

    def test_text(self) -> None:
        """Korean text comes back as it was sent, in UTF-8 and in CP949."""
        server = self.start()
        client, datagrams = self.connect(server), self.datagrams(server)
        for encoding in ("utf-8", "cp949"):
            self.assert_echo(client, TEXT.encode(encoding))
            self.assert_datagram(datagrams, TEXT.encode(encoding))

    def test_one_byte_at_a_time(self) -> None:
        """Bytes that come one by one go back one by one, at once."""
        client = self.connect(self.start(listen=(TCP,)))
        times = []
        for number in range(100):
            start = time.monotonic()
            self.assert_echo(client, bytes([number]))
            times.append(time.monotonic() - start)
        # Neither side waits for more (Nagle, delayed acknowledgements: 40 ms each),
        # also after the first few, which TCP acknowledges at once.
        self.assertLess(sorted(times[50:])[10], 0.03)


class DefaultTests(EchoCase):
    """Without any option."""

    def test_ports(self) -> None:
        """
        It listens on TCP port 7007 and UDP port 7007 of all addresses, and gives
        back what comes.
        """
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(type=kind) as probe:
                try:
                    probe.bind(("", 7007))
                except OSError:
                    self.skipTest("something else uses port 7007")
        self.start(listen=())
        self.assert_echo(self.connect(7007))
        self.assert_datagram(self.datagrams(7007))
