"""The control socket as a real one, and C{netsvc balance} as a real process."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from netsvc.balance.control import Control
from netsvc.balance.control_wire import Request, parse_answer
from netsvc.cli.balance import exchange
from netsvc.multiplex import multiplexed
from tests.balance.control_fakes import POOL, FakeBalancer


class ControlSocketTests(TestCase):
    """What is asked through the file system arrives."""

    timeout = 120

    def setUp(self) -> None:
        # Not mktemp(): the path of a socket has to be short.
        folder = tempfile.TemporaryDirectory(prefix="netsvc-")
        self.addCleanup(folder.cleanup)
        self.path = str(Path(folder.name, "balance.sock"))
        self.balancer = FakeBalancer()

    def open(self, on: Any = reactor) -> Control:
        control = Control(self.path, self.balancer, on)
        control.open()
        self.addCleanup(control.close)
        return control

    async def run_command(self, *words: str) -> tuple[int, str, str]:
        argv = ["-m", "netsvc", "balance", *words, "--socket", self.path]
        out, err, status = await getProcessOutputAndValue(
            sys.executable, argv, env=os.environ
        )
        return status, out.decode(), err.decode()

    async def test_owner_only(self) -> None:
        """The socket has the owner's permissions only, and goes with its closing."""
        control = self.open()
        mode = os.stat(self.path).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        await control.close()
        self.assertFalse(os.path.lexists(self.path))

    async def test_exchange(self) -> None:
        """A request is answered, on either reactor."""
        for on in (reactor, multiplexed(reactor)):
            control = self.open(on)
            line = Request("weight", "web1", 3).to_line()
            self.assertIsNone(
                parse_answer(await deferToThread(exchange, self.path, line))
            )
            await control.close()
        self.assertEqual(self.balancer.commands, [("weight", "web1", 3)] * 2)

    async def test_command(self) -> None:
        """The command shows the table, steers, and says what went wrong."""
        self.open()
        status, out, err = await self.run_command("status")
        self.assertEqual((status, err), (0, ""))
        self.assertIn("web1", out)
        self.assertNotIn("\x1b", out)
        status, out, err = await self.run_command("status", "--json")
        self.assertEqual((status, err, json.loads(out)), (0, "", [POOL]))
        self.assertEqual(
            await self.run_command("drain", "web1"), (0, "web1: drain: done\n", "")
        )
        self.assertEqual(self.balancer.commands, [("drain", "web1")])
        self.assertEqual(
            await self.run_command("drain", "web9"),
            (1, "", "netsvc balance: no backend 'web9'\n"),
        )

    async def test_stale(self) -> None:
        """A socket that a killed process has left is replaced."""
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(self.path)
        status, _, err = await self.run_command("status")
        self.assertEqual(status, 1)
        self.assertIn("nobody listens", err)
        self.open()
        self.assertEqual((await self.run_command("status"))[0], 0)

    async def test_in_use(self) -> None:
        """The socket of a process that lives is not taken from it."""
        self.open()
        with self.assertRaises(SystemExit) as caught:
            Control(self.path, self.balancer, reactor).open()
        self.assertIn("Address already in use", str(caught.exception.code))
        self.assertEqual((await self.run_command("status"))[0], 0)

    async def test_file_removed(self) -> None:
        """Closing does not mind that somebody has removed the file."""
        control = self.open()
        os.unlink(self.path)
        await control.close()
