"""Runs C{netsvc ping} as a process, for the integration tests."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

#: With Ctrl-C as in a shell: whoever runs the tests in the background has it ignored.
PROGRAM = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " from netsvc.cli.ping import main; sys.exit(main(sys.argv[1:]))"
)
COMMAND = [sys.executable, "-c", PROGRAM]
#: No process of these tests lives longer, seconds.
LIMIT = 60


class Bench(SynchronousTestCase):
    """Runs the command."""

    def serve(self, server: Any) -> str:
        self.addCleanup(server.close)
        return f"127.0.0.1:{server.port}"

    def ping(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        if "-W" not in arguments:
            # Nothing is late because a machine is busy.
            arguments = ("-W", "30s", *arguments)
        run = subprocess.run(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        self.assertNotIn("Traceback", run.stderr)
        return run

    def records(self, *arguments: str) -> list[dict[str, Any]]:
        run = self.ping("--json", *arguments)
        self.assertEqual(run.stderr, "")
        return [json.loads(line) for line in run.stdout.splitlines()]

    def summary(self, *arguments: str) -> dict[str, Any]:
        return self.records("--quiet", *arguments)[-1]

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command and wait for its first line."""
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self.end, process)
        assert process.stdout is not None
        self.assertIn("port", process.stdout.readline())
        return process

    def end(self, process: subprocess.Popen[Any]) -> None:
        process.kill()
        with contextlib.suppress(ValueError):
            process.communicate()
