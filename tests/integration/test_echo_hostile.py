"""What a hostile peer can do with a socket: urgent data, groups, passed descriptors."""

from __future__ import annotations

import array
import hashlib
import os
import signal
import socket
import threading
import time

from tests.integration.attempts import rests
from tests.integration.echo_process import TCP, UDP, EchoCase, until
from tests.integration.streams import ANSWER, receive

#: Seconds that what must come may take.
PATIENCE = 60.0


class UrgentTests(EchoCase):
    """One urgent byte in a bulk transfer, which splice(2) does not pass."""

    def exchange(self, client: socket.socket, ends: bool) -> None:
        """Send bulk with an urgent byte in it; everything else comes back."""
        before, after = os.urandom(2_000_000), os.urandom(2_000_000)
        came = hashlib.sha256()
        size = 0

        def read() -> None:
            nonlocal size
            while size < len(before) + len(after):
                data = client.recv(1 << 16)
                if not data:
                    return
                came.update(data)
                size += len(data)

        reader = threading.Thread(target=read)
        reader.start()
        client.sendall(before)
        client.send(b"!", socket.MSG_OOB)
        client.sendall(after)
        if ends:
            client.shutdown(socket.SHUT_WR)
        reader.join(PATIENCE)
        self.assertFalse(reader.is_alive(), f"{size} bytes came back, and no more")
        self.assertEqual(came.digest(), hashlib.sha256(before + after).digest())

    def test_goes_on(self) -> None:
        """The transfer goes on, and the service rests afterwards."""
        server = self.start(listen=(TCP,))
        client = self.connect(server)
        self.exchange(client, ends=False)
        until(lambda: rests(server.cpu), "it rests", PATIENCE)
        self.assert_echo(client)

    def test_then_the_end(self) -> None:
        """What comes after it is not lost at the end of the stream."""
        server = self.start(listen=(TCP,))
        for _ in range(3):
            client = self.connect(server)
            self.exchange(client, ends=True)
            self.assertEqual(client.recv(1), b"")


class GroupTests(EchoCase):
    """Datagrams to all hosts of a network at once."""

    def test_broadcast(self) -> None:
        """A datagram to a broadcast or multicast address is not answered, and
        counted; one to the host itself is."""
        server = self.start(listen=("udp:0",))
        client = self.datagrams(server)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        port = server.port("udp")
        client.settimeout(0.5)
        client.sendto(b"all", ("127.255.255.255", port))
        with self.assertRaises(TimeoutError):
            client.recv(100)
        client.settimeout(ANSWER)
        client.sendto(b"one", ("127.0.0.1", port))
        self.assertEqual(client.recv(100), b"one")
        self.assertEqual(server.stop()["unanswered-group"], 1)


class DescriptorTests(EchoCase):
    """Descriptors passed over a UNIX socket."""

    def test_passed(self) -> None:
        """They are closed, not leaked, and say nothing in the log."""
        server = self.start(listen=("unix:echo.sock",))
        client = self.connect_unix("echo.sock")
        self.assert_echo(client)
        before = server.descriptors()
        lines = len(server.log().splitlines())
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))]
        for _ in range(100):
            client.sendmsg([b"x"], control)
            self.assertEqual(receive(client, 1), b"x")
        self.assertEqual(server.descriptors(), before)
        self.assertEqual(len(server.log().splitlines()), lines)


class SignalTests(EchoCase):
    """Signals that keep coming while it stops."""

    def test_storm(self) -> None:
        """However many SIGTERMs come, the exit status is 0."""
        for _ in range(3):
            server = self.start(listen=(TCP, UDP))
            self.assert_echo(self.connect(server))
            while server.running:
                server.signal(signal.SIGTERM)
                time.sleep(0.002)
            self.assertEqual(server.status(PATIENCE), 0)
