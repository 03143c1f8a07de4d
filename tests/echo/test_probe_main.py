"""A run from settings to exit status, without a network."""

from __future__ import annotations

import errno
import io
import json
import socket
import time
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe import session, terminal
from netsvc.echo.probe.loop import ProbeReactor
from netsvc.echo.probe.main import ReportOptions, Run, run_in
from netsvc.echo.probe.report import JSONReporter, MonitorReporter, PlainReporter
from netsvc.echo.probe.target import ProbeSettings, Transport
from netsvc.echo.probe.terminal import TerminalReporter
from netsvc.echo.probe.thresholds import Limit, Thresholds
from tests.echo.probe_fakes import MILLISECOND, SECOND, FakeReactor, FakeSocket

SETTINGS = ProbeSettings("127.0.0.1", interval=100 * MILLISECOND, count=1)


class Stream(io.StringIO):
    """Standard output or error: perhaps a terminal, perhaps full."""

    encoding = "utf-8"
    terminal = False
    error: OSError | None = None

    def isatty(self) -> bool:
        return self.terminal

    def flush(self) -> None:
        if self.error is not None:
            raise self.error


class Bench(SynchronousTestCase):
    """A run whose socket is a fake."""

    def setUp(self) -> None:
        """Let each socket be the same one."""
        self.reactor = FakeReactor()
        self.socket = FakeSocket()
        self.out, self.err = Stream(), Stream()
        self.patch(session, "connect_udp", lambda address, source: self.socket)

    def make(
        self,
        thresholds: Thresholds = Thresholds(),  # noqa: B008  it is frozen
        options: ReportOptions = ReportOptions(),  # noqa: B008  it is frozen
        **changes: Any,
    ) -> Run:
        return Run(
            replace(SETTINGS, **changes),
            thresholds,
            options,
            self.reactor,
            self.out,
            self.err,
            now=self.reactor.now,
            getaddrinfo=lambda *question: [
                (socket.AF_INET, 2, 17, "", ("127.0.0.1", 7007))
            ],
        )

    def start(self, *arguments: Any, **changes: Any) -> Deferred[int]:
        self.run_under_test = self.make(*arguments, **changes)
        return self.run_under_test.start()

    def answer(self) -> None:
        self.reactor.advance(0.001)
        self.socket.incoming.extend(self.socket.sent)
        self.reactor.readers[0].doRead()

    def refuse(self) -> None:
        self.socket.refuse(self.socket.sent[-1])
        self.reactor.readers[0].doRead()


class StatusTests(Bench):
    """The exit status."""

    def test_ok(self) -> None:
        """An answered run is 0."""
        done = self.start()
        self.answer()
        self.assertEqual(self.successResultOf(done), 0)
        self.assertIn("1 sent, 1 received, 0 lost", self.out.getvalue())
        self.assertEqual(self.err.getvalue(), "")

    def test_thresholds(self) -> None:
        """Thresholds make it 1 or 2."""
        for limit, expected in ((Limit(1, 2), 1), (Limit(0.5, 1), 2)):
            self.setUp()
            done = self.start(Thresholds(rtt=limit))
            self.answer()
            self.assertEqual(self.successResultOf(done), expected)

    def test_no_answer(self) -> None:
        """No answer is 2."""
        done = self.start()
        self.reactor.elapse(3 * SECOND)
        self.assertEqual(self.successResultOf(done), 2)
        self.assertIn("CRITICAL: no answer", self.out.getvalue())

    def test_refused(self) -> None:
        """A refusal is 3, with a line on standard error."""
        done = self.start()
        self.refuse()
        self.assertEqual(self.successResultOf(done), 3)
        self.assertEqual(
            self.err.getvalue(),
            "netsvc ping: 127.0.0.1 port 7007/udp: connection refused "
            "(says 192.0.2.7)\n",
        )

    def test_refused_monitor(self) -> None:
        """A monitor reads the refusal on standard output alone."""
        done = self.start(options=ReportOptions(monitor=True))
        self.refuse()
        self.assertEqual(self.successResultOf(done), 3)
        self.assertTrue(self.out.getvalue().startswith("ECHO UNKNOWN - 127.0.0.1 port"))
        self.assertEqual(self.err.getvalue(), "")

    def test_impossible(self) -> None:
        """A run that cannot be is a line on standard error, and 3."""
        done = self.start(transport=Transport.TLS, host="a" * 64)
        self.assertEqual(self.successResultOf(done), 3)
        self.assertRegex(
            self.err.getvalue(), r"\Anetsvc ping: a+ is no name [^\n]*\n\Z"
        )

    def test_interrupted(self) -> None:
        """Stopping reports what is known."""
        done = self.start(count=None)
        self.answer()
        self.reactor.advance(0.1)
        self.run_under_test.stop()
        self.assertEqual(self.successResultOf(done), 0)
        self.assertIn("1 still under way", self.out.getvalue())

    def test_interrupted_early(self) -> None:
        """Stopping before anything was sent is 3."""
        self.patch(session, "resolve", lambda *arguments: Deferred())
        done = self.start()
        self.run_under_test.stop()
        self.assertEqual(self.successResultOf(done), 3)
        self.assertIn("stopped before anything was sent", self.err.getvalue())

    def test_our_mistake(self) -> None:
        """A mistake in the program is not taken for one of the network."""
        self.patch(session, "resolve", lambda *arguments: 1 / 0)
        self.failureResultOf(self.start(), ZeroDivisionError)


