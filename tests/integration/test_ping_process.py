"""C{netsvc ping} among signals, pipes, terminals and echo services of others."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

from twisted.trial.unittest import SkipTest

from tests.integration.balance_peers import free_ports
from tests.integration.echo_process import until
from tests.integration.ping_bench import COMMAND, LIMIT, Bench
from tests.integration.ping_servers import Answers, UDPServer

#: The command, with standard input as its controlling terminal.
ON_TERMINAL = [
    sys.executable,
    "-c",
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])",
    *COMMAND[1:],
]


class ProcessTests(Bench):
    """Signals, pipes and names."""

    def test_interrupt(self) -> None:
        """SIGINT and SIGTERM end the run with the summary and its status."""
        target = self.serve(UDPServer())
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.begin("-i", "50ms", "-W", "5m", target)
            assert process.stdout is not None
            self.assertIn("seq=1 ", process.stdout.readline())
            process.send_signal(number)
            out, err = process.communicate(timeout=LIMIT)
            self.assertEqual((process.returncode, err), (0, ""))
            self.assertIn("0 lost (0 %)", out)

    def test_interrupt_without_answer(self) -> None:
        """Interrupted before any answer it is critical."""
        target = self.serve(UDPServer(lambda number, data: []))
        process = self.begin("-i", "5m", "-W", "5m", target)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 2)
        self.assertIn("1 still under way", out)

    def test_suspended(self) -> None:
        """After a pause missed sendings are counted, and the run goes on."""
        seen: list[int] = []

        def answers(number: int, data: bytes) -> Answers:
            seen.append(number)
            return [(0, data)]

        target = self.serve(UDPServer(answers))
        process = self.begin("-q", "-i", "10ms", "-W", "5m", target)
        until(lambda: len(seen) > 3, "it runs", LIMIT)
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        before = len(seen)
        process.send_signal(signal.SIGCONT)
        until(lambda: len(seen) > before + 3, "it goes on", LIMIT)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 0)
        self.assertRegex(out, r"sendings skipped \d\d+")

    def test_reader_goes_away(self) -> None:
        """When nobody reads the report, the run ends without a word."""
        process = self.begin("-i", "1ms", self.serve(UDPServer()))
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        self.assertEqual(process.wait(timeout=LIMIT), 3)
        self.assertEqual(process.stderr.read(), "")
        process.stderr.close()

    def test_unresolvable(self) -> None:
        """A name without an address is one clear line, and unknown."""
        run = self.ping("nosuch.invalid")
        self.assertEqual((run.returncode, run.stdout), (3, ""))
        expected = r"\Anetsvc ping: cannot resolve host nosuch\.invalid: [^\n]+\n\Z"
        self.assertRegex(run.stderr, expected)


class TerminalTests(Bench):
    """The live report on a real terminal."""

    def setUp(self) -> None:
        """Open a terminal of 80 columns."""
        self.master, slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.slave = slave
        self.seen = ""

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*ON_TERMINAL, *arguments],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"},
        )
        os.close(self.slave)
        self.addCleanup(self.end, process)
        return process

    def read_until(self, text: str) -> None:
        """Read what is shown until C{text} is, or all if that is nothing."""
        deadline = time.monotonic() + LIMIT
        while not text or text not in self.seen:
            self.assertLess(time.monotonic(), deadline, self.seen)
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    data = os.read(self.master, 65_536)
                except OSError:
                    return
                self.seen += data.decode()

    def test_live(self) -> None:
        """Lines scroll above the state of things; Ctrl-C leaves the summary."""
        target = self.serve(UDPServer())
        process = self.start("-i", "100ms", "-W", "5m", target)
        self.read_until("seq=2 ")
        self.read_until(" lost (0 %)  ")
        os.write(self.master, b"\x03")
        self.read_until("")
        self.assertEqual(process.wait(timeout=LIMIT), 0)
        self.assertIn("\x1b[?25l", self.seen)
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen)
        self.assertIn("timer error mean", shown)
        for line in re.split(r"[\r\n]+", shown):
            self.assertLessEqual(len(line), 80, line)
        # The cursor was hidden for the live part; the user has it back.
        self.assertGreater(self.seen.rindex("\x1b[?25h"), self.seen.rindex("\x1b[?25l"))


class PeerTests(Bench):
    """Echo services that others wrote."""

    def peer(self, name: str, *arguments: str) -> None:
        """Run C{name}, or skip if it is not installed."""
        path = shutil.which(name)
        if path is None:
            raise SkipTest(f"{name} is not installed: not probed")
        process = subprocess.Popen([path, *arguments], stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

    def retry(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Probe until the peer has started."""
        deadline = time.monotonic() + LIMIT
        while (run := self.ping(*arguments)).returncode == 3:
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        return run

    def test_socat_tcp(self) -> None:
        """socat echoes over TCP."""
        (port,) = free_ports(1)
        listen = f"TCP4-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr"
        self.peer("socat", listen, "EXEC:cat")
        run = self.retry(
            "--tcp", "-c", "5", "-i", "10ms", "-W", "30s", f"127.0.0.1:{port}"
        )
        self.assertEqual(run.returncode, 0, run)
        self.assertIn("5 sent, 5 received, 0 lost", run.stdout)

    def test_socat_udp(self) -> None:
        """socat echoes over UDP."""
        (port,) = free_ports(1)
        listen = f"UDP4-RECVFROM:{port},bind=127.0.0.1,fork"
        self.peer("socat", listen, "EXEC:cat")
        run = self.retry("-c", "3", "-i", "100ms", "-W", "30s", f"127.0.0.1:{port}")
        self.assertEqual(run.returncode, 0, run)
        self.assertIn("3 sent, 3 received, 0 lost", run.stdout)

    def test_ncat_tcp(self) -> None:
        """ncat echoes over TCP."""
        (port,) = free_ports(1)
        self.peer("ncat", "-l", "-k", "-e", "/bin/cat", "127.0.0.1", str(port))
        run = self.retry(
            "--tcp", "-c", "5", "-i", "10ms", "-W", "30s", f"127.0.0.1:{port}"
        )
        self.assertEqual(run.returncode, 0, run)
        self.assertIn("5 sent, 5 received, 0 lost", run.stdout)
