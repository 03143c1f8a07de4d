"""Reporters: what they write where, and when."""

from __future__ import annotations

import errno
import io
import json
import re
from typing import Any, TextIO, cast

from rich.console import Console
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.events import Disconnected, PacketEvent, Status, Unexpected
from netsvc.echo.probe.output import Output
from netsvc.echo.probe.report import (
    JSONReporter,
    MonitorReporter,
    PlainReporter,
    Reporter,
)
from netsvc.echo.probe.result import Result
from netsvc.echo.probe.schedule import Schedule
from netsvc.echo.probe.target import ProbeSettings
from netsvc.echo.probe.terminal import (
    LINES_PER_REFRESH,
    ORDINARY_LINES_PER_REFRESH,
    TerminalReporter,
)
from netsvc.echo.probe.thresholds import Level, Limit, Thresholds, Verdict
from netsvc.echo.probe.tracker import Tracker
from tests.echo.probe_fakes import LOCALHOST, MILLISECOND, SECOND

SETTINGS = ProbeSettings("echo.example")
GOOD = Verdict(Level.OK)
EVENT = PacketEvent(Status.OK, 1, 64, SECOND, MILLISECOND)


def result_of(answers: int = 2) -> Result:
    """Make the result of a run of 1 s."""
    tracker = Tracker(SECOND)
    for number in range(1, answers + 1):
        tracker.answer(tracker.send(64, 0), number * MILLISECOND, intact=True)
    return Result(tracker.statistics, Schedule(0, SECOND), SECOND)


