"""Real connections through netsvc-balance: integrity, ends, failures."""

from __future__ import annotations

import contextlib
import hashlib
import random
import select
import signal
import socket
import threading
import time
from typing import Any

from tests.integration.balance_process import (
    PATIENCE,
    RESET,
    BalanceCase,
    BalanceProcess,
    greet,
    late,
    reset,
)
from tests.integration.echo_process import EchoProcess, until
from tests.integration.streams import ended, receive

FAST = ("--check-interval", "100ms", "--fall", "2", "--rise", "2")

#: Checks that only a refusal fails: not a machine that is busy for a while.
PATIENT = (*FAST, "--check-timeout", "1m")

#: Waits that must not be: whoever is made to, is late for a test.
NO_WAITING = ("--connect-timeout", "5m", "--queue-timeout", "5m")


class IntegrityTests(BalanceCase):
    """What goes in comes out."""

    def exchange(self, balancer: BalanceProcess, seed: int, slow: bool) -> bool:
        """Send chunks of mixed sizes, read them back; compare the digests."""
        chance = random.Random(seed)
        sizes = [chance.choice((1, 7, 1000, 16384, 65536, 200_000)) for _ in range(60)]
        sent, received = hashlib.sha256(), hashlib.sha256()
        client = socket.create_connection(("127.0.0.1", balancer.port), PATIENCE)

        def send() -> None:
            for size in sizes:
                data = chance.randbytes(size)
                sent.update(data)
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        with client:
            while data := client.recv(4096 if slow else 65536):
                received.update(data)
                if slow:
                    time.sleep(0.0005)
            sender.join(PATIENCE)
        return sent.digest() == received.digest()

    def test_mixed_chunks(self) -> None:
        """Eight clients at once, some of them slow, each get back what they sent."""
        balancer = self.start(backends=[self.backend(), self.backend()])
        results: dict[int, bool] = {}

        def run(seed: int) -> None:
            results[seed] = self.exchange(balancer, seed, slow=seed % 2 == 0)

        threads = [threading.Thread(target=run, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(results, dict.fromkeys(range(8), True))

    def test_bulk(self) -> None:
        """Much at once, which is spliced, arrives whole in both directions."""
        balancer = self.start(backends=[self.backend()])
        data = random.Random(1).randbytes(20_000_000)
        client = self.connect(balancer)
        sender = threading.Thread(
            target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR))
        )
        sender.start()
        digest = hashlib.sha256()
        while piece := client.recv(262144):
            digest.update(piece)
        sender.join(PATIENCE)
        self.assertEqual(digest.digest(), hashlib.sha256(data).digest())

    def test_late_answer(self) -> None:
        """An answer that is made after the question's end is delivered."""
        balancer = self.start(backends=[self.backend(late)])
        self.assertEqual(self.ask(balancer, b"question"), b"late:question")

    def test_backend_ends_first(self) -> None:
        """What the client sends after the backend's end still arrives there."""
        got: list[bytes] = []

        def behave(connection: socket.socket) -> None:
            connection.sendall(b"all")
            connection.shutdown(socket.SHUT_WR)
            got.append(b"".join(iter(lambda: connection.recv(65536), b"")))

        balancer = self.start("--check", "none", backends=[self.backend(behave)])
        client = self.connect(balancer)
        self.assertEqual(receive(client, 10), b"all")
        client.sendall(b"after")
        client.shutdown(socket.SHUT_WR)
        until(lambda: got == [b"after"], "the backend has the rest", PATIENCE)

    def test_unix_client(self) -> None:
        """A client on a UNIX socket is served, with half-close."""
        path = self.folder / "in.sock"
        balancer = self.start(
            backends=[self.backend(late)],
            listen=("tcp:0:interface=127.0.0.1", f"unix:{path}"),
        )
        del balancer
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(path))
            client.sendall(b"x" * 300_000)
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        self.assertEqual(answer, b"late:" + b"x" * 300_000)

    def test_slow_reader_is_paused_for(self) -> None:
        """A backend that sends without end is not read ahead of a client that stops."""
        sent = [0]

        def flood(connection: socket.socket) -> None:
            connection.recv(1)
            while True:
                sent[0] += connection.send(bytes(65536))

        balancer = self.start("--check", "none", backends=[self.backend(flood)])
        client = self.connect(balancer)
        client.sendall(b"!")
        until(lambda: sent[0] > 0, "the flood begins", PATIENCE)
        before = -1
        while before != sent[0]:
            before = sent[0]
            time.sleep(0.3)
        self.assertLess(sent[0], 30_000_000)
        self.assertEqual(len(receive(client, 1_000_000)), 1_000_000)


