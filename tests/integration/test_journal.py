"""The journal with its real writer process, real signals and real disks that fail."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest import SkipTest

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from netsvc.echo import journal as journal_module
from netsvc.echo.journal import Journal, JournalError
from netsvc.echo.journal_process import WRITER

PEER = "127.0.0.1:5"
ROOT = str(WRITER.parents[2])


async def until(condition: Callable[[], object], seconds: float = 50.0) -> None:
    """Let the reactor run until C{condition}, for a bounded time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to pass")
        await deferLater(reactor, 0.005)


def read(path: str) -> list[dict[str, Any]]:
    """Give what is in a journal and its rotated files, the oldest first."""
    numbers = [int(name.rpartition(".")[2]) for name in glob.glob(f"{path}.*")]
    names = [f"{path}.{number}" for number in sorted(numbers, reverse=True)]
    content = b""
    for name in [*names, path]:
        with open(name, "rb") as file:
            content += file.read()
    assert content.endswith(b"\n") or not content
    return [json.loads(line) for line in content.splitlines()]


def ends_at(path: str, seq: int) -> bool:
    """Tell whether a journal ends with the whole line of this record."""
    with open(path, "rb") as file:
        content = file.read()
    return content.count(b"\n") == seq and (not content or content.endswith(b"}\n"))


class JournalCase(TestCase):
    """A journal in a folder of its own, stopped at the end of each test."""

    timeout = 110

    def setUp(self) -> None:
        """Name the file."""
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder)
        self.path = f"{self.folder}/journal"
        self.calls: list[str] = []
        self.pids: set[int] = set()
        self.count = 0

    def start(self, path: str | None = None, **options: Any) -> Journal:
        """Start a journal."""
        # A stop must not cut a writer off that has only been slow.
        options.setdefault("stop_timeout", 50.0)
        journal = Journal(
            path or self.path,
            reactor=reactor,
            pause=lambda: self.calls.append("pause"),
            resume=lambda: self.calls.append("resume"),
            **options,
        )
        journal.check()
        journal.start()
        self.addCleanup(journal.stop)
        return journal

    def send(self, journal: Journal, count: int, padding: int = 0) -> None:
        """Record so many pieces, each with its number."""
        for _ in range(count):
            self.count += 1
            journal.record(PEER, "tcp", b"%d" % self.count + b" " * padding)

    def writer_pid(self, journal: Journal) -> int:
        """Give the pid of the writer, and remember it."""
        assert journal.writer_pid is not None
        self.pids.add(journal.writer_pid)
        return journal.writer_pid

    async def stored(self, journal: Journal) -> None:
        """Wait until all records are on disk."""
        await until(lambda: journal.counters.confirmed == journal.counters.records)

    async def finish(self, journal: Journal) -> None:
        """Stop, and see that no process is left, not even a zombie."""
        if journal.writer_pid is not None:
            self.writer_pid(journal)
        await journal.stop()
        for pid in self.pids:
            self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def assert_complete(self, count: int, path: str | None = None) -> None:
        """See that the records 1 to C{count} are there, once each, in order."""
        lines = read(path or self.path)
        self.assertEqual([line["seq"] for line in lines], list(range(1, count + 1)))
        self.assertEqual([int(line["text"]) for line in lines], [*range(1, count + 1)])
        self.assertLessEqual(len({line["run"] for line in lines}), 1)


