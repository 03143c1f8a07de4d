"""One daemon that runs what a configuration file says, and files that are wrong."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import dns.message
import dns.rrset
from twisted.trial.unittest import SynchronousTestCase

from tests.integration.balance_peers import free_ports
from tests.integration.daemon_process import DaemonCase, DaemonProcess, echoes
from tests.integration.echo_process import COMMANDS, PATIENCE, until
from tests.integration.streams import ANSWER

EVERYTHING: Final = """\
[echo]
listen = ["tcp:{echo}:interface=127.0.0.1", "udp:0:interface=127.0.0.1"]

[chat]
line = "tcp:0:interface=127.0.0.1"
irc = "off"
store = ":memory:"

[relay]
listen = "udp:0:interface=127.0.0.1"

[dns]
dns = "udp:0:interface=127.0.0.1"
line = "off"
upstream = "127.0.0.1:{dns}"
forward = "test"

[[balance]]
name = "named"
listen = "tcp:0:interface=127.0.0.1"
backend = "localhost:{echo}"
check_interval = "100ms"

[[balance]]
name = "plain"
listen = "udp:0:interface=127.0.0.1"
backend = "127.0.0.1:{echo}"
"""

#: Listen strings in that file.
LISTENS: Final = 7


class NameServer:
    """
    A DNS server that gives every name the same address.

    @ivar port: Where it listens.
    """

    def __init__(self) -> None:
        """Begin."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, address = self._socket.recvfrom(65535)
            if not data:
                return
            query = dns.message.from_wire(data)
            response = dns.message.make_response(query)
            name = query.question[0].name
            response.answer.append(
                dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.7")
            )
            self._socket.sendto(response.to_wire(), address)

    def stop(self) -> None:
        """End."""
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()


