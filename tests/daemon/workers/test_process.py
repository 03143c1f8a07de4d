"""Tests of how a parent sees a process."""

from __future__ import annotations

import os
import sys

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.workers.messages import Message
from netsvc.daemon.workers.process import WorkerProcess, how_ended, wait_until
from tests.daemon.workers.test_child import FakeReactor


class Owner:
    """Notes what it hears."""

    def __init__(self) -> None:
        """Begin."""
        self.heard: list[str] = []

    def worker_said(self, process: WorkerProcess, message: Message) -> None:
        """Note it."""
        self.heard.append(message.do)

    def worker_ended(self, process: WorkerProcess, how: str) -> None:
        """Note it."""
        self.heard.append(how)


class ProcessTests(SynchronousTestCase):
    """L{WorkerProcess}, with programs that are no workers."""

    def setUp(self) -> None:
        """Make an owner."""
        self.owner, self.reactor = Owner(), FakeReactor()

    def program(self, code: str) -> WorkerProcess:
        """Start a program; C{skt} is its way to the parent."""
        begin = "import os, socket, sys; skt = socket.socket(fileno=int(sys.argv[1]))"
        command = [sys.executable, "-c", f"{begin}; {code}"]
        return WorkerProcess(1, self.owner, self.reactor, command)

    def wait(self, process: WorkerProcess, number: int) -> bool:
        """Wait until so many things were heard."""
        return wait_until(
            lambda: len(self.owner.heard) >= number, lambda: [process], 60
        )

    def test_last_words(self) -> None:
        """What a process says before it ends is heard before its end."""
        code = """skt.recv(99); skt.send(b'{"do": "refused"}'); sys.exit(3)"""
        process = self.program(code)
        process.send("start")
        self.assertTrue(self.wait(process, 2))
        self.assertEqual(self.owner.heard, ["refused", "exit status 3"])
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_silent(self) -> None:
        """One that hangs up and does not end is killed after a while."""
        process = self.program("skt.close(); import time; time.sleep(600)")
        self.assertFalse(
            wait_until(lambda: bool(self.reactor.calls), lambda: [process], 0)
        )
        wait_until(lambda: bool(self.reactor.calls), lambda: [process], 60)
        process.send("drain")  # nobody is there: killed
        self.reactor.advance(60)
        process.kill()
        how = process.reap()
        process.kill()
        process.slab.close()
        self.assertEqual(how, "SIGKILL")

    def test_not_there(self) -> None:
        """A program that is not there is the system's error, and leaves nothing."""
        with self.assertRaises(OSError):
            WorkerProcess(1, self.owner, self.reactor, ["/nowhere/python"])
        self.assertEqual(self.reactor.readers, [])

    def test_no_descriptor(self) -> None:
        """A process that cannot be watched is not left running."""

        def refuse(pid: int) -> int:
            self.pid = pid
            raise OSError(38, "Function not implemented")

        self.patch(os, "pidfd_open", refuse)
        with self.assertRaises(OSError):
            self.program("import time; time.sleep(600)")
        with self.assertRaises(ChildProcessError):
            os.waitpid(self.pid, 0)

    def test_environment(self) -> None:
        """What is between systemd and the parent is no worker's business."""
        self.patch(sys.modules["os"], "environ", {"NOTIFY_SOCKET": "x", "OTHER": "y"})
        process = self.program("sys.exit('NOTIFY_SOCKET' in os.environ)")
        self.assertTrue(self.wait(process, 1))
        self.assertEqual(self.owner.heard, ["exit status 0"])

    def test_how_ended(self) -> None:
        """An end is a status, or a signal by its name if it has one."""
        self.assertEqual(how_ended(0), "exit status 0")
        self.assertEqual(how_ended(-9), "SIGKILL")
        self.assertEqual(how_ended(-36), "signal 36")
