"""The same service from every runner, under every reactor, and from systemd."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

from tests.integration.echo_process import TCP, EchoCase, EchoProcess, until
from tests.integration.streams import receive_all

#: What systemd does for a service with two sockets, before it executes it.
SYSTEMD = """
import os, socket, sys
stream = socket.create_server(("127.0.0.1", 0))
datagrams = socket.socket(type=socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", 0))
held = [os.dup(each.fileno()) for each in (stream, datagrams)]
# Their numbers may be 3 and 4 already, in another order.
held = [os.dup(fd) for fd in held]
for number, fd in enumerate(held, 3):
    os.dup2(fd, number)
os.closerange(5, 100)
os.environ.update(
    LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="echo:echo-udp"
)
os.execv(sys.argv[1], sys.argv[1:])
"""


class SameCase(EchoCase):
    """What must be the same however the service is started."""

    def assert_serves(self, server: EchoProcess, tcp: int, udp: int) -> None:
        """See that it does what an echo does, and stops as it should."""
        for size in (1, 65_507):
            self.assert_datagram(self.datagrams(udp), os.urandom(size))
        client = self.connect(tcp)
        self.assert_echo(client)
        data = os.urandom(500_000)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(client), data)
        counted = server.stop()
        self.assertEqual(counted["bytes"], 500_005)
        self.assertEqual(counted["datagrams"], 2)


class RunnerTests(SameCase):
    """C{twistd} is what all the other tests use."""

    def test_twist(self) -> None:
        """C{twist netsvc-echo} serves."""
        server = self.start(runner="twist")
        self.assert_serves(server, server.port("tcp"), server.port("udp"))

    def test_netsvc(self) -> None:
        """C{netsvc run netsvc-echo} serves."""
        server = self.start(runner="netsvc")
        self.assert_serves(server, server.port("tcp"), server.port("udp"))

    def test_json_log(self) -> None:
        """With C{--log-format json} each line of a log is a JSON object."""
        server = EchoProcess(
            self.folder, ("--log-format", "json"), listen=(TCP,), runner="netsvc"
        )
        self.addCleanup(server.kill)
        until(lambda: "listening" in server.log(), "it listens")
        server.signal(signal.SIGTERM)
        self.assertEqual(server.status(), 0)
        events = [json.loads(line) for line in server.log().splitlines()]
        named = [event.get("event") for event in events]
        for event in ("listening", "drain", "stopped"):
            self.assertIn(event, named)


class ReactorTests(SameCase):
    """Twisted's reactors."""

    def serve_on(self, reactor: str, name: str) -> None:
        """Run the service on a reactor."""
        server = self.start(reactor=reactor)
        self.assertTrue(server.lines(f".{name}."), server.log())
        self.assert_serves(server, server.port("tcp"), server.port("udp"))

    def test_poll(self) -> None:
        """The poll reactor serves the same."""
        self.serve_on("poll", "PollReactor")

    def test_select(self) -> None:
        """The select reactor serves the same."""
        self.serve_on("select", "SelectReactor")

    def test_asyncio(self) -> None:
        """The asyncio reactor serves the same."""
        self.serve_on("asyncio", "AsyncioSelectorReactor")

    def test_select_with_many(self) -> None:
        """
        The select reactor's own limit, descriptors below 1024, is none here: they
        are not in its set.
        """
        self.allow_descriptors(1400)
        server = self.start(
            "--max-connections-per-source", "0", listen=(TCP,), reactor="select"
        )
        for _ in range(1200):
            client = self.connect(server)
        self.assert_echo(client)


class SystemdTests(SameCase):
    """Sockets that the service manager has opened."""

    def test_activation(self) -> None:
        """A TCP and a UDP socket of the unit are served, by their names."""
        server = self.start(
            listen=(
                "systemd:domain=INET:name=echo",
                "systemd:domain=INET:name=echo-udp",
            ),
            wrap=(sys.executable, "-c", SYSTEMD),
        )
        self.assert_serves(server, server.port("systemd", 0), server.port("systemd", 1))

    def test_not_passed(self) -> None:
        """A socket that was not passed is an error at the start."""
        server = EchoProcess(
            self.folder,
            listen=("systemd:domain=INET:name=other",),
            wrap=(sys.executable, "-c", SYSTEMD),
        )
        self.addCleanup(server.kill)
        self.assertEqual(server.status(), 1)
        self.assertTrue(server.lines("systemd has passed no such socket"))
        self.assertEqual(server.trouble(), [])
