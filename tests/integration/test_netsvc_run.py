"""C{netsvc run} as a process: reactor, log and exit status.

The service is one that stops by itself as soon as it runs, so nothing listens.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netsvc.cli import COMMANDS

TAP = """
from twisted.application.service import Service
from twisted.logger import Logger
from twisted.python import usage

class Options(usage.Options):
    optParameters = [["greeting", None, "hello", "What to log."]]

class Once(Service):
    def __init__(self, greeting):
        self.greeting = greeting
    def startService(self):
        from twisted.internet import reactor
        name = type(reactor).__name__
        Logger("once").info("{text} from {reactor}", text=self.greeting, reactor=name)
        reactor.callWhenRunning(reactor.stop)

def makeService(options, reactor=None):
    if options["greeting"] == "none":
        raise usage.UsageError("a greeting\\nis needed")
    return Once(options["greeting"])
"""

MAIN = """
import sys
from twisted.application.service import ServiceMaker
from netsvc import services
from netsvc.cli import main
services.ALL = (ServiceMaker("once", "once_tap", "Runs once.", "netsvc-once"),)
sys.exit(main())
"""


class ProcessTests(SynchronousTestCase):
    """What a shell or a supervisor sees of C{netsvc run}."""

    def setUp(self) -> None:
        """Write a service and a command that knows it."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        (self.folder / "once_tap.py").write_text(TAP)
        (self.folder / "main.py").write_text(MAIN)

    def netsvc(self, *arguments: str) -> tuple[int, list[str], str]:
        """The exit status of the command, the lines of its stdout, and its stderr."""
        done = subprocess.run(
            [sys.executable, str(self.folder / "main.py"), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout.splitlines(), done.stderr

    def test_text(self) -> None:
        """It stays in the foreground, logs text on stdout and ends with status 0."""
        before = sorted(self.folder.glob("*.*"))
        status, lines, err = self.netsvc("run", "once")
        self.assertEqual((status, err), (0, ""))
        self.assertTrue(any("hello from " in line for line in lines), lines)
        # No pid file and no log file.
        self.assertEqual(sorted(self.folder.glob("*.*")), before)

    def test_json(self) -> None:
        """Each line of a JSON log is an object, those of Twisted too."""
        status, lines, err = self.netsvc(
            "run", "once", "--log-format", "json", "--greeting", "a\nb"
        )
        self.assertEqual((status, err), (0, ""))
        records = [json.loads(line) for line in lines]
        self.assertIn("a\nb", [record.get("text") for record in records])
        self.assertGreater(len(records), 2)

    def test_reactor(self) -> None:
        """The reactor is chosen on either side of the service's name."""
        for arguments, reactor in (
            (("--reactor", "select", "once"), "SelectReactor"),
            (("once", "--reactor=poll"), "PollReactor"),
        ):
            status, lines, err = self.netsvc("run", *arguments)
            self.assertEqual((status, err), (0, ""))
            self.assertTrue(any(f"hello from {reactor}" in line for line in lines))

    def test_log_file(self) -> None:
        """With C{--logfile} nothing is written on stdout, and the file is kept."""
        for _ in range(2):
            self.assertEqual(
                self.netsvc("run", "--logfile", "log", "once"), (0, [], "")
            )
        text = (self.folder / "log").read_text()
        self.assertEqual(text.count("hello from "), 2)

    def test_module(self) -> None:
        """C{python -m netsvc} is the command, and passes its exit status on."""
        for arguments, status in (("--version",), 0), (("run", "nonesuch"), 2):
            done = subprocess.run(
                [sys.executable, "-m", "netsvc", *arguments],
                cwd=self.folder,
                capture_output=True,
                timeout=60,
            )
            self.assertEqual(done.returncode, status)

    def test_mistakes(self) -> None:
        """A mistake is one line on stderr, status 2, and no traceback."""
        for arguments, message in (
            (("once", "--frob"), "option --frob not recognized"),
            (("once", "--greeting", "none"), "a greeting is needed"),
            ((), "name a service to run; there are: once"),
        ):
            self.assertEqual(
                self.netsvc("run", *arguments), (2, [], f"netsvc run: {message}\n")
            )


class BrokenPipeTests(SynchronousTestCase):
    """Whoever reads what a command prints may go before its end, as C{head} does."""

    def test_help(self) -> None:
        """No command makes a traceback of that."""
        reading, writing = os.pipe()
        os.close(reading)
        lines = [["--help"], ["--version"], ["run", "--version"]]
        lines += [[name, "--help"] for name in COMMANDS]
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "netsvc", *line],
                stdout=writing,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            )
            for line in lines
            for unbuffered in ("", "1")
        ]
        os.close(writing)
        for process in running:
            _, wrote = process.communicate(timeout=60)
            self.assertEqual((process.returncode, wrote), (0, ""), process.args)
