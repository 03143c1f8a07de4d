"""The load generator: its command line, its marks, what it reports."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchError
from benchmarks.programs import Server, Workshop, end, last_line, start

#: Seconds within which it must report.
LOAD_TIMEOUT = 60.0

#: Seconds that a server gets to finish what the last answer left over.
REST = 0.02


@dataclass(frozen=True)
class LoadResult:
    """What the load generator did between its marks.

    @ivar median: milliseconds that answers took, in a mode that measures that.
    @ivar p99: the same, the 99th percentile.
    @ivar worst: the longest.
    @ivar cut: whether the server ended the connection that was to be ended.
    """

    units: int
    errors: int
    resent: int
    served: int
    wall: float
    cpu: float
    median: float = 0.0
    p99: float = 0.0
    worst: float = 0.0
    cut: bool = False


def parse_result(line: str) -> LoadResult:
    """Read the last line of the load generator.

    @raise BenchError: if it is no such line.
    """
    try:
        found = json.loads(line)
        return LoadResult(
            units=int(found["units"]),
            errors=int(found["errors"]),
            resent=int(found["resent"]),
            served=int(found["served"]),
            wall=float(found["wall"]),
            cpu=float(found["cpu"]),
            median=float(found["median"]),
            p99=float(found["p99"]),
            worst=float(found["worst"]),
            cut=bool(found["cut"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(f"the load generator prints {line!r}") from error


@dataclass
class Load:
    """One run of the load generator against a server.

    @ivar options: its options by name, C{per_source} for C{--per-source}.
    """

    workshop: Workshop
    server: Server
    mode: str
    options: Mapping[str, float]

    def command(self) -> list[str]:
        """Return its command line."""
        settings = {
            "port": self.server.port,
            "seconds": self.workshop.seconds,
            "warmup": self.workshop.warmup,
            **self.options,
        }
        return [
            self.workshop.load,
            self.mode,
            *(f"--{key.replace('_', '-')}={value}" for key, value in settings.items()),
        ]

    def run(self, at_mark: Callable[[], None]) -> LoadResult:
        """Run it, and call C{at_mark} before and after the measured part.

        The server is at rest at both marks.

        @raise BenchError: if it fails.
        """
        errors = self.workshop.folder / "load.log"
        with errors.open("wb") as log:
            process = start(
                self.command(),
                self.workshop.load_core,
                self.workshop.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        with process:
            try:
                lines = self._lines(process, errors)
                for expected in ("start", "stop"):
                    if (line := next(lines)) != expected:
                        raise BenchError(f"the load generator prints {line!r}")
                    time.sleep(REST)
                    at_mark()
                    assert process.stdin is not None
                    os.write(process.stdin.fileno(), b"go\n")
                return parse_result(next(lines))
            finally:
                end(process)

    def _lines(self, process: subprocess.Popen[bytes], errors: Path) -> Iterator[str]:
        """Return what it prints, line by line; never waits for ever."""
        assert process.stdout is not None
        waiting, descriptor = b"", process.stdout.fileno()
        while True:
            line, newline, rest = waiting.partition(b"\n")
            if newline:
                waiting = rest
                yield line.decode()
                continue
            if not select.select([descriptor], [], [], LOAD_TIMEOUT)[0]:
                raise BenchError(
                    f"the load generator is stuck; server: {self.server.last_word()}"
                )
            data = os.read(descriptor, 4096)
            if not data:
                raise BenchError(last_line(errors.read_text(errors="replace")))
            waiting += data
