"""C{--journal} of a running service: what arrives is on disk, and traffic goes on."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import signal
import socket
import ssl
import time
from pathlib import Path
from typing import Any

from tests.integration.attempts import rests
from tests.integration.echo_process import (
    TCP,
    UDP,
    EchoCase,
    EchoProcess,
    children,
    until,
)
from tests.integration.ping_servers import make_certificate
from tests.integration.streams import ended, fill, receive, receive_all, reset
from tests.integration.test_echo_protocol import tls_listen

#: Seconds that what must come may take.
PATIENCE = 60.0

KOREAN = "안녕하세요"


class JournalCase(EchoCase):
    """A service with a journal."""

    def setUp(self) -> None:
        """Name the file."""
        super().setUp()
        self.path = self.folder / "journal"
        self.journal = ("--journal", str(self.path))

    def records(self) -> list[dict[str, Any]]:
        """Give what is in the journal."""
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def content(self, peer: str) -> bytes:
        """Give what a peer has sent, as the journal has it."""
        return b"".join(payload(one) for one in self.records() if one["peer"] == peer)

    def writer(self, server: EchoProcess) -> int:
        """Give the pid of the process that writes."""
        pids: list[int] = until(
            lambda: children(server.pid), "there is a writer", PATIENCE
        )
        self.assertEqual(len(pids), 1)
        return pids[0]


def payload(record: dict[str, Any]) -> bytes:
    """Give the bytes of a record."""
    if "text" in record:
        return str(record["text"]).encode()
    return base64.b64decode(record["base64"])


def name(client: socket.socket) -> str:
    """Give a client's address as the journal writes it."""
    host, port = client.getsockname()[:2]
    return f"{host}:{port}"


class ContentTests(JournalCase):
    """What is recorded."""

    def test_transports(self) -> None:
        """TCP, UDP, TLS and UNIX: who, over what, how much, and exactly what."""
        certificate, _ = make_certificate(self.folder)
        context = ssl.create_default_context(cafile=certificate)
        server = self.start(
            *self.journal,
            listen=(TCP, UDP, tls_listen(self.folder), "unix:echo.sock"),
        )
        plain = self.connect(server.port("ssl"))
        clients = {
            "tcp": self.connect(server),
            "udp": self.datagrams(server),
            "tls": context.wrap_socket(plain, server_hostname="localhost"),
            "unix": self.connect_unix("echo.sock"),
        }
        self.addCleanup(clients["tls"].close)
        sent = [KOREAN.encode(), KOREAN.encode("cp949"), b'"\r\n\0\x1b[31m', b"end"]
        began = time.time()
        for data in sent:
            for client in clients.values():
                self.assert_echo(client, data)
        self.assert_datagram(clients["udp"], b"")
        # A record is complete as soon as the file has it: no stop is needed.
        count = len(sent) * 4 + 1
        until(
            lambda: self.path.read_bytes().count(b"\n") == count,
            "all are there",
            PATIENCE,
        )
        server.stop()
        records = self.records()
        for transport, client in clients.items():
            peer = "unix" if transport == "unix" else name(client)
            mine = [one for one in records if one["transport"] == transport]
            pieces = [*sent, b""] if transport == "udp" else sent
            self.assertEqual([payload(one) for one in mine], pieces)
            self.assertEqual([one["size"] for one in mine], [*map(len, pieces)])
            self.assertEqual({one["peer"] for one in mine}, {peer})
            self.assertEqual(mine[0]["text"], KOREAN)
            self.assertNotIn("text", mine[1])
        self.assertEqual([one["seq"] for one in records], [*range(1, count + 1)])
        day = time.strftime("%Y-%m-%d", time.gmtime(began))
        self.assertIn(records[0]["time"][:10], (day, time.strftime("%Y-%m-%d")))

    def test_stop(self) -> None:
        """A stop right after a large flow has been echoed loses nothing of it."""
        server = self.start(*self.journal, "--journal-max-size", "0", listen=(TCP,))
        client = self.connect(server)
        data = random.Random(5).randbytes(5_000_000)
        for start in range(0, len(data), 50_000):
            self.assert_echo(client, data[start : start + 50_000])
        counted = server.stop()
        self.assertEqual(self.content(name(client)), data)
        self.assertEqual(counted["journal-confirmed"], counted["journal-records"])
        self.assertEqual(counted["journal-lost"], 0)