class EndTests(BalanceCase):
    """How connections end."""

    def test_backend_reset(self) -> None:
        """A backend's reset reaches the client as a reset."""
        balancer = self.start(backends=[self.backend(reset)])
        client = self.connect(balancer)
        client.sendall(b"x")
        self.assertRaises(ConnectionResetError, client.recv, 100)

    def test_client_reset(self) -> None:
        """A client's reset reaches the backend as a reset."""
        seen: list[str] = []

        def behave(connection: socket.socket) -> None:
            connection.recv(100)
            connection.sendall(b"y")
            try:
                seen.append(f"{len(connection.recv(100))} bytes")
            except ConnectionResetError:
                seen.append("reset")

        balancer = self.start("--check", "none", backends=[self.backend(behave)])
        client = self.connect(balancer)
        client.sendall(b"x")
        self.assertEqual(client.recv(1), b"y")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        until(lambda: seen == ["reset"], "the backend sees the reset", PATIENCE)

    def test_idle_timeout(self) -> None:
        """A session on which nothing moves is closed in order."""
        balancer = self.start("--idle-timeout", "1", backends=[self.backend()])
        client = self.connect(balancer)
        self.assertTrue(ended(client, PATIENCE))
        self.assertEqual(balancer.stop()["ended-idle-timeout"], 1)

    def test_drain(self) -> None:
        """At SIGTERM a session may finish, and the process ends with status 0."""
        balancer = self.start("--drain-timeout", "5m", backends=[self.backend()])
        client = self.connect(balancer)
        client.sendall(b"one")
        self.assertEqual(receive(client, 3), b"one")
        balancer.process.send_signal(signal.SIGTERM)
        until(lambda: "draining" in balancer.log(), "it drains", PATIENCE)
        self.assertRaises(
            OSError, socket.create_connection, ("127.0.0.1", balancer.port)
        )
        time.sleep(1.5)
        client.sendall(b"two")
        self.assertEqual(receive(client, 3), b"two")
        client.close()
        self.assertEqual(balancer.process.wait(PATIENCE), 0)

    def test_drain_timeout(self) -> None:
        """A session that does not finish is cut after the drain timeout."""
        balancer = self.start("--drain-timeout", "1s", backends=[self.backend()])
        client = self.connect(balancer)
        client.sendall(b"one")
        self.assertEqual(receive(client, 3), b"one")
        balancer.process.send_signal(signal.SIGTERM)
        self.assertTrue(ended(client, PATIENCE))
        self.assertEqual(balancer.process.wait(PATIENCE), 0)
        self.assertEqual(balancer.counters()["ended-drain-timeout"], 1)