class ProcessTests(JournalCase):
    """What the writer is asked to do, and what is done to it."""

    async def test_stop(self) -> None:
        """A stop right after the last record loses nothing."""
        journal = self.start()
        self.send(journal, 3000)
        await self.finish(journal)
        self.assert_complete(3000)
        self.assertEqual(journal.counters.confirmed, 3000)
        self.assertEqual(journal.counters.restarts, 0)

    async def test_killed_often(self) -> None:
        """A writer that is killed again and again loses and doubles nothing."""
        # Those that are killed before they have stored anything are waited for longer.
        self.patch(journal_module, "RESTART_LAST", journal_module.RESTART_FIRST)
        journal = self.start(max_size=100_000, keep=1000)
        chance = random.Random(862)
        for kill in range(1, 16):
            self.send(journal, chance.randrange(400), padding=200)
            await deferLater(reactor, chance.random() * 0.06)
            self.send(journal, chance.randrange(400), padding=200)
            confirmed = journal.counters.confirmed
            os.kill(self.writer_pid(journal), signal.SIGKILL)
            await until(lambda: journal.writer_pid is None)
            whole = 0
            for name in glob.glob(f"{self.path}*"):
                with open(name, "rb") as file:
                    whole += file.read().count(b"\n")
            self.assertGreaterEqual(whole, confirmed)
            await until(lambda k=kill: journal.counters.restarts == k)  # type: ignore[misc]
        await self.finish(journal)
        self.assert_complete(self.count)
        self.assertEqual(len(self.pids), 16)

    async def test_polite_signals(self) -> None:
        """Signals that go to the whole process group do not end the writer."""
        journal = self.start()
        self.send(journal, 1)
        await self.stored(journal)
        pid = self.writer_pid(journal)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        self.send(journal, 1)
        await self.stored(journal)
        self.assertEqual(journal.writer_pid, pid)
        await self.finish(journal)
        self.assert_complete(2)

    async def test_rotation(self) -> None:
        """Rotation splits no line and loses none, also when the writer dies."""
        journal = self.start(max_size=5_000, keep=1000)
        for _ in range(4):
            self.send(journal, 200)
            await self.stored(journal)
            os.kill(self.writer_pid(journal), signal.SIGKILL)
            await until(lambda: journal.writer_pid is None)
        await self.finish(journal)
        self.assert_complete(800)
        sizes = [os.path.getsize(name) for name in glob.glob(f"{self.path}*")]
        self.assertGreater(len(sizes), 10)
        self.assertLessEqual(max(sizes), 5_000)

    async def test_next_run(self) -> None:
        """A further run appends to the file and counts from 1 again."""
        for _ in range(2):
            journal = self.start()
            self.send(journal, 2)
            await self.finish(journal)
        self.assertEqual([line["seq"] for line in read(self.path)], [1, 2, 1, 2])


class StalledTests(JournalCase):
    """A writer that stands still, as on a disk that hangs."""

    async def stalled(self, **options: Any) -> Journal:
        """Start a journal whose writer is ready, and stop the writer."""
        journal = self.start(max_bytes=1_000_000, **options)
        self.send(journal, 1)
        await self.stored(journal)
        os.kill(self.writer_pid(journal), signal.SIGSTOP)
        return journal

    async def test_block(self) -> None:
        """The reactor runs on, peers are paused, and resumed in the end."""
        journal = await self.stalled()
        while not journal.full:
            self.send(journal, 10, padding=1000)
            await deferLater(reactor, 0)
        self.assertEqual(self.calls, ["pause"])
        os.kill(self.writer_pid(journal), signal.SIGCONT)
        await until(lambda: not journal.full)
        self.assertEqual(self.calls, ["pause", "resume"])
        await self.finish(journal)
        self.assert_complete(self.count)
        self.assertEqual(journal.counters.dropped, 0)

    async def test_drop(self) -> None:
        """What finds no room is counted; the rest is stored without a gap."""
        journal = await self.stalled(when_full="drop")
        for _ in range(1500):
            journal.record(PEER, "udp", bytes(1000))
        self.assertGreater(journal.counters.dropped, 400)
        self.assertEqual(journal.counters.records + journal.counters.dropped, 1501)
        os.kill(self.writer_pid(journal), signal.SIGCONT)
        await self.finish(journal)
        seqs = [line["seq"] for line in read(self.path)]
        self.assertEqual(seqs, list(range(1, journal.counters.records + 1)))

    async def test_late_stop(self) -> None:
        """A stop does not wait for ever; what it lost is counted."""
        journal = await self.stalled(stop_timeout=0.2)
        self.send(journal, 5)
        await self.finish(journal)
        self.assertEqual(journal.counters.lost, 5)
        self.assert_complete(1)