class EverythingTests(DaemonCase):
    """All services in one process."""

    def test_talk(self) -> None:
        """Each service serves, and those that belong together find each other."""
        server = NameServer()
        self.addCleanup(server.stop)
        (echo,) = free_ports(1)
        daemon = self.start(EVERYTHING.format(echo=echo, dns=server.port), LISTENS)
        echoes(self.connect(daemon.port("tcp", "echo")))
        self.assertEqual(self.ask(daemon.port("udp", "echo"), b"hello"), b"hello")
        self.resolved(daemon)
        self.chatted(daemon)
        self.balanced(daemon)

    def ask(self, port: int, data: bytes) -> bytes:
        """Send a datagram and give the answer."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(ANSWER)
            client.connect(("127.0.0.1", port))
            client.send(data)
            return client.recv(65535)

    def resolved(self, daemon: DaemonProcess) -> None:
        """See that a name is looked up at the server that the file names."""
        query = dns.message.make_query("www.test", "A")
        answer = dns.message.from_wire(
            self.ask(daemon.port("udp", "dns"), query.to_wire())
        )
        self.assertIn("192.0.2.7", answer.to_text())

    def chatted(self, daemon: DaemonProcess) -> None:
        """See that somebody on a line reads what comes as a datagram."""
        client = self.connect(daemon.port("tcp", "chat"))
        lines = client.makefile("rb")
        self.addCleanup(lines.close)
        self.read_until(lines, b"has joined #lobby")
        self.ask(daemon.port("udp", "relay"), b"hello from afar\n")
        self.read_until(lines, b"hello from afar")

    def read_until(self, lines: Iterator[bytes], wanted: bytes) -> None:
        """Read lines until one has some words."""
        self.assertTrue(any(wanted in line for line in lines), wanted)

    def balanced(self, daemon: DaemonProcess) -> None:
        """See that the backend by name is found, and served from."""
        address = ("127.0.0.1", daemon.port("tcp", "balance"))

        def served() -> bool:
            try:
                with socket.create_connection(address, ANSWER) as client:
                    echoes(client)
            except (OSError, AssertionError):
                return False
            return True

        until(served, "the backend serves", PATIENCE)


class MistakeTests(SynchronousTestCase):
    """Files with which no daemon starts."""

    def setUp(self) -> None:
        """Make a folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.file = self.folder / "netsvc.toml"

    def run_commands(self, text: str, *commands: tuple[str, ...]) -> list[list[str]]:
        """
        Run commands with a file, all at once; see that each ends with status 1, and
        without a traceback.

        @return: What each has written on stderr, without the name of the file.
        """
        self.file.write_text(text)
        with ExitStack() as stack:
            running = [
                stack.enter_context(
                    subprocess.Popen(
                        [COMMANDS / command, *words, str(self.file)],
                        cwd=self.folder,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        text=True,
                    )
                )
                for command, *words in commands
            ]
            outputs = [each.communicate(timeout=PATIENCE) for each in running]
        self.assertEqual([each.returncode for each in running], [1] * len(running))
        for output in outputs:
            self.assertNotIn("Traceback", "".join(output))
        return [
            [line.removeprefix(f"{self.file}") for line in errors.splitlines()]
            for _, errors in outputs
        ]

    ALL = (
        ("twistd", "-n", "--pidfile=", "netsvc", "--config"),
        ("netsvc", "run", "--config"),
        ("netsvc", "check"),
    )

    def test_file(self) -> None:
        """Who starts and who checks tell the same: all mistakes, a line each."""
        (port,) = free_ports(1)
        text = (
            f"[echo]\nlisten = 'tcp:{port}:interface=127.0.0.1'\nidle-timeout = 1\n"
            "[chat]\nreplay = 'many'\n[dsn]\n"
        )
        expected = [
            ":3: echo.idle-timeout: unknown key; did you mean idle_timeout?",
            ":5: chat.replay: 'many' is not a whole number",
            ":6: dsn: unknown table; did you mean [dns]?",
        ]
        for found in self.run_commands(text, *self.ALL):
            self.assertEqual(found, expected)

    def test_nothing(self) -> None:
        """A file that asks for nothing is a mistake, in one line."""
        for found in self.run_commands("# nothing yet\n", *self.ALL):
            self.assertEqual(len(found), 1)
            self.assertIn(":1: there is nothing to run: ", found[0])

    def test_what_it_names(self) -> None:
        """What is wrong with files that the file names has the line, too."""
        text = (
            "[daemon]\nadmin = 'off'\n[echo]\n"
            "[chat]\nline = 'tcp:0:interface=127.0.0.1'\nirc = 'off'\n"
            f"store = ':memory:'\nmotd = '{self.folder}/none'\n"
        )
        expected = f":8: chat.motd: cannot read {self.folder}/none: No such file or"
        for (line,) in self.run_commands(text, *self.ALL[:2]):
            self.assertEqual(line, f"{expected} directory")

    def test_port_in_use(self) -> None:
        """A port that is in use is one line, and nothing goes on without it."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            text = (
                "[daemon]\nadmin = 'off'\n"
                f"[echo]\nlisten = 'tcp:{port}:interface=127.0.0.1'\n"
            )
            for found in self.run_commands(text, *self.ALL[:2]):
                self.assertEqual(len(found), 1, found)
                listen = f"tcp:{port}:interface=127.0.0.1"
                problem = f"cannot listen on {listen}: Address already in use"
                self.assertEqual(found[0], f":4: echo.listen: {problem}")


class SampleTests(DaemonCase):
    """The sample that is shipped."""

    def test_runs(self) -> None:
        """With ports of the system's choice, it runs as it is."""
        text = (Path(__file__).parents[2] / "deploy" / "netsvc.toml").read_text()
        for old, new in (
            ('\n#admin = ["auto"]\n', '\nadmin = "off"\n'),
            (
                '\n#listen = ["tcp:7007", "udp:7007"]\n',
                '\nlisten = "tcp:0:interface=127.0.0.1"\n',
            ),
        ):
            self.assertIn(old, text)
            text = text.replace(old, new)
        daemon = self.start(text, 1, runner="netsvc")
        echoes(self.connect(daemon.port("tcp", "echo")))
