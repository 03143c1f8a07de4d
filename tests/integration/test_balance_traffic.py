"""Real programs' traffic through netsvc-balance, and HAProxy beside it as the oracle.

Needs haproxy, nginx with its stream module, wrk and iperf3; a test without its
program is skipped.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import re
import select
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.attempts import best
from tests.integration.balance_certificates import Authority
from tests.integration.balance_load import descriptors
from tests.integration.balance_peers import Peer, free_ports, haproxy, nginx
from tests.integration.balance_process import PATIENCE, BalanceCase, BalanceProcess
from tests.integration.echo_process import tool, until
from tests.integration.streams import receive, receive_all

TCP = "tcp:0:interface=127.0.0.1"
TLS = "ssl:0:interface=127.0.0.1:privateKey={0}:certKey={0}"

#: Bytes that one side sends in the tests of integrity.
BULK = 3_000_000

#: An address that clients come from, which no proxy has.
CLIENT = "127.0.0.5"


def digest(data: bytes) -> bytes:
    """Give the SHA-256 of something, as a line of text."""
    return hashlib.sha256(data).hexdigest().encode() + b"\n"


def stream(seed: int, size: int = BULK) -> bytes:
    """Give bytes that depend on a number only."""
    return random.Random(seed).randbytes(size)


def serve(connection: socket.socket) -> None:
    """Do what the first eight bytes say; a check says nothing.

    C{echo}: send back what comes. C{late}: after its end, its digest. C{send}: send a
    stream, and end. C{take}: the digest of so many bytes, after them.
    """
    command = receive(connection, 8).decode().strip()
    if command == "echo":
        while data := connection.recv(65536):
            connection.sendall(data)
    elif command == "late":
        data = receive_all(connection)
        time.sleep(0.2)
        connection.sendall(digest(data))
    elif command == "send":
        connection.sendall(stream(1))
    elif command == "take":
        connection.sendall(digest(receive(connection, BULK)))
    if isinstance(connection, ssl.SSLSocket) and command != "send":
        connection.unwrap()  # after "send" as many servers do: without close_notify


def listens(port: int) -> bool:
    """Tell whether a socket of this network listens on a TCP port of IPv4."""
    for line in Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        if (local.rpartition(":")[2], state) == (f"{port:04X}", "0A"):
            return True
    return False


def chunks(data: bytes, seed: int) -> Iterator[memoryview]:
    """Cut something into chunks of mixed sizes."""
    chance = random.Random(seed)
    view = memoryview(data)
    while view:
        size = chance.choice((1, 7, 1000, 1460, 16384, 65536, 400_000))
        yield view[:size]
        view = view[size:]


def send_in_chunks(client: socket.socket, data: bytes, seed: int) -> None:
    """Send something in chunks of mixed sizes."""
    for chunk in chunks(data, seed):
        client.sendall(chunk)


def exchange_slowly(client: socket.socket, data: bytes, seed: int) -> bytes:
    """
    Send something in chunks, and slowly receive as much at the same time.

    In one thread: no two may use one TLS connection of OpenSSL's at once.
    """
    waits = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
    answer = bytearray()
    left = chunks(data, seed)
    chunk = next(left)
    client.settimeout(0)
    until = time.monotonic() + PATIENCE
    while len(answer) < len(data):
        if time.monotonic() > until:
            raise TimeoutError(f"{len(answer)} bytes came back")
        moved = False
        if chunk:
            with contextlib.suppress(*waits):
                # What a TLS connection could not send must be given to it again.
                chunk = chunk[client.send(chunk) :] or next(left, chunk[:0])
                moved = True
        with contextlib.suppress(*waits):
            piece = client.recv(min(30_000, len(data) - len(answer)))
            if not piece:
                break
            answer += piece
            moved = True
        if not moved:
            select.select([client], [client] if chunk else [], [], 0.01)
        time.sleep(0.0005)
    return bytes(answer)


def receive_slowly(client: socket.socket, size: int) -> bytes:
    """Receive so many bytes, or to the end, and pause now and then."""
    data = bytearray()
    while len(data) < size and (piece := client.recv(min(30_000, size - len(data)))):
        data += piece
        time.sleep(0.0005)
    return bytes(data)


class IntegrityTests(BalanceCase):
    """What goes in comes out, on each path, as it does through HAProxy."""

    def setUp(self) -> None:
        """Make certificates and the backends: one plain, one with TLS."""
        super().setUp()
        self.authority = Authority(self.folder)
        self.pem = self.authority.issue("one.test")
        context = self.authority.server(self.authority.issue("back.test"))
        self.plain = self.backend(serve)
        self.secure = self.backend(serve, context=context)

    def exchanges(self, port: int, over_tls: bool) -> dict[str, Any]:
        """Have the four conversations at once, and give what came of each."""
        outcome: dict[str, Any] = {}

        def converse(name: str, talk: Any) -> None:
            try:
                with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
                    if over_tls:
                        context = self.authority.client()
                        with context.wrap_socket(
                            client, server_hostname="one.test"
                        ) as tls:
                            outcome[name] = talk(tls)
                    else:
                        outcome[name] = talk(client)
            except OSError as error:
                outcome[name] = repr(error)

        talks = {"echo": self.echoed, "send": self.sent, "take": self.taken}
        if not over_tls:  # Python's ssl cannot end one direction alone
            talks["late"] = self.late
        threads = [
            threading.Thread(target=converse, args=(name, talk))
            for name, talk in talks.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        return outcome

    def echoed(self, client: socket.socket) -> bytes:
        """Send in mixed chunks, read slowly at the same time."""
        data = stream(2)
        client.sendall(b"echo    ")
        return digest(exchange_slowly(client, data, 3))

    def sent(self, client: socket.socket) -> bytes:
        """Read slowly what ends before it has all been read."""
        client.sendall(b"send    ")
        return digest(receive_slowly(client, BULK + 1))

    def taken(self, client: socket.socket) -> bytes:
        """Send in mixed chunks, and get the digest."""
        client.sendall(b"take    ")
        send_in_chunks(client, stream(4), 5)
        return receive_all(client)

    def late(self, client: socket.socket) -> bytes:
        """End the sending side; the answer is made after that."""
        client.sendall(b"late    ")
        send_in_chunks(client, stream(6), 7)
        client.shutdown(socket.SHUT_WR)
        return receive_all(client)

    def expected(self, over_tls: bool) -> dict[str, bytes]:
        """Give what must come of the conversations."""
        seeds = {"echo": 2, "send": 1, "take": 4, **({} if over_tls else {"late": 6})}
        return {name: digest(stream(seed)) for name, seed in seeds.items()}

    def balancers(self) -> tuple[BalanceProcess, BalanceProcess]:
        """Start one before each backend, with a plain and a TLS port each."""
        listen = (TCP, TLS.format(self.pem))
        return (
            self.start(backends=[self.plain], listen=listen),
            self.start(
                "--backend-tls", "--backend-ca", str(self.authority.file),
                "--backend-name", "back.test", "--check", "tls",
                backends=[self.secure], listen=listen,
            ),
        )  # fmt: skip

    def test_paths(self) -> None:
        """Plain, TLS ended, TLS begun, both: everything arrives, late answers too."""
        for balancer in self.balancers():
            for port, over_tls in zip(balancer.ports, (False, True), strict=True):
                self.assertEqual(
                    self.exchanges(port, over_tls), self.expected(over_tls)
                )

    def test_oracle(self) -> None:
        """HAProxy, asked the same, gives the same."""
        ports = free_ports(4)
        sections = []
        for number, port in enumerate(ports):
            ends, begins = number & 1, number & 2
            to = self.secure if begins else self.plain
            sections.append(
                f"listen l{number}\n"
                f" bind 127.0.0.1:{port} {f'ssl crt {self.pem}' if ends else ''}\n"
                f" server s {to.name} {'ssl verify none' if begins else ''}\n"
            )
        peer = haproxy(self.folder, "".join(sections), ports)
        self.addCleanup(peer.close)
        for number, port in enumerate(ports):
            over_tls = bool(number & 1)
            self.assertEqual(self.exchanges(port, over_tls), self.expected(over_tls))

    def test_bulk_is_spliced(self) -> None:
        """Much at once moves through pipes in the kernel, and little is copied."""
        balancer = self.start(backends=[self.plain])
        pid = balancer.process.pid
        client = self.connect(balancer)
        client.sendall(b"echo    hello")
        self.assertEqual(receive(client, 5), b"hello")
        before = descriptors(pid, "pipe")
        data = stream(8, 8_000_000)
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        until(lambda: descriptors(pid, "pipe") > before, "there is a pipe", PATIENCE)
        self.assertEqual(digest(receive_slowly(client, len(data))), digest(data))
        sender.join(PATIENCE)


class PeerCase(BalanceCase):
    """A test with other programs."""

    def peer(self, peer: Peer) -> Peer:
        """Have a program ended."""
        self.addCleanup(peer.close)
        return peer

    def run_tool(self, *command: str) -> str:
        """Run a program that must be installed and must be well, and give its words."""
        done = subprocess.run(
            [tool(command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def get(self, port: int, source: str = CLIENT, tls: Any = None) -> tuple[str, str]:
        """Ask an HTTP server for C{/}; give our own address, and the answer's body."""
        with socket.socket() as plain:
            plain.settimeout(PATIENCE)
            plain.bind((source, 0))
            plain.connect(("127.0.0.1", port))
            host, own = plain.getsockname()
            with tls(plain) if tls else plain as client:
                client.sendall(b"GET / HTTP/1.0\r\nHost: one.test\r\n\r\n")
                head, _, body = receive_all(client).partition(b"\r\n\r\n")
        self.assertIn(b" 200 ", head.partition(b"\r\n")[0] + b" ")
        return f"{host}:{own}", body.decode().strip()