class WriterTests(JournalCase):
    """What happens to the process that writes."""

    def test_killed(self) -> None:
        """
        A writer that is killed while traffic goes on is reaped and replaced; what
        it had confirmed, and what came meanwhile, is in the file once.
        """
        server = self.start(*self.journal, listen=(TCP,))
        client = self.connect(server)
        count = 0
        writers = []
        for _ in range(3):
            writers.append(self.writer(server))
            for _ in range(50):
                self.assert_echo(client, b"%06d " % count)
                count += 1
            os.kill(writers[-1], signal.SIGKILL)
            for _ in range(50):
                self.assert_echo(client, b"%06d " % count)
                count += 1
            until(
                lambda: self.replaced(server, writers), "there is another one", PATIENCE
            )
        counted = server.stop()
        self.assertEqual(counted["journal-restarts"], 3)
        self.assertEqual(counted["journal-confirmed"], counted["journal-records"])
        expected = b"".join(b"%06d " % number for number in range(count))
        self.assertEqual(self.content(name(client)), expected)
        self.assertFalse(any(Path(f"/proc/{pid}").exists() for pid in writers))

    def replaced(self, server: EchoProcess, former: list[int]) -> bool:
        """Whether there is a writer that is none of C{former}, and no zombie."""
        now = children(server.pid)
        return len(now) == 1 and now[0] not in former

    def test_stalled_block(self) -> None:
        """
        While the writer stands still, peers are paused as soon as the buffer is full
        and nothing is lost; then all goes on.
        """
        server = self.start(*self.journal, "--journal-buffer", "64K")
        steady, datagrams = self.connect(server), self.datagrams(server)
        self.assert_echo(steady)
        before = server.rss()
        writer = self.writer(server)
        os.kill(writer, signal.SIGSTOP)
        self.addCleanup(self.go_on, writer)
        client = self.connect(server)
        sent = fill(client)
        # Not read: only the kernel's buffers have taken it.
        self.assertLess(sent, 50 << 20)
        self.assertLess(server.rss() - before, 2048)
        # It has taken what it takes.
        until(lambda: rests(server.cpu), "it rests", PATIENCE)
        self.assert_silent(datagrams)
        late = self.connect(server)
        late.sendall(b"late")
        late.settimeout(0.2)
        self.assertRaises(TimeoutError, late.recv, 10)
        until(lambda: rests(server.cpu), "it rests", PATIENCE)
        os.kill(writer, signal.SIGCONT)
        client.settimeout(PATIENCE)
        self.assertEqual(len(receive(client, sent)), sent)
        late.settimeout(PATIENCE)
        self.assertEqual(late.recv(10), b"late")
        self.assertEqual(datagrams.recv(10), b"hello")
        self.assert_echo(steady)
        counted = server.stop()
        self.assertEqual(counted["journal-dropped"], 0)
        self.assertEqual(counted["journal-confirmed"], counted["journal-records"])

    def test_burst_of_datagrams(self) -> None:
        """
        Large datagrams that wait together when the buffer becomes full are read one
        after the other as the disk takes them: all are answered, none is left out.
        """
        server = self.start(*self.journal, "--journal-buffer", "64K", listen=(UDP,))
        client = self.datagrams(server)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            client.setsockopt(socket.SOL_SOCKET, option, 1 << 18)
        self.assert_datagram(client)
        sent = [bytes([number]) * 60_000 for number in range(60)]
        for part in range(0, 60, 4):
            # So few at once fit in any buffer.
            server.signal(signal.SIGSTOP)
            for data in sent[part : part + 4]:
                client.send(data)
            server.signal(signal.SIGCONT)
            answers = [client.recv(65536) for _ in range(4)]
            self.assertEqual(answers, sent[part : part + 4])
        counted = server.stop()
        self.assertEqual(counted["journal-dropped"], 0)
        self.assertEqual(counted["journal-records"], 61)
        self.assertEqual(self.content(name(client)), b"hello" + b"".join(sent))

    def stalled(self, *options: str, **how: Any) -> tuple[EchoProcess, int]:
        """Start a service whose writer stands still; give it and the writer's pid."""
        server = self.start(*self.journal, "--journal-buffer", "64K", *options, **how)
        # It writes: it has taken over its pipe.
        until(lambda: self.path.exists(), "there is a journal", PATIENCE)
        writer = self.writer(server)
        os.kill(writer, signal.SIGSTOP)
        self.addCleanup(self.go_on, writer)
        return server, writer

    def test_held_connections(self) -> None:
        """
        A connection that waits for the writer is neither closed as idle nor as
        finished by a drain; what it had sent is answered in full when the writer
        goes on.
        """
        server, writer = self.stalled("--idle-timeout", "3s", listen=(TCP,))
        client, late = self.connect(server), self.connect(server)
        sent = fill(client)
        late.sendall(b"late")
        server.signal(signal.SIGTERM)
        until(lambda: server.lines("draining"), "it drains", PATIENCE)
        # Longer than either would take.
        self.assertFalse(ended(late, 4))
        self.assertFalse(reset(client))
        os.kill(writer, signal.SIGCONT)
        client.settimeout(PATIENCE)
        self.assertEqual(len(receive(client, sent)), sent)
        late.settimeout(PATIENCE)
        self.assertEqual(receive_all(late), b"late")
        self.assertEqual(client.recv(1), b"")
        self.assertEqual(server.status(PATIENCE), 0)
        counted = server.counters()
        self.assertEqual(counted["bytes"], sent + 4)
        self.assertEqual((counted["journal-dropped"], counted["journal-lost"]), (0, 0))
        self.assertNotIn("ended-idle-timeout", counted)
        self.assertNotIn("ended-drain-timeout", counted)

    def test_stalled_handshake(self) -> None:
        """
        A TLS client that comes while the writer stands still gets through its
        handshake, and is served when the writer goes on.
        """
        certificate, _ = make_certificate(self.folder)
        context = ssl.create_default_context(cafile=certificate)
        server, writer = self.stalled(
            "--handshake-timeout", "2500ms", listen=(TCP, tls_listen(self.folder))
        )
        fill(self.connect(server))
        plain = self.connect(server.port("ssl"))
        with context.wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(b"hello")
            self.assertFalse(ended(client, 3.2))
            os.kill(writer, signal.SIGCONT)
            client.settimeout(PATIENCE)
            self.assertEqual(client.recv(10), b"hello")
        counted = server.stop()
        self.assertEqual(counted["journal-dropped"], 0)
        self.assertNotIn("ended-handshake-timeout", counted)

    def test_stalled_drop(self) -> None:
        """
        With C{--journal-when-full drop} nobody waits for a writer that stands still.
        """
        server = self.start(
            *(*self.journal, "--journal-buffer", "64K"),
            *("--journal-when-full", "drop"),
        )
        writer = self.writer(server)
        os.kill(writer, signal.SIGSTOP)
        self.addCleanup(self.go_on, writer)
        client, datagrams = self.connect(server), self.datagrams(server)
        for _ in range(40):
            self.assert_echo(client, bytes(30_000))
            self.assert_datagram(datagrams, bytes(30_000))
        os.kill(writer, signal.SIGCONT)
        client.close()
        counted = server.stop()
        self.assertGreater(counted["journal-dropped"], 0)
        self.assertEqual(counted["journal-confirmed"], counted["journal-records"])

    def go_on(self, pid: int) -> None:
        """Let a process run, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
