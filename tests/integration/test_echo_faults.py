"""What cannot work is said at the start; what breaks later harms no traffic."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from tests.integration.attempts import best
from tests.integration.echo_process import (
    COMMANDS,
    RUNNERS,
    TCP,
    EchoCase,
    EchoProcess,
    command,
    need_root,
    until,
)
from tests.integration.figures import figure
from tests.integration.ping_servers import make_certificate
from tests.integration.streams import ended

#: Seconds that a process may take to start and to end on a busy machine.
PATIENCE = 60.0


class StartTests(EchoCase):
    """A service that cannot do what it is asked for does not start."""

    def begin(
        self,
        *options: str,
        listen: tuple[str, ...] = (TCP,),
        runners: Iterable[str] = RUNNERS,
    ) -> list[subprocess.Popen[str]]:
        """Start a service with each runner."""
        started = []
        for runner in runners:
            process = subprocess.Popen(
                command(runner, options, listen=listen),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self.addCleanup(process.communicate)
            self.addCleanup(process.kill)
            started.append(process)
        return started

    def refused(self, started: Iterable[subprocess.Popen[str]]) -> str:
        """
        See that services end with status 1 and one line on stderr, the same for all,
        and give that line.
        """
        lines = set()
        for process in started:
            out, err = process.communicate(timeout=PATIENCE)
            self.assertEqual(process.returncode, 1, err)
            self.assertEqual(err.count("\n"), 1, err)
            self.assertTrue(err.startswith("netsvc-echo: "), err)
            self.assertNotIn("Traceback", out + err)
            self.assertNotIn("netsvc-echo listens on", out)
            lines.add(err.rstrip())
        self.assertEqual(len(lines), 1, lines)
        return lines.pop()

    def refusals(self, *options: str, **how: Any) -> str:
        """Start a service with each runner, and see that all are refused alike."""
        return self.refused(self.begin(*options, **how))

    def test_port_in_use(self) -> None:
        """A TCP or UDP port that is in use, and which one."""
        runners = tuple(RUNNERS)
        for kind, scheme in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
            with socket.socket(type=kind) as taken:
                taken.bind(("127.0.0.1", 0))
                if kind == socket.SOCK_STREAM:
                    taken.listen()
                listen = f"{scheme}:{taken.getsockname()[1]}:interface=127.0.0.1"
                self.assertEqual(
                    self.refusals(listen=(listen,), runners=runners),
                    f"netsvc-echo: cannot listen on {listen}: Address already in use",
                )
            # They report all that fails at the start alike.
            runners = ("twistd",)

    def test_bad_key(self) -> None:
        """A key that is missing, and one that is none."""
        certificate, _ = make_certificate(self.folder)
        (self.folder / "none.pem").write_text("no key")
        for key, problem in (
            ("missing.pem", "No such file or directory"),
            # OpenSSL's word for it.
            ("none.pem", "its key or certificate cannot be used (unsupported)"),
        ):
            listen = f"ssl:0:privateKey={key}:certKey={certificate.name}"
            said = self.refusals(listen=(listen,), runners=("twistd",))
            self.assertIn(f"cannot listen on {listen}: ", said)
            self.assertIn(problem, said.partition(listen)[2])

    def test_bad_options(self) -> None:
        """An option that does not exist, a value and a listen string that are wrong."""
        cases: tuple[tuple[tuple[str, ...], str, str], ...] = (
            (("--idle-timeuot", "3"), TCP, "did you mean --idle-timeout?"),
            (("--max-connections", "0"), TCP, "--max-connections"),
            ((), "tcp:70000", "'70000'"),
            ((), "7007", "is not a listen string"),
            ((), "gopher:7007", "gopher"),
            ((), "udp:0:interface=192.0.2.1", "Cannot assign requested address"),
        )
        # They read all options alike: one is tried with each runner.
        begun = [
            self.begin(
                *options, listen=(listen,), runners=("twistd",) if number else RUNNERS
            )
            for number, (options, listen, _) in enumerate(cases)
        ]
        for started, (_, _, said) in zip(begun, cases, strict=True):
            self.assertIn(said, self.refused(started))

    def test_journal(self) -> None:
        """A journal that cannot be written, and which file."""
        for path, problem in (
            (str(self.folder), "Is a directory"),
            ("missing/journal", "No such file or directory"),
        ):
            said = self.refusals("--journal", path, runners=("twist",))
            self.assertTrue(said.startswith("netsvc-echo: --journal: "), said)
            self.assertIn(path, said)
            self.assertTrue(said.endswith(problem), said)

    def test_quickly(self) -> None:
        """It takes no longer than a start, on a busy machine: than twice that."""
        starts = []

        def measure() -> float:
            start = time.monotonic()
            self.start(listen=("unix:echo.sock",)).stop()
            middle = time.monotonic()
            starts.append(middle - start)
            subprocess.run(
                command("twistd", listen=("tcp:70000",)),
                capture_output=True,
                timeout=PATIENCE,
            )
            return time.monotonic() - middle

        took = best(measure, 1.5)
        most = max(1.5, 2 * max(starts))
        figure(self, "until it is refused", took, "s", most=most)

    def test_next_start(self) -> None:
        """A start that failed half-way does not stand in the way of the next one."""
        self.refusals(
            listen=("unix:echo.sock", "udp:0:interface=192.0.2.1"),
            runners=("twistd",),
        )
        self.start(listen=("unix:echo.sock",))
        self.assert_echo(self.connect_unix("echo.sock"))


class DetachedTests(EchoCase):
    """A service that is started in the background."""

    #: How each command detaches, and where its log goes.
    detached: ClassVar[dict[str, tuple[str, ...]]] = {
        "twistd": ("twistd", "--pidfile=pid", "--logfile=log", "netsvc-echo"),
        "netsvc": (
            *("netsvc", "run", "--daemonize", "--pidfile=pid", "--logfile=log"),
            "netsvc-echo",
        ),
    }

    def detach(self, runner: str, *options: str) -> tuple[int, str]:
        """Start one; give its exit status and what it says."""
        program, *words = self.detached[runner]
        done = subprocess.run(
            [str(COMMANDS / program), *words, *options],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        return done.returncode, done.stdout

    def test_refused(self) -> None:
        """
        A start that is refused ends at once with status 1 and one message; no
        process and no pid file stay.
        """
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            for runner in self.detached:
                for options, said in (
                    (("--listen", port), f"cannot listen on {port}: "),
                    (("--listen", TCP, "--journal", "no/file"), "--journal: "),
                ):
                    status, text = self.detach(runner, *options)
                    self.assertEqual(status, 1, text)
                    self.assertEqual(text.count(said), 1, text)
                    self.assertNotIn("Traceback", text)
                    until(lambda: not self.left(), "nothing is left", PATIENCE)
                    self.assertFalse((self.folder / "pid").exists())

    def left(self) -> list[str]:
        """Give the commands of the processes that run in the folder."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.readlink(process / "cwd") == str(self.folder):
                    found.append((process / "cmdline").read_text())
        return found

    def test_served(self) -> None:
        """One that is not refused serves, and SIGTERM takes its pid file away."""
        for runner in self.detached:
            (self.folder / "log").unlink(missing_ok=True)
            status, text = self.detach(runner, "--listen", "unix:echo.sock")
            self.assertEqual((status, text), (0, ""))
            pid = int((self.folder / "pid").read_text())
            try:
                with self.connect_unix("echo.sock") as client:
                    self.assert_echo(client)
            finally:
                os.kill(pid, signal.SIGTERM)
                until(lambda: not self.left(), "it ends", PATIENCE)
            self.assertFalse((self.folder / "pid").exists())
            self.assertIn("has stopped", (self.folder / "log").read_text())


