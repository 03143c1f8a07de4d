"""Programs around a relay, whose output a test reads while they run."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.echo_process import COMMANDS, PATIENCE, until

ROOT = Path(__file__).parent.parent.parent

#: Seconds after which something is tried again, and how often. The relay introduces
#: two people to each other every five seconds at the most.
AGAIN = 6.0
TRIES = 5

_TROUBLE = ("Traceback", "Unhandled", "#critical]")
_STOPPED = re.compile(r"netsvc-relay has stopped: (.*)$", re.MULTILINE)


class Program:
    """
    A program in the lab whose output is read while it runs.

    @ivar process: It.
    """

    def __init__(
        self,
        case: ProgramCase,
        *words: str | Path,
        wrap: Sequence[str] = (),
    ) -> None:
        """
        Start it.

        @param wrap: A command that runs the one that follows it.
        """
        self._file = case.folder / f"out{time.monotonic_ns()}"
        with self._file.open("wb") as out:
            self.process = subprocess.Popen(
                [*wrap, *map(str, words)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                cwd=ROOT,
            )
        case.addCleanup(self.end)

    @property
    def shown(self) -> str:
        """What it has written so far."""
        return self._file.read_text("utf-8", "replace")

    def type(self, *lines: str) -> None:
        """Type lines."""
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self.process.stdin.flush()

    def sees(self, *texts: str, seconds: float = PATIENCE) -> None:
        """Wait until it has written all of these."""
        try:
            until(lambda: all(t in self.shown for t in texts), "it is shown", seconds)
        except AssertionError:
            missing = [text for text in texts if text not in self.shown]
            raise AssertionError(f"never seen: {missing}\n{self.shown}") from None

    def gets(self, text: str, *lines: str) -> None:
        """
        Wait until it has written something, and type lines now and then until it has.

        For what a busy machine may be too slow for at the first try: a direct path
        has to come about within three seconds.
        """
        for _ in range(TRIES):
            with contextlib.suppress(AssertionError):
                self.sees(text, seconds=AGAIN)
                return
            self.type(*lines)
        self.sees(text)

    def leave(self) -> None:
        """Close its input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def finish(self) -> int:
        """Close its input, and give its exit status."""
        self.leave()
        return self.process.wait(PATIENCE)

    def end(self) -> None:
        """End it for certain."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        if self.process.stdin is not None:
            self.process.stdin.close()


class ProgramCase(SynchronousTestCase):
    """
    A test with programs, all of which it ends.

    @ivar folder: A folder of its own.
    """

    def setUp(self) -> None:
        """Make the folder."""
        folder = tempfile.TemporaryDirectory(prefix="netsvc-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def relay(self, *options: str, wrap: Sequence[str] = ()) -> Program:
        """Start a relay that keeps nothing, and wait until it listens."""
        words = ("-n", "--pidfile=", "netsvc-relay", "--store", ":memory:", *options)
        relay = Program(self, COMMANDS / "twistd", *words, wrap=wrap)
        relay.sees("netsvc-relay listens on ")
        return relay

    def stop_relay(self, relay: Program) -> dict[str, int]:
        """End a relay, see that it has nothing to complain about; give its counts."""
        relay.process.terminate()
        relay.process.wait(PATIENCE)
        log = relay.shown
        for trouble in _TROUBLE:
            self.assertNotIn(trouble, log)
        found = _STOPPED.search(log)
        assert found, log
        pairs = (pair.partition("=") for pair in found[1].split(", "))
        return {name: int(number) for name, _, number in pairs}

    def chat(self, target: str, *words: str, wrap: Sequence[str] = ()) -> Program:
        """Start C{netsvc chat} in a pipe."""
        return Program(self, COMMANDS / "netsvc", "chat", target, *words, wrap=wrap)
