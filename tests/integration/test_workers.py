"""Tests of a daemon with workers: deaths, drain, reload, what it tells, bad starts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

from tests.integration.balance_peers import free_ports
from tests.integration.echo_process import COMMANDS, PATIENCE, until
from tests.integration.figures import figure
from tests.integration.streams import ANSWER
from tests.integration.test_echo_runners import SYSTEMD
from tests.integration.workers_process import (
    ECHO,
    TCP,
    UDP,
    WorkersCase,
    alive,
    echoed,
)

#: Seconds of a drain without a word after which a connection is closed, less some.
QUIET = 0.9


def udp_echoed(port: int, number: int) -> int:
    """Send datagrams from different ports; give how many are answered."""
    answered = 0
    for each in range(number):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as skt:
            skt.settimeout(ANSWER)
            skt.sendto(b"%d" % each, ("127.0.0.1", port))
            answered += skt.recv(100) == b"%d" % each
    return answered


class DeathTests(WorkersCase):
    """Workers and parents that are killed."""

    def test_worker_killed_under_load(self) -> None:
        """
        When a worker is killed under load, 100 of 100 new connections are served,
        it is replaced, nobody is left a zombie, and what it has counted still counts.
        """
        daemon = self.run_workers().wait()
        port, pids = daemon.port(), daemon.pids()
        done = threading.Event()
        served = [0]

        def load() -> None:
            # One connection and its echo, over and over; those of the killed one fail.
            while not done.is_set():
                served[0] += echoed(port)

        def counted() -> int:
            counters = daemon.status()["services"][0]["counters"]
            return int(counters["connections"])

        thread = threading.Thread(target=load)
        thread.start()
        try:
            until(lambda: served[0] > 50, "load")
            # Each tells once a second.
            told = until(counted, "count")
            os.kill(pids[0], signal.SIGKILL)
            good = sum(echoed(port) for _ in range(100))
            figure(self, "new connections served, of 100", good, least=100)
            until(lambda: len(daemon.events("worker-ready")) == 3, "next", PATIENCE)
            os.kill(pids[1], signal.SIGKILL)
            self.assertEqual(sum(echoed(port) for _ in range(100)), 100)
            until(lambda: len(daemon.events("worker-ready")) == 4, "next", PATIENCE)
        finally:
            done.set()
            thread.join()
        # Zombies are children, too.
        figure(self, "zombies", len(daemon.pids()) - 2, most=0)
        self.assertTrue(set(pids).isdisjoint(daemon.pids()))
        # It never falls, though the workers that counted it are dead.
        before = counted()
        self.assertGreaterEqual(before, told)
        self.assertEqual(sum(echoed(port) for _ in range(10)), 10)
        until(lambda: counted() >= before + 10, "sum")
        died = daemon.events("worker-died")
        self.assertEqual([each["how"] for each in died], ["SIGKILL", "SIGKILL"])
        self.assertEqual([each["wait"] for each in died], [0, 0])
        self.assertEqual(daemon.stop(), 0)

    def test_all_killed_at_once(self) -> None:
        """With all workers dead, who connects waits for the next ones."""
        daemon = self.run_workers().wait()
        for pid in daemon.pids():
            os.kill(pid, signal.SIGKILL)
        self.assertTrue(echoed(daemon.port()))
        self.assertEqual(udp_echoed(daemon.port("udp"), 20), 20)
        self.assertEqual(daemon.stop(), 0)

    def test_parent_killed(self) -> None:
        """When the parent is killed no worker is left, and the ports are free."""
        daemon = self.run_workers().wait()
        pids, port = daemon.pids(), daemon.port()
        os.kill(pids[0], signal.SIGSTOP)  # one that cannot notice by itself
        daemon.process.kill()
        daemon.process.wait()
        until(lambda: not any(map(alive, pids)), "end of the workers")
        figure(self, "orphans", sum(map(alive, pids)), most=0)
        socket.create_server(("127.0.0.1", port)).close()


class StopTests(WorkersCase):
    """Signals."""

    def test_drain(self) -> None:
        """
        Ctrl-C reaches all processes at once: connections of all workers are still
        served, and closed when they are quiet; the status is 0 and nobody is left.
        """
        daemon = self.run_workers().wait()
        pids, port = daemon.pids(), daemon.port()
        connections = [
            socket.create_connection(("127.0.0.1", port), ANSWER) for _ in range(9)
        ]
        for skt in connections:
            self.addCleanup(skt.close)
            skt.sendall(b"before")
            self.assertEqual(skt.recv(100), b"before")
        began = time.monotonic()
        os.killpg(daemon.pid, signal.SIGINT)
        until(lambda: len(daemon.events("drain")) == 3, "drain")
        served = []
        for skt in connections:
            skt.sendall(b"after")
            heard = self._received(skt)
            # After a stall of this process, it has been quiet for long enough.
            if heard or time.monotonic() - began < QUIET:
                self.assertEqual(heard, b"after")
                served.append(skt)
        for skt in served:
            self.assertEqual(skt.recv(100), b"")
        self.assertEqual(daemon.process.wait(PATIENCE), 0)
        with socket.socket() as probe:
            self.assertNotEqual(probe.connect_ex(("127.0.0.1", port)), 0)
        self.assertFalse(any(map(alive, pids)))
        ended = daemon.events("worker-ended")
        self.assertEqual([each["how"] for each in ended], ["exit status 0"] * 2)

    @staticmethod
    def _received(skt: socket.socket) -> bytes:
        """Receive what there is; nothing at the end, be it a reset."""
        try:
            return skt.recv(100)
        except ConnectionError:
            return b""

    def test_cut(self) -> None:
        """A second SIGTERM cuts what would take longer, in all workers."""
        daemon = self.run_workers().wait()
        with socket.create_connection(("127.0.0.1", daemon.port())) as skt:
            skt.setblocking(False)
            # A peer that only sends: its echo is never taken.
            until(lambda: self._full(skt), "backpressure")
            os.kill(daemon.pid, signal.SIGTERM)
            until(lambda: daemon.events("drain"), "drain")
            time.sleep(0.2)
            self.assertIsNone(daemon.process.poll())
            started = time.monotonic()
            self.assertEqual(daemon.stop(), 0)
            # The drain itself may take 50 s.
            self.assertLess(time.monotonic() - started, 30)

    @staticmethod
    def _full(skt: socket.socket) -> bool:
        try:
            while True:
                skt.send(bytes(65536))
        except BlockingIOError:
            return True

    def test_signals_to_workers(self) -> None:
        """SIGTERM, SIGHUP and the others do nothing to a worker itself."""
        daemon = self.run_workers().wait()
        pids = daemon.pids()
        for pid in pids:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(pid, number)
            os.kill(pid, signal.SIGUSR1)
        self.assertTrue(echoed(daemon.port()))
        os.kill(daemon.pid, signal.SIGUSR2)
        until(lambda: len(daemon.events("service-summary")) == 2, "summaries")
        os.kill(daemon.pid, signal.SIGUSR1)
        self.assertEqual(daemon.pids(), pids)
        self.assertEqual(daemon.stop(), 0)


class ReloadTests(WorkersCase):
    """SIGHUP."""

    def test_reload(self) -> None:
        """
        A reload reaches all workers, those that are started later, too; ports come
        and go while others are served, and a bad file changes nothing.
        """
        daemon = self.run_workers().wait()
        port, (new,) = daemon.port(), free_ports(1)
        more = f'"tcp:{new}:interface=127.0.0.1"'
        text = f'[echo]\nlisten = ["{TCP}", "{UDP}", {more}]\ngreeting = "hi"\n'
        self.assertEqual(daemon.reload(text), [])
        self.assertEqual(len(daemon.events("listening", listen=more[1:-1])), 2)
        for pid in daemon.pids():
            os.kill(pid, signal.SIGKILL)
        for each in (port, new):
            with socket.create_connection(("127.0.0.1", each), ANSWER) as skt:
                self.assertEqual(skt.recv(100), b"hi\r\n")
        until(lambda: len(daemon.events("worker-ready")) == 4, "both serve", PATIENCE)
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        third = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        (problem,) = daemon.reload(f'[echo]\nlisten = ["{TCP}", "{third}"]\n')
        self.assertIn("netsvc.toml:7: echo.listen: cannot listen on", problem)
        (problem,) = daemon.reload('[echo]\ngreting = "hi"\n')
        self.assertIn("did you mean greeting?", problem)
        self.assertTrue(echoed(new, b"hi\r\n"))
        self.assertEqual(daemon.reload(ECHO), [])

        def refused() -> bool:
            with socket.socket() as late:
                return late.connect_ex(("127.0.0.1", new)) != 0

        # A worker closes a port in the turn after that in which it says so.
        until(refused, "it is closed")
        self.assertTrue(echoed(port))
        self.assertEqual(udp_echoed(daemon.port("udp"), 20), 20)
        self.assertEqual(daemon.stop(), 0)

    def test_worker_objects(self) -> None:
        """What only a worker can find out is refused with its line, by all."""
        daemon = self.run_workers().wait()
        text = f'[echo]\nlisten = ["{TCP}"]\njournal = "nowhere/journal"\n'
        problems = daemon.reload(text)
        self.assertEqual(len(problems), 1, problems)
        self.assertIn("journal", problems[0])
        self.assertTrue(echoed(daemon.port()))
        self.assertEqual(udp_echoed(daemon.port("udp"), 20), 20)
        self.assertEqual(daemon.stop(), 0)


class SystemdTests(WorkersCase):
    """Sockets that systemd has bound."""

    def test_systemd(self) -> None:
        """They serve, TCP and UDP, also after a death and after a reload."""
        stream = "systemd:domain=INET:name=echo"
        datagrams = "systemd:domain=INET:name=echo-udp"
        text = f'[echo]\nlisten = ["{stream}", "{datagrams}"]\n'
        wrap = (sys.executable, "-c", SYSTEMD)
        daemon = self.run_workers(text, wrap=wrap).wait()
        ports = {
            each["listen"]: int(each["address"].rpartition(":")[2])
            for each in daemon.events("listening", service="netsvc-echo")
        }
        for pid in daemon.pids():
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(sum(echoed(ports[stream]) for _ in range(10)), 10)
        self.assertEqual(udp_echoed(ports[datagrams], 20), 20)
        self.assertEqual(daemon.reload(text + 'greeting = "hi"\n'), [])
        self.assertTrue(echoed(ports[stream], b"hi\r\n"))
        self.assertEqual(daemon.stop(), 0)


class PlacementTests(WorkersCase):
    """Which worker runs what."""

    def test_placement(self) -> None:
        """
        A chat runs in worker 0 alone, and the log says so; an echo runs in both; a
        service that gets a journal moves to worker 0 and all of its datagrams do.
        """
        path = self.folder / "line.sock"
        text = ECHO + f'[chat]\nline = ["unix:{path}"]\nirc = ["{TCP}"]\n'
        daemon = self.run_workers(text).wait()
        (alone,) = daemon.events("worker-alone")
        self.assertEqual(alone["entry"], "chat")
        self.assertEqual(
            [
                each["worker"]
                for each in daemon.events("listening", service="netsvc-chat")
            ],
            [0, 0],
        )
        self.assertEqual(len(daemon.events("listening", service="netsvc-echo")), 4)
        with_journal = f'[echo]\nlisten = ["{TCP}", "{UDP}"]\njournal = "journal"\n'
        self.assertEqual(daemon.reload(with_journal), [])
        self.assertFalse(path.exists())
        self.assertEqual(udp_echoed(daemon.port("udp"), 30), 30)
        self.assertEqual(sum(echoed(daemon.port()) for _ in range(10)), 10)
        self.assertEqual(daemon.stop(), 0)


class StartTests(WorkersCase):
    """Starts that fail."""

    def _refused(self, text: str) -> str:
        daemon = self.run_workers(text)
        self.assertEqual(daemon.process.wait(PATIENCE), 1)
        lines = daemon.log_file.read_text().splitlines()
        said = [line for line in lines if not line.startswith(("{", "20"))]
        self.assertEqual(len(said), 1, said)
        return said[0]

    def test_port_in_use(self) -> None:
        """A port that is in use ends the daemon with one line and status 1."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            line = self._refused(
                f'[echo]\nlisten = ["tcp:{port}:interface=127.0.0.1"]\n'
            )
        self.assertIn(f"cannot listen on tcp:{port}", line)
        self.assertIn("Address already in use", line)

    def test_udp_port_in_use(self) -> None:
        """A UDP port is not shared with a stranger, though workers share it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            line = self._refused(
                f'[echo]\nlisten = ["udp:{port}:interface=127.0.0.1"]\n'
            )
        self.assertIn("Address already in use", line)

    def test_worker_refuses(self) -> None:
        """What a worker cannot use ends the daemon with the worker's one line."""
        key = self.folder / "key.pem"
        key.write_text("junk")
        line = self._refused(
            f'[echo]\nlisten = ["ssl:0:privateKey={key}:certKey={key}"]\n'
        )
        self.assertIn("its key or certificate cannot be used", line)


class WorkerTests(WorkersCase):
    """The program of a worker, without a parent."""

    def _worker(self, *arguments: str, fds: tuple[int, ...] = ()) -> int:
        command = [str(COMMANDS / "python"), "-P", "-m", "netsvc.worker", *arguments]
        return subprocess.run(command, pass_fds=fds, timeout=PATIENCE).returncode

    def test_no_orders(self) -> None:
        """A worker whose parent says nothing ends; so does one without its parent."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fd = theirs.fileno()
        ours.send(b'{"do": "run"}')
        with ours, theirs:
            self.assertEqual(self._worker(str(fd), str(os.getpid()), fds=(fd,)), 1)
            self.assertIn(b"'run' comes too early", ours.recv(1000))
            self.assertEqual(self._worker(str(fd), "1", fds=(fd,)), 1)