class UserTests(EchoCase):
    """The user and the group to run as."""

    def test_unknown(self) -> None:
        """C{netsvc run} refuses one that does not exist with one line, and 2."""
        for option in ("--uid", "--gid"):
            done = subprocess.run(
                [str(COMMANDS / "netsvc"), "run", "echo", option, "nosuchuser"],
                cwd=self.folder,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertEqual(done.stderr.count("\n"), 1)
            self.assertIn("no such user or group", done.stderr)
            self.assertIn("nosuchuser", done.stderr)


class BrokenOutputTests(EchoCase):
    """Standard output whose reader is gone."""

    def break_output(self, runner: str) -> None:
        """Start with a pipe as standard output, close it, and go on."""
        read, write = os.pipe()
        server = EchoProcess(
            *(self.folder, ("--max-connections-per-source", "1")),
            runner=runner,
            stdout=write,
        )
        self.addCleanup(self._end, server)
        os.close(write)
        said = ""
        with open(read) as output:
            while not server.learn(said):
                said += output.readline()
        client, datagrams = self.connect(server), self.datagrams(server)
        for _ in range(3):
            self.assert_echo(client)
            # A line of the log that cannot be written.
            self.assertTrue(ended(self.connect(server)))
        self.assert_datagram(datagrams)
        client.close()
        server.signal(signal.SIGTERM)
        self.assertEqual(server.status(PATIENCE), 0, server.log())

    def test_twistd(self) -> None:
        """C{twistd} goes on serving, and stops as it should."""
        self.break_output("twistd")

    def test_twist(self) -> None:
        """C{twist} goes on serving, and stops as it should."""
        self.break_output("twist")

    def test_netsvc(self) -> None:
        """C{netsvc run} goes on serving, and stops as it should."""
        self.break_output("netsvc")


class FullDiskTests(EchoCase):
    """A journal on a file system that is full."""

    def test_drop(self) -> None:
        """
        With C{--journal-when-full drop} all traffic goes on as if there were no
        journal; errors and what was left out are counted.
        """
        need_root("mounting a file system")
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = self.run_tool(
            "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)
        )
        if mounted.returncode:
            self.skipTest("this system does not let root mount a tmpfs")
        self.addCleanup(self.run_tool, "umount", "-l", str(disk))
        server = self.start(
            *("--journal", str(disk / "journal"), "--journal-when-full", "drop"),
            *("--journal-buffer", "64K"),
        )
        client, datagrams = self.connect(server), self.datagrams(server)
        text = b"hello " * 500
        for _ in range(100):
            self.assert_echo(client, text)
            self.assert_datagram(datagrams, text)
        until(lambda: server.lines("cannot write"), "it says so", PATIENCE)
        # Room again: what was kept is written.
        self.run_tool("mount", "-o", "remount,size=4m", str(disk))
        until(lambda: server.lines("writing again"), "it says so", PATIENCE)
        client.close()
        counted = server.stop()
        self.assertEqual((counted["bytes"], counted["datagrams"]), (300_000, 100))
        self.assertGreater(counted["journal-write-errors"], 0)
        self.assertGreater(counted["journal-dropped"], 0)
        self.assertEqual(counted["journal-confirmed"], counted["journal-records"])
        errors = counted["journal-write-errors"]
        figure(self, "write errors counted on a full disk", errors, least=1)