class Stream(io.StringIO):
    """A text stream with an encoding."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return 1


class Bench(SynchronousTestCase):
    """A stream, and a list of lines on standard error."""

    def setUp(self) -> None:
        """Begin with nothing written."""
        self.out = Stream()
        self.errors: list[str] = []

    def run_through(self, reporter: Reporter, verdict: Verdict = GOOD) -> str:
        reporter.started(LOCALHOST, 0)
        reporter.observe(EVENT)
        reporter.refresh(result_of())
        reporter.notice("notice")
        reporter.finished(result_of(), verdict)
        return self.out.getvalue()


class PlainTests(Bench):
    """Lines of text."""

    def plain(self, **options: Any) -> PlainReporter:
        return PlainReporter(SETTINGS, self.out, self.errors.append, **options)

    def test_run(self) -> None:
        """A run is a header, a line for each event, and a summary."""
        lines = self.run_through(self.plain()).splitlines()
        self.assertTrue(lines[0].startswith("echo.example (127.0.0.1) port 7007/udp:"))
        self.assertEqual(lines[1], "64 bytes: seq=1 rtt=1.000 ms")
        self.assertTrue(lines[2].startswith("--- echo.example (127.0.0.1)"))
        self.assertEqual(self.errors, ["notice"])

    def test_quiet(self) -> None:
        """Quiet leaves out the events."""
        self.assertNotIn("seq=1", self.run_through(self.plain(quiet=True)))

    def test_histogram(self) -> None:
        """The histogram follows the summary, in what the encoding allows."""
        self.assertIn("█", self.run_through(self.plain(histogram=True)))
        self.setUp()
        self.out.encoding = "latin-1"
        self.assertIn("##", self.run_through(self.plain(histogram=True)))

    def test_verdict(self) -> None:
        """What is not well is the last line."""
        text = self.run_through(self.plain(), Verdict(Level.WARNING, ("a", "b")))
        self.assertTrue(text.endswith("\nWARNING: a, b\n"))
        text = self.run_through(self.plain(), Verdict(Level.UNKNOWN, ("why",)))
        self.assertNotIn("UNKNOWN", text)

    def test_failure(self) -> None:
        """A run that could not be is a line on standard error."""
        self.plain().failed("why", Level.UNKNOWN)
        self.assertEqual((self.out.getvalue(), self.errors), ("", ["why"]))


class JSONTests(Bench):
    """JSON lines."""

    def json(self, **options: Any) -> JSONReporter:
        return JSONReporter(
            SETTINGS, self.out, self.errors.append, lambda: 100.0, **options
        )

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    def test_run(self) -> None:
        """A run is a start, the events, and a summary; times are of the day."""
        self.run_through(self.json())
        start, packet, summary = self.records()
        self.assertEqual((start["type"], start["time"]), ("start", 100.0))
        self.assertEqual((packet["type"], packet["sent"]), ("packet", 101.0))
        self.assertEqual((summary["type"], summary["status"]), ("summary", "ok"))
        self.assertEqual(self.errors, ["notice"])

    def test_quiet(self) -> None:
        """Quiet leaves the summary, with the histogram if that is wanted."""
        self.run_through(self.json(quiet=True, histogram=True))
        (summary,) = self.records()
        self.assertEqual(sum(row["count"] for row in summary["histogram"]), 2)

    def test_failure(self) -> None:
        """A run that could not be is a record too."""
        self.json().failed("why", Level.CRITICAL)
        expected = {"type": "error", "status": "critical", "message": "why"}
        self.assertEqual((self.records(), self.errors), ([expected], ["why"]))


class MonitorTests(Bench):
    """One line for a monitor."""

    def monitor(self) -> MonitorReporter:
        return MonitorReporter(SETTINGS, self.out, Thresholds(loss=Limit(1, 2)))

    def test_good(self) -> None:
        """A good result is one line with the figures, for people and machines."""
        self.assertEqual(
            self.run_through(self.monitor()),
            "ECHO OK - echo.example (127.0.0.1) port 7007/udp: mean rtt 1.500 ms, "
            "loss 0 % | rtt=1.500000ms;;;0 loss=0%;1;2;0;100 jitter=1.000000ms;;;0 "
            "sent=2;;;0\n",
        )

    def test_bad(self) -> None:
        """A bad result has the reasons."""
        text = self.run_through(self.monitor(), Verdict(Level.CRITICAL, ("a", "b")))
        self.assertTrue(text.startswith("ECHO CRITICAL - "))
        self.assertIn("port 7007/udp: a, b | rtt=", text)

    def test_failure(self) -> None:
        """A run that could not be is said on standard output, on one line."""
        self.monitor().failed("why|x\n", Level.UNKNOWN)
        self.assertEqual(self.out.getvalue(), "ECHO UNKNOWN - why/x\\n\n")


class TerminalTests(Bench):
    """The live report."""

    def setUp(self) -> None:
        """Draw on a terminal of 80 columns that is a string."""
        super().setUp()
        self.console = Console(
            file=self.out, force_terminal=True, width=80, height=24, color_system=None
        )

    def terminal(self, **options: Any) -> TerminalReporter:
        out = Output(cast(TextIO, self.out))
        return TerminalReporter(
            SETTINGS, out, self.errors.append, console=self.console, **options
        )

    def test_run(self) -> None:
        """A run shows lines, then the state of things, and the summary at last."""
        text = self.run_through(self.terminal(histogram=True))
        for part in (
            "64 bytes: seq=1 rtt=1.000 ms",
            "2 sent, 2 received, 0 lost (0 %)  1.0 s",
            "--- echo.example (127.0.0.1) port 7007/udp ---",
            "█",
        ):
            self.assertIn(part, text)
        # The cursor is not left hidden, not even while the run goes on.
        self.assertLess(text.index("\x1b[?25h"), text.index("seq=1"))

    def test_narrow(self) -> None:
        """On a narrow terminal the live lines leave room for the echo of Ctrl-C."""
        self.console.width = 30
        reporter = self.terminal()
        reporter.started(LOCALHOST, 0)
        reporter.refresh(result_of())
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.out.getvalue())
        live = re.split(r"[\r\n]+", shown)[1:]
        self.assertEqual(max(map(len, live)), 27)
        self.assertIn("…", shown)
        reporter.finished(result_of(), GOOD)

    def test_verdict(self) -> None:
        """What is not well is the last line."""
        for level in (Level.WARNING, Level.CRITICAL):
            text = self.run_through(self.terminal(), Verdict(level, ("why",)))
            self.assertTrue(text.endswith(f"{level.name}: why\n"))

    def test_quiet(self) -> None:
        """Quiet leaves the state of things, without the events."""
        text = self.run_through(self.terminal(quiet=True))
        self.assertNotIn("seq=1", text)
        self.assertIn("2 sent, 2 received", text)

    def test_bounded(self) -> None:
        """Of a flood of events some lines are shown and the others counted."""
        reporter = self.terminal()
        reporter.started(LOCALHOST, 0)
        for _ in range(100):
            reporter.observe(EVENT)
        for _ in range(100):
            reporter.observe(EVENT._replace(status=Status.LATE))
        text = self.out.getvalue()
        self.assertEqual(text.count("seq=1 "), LINES_PER_REFRESH)
        self.assertEqual(
            text.count("(late)"), LINES_PER_REFRESH - ORDINARY_LINES_PER_REFRESH
        )
        reporter.refresh(result_of())
        self.assertIn("... 180 more lines", self.out.getvalue())
        reporter.observe(EVENT)
        self.assertEqual(self.out.getvalue().count("seq=1 "), LINES_PER_REFRESH + 1)
        reporter.finished(result_of(), GOOD)

    def test_other_events(self) -> None:
        """Connections and strangers are shown too."""
        reporter = self.terminal()
        reporter.observe(Disconnected("why"))
        reporter.observe(Unexpected(5, False))
        self.assertIn("disconnected: why", self.out.getvalue())
        self.assertIn("5 bytes received", self.out.getvalue())

    def test_failure(self) -> None:
        """A run that ends early leaves the terminal as it was."""
        reporter = self.terminal()
        reporter.started(LOCALHOST, 0)
        reporter.failed("why", Level.UNKNOWN)
        self.assertEqual(self.errors, ["why"])
        text = self.out.getvalue()
        self.assertGreater(text.rindex("\x1b[?25h"), text.rindex("\x1b[?25l"))

    def test_capable(self) -> None:
        """A terminal that cannot move its cursor is known."""
        self.assertTrue(self.terminal().is_capable)
        self.console = Console(
            file=self.out, force_terminal=True, _environ={"TERM": "dumb"}
        )
        self.assertFalse(self.terminal().is_capable)

    def test_own_console(self) -> None:
        """Without a console one is made for the output."""
        self.patch(Stream, "isatty", lambda stream: True)
        reporter = TerminalReporter(
            SETTINGS, Output(cast(TextIO, self.out)), self.errors.append
        )
        reporter.observe(EVENT)
        self.assertIn("seq=1", self.out.getvalue())


class BrokenStream(Stream):
    """A stream that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "broken")

    def flush(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "broken")


class Told:
    """Counts how often it is called."""

    calls = 0

    def __call__(self) -> None:
        self.calls += 1


class OutputTests(SynchronousTestCase):
    """Standard output that goes away."""

    def test_passes_on(self) -> None:
        """As long as it works it is the stream."""
        stream = Stream()
        output = Output(cast(TextIO, stream))
        self.assertEqual(output.write("text"), 4)
        output.flush()
        self.assertEqual(stream.getvalue(), "text")
        self.assertEqual((output.encoding, output.isatty()), ("utf-8", False))
        self.assertEqual(output.fileno(), 1)

    def test_failure(self) -> None:
        """The first failure is told, and nothing is written after it."""
        for first in ("write", "flush"):
            told = Told()
            output = Output(cast(TextIO, BrokenStream()))
            output.on_failure(told)
            if first == "write":
                output.write("text")
            output.flush()
            output.write("text")
            self.assertEqual(told.calls, 1)
            assert output.failure is not None
            self.assertEqual(output.failure.errno, errno.EPIPE)

    def test_nobody_told(self) -> None:
        """A failure that nobody waits for is kept."""
        output = Output(cast(TextIO, BrokenStream()))
        output.flush()
        self.assertIsNotNone(output.failure)
