"""C{netsvc lookup -f} as a process: many names, slow readers, going on."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.dns_servers import (
    GOOD,
    Query,
    Step,
    answer,
    good,
)
from tests.integration.lookup_process import LookupCase
from tests.integration.test_dns_servers import closed_port

#: Asks once a second for as long as it may take.
KEEN = ("--tries", "20")


class Gate:
    """
    A script that answers a few names, and others when it is opened.

    @ivar is_open: whether it is.
    """

    def __init__(self, names: int) -> None:
        """@param names: how many names it answers before."""
        self.is_open = False
        self._left = names
        self._known: set[str] = set()

    def __call__(self, query: Query) -> Iterator[Step]:
        """Answer, or not; a name that was answered always is."""
        name = str(query.message.question[0].name).lower()
        if len(self._known) < self._left:
            self._known.add(name)
        if self.is_open or name in self._known:
            yield answer(query)


class BulkTests(LookupCase):
    """Many names."""

    def names(self, *lines: str) -> str:
        path = Path(self.mktemp())
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)

    @staticmethod
    def records(text: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in text.splitlines()]

    async def test_file(self) -> None:
        """Each line has its record; a broken one too, and the status says so."""
        at = self.at(self.serve(good))
        lines = [f"n{n}.test" for n in range(300)]
        ran = await self.lookup("-f", self.names(*lines), *at, "--window", "20")
        found = self.records(ran.out)
        self.assertEqual({each["line"] for each in found}, set(range(1, 301)))
        self.assertEqual({each["records"][0]["data"] for each in found}, {GOOD})
        self.assertEqual(ran.err, "")
        ran = await self.lookup("-f", self.names("a", "b c d", "e MX"), *at, status=2)
        self.assertEqual(len(self.records(ran.out)), 3)

    async def test_stdin(self) -> None:
        """Names come from standard input, too, and are answered as they come."""
        command = self.begin("-f", "-", *self.at(self.serve(good)), stdin=None)
        command.transport.write(b"a.test\n")
        await command.wait_for("a.test")
        command.transport.write(b"b.test")
        command.transport.closeStdin()
        ran = await command.done
        self.assertEqual((ran.status, len(self.records(ran.out))), (0, 2))

    async def test_rate(self) -> None:
        """With a rate what a dead server does not answer the other one does."""
        dead = closed_port()
        server = self.serve(good)
        at = [f"@127.0.0.1:{dead.port}", *self.at(server)]
        names = self.names(*(f"n{n}.test" for n in range(20)))
        ran = await self.lookup("-f", names, *at, "--rate", "100")
        self.assertEqual(len(self.records(ran.out)), 20)

    async def test_interrupt_and_resume(self) -> None:
        """Ctrl-C ends it with what is done; the next run goes on from there."""
        gate = Gate(3)
        server = self.serve(gate)
        names = self.names(*(f"n{n}.test" for n in range(12)))
        state = self.mktemp()
        arguments = ("-f", names, "--window", "4", "--resume", state, *KEEN)
        command = self.begin(*arguments, *self.at(server))
        await command.wait_for('"line":')
        command.interrupt()
        ran = await command.done
        self.assertEqual(ran.status, 2)
        self.assertRegex(ran.err, r"\Anetsvc lookup: interrupted; \d answered")
        first = {each["line"] for each in self.records(ran.out)}
        self.assertIn(len(first), (1, 2, 3))
        gate.is_open = True
        ran = await self.lookup(*arguments, *self.at(server))
        second = {each["line"] for each in self.records(ran.out)}
        self.assertEqual(first & second, set())
        self.assertEqual(first | second, set(range(1, 13)))
        ran = await self.lookup(*arguments, *self.at(server))
        self.assertEqual(ran.out, "")
        other = ("-f", self.names("x"), *arguments[2:])
        ran = await self.lookup(*other, *self.at(server), status=1)
        self.assertIn("belongs to other names", ran.err)

    async def test_progress(self) -> None:
        """A terminal on standard error gets a bar, and a summary at the end."""
        names = self.names(*(f"n{n}.test" for n in range(8)))
        gate = Gate(2)
        command = self.begin(
            *("-f", names, "--window", "2", *KEEN, *self.at(self.serve(gate))),
            stdin=None,
            usePTY=True,
            environment={"TERM": "xterm"},
        )
        await command.wait_for("2 answered, 0 failed in")
        gate.is_open = True
        ran = await command.done
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", ran.out)
        self.assertIn("2 answered, 0 failed in", shown)
        self.assertRegex(shown, r"netsvc lookup: 8 answered, 0 failed in [\d.]+ s")

    async def test_slow_reader(self) -> None:
        """While nobody reads the answers none is lost, and no lookup times out."""

        async def attempt(timeout: int) -> tuple[int, int]:
            """Read later than a lookup would time out; give what has come."""
            server = self.serve(good)
            command = self.begin(
                *("-f", "-", "--timeout", str(timeout), "--window", "20"),
                *self.at(server),
                stdin=None,
            )
            command.transport.pauseProducing()
            names = "".join(f"n{n}.test\n" for n in range(4000))
            command.transport.write(names.encode())
            command.transport.closeStdin()
            while len(server.udp) < 2000:
                await self.pause()
            await self.pause(1.5 * timeout)
            command.transport.resumeProducing()
            ran = await command.done
            return ran.status, ran.out.count("NOERROR")

        # A busy machine may make one time out.
        for timeout in (1, 3, 10):
            found = await attempt(timeout)
            if found == (0, 4000):
                break
        self.assertEqual(found, (0, 4000))

    async def test_stopped_while_nobody_reads(self) -> None:
        """Ctrl-C ends it even while nobody reads the answers."""
        server = self.serve(good)
        command = self.begin("-f", "-", *self.at(server), stdin=None)
        command.transport.pauseProducing()
        names = "".join(f"n{n}.test\n" for n in range(2000))
        command.transport.write(names.encode())
        while len(server.udp) < 1000:
            await self.pause(0.05)
        command.interrupt()
        while not command.has_ended:
            await self.pause(0.05)
        command.transport.resumeProducing()
        ran = await command.done
        self.assertEqual(ran.status, 2)
        self.assertIn("interrupted", ran.err)

    async def test_reader_goes_away(self) -> None:
        """When nobody reads the answers the run ends without a word."""
        command = self.begin("-f", "-", *self.at(self.serve(good)), stdin=None)
        command.transport.closeStdout()
        with contextlib.suppress(Exception):
            command.transport.write(b"a.test\n" * 10)
        ran = await command.done
        self.assertEqual((ran.status, ran.err), (9, ""))
