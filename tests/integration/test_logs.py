"""How a real process logs: by its configuration, to files that are rotated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.echo_process import COMMANDS, PATIENCE, until

TWISTD = (str(COMMANDS / "twistd"), "-n", "--pidfile=")
NETSVC = (str(COMMANDS / "netsvc"), "run")


class LogsTests(SynchronousTestCase):
    """Tests of the log of C{netsvc} with a configuration file."""

    def setUp(self) -> None:
        """Have a folder, and a file with what it writes to standard output."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.out = self.folder / "out"
        self.file = self.folder / "netsvc.toml"

    def configure(self, daemon: str) -> None:
        """Write the configuration."""
        listen = "tcp:0:interface=127.0.0.1"
        self.file.write_text(
            f'[daemon]\nadmin = "off"\n{daemon}\n[echo]\nlisten = "{listen}"\n'
        )

    def start(
        self, *before: str, after: tuple[str, ...] = (), log: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start it, and wait until it listens."""
        argv = [*before, "netsvc", "--config", str(self.file), *after]
        with open(self.out, "wb") as out:
            process = subprocess.Popen(
                argv, cwd=self.folder, stdout=out, stderr=out, env=dict(os.environ)
            )
        self.addCleanup(self.end, process)
        log = log or self.out
        until(
            lambda: log.exists() and "listens on" in log.read_text(),
            "it listens",
            PATIENCE,
        )
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Stop it, if the test has not."""
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), 0, self.out.read_text())
        self.assertNotIn("Traceback", self.out.read_text())

    def records(self) -> list[dict[str, object]]:
        """Read the JSON lines of standard output."""
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def test_twistd(self) -> None:
        """Under C{twistd}, too, the log is as the configuration says."""
        self.configure('log_format = "json"')
        self.start(*TWISTD)
        (listening,) = (r for r in self.records() if r.get("event") == "listening")
        self.assertEqual(listening["service"], "netsvc-echo")

    def test_command_line(self) -> None:
        """A logger or format that the command line names goes before the file."""
        self.configure('log_format = "text"')
        for runner in (
            (*TWISTD, "--logger", "netsvc.daemon.logs.json"),
            (*NETSVC, "--log-format", "json"),
        ):
            self.end(self.start(*runner))
            self.assertEqual(self.records()[-1]["message"], "Server Shut Down.")

    def test_reload(self) -> None:
        """Format and level change with a reload."""
        self.configure("")
        process = self.start(*NETSVC)
        self.configure('log_format = "json"')
        process.send_signal(signal.SIGHUP)
        until(lambda: '"message"' in self.out.read_text(), "a line in JSON")
        self.configure('log_level = "error"')
        process.send_signal(signal.SIGHUP)
        size = until(self.settled, "it is quiet")
        self.end(process)
        self.assertEqual(self.out.stat().st_size, size)

    def settled(self) -> int:
        """Give the size of the log once it has read the configuration again."""
        text = self.out.read_text()
        return len(text.encode()) if text.count("SIGHUP") >= 2 else 0

    def test_rotated(self) -> None:
        """At SIGUSR1 the log goes on in a new file, and no line is lost."""
        self.configure("")
        log = self.folder / "netsvc.log"
        for runner in (TWISTD, NETSVC):
            process = self.start(*runner, "--logfile", str(log), log=log)
            for number in (1, 2):
                self.rotate(process, log, f"{log}.{number}")
            self.end(process)
            self.assertIn("Server Shut Down", log.read_text())
            log.unlink()

    def rotate(self, process: subprocess.Popen[bytes], log: Path, to: str) -> None:
        """Do as logrotate does, with a line before the signal."""
        moved = log.rename(to)
        process.send_signal(signal.SIGUSR2)
        until(lambda: " reloads, " in moved.read_text(), "a line in the old file")
        process.send_signal(signal.SIGUSR1)
        until(
            lambda: log.exists() and "opened again" in log.read_text(), "the new file"
        )

    def test_name_taken(self) -> None:
        """A log file that cannot be opened again costs nothing but an error line."""
        self.configure("")
        log = self.folder / "netsvc.log"
        process = self.start(*NETSVC, "--logfile", str(log), log=log)
        moved = log.rename(f"{log}.1")
        log.mkdir()
        process.send_signal(signal.SIGUSR1)
        until(lambda: "the log goes on where it was" in moved.read_text(), "an error")
        self.end(process)
        self.assertIn("Server Shut Down", moved.read_text())