class ProxyProtocolTests(PeerCase):
    """HAProxy and nginx in front of it and behind it tell who the client is."""

    def test_in_front_and_behind(self) -> None:
        """The client's address goes through two proxies, in either version."""
        names = ("ours", "ours_tls", "front_v1", "front_v2", "front_nginx",
                 "haproxy_v1", "haproxy_v2", "nginx_v1", "nginx_v2")  # fmt: skip
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        ours = ports["ours"]
        told = "%[src]:%[src_port] %[fc_pp_authority]"
        sections = f"""
listen front_v1
    bind 127.0.0.1:{ports["front_v1"]}
    server s 127.0.0.1:{ours} send-proxy
listen front_v2
    bind 127.0.0.1:{ports["front_v2"]}
    server s 127.0.0.1:{ours} send-proxy-v2
frontend behind
    mode http
    bind 127.0.0.1:{ports["haproxy_v1"]} accept-proxy
    bind 127.0.0.1:{ports["haproxy_v2"]} accept-proxy
    http-request return status 200 content-type text/plain lf-string "{told}"
"""
        of_nginx = [port for name, port in ports.items() if "nginx" in name]
        of_haproxy = {*ports.values()} - {*of_nginx, ours, ports["ours_tls"]}
        self.peer(haproxy(self.folder, sections, of_haproxy))
        self.peer(
            nginx(
                self.folder,
                of_nginx,
                http=f"server {{ listen 127.0.0.1:{ports['nginx_v1']} proxy_protocol;"
                f" listen 127.0.0.1:{ports['nginx_v2']} proxy_protocol;"
                ' return 200 "$proxy_protocol_addr:$proxy_protocol_port"; }',
                stream=f"server {{ listen 127.0.0.1:{ports['front_nginx']};"
                f" proxy_pass 127.0.0.1:{ours}; proxy_protocol on; }}",
            )
        )
        authority = Authority(self.folder)
        certificate = authority.issue("one.test")
        balancer = self.start(
            "--accept-proxy", "--trust", "127.0.0.1", "--check", "http",
            backends=[
                f"127.0.0.1:{port},name={name},send-proxy={name[-2:]}"
                for name, port in ports.items()
                if name.startswith(("haproxy", "nginx"))
            ],
            listen=[
                f"tcp:{ours}:interface=127.0.0.1",
                TLS.format(certificate).replace("ssl:0", f"ssl:{ports['ours_tls']}"),
            ],
        )  # fmt: skip
        for name in balancer.rows():
            balancer.until_state(name, "up")
        for front in ("front_v1", "front_v2", "front_nginx"):
            for _ in range(4):
                client, seen = self.get(ports[front])
                self.assertEqual(seen, client, front)
        # Without a proxy in front it is who has connected; TLS adds the name.
        context = authority.client()

        def tls(plain: socket.socket) -> ssl.SSLSocket:
            return context.wrap_socket(plain, server_hostname="one.test")

        seen_names = set()
        for _ in range(4):
            client, seen = self.get(ports["ours_tls"], tls=tls)
            address, _, name = seen.partition(" ")
            self.assertEqual(address, client)
            seen_names.add(name)
        self.assertEqual(seen_names, {"", "one.test"})  # nginx and v1 know no name
        # One that is not trusted says it in vain: to nginx it is no request.
        with socket.socket() as liar:
            liar.settimeout(PATIENCE)
            liar.bind((CLIENT, 0))
            liar.connect(("127.0.0.1", ours))
            liar.sendall(
                b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.0\r\n\r\n"
            )
            self.assertIn(b" 400 ", receive_all(liar))


