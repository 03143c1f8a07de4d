"""Runs C{netsvc lookup} as a process beside servers that the test plays."""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater

from tests.integration.dns_servers import DNSTestCase, reactor

#: With Ctrl-C as in a shell: whoever runs the tests in the background has it ignored.
PROGRAM = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " from netsvc.cli.lookup import main; sys.exit(main(sys.argv[1:]))"
)

#: No process of these tests lives longer, seconds.
LIMIT = 45.0

#: How long its lookups may take if a test does not say, seconds.
TIMEOUT = 30


class Ran(NamedTuple):
    """How a run has ended."""

    status: int
    out: str
    err: str


class Command(ProcessProtocol):
    """
    The process.

    @ivar done: Fires with a L{Ran} when it has ended and all was read.
    @ivar has_ended: Whether it has, though perhaps not all was read.
    """

    transport: Any

    def __init__(self, arguments: tuple[str, ...], stdin: bytes | None, **how: Any):
        """Start it."""
        self.pieces: dict[int, bytearray] = {1: bytearray(), 2: bytearray()}
        self.done: Deferred[Ran] = Deferred()
        self.has_ended = False
        self._waiting: list[tuple[re.Pattern[bytes], Deferred[None]]] = []
        environment = {**os.environ, "LC_ALL": "C.UTF-8", **how.pop("environment", {})}
        reactor.spawnProcess(
            self,
            sys.executable,
            [sys.executable, "-c", PROGRAM, *arguments],
            env=environment,
            **how,
        )
        self._limit = reactor.callLater(LIMIT, self.transport.signalProcess, "KILL")
        if stdin is not None:
            self.transport.write(stdin)
            self.transport.closeStdin()

    def childDataReceived(self, fd: int, data: bytes) -> None:
        """Keep it; a terminal is 0, too."""
        self.pieces[fd or 1] += data
        for pattern, waiting in self._waiting[:]:
            if pattern.search(self.pieces[1] + self.pieces[2]):
                self._waiting.remove((pattern, waiting))
                waiting.callback(None)

    def processExited(self, reason: Any) -> None:
        """Note it."""
        self.has_ended = True

    def processEnded(self, reason: Any) -> None:
        """Tell how."""
        self._limit.cancel()
        out, err = (bytes(self.pieces[fd]).decode() for fd in (1, 2))
        value = reason.value
        status = value.exitCode if value.exitCode is not None else -value.signal
        self.done.callback(Ran(status, out, err))

    def wait_for(self, pattern: str) -> Deferred[None]:
        """Wait until something is written that matches."""
        waiting: Deferred[None] = Deferred()
        compiled = re.compile(pattern.encode())
        if compiled.search(self.pieces[1] + self.pieces[2]):
            waiting.callback(None)
        else:
            self._waiting.append((compiled, waiting))
        return waiting

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        self.transport.signalProcess(signal.SIGINT)


class LookupCase(DNSTestCase):
    """A test that runs the command."""

    def begin(self, *arguments: str, stdin: bytes | None = b"", **how: Any) -> Command:
        """Start the command."""
        if "--timeout" not in arguments:
            arguments = ("--timeout", str(TIMEOUT), *arguments)
        command = Command(arguments, stdin, **how)
        self.addCleanup(self._end, command)
        return command

    @staticmethod
    def _end(command: Command) -> Any:
        if not command.done.called:
            command.transport.signalProcess("KILL")
            return command.done
        return None

    async def lookup(
        self,
        *arguments: str,
        stdin: bytes | None = b"",
        status: int = 0,
        **how: Any,
    ) -> Ran:
        """Run the command to its end."""
        ran = await self.begin(*arguments, stdin=stdin, **how).done
        self.assertNotIn("Traceback", ran.err)
        self.assertEqual(ran.status, status, ran)
        return ran

    async def pause(self, seconds: float = 0.02) -> None:
        """Wait a little."""
        await deferLater(reactor, seconds)

    @staticmethod
    def at(*servers: Any) -> list[str]:
        """Write servers as arguments."""
        return [f"@127.0.0.1:{server.port}" for server in servers]