class FailureTests(BalanceCase):
    """Backends that fail."""

    def names(self, balancer: Any, times: int) -> set[bytes]:
        """Ask several times who answers; each must."""
        return {self.ask(balancer, b"") for _ in range(times)}

    def test_refusing(self) -> None:
        """Clients of a backend that has died get another one, at once."""
        one = self.backend(greet(b"one"), port=self.port())
        two = self.backend(greet(b"two"))
        balancer = self.start("--check-interval", "10m", backends=[one, two])
        self.assertEqual(self.names(balancer, 4), {b"one", b"two"})
        one.close()
        self.assertEqual(self.names(balancer, 10), {b"two"})

    def test_down_and_up(self) -> None:
        """A backend that dies is found down; when it is back it is used again."""
        one = self.backend(greet(b"one"), port=self.port())
        two = self.backend(greet(b"two"))
        balancer = self.start(*PATIENT, backends=[one, two])
        one.close()
        balancer.until_state(one.name, "down")
        self.assertEqual(self.names(balancer, 4), {b"two"})
        self.backend(greet(b"one"), port=one.port)
        balancer.until_state(one.name, "up")
        self.assertEqual(self.names(balancer, 4), {b"one", b"two"})

    def test_all_down(self) -> None:
        """With all backends down clients are closed promptly, and the port stays."""
        one = self.backend(greet(b"one"), port=self.port())
        balancer = self.start(*PATIENT, *NO_WAITING, backends=[one])
        one.close()
        balancer.until_state(one.name, "down")
        for _ in range(3):
            self.assertTrue(ended(self.connect(balancer), PATIENCE))
        self.backend(greet(b"back"), port=one.port)
        balancer.until_state(one.name, "up")
        self.assertEqual(self.ask(balancer, b""), b"back")

    def test_frozen(self) -> None:
        """A backend that is frozen is found down, and no session of another ends."""
        frozen = EchoProcess(self.folder, listen=("tcp:0:interface=127.0.0.1",))
        self.addCleanup(frozen.kill)
        frozen.wait()
        well = self.backend(greet(b"well"))
        balancer = self.start(
            *FAST, "--check-timeout", "500ms", "--check", "send-expect",
            "--check-send", r"ping\n", "--check-expect", "ping",
            backends=[f"127.0.0.1:{frozen.port()},name=frozen", well],
        )  # fmt: skip
        sessions: dict[bytes, list[Any]] = {b"well": [], b"stay": []}
        for _ in range(4):
            client = self.connect(balancer)
            client.sendall(b"stay")
            sessions[receive(client, 4)].append(client)
        self.assertEqual([len(some) for some in sessions.values()], [2, 2])
        frozen.signal(signal.SIGSTOP)
        self.addCleanup(frozen.signal, signal.SIGCONT)
        balancer.until_state("frozen", "down")
        self.assertEqual(self.names(balancer, 4), {b"well"})
        for client in (*sessions[b"stay"], *sessions[b"well"]):
            client.sendall(b"more")
        for client in sessions[b"well"]:
            self.assertEqual(receive(client, 8), b"staymore")
        # The others' are there as well, and are not answered.
        self.assertEqual(select.select(sessions[b"stay"], [], [], 0)[0], [])
        frozen.signal(signal.SIGCONT)
        balancer.until_state("frozen", "up")

    def test_flapping(self) -> None:
        """While a backend comes and goes every client is served by somebody."""
        steady = self.backend(greet(b"steady"))
        flapping = self.backend(greet(b"flapping"), port=self.port())
        balancer = self.start(*PATIENT, backends=[steady, flapping])
        port = flapping.port
        for _ in range(3):
            flapping.close()
            self.assertEqual(self.names(balancer, 5), {b"steady"})
            flapping = self.backend(greet(b"flapping"), port=port)
            self.names(balancer, 5)

    def test_bytes_are_counted_live(self) -> None:
        """What a session has moved is shown while it lasts."""
        one = self.backend()
        balancer = self.start(backends=[one])
        client = self.connect(balancer)
        client.sendall(b"12345")
        self.assertEqual(receive(client, 5), b"12345")
        row = balancer.rows()[one.name]
        self.assertEqual((row["bytes_in"], row["bytes_out"]), (5, 5))

    def test_slow_to_accept(self) -> None:
        """A backend that does not take a connection in time is passed over."""
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(full.close)
        stuffing = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            stuffing.append(client)
            self.addCleanup(client.close)
        well = self.backend(greet(b"well"))
        balancer = self.start(
            "--check",
            "none",
            "--policy",
            "first",
            "--connect-timeout",
            "1s",
            backends=[f"127.0.0.1:{full.getsockname()[1]},name=full", well],
        )
        self.assertEqual(self.ask(balancer, b""), b"well")
        self.assertEqual(set(balancer.rows()["full"]["errors"]), {"timeout"})

    def test_early_resets_eject(self) -> None:
        """A backend that resets its connections is ejected."""
        bad, good = self.backend(reset), self.backend(greet(b"good"))
        balancer = self.start(
            "--eject-after", "3", "--ejection-time", "10m", backends=[bad, good]
        )
        for _ in range(8):
            client = self.connect(balancer)
            client.sendall(b"x")
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(receive(client, 4), b"good")
        balancer.until_state(bad.name, "ejected")
        self.assertEqual(self.names(balancer, 4), {b"good"})

    def test_queue(self) -> None:
        """With all slots taken a client waits, and gets the one that is freed."""
        one = self.backend(greet(b"one"))
        balancer = self.start(*NO_WAITING, backends=[f"{one.name},max=1"])
        first = self.connect(balancer)
        self.assertEqual(receive(first, 3), b"one")
        second = self.connect(balancer)
        until(lambda: balancer.ask("status")[0]["waiting"] == 1, "it waits", PATIENCE)
        first.close()
        self.assertEqual(receive(second, 3), b"one")

    def test_queue_left(self) -> None:
        """Who leaves the queue makes room in it at once."""
        one = self.backend(greet(b"one"))

        def wait_and_leave(*options: str) -> Any:
            balancer = self.start(*NO_WAITING, *options, backends=[f"{one.name},max=1"])
            first = self.connect(balancer)
            self.assertEqual(receive(first, 3), b"one")
            second = self.connect(balancer)
            second.sendall(b"a question")

            def waiting() -> int:
                return int(balancer.ask("status")[0]["waiting"])

            until(lambda: waiting() == 1, "it waits", PATIENCE)
            return second, waiting

        second, waiting = wait_and_leave()
        second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        second.close()
        until(lambda: waiting() == 0, "a reset is noticed", PATIENCE)
        # One that only ends may still want an answer, unless it is said that not.
        second, waiting = wait_and_leave("--queue-abort")
        second.close()
        until(lambda: waiting() == 0, "an end is noticed", PATIENCE)

    def test_queue_timeout(self) -> None:
        """Who waits for too long is closed."""
        one = self.backend(greet(b"one"))
        balancer = self.start(
            "--queue-timeout", "300ms", backends=[f"{one.name},max=1"]
        )
        first = self.connect(balancer)
        self.assertEqual(receive(first, 3), b"one")
        self.assertTrue(ended(self.connect(balancer), PATIENCE))

    def test_drained_backend(self) -> None:
        """A drained backend keeps its sessions and gets no new one."""
        one, two = self.backend(greet(b"one")), self.backend(greet(b"two"))
        balancer = self.start("--policy", "first", backends=[one, two])
        client = self.connect(balancer)
        self.assertEqual(receive(client, 3), b"one")
        balancer.ask("drain", backend=one.name)
        self.assertEqual(self.names(balancer, 3), {b"two"})
        client.sendall(b"more")
        self.assertEqual(receive(client, 4), b"more")
        balancer.ask("enable", backend=one.name)
        self.assertEqual(self.names(balancer, 3), {b"one"})

    def test_backup(self) -> None:
        """A backup is used when no other backend is left."""
        one = self.backend(greet(b"one"), port=self.port())
        spare = self.backend(greet(b"spare"))
        balancer = self.start(*PATIENT, backends=[one, f"{spare.name},backup"])
        self.assertEqual(self.names(balancer, 3), {b"one"})
        one.close()
        balancer.until_state(one.name, "down")
        self.assertEqual(self.names(balancer, 3), {b"spare"})

    def test_denied(self) -> None:
        """Who is denied gets nothing."""
        balancer = self.start("--deny", "127.0.0.0/8", backends=[self.backend()])
        self.assertTrue(ended(self.connect(balancer), PATIENCE))
        self.assertEqual(balancer.stop()["refused-denied"], 1)
