"""RFC 862 byte for byte: streams with half-close, datagrams of every size, IPv6."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration.echo_process import TCP, UDP, EchoCase, EchoProcess, tool, until
from tests.integration.ping_servers import make_certificate
from tests.integration.streams import ANSWER, receive, receive_all

#: Sizes at which implementations fail: none, one, powers of two and what is next to
#: them, Twisted's default of 8192, the largest that IPv4 carries.
SIZES = (
    *(0, 1, 2, 63, 64, 255, 256, 511, 512, 1023, 1024, 1471, 1472, 1473, 2048, 4096),
    *(8191, 8192, 8193, 9000, 16384, 32767, 32768, 65000, 65506, 65507),
)


class StreamTests(EchoCase):
    """TCP."""

    def test_half_close(self) -> None:
        """A client that shuts down its output gets everything back, then the end."""
        server = self.start(listen=(TCP,))
        for size in (0, 1, 1000, 40_000):
            data = os.urandom(size)
            client = self.connect(server)
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), data)
        counted = server.stop()
        self.assertEqual((counted["connections"], counted["bytes"]), (4, 41_001))

    def test_sizes(self) -> None:
        """Pieces of all sizes, in one stream, come back in order."""
        client = self.connect(self.start(listen=(TCP,)))
        chance = random.Random(862)
        for _ in range(300):
            self.assert_echo(client, chance.randbytes(chance.randrange(1, 60_000)))

    def test_flow(self) -> None:
        """
        Over 200 MB, both directions busy, with a reader that now and then is slow,
        come back as they were, and the service's memory stays as it was.
        """
        server = self.start(listen=(TCP,))
        client = self.connect(server)
        self.assert_echo(client, os.urandom(100_000))
        before = server.rss()
        piece = random.Random(862).randbytes(1 << 20)
        sent, received = hashlib.sha256(), hashlib.sha256()

        def send() -> None:
            for number in range(210):
                # Another one each time, so that nothing can be lost or doubled.
                data = number.to_bytes(4, "big") + piece
                sent.update(data)
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            size = slept = 0
            buffer = memoryview(bytearray(1 << 20))
            while got := client.recv_into(buffer):
                received.update(buffer[:got])
                size += got
                if size >> 25 > slept:
                    slept = size >> 25
                    threading.Event().wait(0.05)
        finally:
            client.close()
            thread.join()
        self.assertEqual(size, 210 * (4 + len(piece)))
        self.assertEqual(received.digest(), sent.digest())
        self.assertLessEqual(server.rss() - before, 2048)

    def test_many_flows(self) -> None:
        """More large flows at once than there are pipes lose nothing."""
        server = self.start(listen=(TCP,))
        data = random.Random(7).randbytes(1 << 19)
        clients = [self.connect(server) for _ in range(80)]
        senders = []
        for client in clients:
            senders.append(threading.Thread(target=client.sendall, args=(data,)))
            senders[-1].start()
        for client, sender in zip(clients, senders, strict=True):
            self.assertEqual(receive(client, len(data)), data)
            sender.join()
        self.assertLess(server.descriptors(), len(clients) + 2 * 64 + 30)

    def test_reset(self) -> None:
        """A client that resets its connection, at any point, ends only that."""
        server = self.start(listen=(TCP,))
        client = self.connect(server)
        before = server.descriptors()
        linger = bytes([1, 0, 0, 0, 0, 0, 0, 0])
        for size in (0, 1, 300_000) * 20:
            rude = self.connect(server)
            rude.setblocking(False)
            if size:
                rude.send(bytes(size))
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            rude.close()
        self.assert_echo(client)
        until(lambda: server.descriptors() <= before + 8, "all are closed")

    def test_ipv6(self) -> None:
        """TCP over IPv6, on its own and beside IPv4 on one wildcard socket."""
        if not _has_ipv6():
            self.skipTest("there is no IPv6 loopback")
        server = self.start(listen=(r"tcp:0:interface=\:\:1", r"tcp:0:interface=\:\:"))
        for number, host in ((0, "::1"), (1, "::1"), (1, "127.0.0.1")):
            address = (host, server.port("tcp", number))
            with socket.create_connection(address, ANSWER) as client:
                self.assert_echo(client)


class DatagramTests(EchoCase):
    """UDP."""

    def test_sizes(self) -> None:
        """Datagrams of all sizes from 0 to 65507 bytes come back as they were."""
        client = self.datagrams(self.start(listen=(UDP,)))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        for size in (*SIZES, *range(100, 65_507, 1009)):
            self.assert_datagram(client, os.urandom(size))

    def test_address_that_was_asked(self) -> None:
        """
        On all addresses, an answer comes from the address that was asked; a client
        whose socket is connected would not see another one.
        """
        server = self.start(listen=("udp:0",))
        for host in ("127.0.0.1", "127.0.0.2", "127.200.3.4"):
            self.assert_datagram(self.datagrams(server, to=host))

    def test_ipv6(self) -> None:
        """UDP over IPv6, of every size, on one address and on all of them."""
        if not _has_ipv6():
            self.skipTest("there is no IPv6 loopback")
        server = self.start(listen=(r"udp:0:interface=\:\:1", r"udp:0:interface=\:\:"))
        for number in (0, 1):
            port = server.port("udp", number)
            client = self.datagrams(port, ("::1", 0), "::1")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            for size in SIZES:
                self.assert_datagram(client, os.urandom(size))

    def test_peer_that_has_gone(self) -> None:
        """Answers to ports that are closed by then harm nobody."""
        server = self.start(listen=(UDP,))
        for _ in range(50):
            gone = self.datagrams(server)
            gone.send(b"x")
            gone.close()
        self.assert_datagram(self.datagrams(server))


class TLSTests(EchoCase):
    """TLS."""

    def setUp(self) -> None:
        """Start a service with a certificate."""
        super().setUp()
        self.certificate, _ = make_certificate(self.folder)
        self.context = ssl.create_default_context(cafile=str(self.certificate))
        self.server = self.start(listen=(tls_listen(self.folder),))

    def test_echo(self) -> None:
        """A verified TLS connection gives everything back, small and large."""
        client = self.secure(self.server)
        for size in (1, 100, 16_384, 16_385):
            self.assert_echo(client, os.urandom(size))

    def secure(self, server: EchoProcess) -> ssl.SSLSocket:
        """Connect with TLS."""
        plain = self.connect(server.port("ssl"))
        client = self.context.wrap_socket(plain, server_hostname="localhost")
        self.addCleanup(client.close)
        return client

    def test_openssl(self) -> None:
        """C{openssl s_client} gets everything back."""
        data = os.urandom(200_000)
        client = subprocess.Popen(
            [
                *(tool("openssl"), "s_client", "-quiet", "-verify_quiet"),
                *("-CAfile", str(self.certificate)),
                *("-connect", f"127.0.0.1:{self.server.port('ssl')}"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        assert client.stdin and client.stdout
        client.stdin.write(data)
        client.stdin.flush()
        self.assertEqual(client.stdout.read(len(data)), data)

    def test_socat(self) -> None:
        """C{socat} that ends its input gets everything back, and then the end."""
        data = os.urandom(200_000)
        address = f"OPENSSL:127.0.0.1:{self.server.port('ssl')}"
        options = f"cafile={self.certificate},commonname=localhost"
        done = self.run_tool("socat", "-t9", "-", f"{address},{options}", stdin=data)
        self.assertEqual((done.stdout, done.returncode), (data, 0))

    def test_half_close(self) -> None:
        """
        What was sent before TLS's own end (close_notify, RFC 8446 section 6.1)
        comes back whole, and then TLS's end.
        """
        data = os.urandom(300_000)
        client = self.unhurried()
        client.write(data)
        client.end()
        self.assertEqual(client.read(), data)

    def test_half_close_while_stalled(self) -> None:
        """The same when the end comes just as the client's buffers are full."""
        chunk = bytes(48_000)
        clients = [self.unhurried() for _ in range(60)]
        # One of them will fill what the kernel takes with its last piece.
        for number in range(len(clients)):
            for client in clients[number:]:
                client.write(chunk)
                if client is clients[number]:
                    client.end()
                client.flush()
            time.sleep(0.01)
        for number, client in enumerate(clients):
            self.assertEqual(len(client.read()), (number + 1) * len(chunk))

    def unhurried(self) -> Unhurried:
        """Connect with a small receive buffer."""
        client = socket.socket()
        self.addCleanup(client.close)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.settimeout(ANSWER)
        client.connect(("127.0.0.1", self.server.port("ssl")))
        return Unhurried(client, self.context)


