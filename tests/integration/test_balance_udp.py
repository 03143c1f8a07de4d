"""UDP sessions through netsvc-balance."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

from netsvc.balance.proxy_protocol import decode_datagram
from tests.integration.balance_peers import free_ports
from tests.integration.balance_process import PATIENCE, BalanceCase, BalanceProcess
from tests.integration.echo_process import until

UDP = "udp:0:interface=127.0.0.1"

Answer = Callable[[bytes], list[bytes]]


class UDPBackend:
    """
    A UDP server that is played by a thread.

    @ivar port: its port on 127.0.0.1.
    @ivar seen: what it got, with the senders.
    """

    def __init__(self, answer: Answer, port: int = 0) -> None:
        """Begin to answer."""
        self._answer = answer
        self.seen: list[tuple[bytes, Any]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._socket.settimeout(0.1)
        self.port = int(self._socket.getsockname()[1])
        self._over = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """What C{--backend} takes."""
        return f"127.0.0.1:{self.port}"

    def _run(self) -> None:
        while not self._over:
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                data, sender = self._socket.recvfrom(65536)
                self.seen.append((data, sender))
                for datagram in self._answer(data):
                    self._socket.sendto(datagram, sender)

    def close(self) -> None:
        """Answer no more; the port is closed."""
        self._over = True
        self._thread.join(PATIENCE)
        self._socket.close()


class UDPTests(BalanceCase):
    """Datagrams go to a backend, and answers come back."""

    def serve(self, answer: Answer, **how: Any) -> UDPBackend:
        """Start a backend."""
        backend = UDPBackend(answer, **how)
        self.addCleanup(backend.close)
        return backend

    def client(
        self, balancer: BalanceProcess, host: str = "127.0.0.1", source: str = ""
    ) -> Any:
        """Make a client's socket."""
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(PATIENCE)
        client.bind((source, 0))
        client.connect((host, balancer.port))
        return client

    def ask(self, client: Any, question: bytes = b"?") -> bytes:
        """Send a datagram and give the answer."""
        client.send(question)
        answer: bytes = client.recv(65536)
        return answer

    def assert_silent(self, client: Any, other: Any) -> None:
        """See that a datagram is not answered: one that comes later is."""
        client.send(b"?")
        self.ask(other)
        client.setblocking(False)
        self.assertRaises(BlockingIOError, client.recv, 1)

    def start_udp(self, *options: str, **how: Any) -> BalanceProcess:
        """Start a balancer."""
        how.setdefault("listen", [UDP])
        return self.start(*options, **how)

    def test_sessions(self) -> None:
        """Each client keeps its backend, and clients are spread."""
        one = self.serve(lambda data: [b"one:" + data])
        two = self.serve(lambda data: [b"two:" + data])
        balancer = self.start_udp(backends=[one.name, two.name])
        clients = [self.client(balancer) for _ in range(4)]
        first = [self.ask(client, b"a")[:3] for client in clients]
        again = [self.ask(client, b"b")[:3] for client in clients]
        self.assertEqual(first, again)
        self.assertEqual(sorted(first), [b"one", b"one", b"two", b"two"])

    def test_sizes(self) -> None:
        """Datagrams of every size arrive as they are, the empty one, too."""
        echo = self.serve(lambda data: [data])
        client = self.client(self.start_udp(backends=[echo.name]))
        for size in (0, 1, 1472, 9000, 65507):
            data = bytes(size)
            self.assertEqual(self.ask(client, data), data)

    def test_several_answers(self) -> None:
        """A backend may send more than one answer."""
        many = self.serve(lambda data: [b"1", b"2", b"3"])
        client = self.client(self.start_udp(backends=[many.name]))
        self.assertEqual(self.ask(client), b"1")
        self.assertEqual([client.recv(9), client.recv(9)], [b"2", b"3"])

    def test_expiry(self) -> None:
        """A session on which nothing moves is forgotten."""
        echo = self.serve(lambda data: [data])
        balancer = self.start_udp("--udp-timeout", "500ms", backends=[echo.name])
        client = self.client(balancer)
        self.ask(client)
        self.assertEqual(balancer.rows()[echo.name]["sessions_total"], 1)
        self.until_forgotten(balancer, echo)
        self.ask(client)
        self.assertEqual(balancer.stop()["udp-sessions"], 2)

    def until_forgotten(self, balancer: BalanceProcess, backend: UDPBackend) -> None:
        """Wait until no session is left."""
        until(
            lambda: balancer.rows()[backend.name]["sessions"] == 0,
            "it is forgotten",
            PATIENCE,
        )

    def test_expected_answers(self) -> None:
        """A session ends with the expected number of answers."""
        echo = self.serve(lambda data: [data])
        balancer = self.start_udp("--udp-responses", "1", backends=[echo.name])
        client = self.client(balancer)
        self.ask(client)
        self.until_forgotten(balancer, echo)
        self.assertEqual(balancer.rows()[echo.name]["bytes_out"], 1)

    def test_closed_port(self) -> None:
        """Clients of a backend whose port is closed get another one."""
        (port,) = free_ports(1)
        one = self.serve(lambda data: [b"one"], port=port)
        two = self.serve(lambda data: [b"two"])
        balancer = self.start_udp(
            "--policy", "first", "--eject-after", "1", "--ejection-time", "10m",
            backends=[one.name, two.name],
        )  # fmt: skip
        client = self.client(balancer)
        self.assertEqual(self.ask(client), b"one")
        one.close()
        client.settimeout(0.2)

        def answered() -> bool:
            try:
                return self.ask(client) == b"two"
            except TimeoutError:
                return False

        until(answered, "the other one answers", PATIENCE)

    def test_checked(self) -> None:
        """A backend that does not echo is down, and its clients get another one."""
        mute = threading.Event()
        one = self.serve(lambda data: [] if mute.is_set() else [data])
        two = self.serve(lambda data: [data])
        balancer = self.start_udp(
            "--check", "udp-echo", "--check-interval", "100ms", "--fall", "2",
            "--check-timeout", "500ms", "--policy", "first",
            backends=[one.name, two.name],
        )  # fmt: skip
        client = self.client(balancer)
        self.assertEqual(self.ask(client, b"mine"), b"mine")
        mute.set()
        balancer.until_state(one.name, "down")
        self.assertEqual(self.ask(client, b"again"), b"again")
        self.assertIn(b"again", [data for data, _ in two.seen])
        mute.clear()
        balancer.until_state(one.name, "up")

    def test_proxy_header(self) -> None:
        """Each datagram tells its client's address, in version 2."""
        told = self.serve(lambda data: [decode_datagram(data)[1]])
        balancer = self.start_udp("--send-proxy", "v2", backends=[told.name])
        client = self.client(balancer)
        for _ in range(2):
            self.assertEqual(self.ask(client, b"data"), b"data")
        for datagram, _ in told.seen:
            self.assertEqual(decode_datagram(datagram)[0].source, client.getsockname())

    def test_answers_from_asked_address(self) -> None:
        """On all addresses an answer comes from the one that was asked."""
        echo = self.serve(lambda data: [data])
        balancer = self.start_udp(backends=[echo.name], listen=["udp:0"])
        client = self.client(balancer, "127.0.0.3")
        self.assertEqual(self.ask(client, b"x"), b"x")

    def test_table_is_bounded(self) -> None:
        """With the table full a new client is not served, and that is counted."""
        echo = self.serve(lambda data: [data])
        balancer = self.start_udp("--udp-sessions", "1", backends=[echo.name])
        first = self.client(balancer)
        self.ask(first)
        self.assert_silent(self.client(balancer), first)
        self.assertEqual(balancer.stop()["dropped-sessions-full"], 1)

    def test_denied_and_rate(self) -> None:
        """Who is denied is not served; who sends too much, not for all of it."""
        echo = self.serve(lambda data: [data])
        balancer = self.start_udp("--deny", "127.0.0.2", backends=[echo.name])
        allowed = self.client(balancer)
        self.assert_silent(self.client(balancer, source="127.0.0.2"), allowed)
        self.assertEqual(balancer.stop()["dropped-denied"], 1)
        balancer = self.start_udp("--udp-rate", "1/m:2", backends=[echo.name])
        client = self.client(balancer)
        self.ask(client)
        self.ask(client)
        self.assert_silent(client, self.client(balancer, source="127.0.0.2"))
        self.assertEqual(balancer.stop()["dropped-rate"], 1)

    def test_tcp_is_not_disturbed(self) -> None:
        """TCP and UDP on one balancer share the pool."""
        while True:
            echo = self.serve(lambda data: [data])
            with contextlib.suppress(OSError):  # someone's TCP port: try another
                tcp = self.backend(port=echo.port)
                break
        balancer = self.start_udp(
            backends=[tcp], listen=[UDP, "tcp:0:interface=127.0.0.1"]
        )
        self.assertEqual(self.ask(self.client(balancer), b"u"), b"u")
        self.assertEqual(super().ask(balancer.ports[1], b"t"), b"t")
