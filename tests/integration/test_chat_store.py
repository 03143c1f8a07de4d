"""The chat store in processes of its own: killed, and with disks that fail."""

from __future__ import annotations

import ast
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from unittest import SkipTest

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.store.history import _newest
from netsvc.chat.store.store import Store
from netsvc.chat.store.worker import Worker
from tests.integration.chat_store_program import LIMIT, ROOM

#: The project's folder, where C{tests} is found.
ROOT = Path(__file__).resolve().parent.parent.parent

#: Seconds that a process may take, which has a limit of its own.
PATIENCE = LIMIT + 20

#: Seconds of processor time until a store is ready.
READY = 2.0


class StoreProcessCase(SynchronousTestCase):
    """A test that runs the program."""

    def setUp(self) -> None:
        """Make a folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.path = self.folder / "chat.sqlite"

    def command(self, mode: str) -> list[str]:
        """Give the command line of a process."""
        module = "tests.integration.chat_store_program"
        return [sys.executable, "-m", module, mode, str(self.path)]

    def run_to_end(self, mode: str, *before: str) -> list[str]:
        """Run a process and give the lines that it says."""
        done = subprocess.run(
            [*before, *self.command(mode)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout.splitlines()


class KillTests(StoreProcessCase):
    """A process that ends from one moment to the next."""

    def killed(self, lines: int) -> int:
        """Let it run until it has said so much; give the last number it said."""
        process = subprocess.Popen(
            self.command("forever"), cwd=ROOT, stdout=subprocess.PIPE
        )
        said = b""
        try:
            assert process.stdout is not None
            with process.stdout:
                for _ in range(lines):
                    said = process.stdout.readline()
                    self.assertTrue(said.startswith(b"stored "), said)
                process.kill()
                rest = process.stdout.read().splitlines()
        finally:
            process.kill()
            process.wait(PATIENCE)
        said = rest[-1] if rest else said
        return int(said.split()[1])

    def test_kill(self) -> None:
        """What was reported as durable before a SIGKILL is there after it, and the
        file is sound and soon ready."""
        last = self.killed(300)
        begun = time.thread_time()
        workers: list[Worker] = []
        store = Store(self.path, Reactor(), start_worker=workers.append)
        store.start()
        ready = time.thread_time() - begun
        stopped = store.stop()
        while sum(worker.turn() for worker in workers):
            continue
        self.successResultOf(stopped)
        self.assertLess(ready, READY)
        with closing(sqlite3.connect(self.path)) as connection:
            (found,) = connection.execute("pragma integrity_check").fetchone()
            self.assertEqual(found, "ok")
            rows = connection.execute("select msgid from message order by seq")
            kept = [msgid for (msgid,) in rows]
            newest = _newest(ROOM, None, None, 5, True, connection)
        self.assertEqual(kept[:last], [f"m{number + 1}" for number in range(last)])
        self.assertEqual([each.msgid for each in newest], kept[-5:])


class Reactor(Clock):
    """Calls from threads are made at once: there are none."""

    def callFromThread(self, call: object, *arguments: object) -> None:
        """Call."""
        assert callable(call)
        call(*arguments)


class DiskTests(StoreProcessCase):
    """Disks in trouble."""

    def check_full(self, lines: list[str]) -> None:
        """See that chat went on, and that the store came back."""
        self.assertRegex(
            lines[0], "^degraded (database or disk is full|disk I/O error)"
        )
        self.assertEqual(
            lines[1:],
            ["recovered", "ticket True", "found True", "integrity ok", "kept True"],
        )

    def test_limited(self) -> None:
        """A file that may not grow is trouble that ends when it may."""
        self.check_full(self.run_to_end("limited"))

    def test_full(self) -> None:
        """A full disk is trouble that ends when there is room."""
        unshare = shutil.which("unshare")
        if os.getuid() or unshare is None:
            raise SkipTest("not applicable: only root can make a small disk")
        mount = ["mount", "-t", "tmpfs", "tmpfs", str(self.folder)]
        if subprocess.run(
            [unshare, "-m", *mount], check=False, capture_output=True
        ).returncode:
            raise SkipTest("not applicable: this container cannot make a small disk")
        self.check_full(self.run_to_end("small", unshare, "-m"))

    def test_stalled(self) -> None:
        """A lock held for longer than the deadline holds nobody up."""
        degraded, *lines, counters = self.run_to_end("stalled")
        self.assertEqual(degraded, "degraded the disk did not answer within 0.5 s")
        self.assertEqual(lines, ["unstored True", "read 1", "stored True"])
        counted = ast.literal_eval(counters)
        self.assertEqual(
            (counted["stored"], counted["unstored"], counted["late"]), (1, 2, 1)
        )

    def test_together(self) -> None:
        """Writing, reading and searching at once give what was said, in order."""
        self.assertEqual(
            self.run_to_end("together"),
            ["all True 1000", "found True", "searched 1000", "left 0 1100"],
        )
