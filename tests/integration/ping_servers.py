"""Small echo servers that behave as badly as a test wants, and a certificate.

They are threads on loopback ports that the system chooses, written with C{socket}
alone: the probe has to get on with what others wrote.
"""

from __future__ import annotations

import contextlib
import datetime
import heapq
import ipaddress
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: How long a server thread waits before it looks whether it should end, seconds.
TICK = 0.05

#: What a UDP server answers to its nth datagram: delays in seconds, and bytes.
Answers = Iterable[tuple[float, bytes]]


class UDPServer:
    """Answers datagrams as a function says."""

    def __init__(
        self,
        answers: Callable[[int, bytes], Answers] = lambda number, data: [(0, data)],
        host: str = "127.0.0.1",
    ) -> None:
        self._answers = answers
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind((host, 0))
        self.port: int = self._socket.getsockname()[1]
        self.peers: set[str] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        number = 0
        waiting: list[tuple[float, int, bytes, tuple[Any, ...]]] = []
        while not self._ending.is_set():
            wait = TICK
            if waiting:
                wait = min(max(waiting[0][0] - time.monotonic(), 0), TICK)
            if select.select([self._socket], [], [], wait)[0]:
                data, peer = self._socket.recvfrom(65_536)
                self.peers.add(peer[0])
                number += 1
                for delay, answer in self._answers(number, data):
                    due = time.monotonic() + delay
                    heapq.heappush(waiting, (due, number, answer, peer))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, answer, peer = heapq.heappop(waiting)
                self._socket.sendto(answer, peer)


class TCPServer:
    """Hands each connection to a function, in a thread of its own."""

    def __init__(
        self,
        serve: Callable[[socket.socket], None],
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._serve = serve
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(TICK)
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self._open: list[socket.socket] = []
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._ending.set()
        self._threads[0].join()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._handle, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _handle(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                with self._context.wrap_socket(connection, server_side=True) as secure:
                    self._open.append(secure)
                    self._serve(secure)
            else:
                self._serve(connection)


def echo(connection: socket.socket) -> None:
    """Return everything."""
    while data := connection.recv(65_536):
        connection.sendall(data)


def echo_in_pieces(connection: socket.socket) -> None:
    """Greet, then return everything, in pieces of 1 to 7 bytes."""
    connection.sendall(b"220 welcome to a picky echo\r\n")
    size = 0
    while data := connection.recv(65_536):
        while data:
            size = size % 7 + 1
            connection.sendall(data[:size])
            data = data[size:]


def echo_twice(connection: socket.socket) -> None:
    """Return two readings, then close."""
    for _ in range(2):
        connection.sendall(connection.recv(65_536))


def echo_upper_case(connection: socket.socket) -> None:
    """Return something else of the same length."""
    while data := connection.recv(65_536):
        connection.sendall(bytes(byte ^ 0x20 for byte in data))


def free_port(kind: int) -> int:
    """Find a port that nothing uses just now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a self-signed certificate for localhost and 127.0.0.1.

    @return: its file, and the context of a server that has it.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context