class ProgramTests(PeerCase):
    """Load generators find nothing wrong."""

    def test_wrk(self) -> None:
        """wrk gets no error, while a backend is drained and used again."""
        tool("wrk")
        ports = free_ports(2)
        peers = []
        for number, port in enumerate(ports):
            folder = self.folder / f"nginx{number}"
            folder.mkdir()
            http = f"server {{ listen 127.0.0.1:{port}; return 200 hello; }}"
            peers.append(self.peer(nginx(folder, [port], http=http)))
        names = [f"127.0.0.1:{port}" for port in ports]
        balancer = self.start(
            "--check-interval", "500ms", "--check-timeout", "1m", backends=names
        )
        url = f"http://127.0.0.1:{balancer.port}/"
        steer = threading.Timer(0.5, balancer.ask, ["drain"], {"backend": names[0]})
        steer.start()
        wrk = ("wrk", "-t1", "-d1s", "--timeout", "1m")
        words = self.run_tool(*wrk, "-c20", url)
        steer.join()
        self.assertGreater(self.requests(words), 20)
        # Half of its twenty, and the one with which it looks whether we are there.
        self.assertLessEqual(balancer.rows()[names[0]]["sessions_total"], 11)
        balancer.ask("enable", backend=names[0])
        # Now a connection for each request.
        words = self.run_tool(*wrk, "-c10", "-H", "Connection: close", url)
        self.assertGreater(self.requests(words), 10)
        counted = {name: row["errors"] for name, row in balancer.rows().items()}
        self.assertEqual(counted, {name: {} for name in names})

    def requests(self, words: str) -> int:
        """See that wrk complains of nothing, and give how many requests it made."""
        self.assertNotIn("Socket errors", words)
        self.assertNotIn("Non-2xx", words)
        found = re.search(r"(\d+) requests in", words)
        assert found, words
        return int(found[1])

    def test_iperf3(self) -> None:
        """iperf3 moves its bytes in both directions, and its datagrams."""
        tool("iperf3")
        port, ours = free_ports(2)
        server = ["iperf3", "-s", "-B", "127.0.0.1", "-p", str(port)]
        self.peer(Peer(self.folder, server, []))
        # To wait for it by a connection would be taken for a client.
        until(lambda: listens(port), "iperf3 listens", PATIENCE)
        balancer = self.start(
            "--check", "none", backends=[f"127.0.0.1:{port}"],
            listen=[f"{kind}:{ours}:interface=127.0.0.1" for kind in ("tcp", "udp")],
        )  # fmt: skip
        client = ("iperf3", "-J", "-c", "127.0.0.1", "-p", str(ours))
        size = 200_000_000
        for more in (("-P", "4"), ("-R",)):
            report = json.loads(self.run_tool(*client, "-n", str(size), *more))
            # The rest was on its way, in buffers, when the sender was through.
            self.assertGreater(report["end"]["sum_received"]["bytes"], 0.5 * size)
        sent = 0

        def lost() -> int:
            """Send datagrams for a second; give how many did not arrive."""
            nonlocal sent
            options = ("-u", "-b", "1600K", "-l", "1000", "-t", "1")
            report = json.loads(self.run_tool(*client, *options))
            datagrams = report["end"]["sum"]
            self.assertGreater(datagrams["packets"], 100)
            sent += 1
            return int(datagrams["lost_packets"])

        # A machine that is busy may have no time to take them from its buffers.
        self.assertLess(best(lost, 19), 20)
        counted = balancer.stop()
        self.assertGreater(counted["bytes-in"] + counted["bytes-out"], size)
        self.assertEqual(counted["udp-sessions"], sent)