class DiskTests(JournalCase):
    """Disks that fail, and come back."""

    def mount(self) -> str:
        """Mount a disk of 64 KiB and give its path."""
        disk = f"{self.folder}/disk"
        os.mkdir(disk)
        command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise SkipTest(f"SKIPPED, the full disk is not tested: {error}") from None
        if done.returncode:
            raise SkipTest(f"SKIPPED, the full disk is not tested: {done.stderr}")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        return disk

    async def test_full_disk(self) -> None:
        """A full disk is counted, confirms nothing, and leaves no part of a line."""
        disk = self.mount()
        path = f"{disk}/journal"
        with open(f"{disk}/ballast", "wb") as ballast:
            ballast.write(bytes(45_000))
        journal = self.start(path)
        for _ in range(4):
            self.send(journal, 10, padding=800)
            await deferLater(reactor, 0.02)
        await until(lambda: journal.counters.write_errors >= 2)
        self.assertLess(journal.counters.confirmed, 40)
        # Between two attempts exactly what was confirmed is there.
        await until(lambda: ends_at(path, journal.counters.confirmed))
        os.unlink(f"{disk}/ballast")
        await self.stored(journal)
        await self.finish(journal)
        self.assert_complete(40, path)
        self.assertEqual(journal.counters.restarts, 0)

    async def test_folder_gone(self) -> None:
        """A folder that goes away and comes back costs nothing but time."""
        journal = self.start()
        self.send(journal, 3)
        await self.stored(journal)
        os.rename(self.folder, f"{self.folder}.away")
        self.send(journal, 3)
        await until(lambda: journal.counters.write_errors)
        self.assertEqual(journal.counters.confirmed, 3)
        os.rename(f"{self.folder}.away", self.folder)
        await self.stored(journal)
        await self.finish(journal)
        self.assert_complete(6)

    async def test_renamed(self) -> None:
        """A file that another program rotates is followed by a new one."""
        journal = self.start()
        self.send(journal, 3)
        await self.stored(journal)
        os.rename(self.path, f"{self.path}.1")
        self.send(journal, 3)
        await self.finish(journal)
        self.assertEqual([line["seq"] for line in read(self.path)], [*range(1, 7)])
        with open(self.path, "rb") as file:
            self.assertEqual(file.read().count(b"\n"), 3)

    def test_permission(self) -> None:
        """A file that may not be written is one clear line before the start."""
        with open(self.path, "wb"):
            os.chmod(self.path, 0o400)
        if os.geteuid() == 0:
            os.seteuid(65534)
            self.addCleanup(os.seteuid, 0)
        journal = Journal(self.path, reactor=reactor)
        error = self.assertRaises(JournalError, journal.check)
        expected = f"cannot append to {self.path}: Permission denied"
        self.assertEqual(str(error), expected)

    async def test_in_use(self) -> None:
        """Two services cannot write the same file."""
        journal = self.start()
        self.send(journal, 1)
        await self.stored(journal)
        second = Journal(self.path, reactor=reactor)
        error = self.assertRaises(JournalError, second.check)
        self.assertIn("In use by another process", str(error))
        await self.finish(journal)
        second.check()


SERVICE = """
import os, signal, sys
from twisted.internet import reactor
from netsvc.echo.journal import Journal
journal = Journal(sys.argv[1], reactor=reactor)
journal.start()
journal.record("p", "tcp", b"1")
def wait():
    if journal.counters.confirmed:
        os.kill(journal.writer_pid, signal.SIGSTOP)
        for number in range(2, 101):
            journal.record("p", "tcp", b"%d" % number)
        print(journal.writer_pid, flush=True)
    else:
        reactor.callLater(0.01, wait)
wait()
reactor.run()
"""


class ServiceTests(SynchronousTestCase):
    """The service's side, seen from outside."""

    def test_service_killed(self) -> None:
        """What the writer got before the service was killed comes to disk."""
        path = os.path.abspath(self.mktemp())
        with subprocess.Popen(
            [sys.executable, "-c", SERVICE, path],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as service:
            assert service.stdout is not None
            writer = int(service.stdout.readline())
            service.kill()
        os.kill(writer, signal.SIGCONT)
        # The writer holds a lock for as long as it lives.
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
        self.assertEqual([line["seq"] for line in read(path)], [*range(1, 101)])

    def test_light(self) -> None:
        """The writer starts without Twisted and without site-packages."""
        script = (
            f"import sys; sys.path.append({ROOT!r}); import netsvc.echo.journal_writer;"
            "print([m for m in ('twisted', 'zope', 'site') if m in sys.modules])"
        )
        found = subprocess.check_output([sys.executable, "-I", "-S", "-c", script])
        self.assertEqual(found, b"[]\n")
