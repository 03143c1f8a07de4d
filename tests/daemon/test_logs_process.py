"""Tests of how a process logs: L{netsvc.daemon.logs}, L{netsvc.daemon.log_output}."""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import sys
from pathlib import Path
from typing import Any

from twisted.application.service import Application, MultiService
from twisted.logger import ILogObserver, Logger, LogLevel, globalLogBeginner
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon import log_output, logs
from netsvc.daemon.limits import Rate


class ProcessTestCase(SynchronousTestCase):
    """Leaves the process as it was."""

    def setUp(self) -> None:
        """Configure nothing yet."""
        for name in ("_configuration", "_made", "_files", "_observers"):
            self.patch(logs, name, type(getattr(logs, name))())
        self.patch(logs, "_made", {"file": None, "format": None, "level": None})
        self.patch(logs, "write_errors", 0)
        self.patch(logs, "suppressed", 0)

    def log_file(self, name: str | None = None) -> logs.LogFile:
        """Open a log file, closed at the end of the test."""
        file = logs.LogFile(name or self.mktemp())
        self.addCleanup(file.close)
        return file


class ConfigureTests(ProcessTestCase):
    """Tests of L{logs.configure} and what goes by it."""

    def setUp(self) -> None:
        """Write to memory."""
        super().setUp()
        self.out = io.StringIO()
        self.observer = logs.configured(self.out)

    def emit(self, level: LogLevel = LogLevel.info, **fields: Any) -> str:
        """Log an event, and give what is written."""
        self.out.seek(0)
        self.out.truncate()
        Logger("netsvc.test", observer=self.observer).emit(level, "hello", **fields)
        return self.out.getvalue()

    def test_format(self) -> None:
        """The format changes under an observer that is at work."""
        self.assertIn("[netsvc.test#info] hello\n", self.emit())
        logs.configure(format="json")
        self.assertEqual(json.loads(self.emit())["message"], "hello")

    def test_format_that_was_asked_for(self) -> None:
        """An observer for one format keeps it."""
        self.observer = logs.text(self.out)
        logs.configure(format="json")
        self.assertIn("#info] hello", self.emit())

    def test_level(self) -> None:
        """The level changes under an observer that is at work."""
        logs.configure(level="error")
        self.assertEqual(self.emit(LogLevel.warn), "")
        logs.configure(level="debug")
        self.assertIn("#debug] hello", self.emit(LogLevel.debug))

    def test_mistakes(self) -> None:
        """A format or level that does not exist changes nothing."""
        self.assertRaises(ValueError, logs.configure, format="xml")
        self.assertRaises(ValueError, logs.configure, format="json", level="loud")
        self.assertIn("#info] hello", self.emit())

    def test_worker(self) -> None:
        """One of several processes is named in each line."""
        logs.configure(worker=2)
        self.assertIn("[netsvc.test#info worker=2] hello", self.emit())
        logs.configure(format="json")
        self.assertEqual(json.loads(self.emit())["worker"], 2)
        self.assertEqual(json.loads(self.emit(worker=5))["worker_"], 5)

    def test_rate(self) -> None:
        """Lines that come too often are left out, counted and reported."""
        logs.configure(rate=Rate(1, 2))
        self.assertIn("hello", self.emit(event="x"))
        self.assertIn("hello", self.emit(event="x"))
        self.assertEqual(self.emit(event="x"), "")
        self.assertEqual(logs.suppressed, 1)
        logs.flush()
        self.assertEqual(self.out.getvalue(), "")
        logs.flush(all=True)
        self.assertIn("#warn] 1 more such lines suppressed: x\n", self.out.getvalue())

    def test_odd_event(self) -> None:
        """What cannot even be looked at is counted as lost."""
        self.observer({"log_level": "loud"})
        self.assertEqual(logs.write_errors, 1)


