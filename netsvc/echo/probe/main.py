"""Runs one probe from settings to exit status: reactor, session, report."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.main import installReactor
from twisted.python.failure import Failure

from netsvc.daemon.escape import escape
from netsvc.echo.probe.errors import ProbeError
from netsvc.echo.probe.loop import ProbeReactor
from netsvc.echo.probe.output import Output
from netsvc.echo.probe.quantity import format_duration
from netsvc.echo.probe.rejection import describe_errno
from netsvc.echo.probe.report import (
    JSONReporter,
    MonitorReporter,
    PlainReporter,
    Reporter,
)
from netsvc.echo.probe.session import Session
from netsvc.echo.probe.target import ProbeSettings
from netsvc.echo.probe.thresholds import Level, Thresholds
from netsvc.echo.probe.wire import distinct_packets

__all__ = ["PROGRAM", "ReportOptions", "Run", "run_in", "run_probe"]

#: How the command names itself in front of its errors.
PROGRAM = "netsvc ping"


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """How the run is shown.

    @ivar quiet: the summary only.
    @ivar histogram: draw one at the end.
    @ivar json: JSON lines.
    @ivar monitor: one line, with performance data.
    """

    quiet: bool = False
    histogram: bool = False
    json: bool = False
    monitor: bool = False


class Run:
    """A session, its report and what comes of both."""

    def __init__(
        self,
        settings: ProbeSettings,
        thresholds: Thresholds,
        options: ReportOptions,
        reactor: Any,
        stdout: TextIO,
        stderr: TextIO,
        wall_clock: Callable[[], float] = time.time,
        **session: Any,
    ) -> None:
        """Prepare to run.

        @param wall_clock: the time of day, in seconds since 1970.
        @param session: passed on to L{Session}.
        """
        self._settings = settings
        self._thresholds = thresholds
        self._options = options
        self._output = Output(stdout)
        self._stderr = stderr
        self._wall_clock = wall_clock
        self._reporter = self._make_reporter()
        self._session = Session(settings, reactor, self._reporter, **session)
        self._output.on_failure(self._session.stop)

    def start(self) -> Deferred[int]:
        """Run.

        @return: fires with the exit status.
        """
        self._note_ambiguity()
        return self._session.start().addBoth(self._finish)

    def stop(self) -> None:
        """End now, and report what is known."""
        self._session.stop()

    def error(self, text: str) -> None:
        """Write a line to standard error."""
        self._stderr.write(f"{PROGRAM}: {escape(text)}\n")
        self._stderr.flush()

    def _make_reporter(self) -> Reporter:
        options = self._options
        out = cast(TextIO, self._output)
        if options.monitor:
            return MonitorReporter(self._settings, out, self._thresholds)
        shown = (options.quiet, options.histogram)
        if options.json:
            return JSONReporter(
                self._settings, out, self.error, self._wall_clock, *shown
            )
        if self._output.isatty():
            # Imported here because it takes longer than all the rest.
            from netsvc.echo.probe.terminal import TerminalReporter

            live = TerminalReporter(self._settings, self._output, self.error, *shown)
            if live.is_capable:
                return live
        return PlainReporter(self._settings, out, self.error, *shown)

    def _note_ambiguity(self) -> None:
        """Say so if payloads are too small to tell all packets under way apart."""
        settings = self._settings
        told_apart = distinct_packets(min(settings.sizes))
        if told_apart is None or settings.transport.is_stream:
            return
        span = told_apart * len(settings.sizes) * settings.interval
        if span < settings.timeout:
            self._reporter.notice(
                f"answers to {min(settings.sizes)} bytes that take longer than "
                f"{format_duration(span)} will be taken for a later packet's"
            )

    def _finish(self, outcome: Failure | None) -> int:
        if self._output.failure is not None:
            return self._output_failed(self._output.failure)
        result = self._session.result
        if isinstance(outcome, Failure):
            if outcome.check(CancelledError):
                self._reporter.failed("stopped before anything was sent", Level.UNKNOWN)
                return Level.UNKNOWN
            error = outcome.trap(ProbeError) and cast(ProbeError, outcome.value)
            self._reporter.failed(str(error), error.level)
            return error.level
        assert result is not None
        verdict = self._thresholds.judge(result.statistics)
        self._reporter.finished(result, verdict)
        if verdict.level is Level.UNKNOWN and not self._options.monitor:
            self.error(f"{self._session.where}: {', '.join(verdict.reasons)}")
        return verdict.level

    def _output_failed(self, failure: OSError) -> int:
        if failure.errno != errno.EPIPE:
            # Nobody reads any more: no reason to complain.
            reason = describe_errno(failure.errno or errno.EIO)
            self.error(f"cannot write the report: {reason}")
        return Level.UNKNOWN


def run_probe(
    settings: ProbeSettings, thresholds: Thresholds, options: ReportOptions
) -> int:
    """Run in a reactor of its own, which can be done once in a process.

    @return: the exit status.
    """
    reactor = ProbeReactor()
    installReactor(reactor)
    run = Run(settings, thresholds, options, reactor, sys.stdout, sys.stderr)
    return run_in(reactor, run)


def run_in(reactor: Any, run: Run) -> int:
    """Start C{reactor} and C{run} in it, and stop both at the run's end.

    @return: the exit status.
    """
    ends: list[Any] = []

    def end(outcome: Any) -> None:
        ends.append(outcome)
        reactor.stop()

    reactor.on_interrupt(run.stop)
    reactor.callWhenRunning(lambda: run.start().addBoth(end))
    reactor.run()
    (outcome,) = ends
    if isinstance(outcome, Failure):
        outcome.raiseException()
    return int(outcome)