class Unhurried:
    """A TLS client that sends when it is told, and ends its direction alone."""

    def __init__(self, client: socket.socket, context: ssl.SSLContext) -> None:
        """Do the handshake over a connected socket."""
        self._client = client
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname="localhost"
        )
        self._retry(self._tls.do_handshake)

    def _retry(self, action: Callable[[], Any]) -> Any:
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                self.flush()
                if not self._incoming.write(self._client.recv(65536)):
                    self._incoming.write_eof()

    def write(self, data: bytes) -> None:
        """Have C{data} sent by the next L{flush}."""
        for start in range(0, len(data), 16_000):
            self._tls.write(data[start : start + 16_000])

    def end(self) -> None:
        """Have TLS's end sent by the next L{flush}."""
        # It waits for the other one's end, which is not there yet.
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()

    def flush(self) -> None:
        """Send."""
        if self._outgoing.pending:
            self._client.sendall(self._outgoing.read())

    def read(self) -> bytes:
        """Read until TLS's end, and see that the connection ends, too."""
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        pieces = []
        with contextlib.suppress(ssl.SSLZeroReturnError):
            while piece := self._retry(lambda: self._tls.read(65536)):
                pieces.append(piece)
        assert not self._client.recv(1)
        return b"".join(pieces)


def tls_listen(folder: Path) -> str:
    """The listen string of the certificate that is in a folder."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    return f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"


def _has_ipv6() -> bool:
    """Whether there is an IPv6 loopback address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
