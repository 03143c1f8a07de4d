"""What cannot work is said at the start; what breaks later harms no traffic."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable

from tests.integration.echo_process import (
    PATIENCE,
    RUNNERS,
    TCP,
    EchoCase,
    EchoProcess,
    command,
    need_root,
    until,
)
from tests.integration.ping_servers import make_certificate
from tests.integration.streams import ended


class StartTests(EchoCase):
    """A service that cannot do what it is asked for does not start."""

    def refusals(
        self,
        *options: str,
        listen: tuple[str, ...] = (TCP,),
        runners: Iterable[str] = RUNNERS,
    ) -> str:
        """
        Start a service with each runner, see that it ends with status 1 and one
        line on stderr, the same for all, and give that line.
        """
        started = [
            subprocess.Popen(
                command(runner, options, listen=listen),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for runner in runners
        ]
        lines = set()
        for process in started:
            self.addCleanup(process.kill)
            out, err = process.communicate(timeout=PATIENCE)
            self.assertEqual(process.returncode, 1, err)
            self.assertEqual(err.count("\n"), 1, err)
            self.assertTrue(err.startswith("netsvc-echo: "), err)
            self.assertNotIn("Traceback", out + err)
            self.assertNotIn("netsvc-echo listens on", out)
            lines.add(err.rstrip())
        self.assertEqual(len(lines), 1, lines)
        return lines.pop()

    def test_port_in_use(self) -> None:
        """A TCP or UDP port that is in use, and which one."""
        for kind, scheme in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
            with socket.socket(type=kind) as taken:
                taken.bind(("127.0.0.1", 0))
                if kind == socket.SOCK_STREAM:
                    taken.listen()
                listen = f"{scheme}:{taken.getsockname()[1]}:interface=127.0.0.1"
                self.assertEqual(
                    self.refusals(listen=(listen,)),
                    f"netsvc-echo: cannot listen on {listen}: Address already in use",
                )

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
            said = self.refusals(listen=(listen,))
            self.assertIn(f"cannot listen on {listen}: ", said)
            self.assertIn(problem, said.partition(listen)[2])

    def test_bad_options(self) -> None:
        """An option that does not exist, a value and a listen string that are wrong."""
        for options, listen, said in (
            (("--idle-timeuot", "3"), TCP, "did you mean --idle-timeout?"),
            (("--max-connections", "0"), TCP, "--max-connections"),
            ((), "tcp:70000", "'70000'"),
            ((), "7007", "is not a listen string"),
            ((), "gopher:7007", "gopher"),
            ((), "udp:0:interface=192.0.2.1", "Cannot assign requested address"),
        ):
            self.assertIn(said, self.refusals(*options, listen=(listen,)))

    def test_journal(self) -> None:
        """A journal that cannot be written, and which file."""
        for path, problem in (
            (str(self.folder), "Is a directory"),
            ("missing/journal", "No such file or directory"),
        ):
            said = self.refusals("--journal", path)
            self.assertTrue(said.startswith("netsvc-echo: --journal: "), said)
            self.assertIn(path, said)
            self.assertTrue(said.endswith(problem), said)

    def test_quickly(self) -> None:
        """It takes no longer than a start."""
        start = time.monotonic()
        subprocess.run(
            command("twistd", listen=("tcp:70000",)),
            capture_output=True,
            timeout=PATIENCE,
        )
        self.assertLess(time.monotonic() - start, 1.5)

    def test_next_start(self) -> None:
        """A start that failed half-way does not stand in the way of the next one."""
        self.refusals(
            listen=("unix:echo.sock", "udp:0:interface=192.0.2.1"),
            runners=("twistd",),
        )
        self.start(listen=("unix:echo.sock",))
        self.assert_echo(self.connect_unix("echo.sock"))


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
        self.assertEqual(server.status(), 0, server.log())

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
        until(lambda: server.lines("cannot write"), "it says so")
        # Room again: what was kept is written.
        self.run_tool("mount", "-o", "remount,size=4m", str(disk))
        until(lambda: server.lines("writing again"), "it says so")
        client.close()
        counted = server.stop()
        self.assertEqual((counted["bytes"], counted["datagrams"]), (300_000, 100))
        self.assertGreater(counted["journal-write-errors"], 0)
        self.assertGreater(counted["journal-dropped"], 0)
        self.assertEqual(counted["journal-confirmed"], counted["journal-records"])