class JournalTests(ProcessTestCase):
    """What is different when standard output is systemd's journal."""

    def journal(self) -> tuple[socket.socket, logs.LineObserver]:
        """Put a socket in the place of the journal, and log to it."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        stream = self.enterContext(os.fdopen(theirs.detach(), "w"))
        self.patch(sys, "__stdout__", stream)
        status = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        self.patch(os, "environ", environ)
        self.assertTrue(log_output.is_journal(None, environ))
        self.patch(logs, "is_journal", lambda t: log_output.is_journal(t, environ))
        return ours, logs.configured()

    def test_priorities(self) -> None:
        """Each level has the priority of syslog, and there is no time."""
        ours, observer = self.journal()
        logs.configure(level="debug")
        log = Logger("netsvc.test", observer=observer)
        for level, priority in zip(logs.LEVELS, (7, 6, 4, 3, 2), strict=True):
            log.emit(LogLevel.levelWithName(level), "hello")
            line = f"<{priority}>[netsvc.test#{level}] hello\n"
            self.assertEqual(ours.recv(1000).decode(), line)

    def test_json(self) -> None:
        """A JSON line has its priority before it, which the journal takes away."""
        ours, observer = self.journal()
        logs.configure(format="json")
        observer({"log_format": "hello"})
        line = ours.recv(1000).decode()
        self.assertTrue(line.startswith("<6>{"), line)
        json.loads(line[3:])

    def test_elsewhere(self) -> None:
        """Standard output that was led elsewhere is not the journal."""
        for value in ("1:2", "", "x"):
            self.assertFalse(log_output.is_journal(None, {"JOURNAL_STREAM": value}))
        self.assertFalse(
            log_output.is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})
        )
        environ = {"JOURNAL_STREAM": "1:2"}
        self.assertFalse(log_output.is_journal(self.log_file(), environ))
        self.assertFalse(log_output.is_journal(None, {}))


class FileTests(ProcessTestCase):
    """Tests of log files."""

    def test_rotated(self) -> None:
        """After a file was moved away, lines go on in a new one of its name."""
        file = self.log_file()
        observer = logs.text(file)
        observer({"log_format": "first"})
        os.rename(file.path, f"{file.path}.1")
        observer({"log_format": "second"})
        self.assertEqual(logs.reopen(), [])
        observer({"log_format": "third"})
        old = Path(f"{file.path}.1").read_text()
        new = Path(file.path).read_text()
        self.assertIn("first", old)
        self.assertIn("second", old)
        self.assertIn("third", new)
        self.assertEqual(new.count("\n"), 1)

    def test_cannot_be_reopened(self) -> None:
        """A file that cannot be opened again is reported; lines go where they went."""
        directory = Path(self.mktemp())
        directory.mkdir()
        file = self.log_file(str(directory / "log"))
        observer = logs.text(file)
        moved = Path(self.mktemp())
        directory.rename(moved)
        problem = f"{file.path}: No such file or directory"
        self.assertEqual(logs.reopen(), [problem])
        observer({"log_format": "still here"})
        self.assertIn("still here", (moved / "log").read_text())

    def test_nothing_to_reopen(self) -> None:
        """Without log files there is nothing to do."""
        self.assertEqual(logs.reopen(), [])

    def test_made(self) -> None:
        """A file is made for its owner to write and its group to read."""
        mode = stat.S_IMODE(os.stat(self.log_file().path).st_mode)
        self.assertEqual(mode & ~0o640, 0)

    def test_descriptor_not_inherited(self) -> None:
        """Other programs do not get the file, before and after it was reopened."""
        file = self.log_file()
        self.assertFalse(os.get_inheritable(file._descriptor))
        file.reopen()
        self.assertFalse(os.get_inheritable(file._descriptor))

    def test_pipe_without_a_reader(self) -> None:
        """A name that is a pipe nobody reads is an error, and stops nothing."""
        name = self.mktemp()
        os.mkfifo(name)
        self.assertRaises(OSError, logs.LogFile, name)

    def test_whole_lines(self) -> None:
        """A long line is one write, so that several processes do not mix theirs."""
        file = self.log_file()
        sizes: list[int] = []
        write = os.write

        def counted(descriptor: int, data: bytes) -> int:
            sizes.append(len(data))
            return write(descriptor, data)

        self.patch(os, "write", counted)
        file(b"x" * 20000)
        self.assertEqual(sizes, [20000])


class TwistdTests(ProcessTestCase):
    """Tests of L{logs.for_twistd} and L{logs.attach}."""

    def test_standard_output(self) -> None:
        """In the foreground it logs to standard output."""
        for logfile in (None, "", "-"):
            observer = logs.for_twistd({"nodaemon": True, "logfile": logfile})
            self.assertIsNotNone(observer)
            self.assertIsNone(logs.current()["file"])

    def test_file(self) -> None:
        """It logs to the file that twistd was told, or that twistd would use."""
        os.mkdir(directory := self.mktemp())
        before = os.getcwd()
        os.chdir(directory)
        self.addCleanup(os.chdir, before)
        for options, name in (
            ({"nodaemon": True, "logfile": "x.log"}, "x.log"),
            ({"nodaemon": False, "logfile": None}, "twistd.log"),
        ):
            observer = logs.for_twistd(options)
            assert observer is not None
            observer({"log_format": "hello"})
            self.assertIn("hello", Path(name).read_text())
            for file in logs._files:
                file.close()
            logs._files.clear()
        self.assertRaises(
            OSError, logs.for_twistd, {"nodaemon": True, "logfile": "no/such"}
        )

    def test_asked_for_another(self) -> None:
        """What twistd was told of loggers stays, and other runners have their own."""
        for options in (
            None,
            {"nodaemon": True, "logger": "x.y"},
            {"nodaemon": True, "syslog": True},
            {"logfile": "twist"},
        ):
            self.assertIsNone(logs.for_twistd(options))

    def test_attach(self) -> None:
        """twistd finds the observer at its application."""
        application = Application("netsvc")
        logs.attach(application, None)
        self.assertIsNone(application.getComponent(ILogObserver, None))
        observer = logs.configured()
        logs.attach(application, observer)
        self.assertIs(application.getComponent(ILogObserver), observer)
        logs.attach(MultiService(), observer)


class WorkerTests(ProcessTestCase):
    """Tests of L{logs.current} and L{logs.begin}."""

    def setUp(self) -> None:
        """See what logging begins with."""
        super().setUp()
        self.begun: list[Any] = []
        self.patch(globalLogBeginner, "beginLoggingTo", self.begun.extend)

    def test_like_its_parent(self) -> None:
        """A worker logs as the process that started it, and names itself."""
        file = self.log_file()
        logs.configure(format="json", level="warn", rate=Rate(2, 5))
        logs.configured(file)
        settings = json.loads(json.dumps(logs.current()))
        logs.configure(format="text", level="info", rate=None)
        observer = logs.begin(settings, worker=3)
        self.assertEqual(self.begun, [observer])
        observer({"log_format": "left out", "log_level": LogLevel.info})
        observer({"log_format": "hello", "log_level": LogLevel.warn})
        for other in logs._files:
            self.addCleanup(other.close) if other is not file else None
        record = json.loads(Path(file.path).read_text())
        self.assertEqual((record["message"], record["worker"]), ("hello", 3))
        self.assertEqual(logs.current(), settings)

    def test_asked_for(self) -> None:
        """What was asked for on the parent's command line holds for workers, too."""
        logs.configure(rate=None)
        out = io.StringIO()
        logs.json(out, "error")
        settings = logs.current()
        self.patch(sys, "__stdout__", out)
        observer = logs.begin(settings, worker=0)
        observer({"log_format": "left out"})
        observer({"log_format": "hello", "log_level": LogLevel.error})
        self.assertEqual(json.loads(out.getvalue())["message"], "hello")

    def test_file_that_cannot_be(self) -> None:
        """A file that a worker cannot open is standard output."""
        logs.configured()
        settings = {**logs.current(), "file": "/nonexistent/log"}
        out = io.StringIO()
        self.patch(sys, "__stdout__", out)
        logs.begin(settings)({"log_format": "hello"})
        self.assertIn("hello", out.getvalue())