class OutputTests(Bench):
    """Standard output that cannot be written."""

    def test_nobody_reads(self) -> None:
        """If nobody reads, the run ends without a word."""
        self.out.error = BrokenPipeError(errno.EPIPE, "broken")
        done = self.start(count=None)
        self.assertEqual(self.successResultOf(done), 3)
        self.assertEqual(self.err.getvalue(), "")

    def test_full(self) -> None:
        """Another reason is told."""
        for error, words in (
            (OSError(errno.ENOSPC, "full"), "no space left on device"),
            (OSError(), "input/output error"),
        ):
            self.setUp()
            self.out.error = error
            self.assertEqual(self.successResultOf(self.start(count=None)), 3)
            self.assertEqual(
                self.err.getvalue(), f"netsvc ping: cannot write the report: {words}\n"
            )


class ReporterTests(Bench):
    """Which report is written."""

    def reporter(self, **options: bool) -> object:
        return self.make(options=ReportOptions(**options))._reporter

    def test_choice(self) -> None:
        """Options choose the report, and a terminal gets a live one."""
        self.assertIsInstance(self.reporter(monitor=True), MonitorReporter)
        self.assertIsInstance(self.reporter(json=True), JSONReporter)
        self.assertIs(type(self.reporter()), PlainReporter)
        self.out.terminal = True
        self.patch(terminal.TerminalReporter, "is_capable", True)
        self.assertIsInstance(self.reporter(), TerminalReporter)
        self.patch(terminal.TerminalReporter, "is_capable", False)
        self.assertIs(type(self.reporter()), PlainReporter)

    def test_time_of_day(self) -> None:
        """JSON records have the time of day."""
        done = self.start(options=ReportOptions(json=True))
        self.answer()
        self.successResultOf(done)
        start, packet, _ = map(json.loads, self.out.getvalue().splitlines())
        self.assertGreater(start["time"], 1_700_000_000)
        self.assertAlmostEqual(packet["sent"], start["time"], places=3)


class AmbiguityTests(Bench):
    """Payloads too small to tell packets apart."""

    def notice(self, size: int, **changes: Any) -> str:
        done = self.start(sizes=(size,), **changes)
        self.run_under_test.stop()
        self.successResultOf(done)
        return self.err.getvalue()

    def test_noticed(self) -> None:
        """An empty payload that may be answered after the next is said to be risky."""
        self.assertEqual(
            self.notice(0),
            "netsvc ping: answers to 0 bytes that take longer than 100 ms will be "
            "taken for a later packet's\n",
        )

    def test_no_risk(self) -> None:
        """Larger payloads, and longer intervals, are no risk."""
        self.assertEqual(self.notice(0, interval=3 * SECOND), "")
        self.assertEqual(self.notice(1), "")
        self.assertEqual(self.notice(64), "")


class RunningReactor(FakeReactor):
    """A reactor that runs one call and, while it runs, a test's."""

    interrupt: Any = None
    while_running: Any = None
    stops = 0

    def on_interrupt(self, interrupt: Any) -> None:
        self.interrupt = interrupt

    def callWhenRunning(self, call: Any) -> None:
        self.first = call

    def run(self) -> None:
        self.first()
        self.while_running()

    def stop(self) -> None:
        self.stops += 1


class RunInTests(Bench):
    """A run and its reactor begin and end together."""

    def setUp(self) -> None:
        """Take a reactor that is run."""
        super().setUp()
        self.reactor: RunningReactor = RunningReactor()

    def test_status(self) -> None:
        """The reactor stops at the end of the run, whose status is returned."""
        self.reactor.while_running = self.answer
        self.assertEqual(run_in(self.reactor, self.make()), 0)
        self.assertEqual(self.reactor.stops, 1)

    def test_interrupt(self) -> None:
        """An interrupt ends the run, and with it the reactor; twice is once."""

        def interrupt() -> None:
            self.answer()
            self.reactor.interrupt()
            self.reactor.interrupt()

        self.reactor.while_running = interrupt
        self.assertEqual(run_in(self.reactor, self.make(count=None)), 0)
        self.assertEqual(self.reactor.stops, 1)

    def test_our_mistake(self) -> None:
        """A mistake in the program is raised, not turned into a status."""
        self.patch(session, "resolve", lambda *arguments: 1 / 0)
        self.reactor.while_running = lambda: None
        self.assertRaises(ZeroDivisionError, run_in, self.reactor, self.make())


class ReactorTests(SynchronousTestCase):
    """The reactor of the process."""

    def setUp(self) -> None:
        """Make a reactor that does not run."""
        self.reactor = ProbeReactor()
        self.addCleanup(self.reactor.removeAll)
        for reader in list(self.reactor._internalReaders):
            self.addCleanup(reader.connectionLost, None)

    def test_interrupts(self) -> None:
        """Signals call the function given, each time."""
        calls: list[str] = []
        self.reactor.on_interrupt(lambda: calls.append("interrupted"))
        self.reactor.sigInt(2)
        self.reactor.sigTerm(15)
        self.reactor.runUntilCurrent()
        self.assertEqual(calls, ["interrupted", "interrupted"])

    def test_monotonic(self) -> None:
        """Time is that of a clock that is never set."""
        self.patch(time, "time", lambda: 0.0)
        first = self.reactor.seconds()
        self.assertGreater(first, 0)
        self.assertGreaterEqual(self.reactor.seconds(), first)
