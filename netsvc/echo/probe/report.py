"""Reporters: lines, a live terminal, JSON lines, one line for a monitor."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from netsvc.daemon.escape import escape
from netsvc.echo.probe.events import Event
from netsvc.echo.probe.quantity import format_milliseconds
from netsvc.echo.probe.records import event_record, start_record, summary_record
from netsvc.echo.probe.result import Result
from netsvc.echo.probe.target import Address, ProbeSettings
from netsvc.echo.probe.text import (
    describe_event,
    describe_histogram,
    describe_start,
    describe_summary,
    describe_target,
)
from netsvc.echo.probe.thresholds import Level, Thresholds, Verdict

__all__ = ["JSONReporter", "MonitorReporter", "PlainReporter", "Reporter"]

#: Columns of a histogram where there is no terminal.
DEFAULT_WIDTH = 78


class Reporter(Protocol):
    """Shows a run to the user."""

    def started(self, address: Address, started: int) -> None:
        """Take that sending begins at C{started}, nanoseconds of the probe's clock."""

    def observe(self, event: Event) -> None:
        """Take an event."""

    def refresh(self, result: Result) -> None:
        """Bring the report up to date; called several times a second."""

    def notice(self, text: str) -> None:
        """Tell the user something in a line."""

    def finished(self, result: Result, verdict: Verdict) -> None:
        """Take how the run went."""

    def failed(self, message: str, level: Level) -> None:
        """Take that there was no run."""


class PlainReporter:
    """Lines of text: for a pipe, a file, or a terminal that cannot do more."""

    def __init__(
        self,
        settings: ProbeSettings,
        out: TextIO,
        error: Callable[[str], None],
        quiet: bool = False,
        histogram: bool = False,
        width: int = DEFAULT_WIDTH,
    ) -> None:
        """Report to C{out}.

        @param error: writes a line for the operator.
        @param quiet: no line for each packet.
        @param histogram: draw one at the end.
        """
        self._settings = settings
        self._out = out
        self._error = error
        self._quiet = quiet
        self._histogram = histogram
        self._width = width
        self._address = ""

    def started(self, address: Address, started: int) -> None:
        """Say what is probed."""
        self._address = address.text
        self.line(describe_start(self._settings, address.text))
        self.flush()

    def observe(self, event: Event) -> None:
        """Write a line for C{event}."""
        if not self._quiet:
            self.line(describe_event(event, self._settings))

    def refresh(self, result: Result) -> None:
        """Let what was written be seen."""
        self.flush()

    def notice(self, text: str) -> None:
        """Write C{text}."""
        self._error(text)

    def finished(self, result: Result, verdict: Verdict) -> None:
        """Write the summary."""
        for line in self._summary(result, verdict):
            self.line(line)
        self.flush()

    def _summary(self, result: Result, verdict: Verdict) -> list[str]:
        lines = describe_summary(result, self._settings, self._address)
        if self._histogram:
            encoding = (self._out.encoding or "ascii").lower()
            plain = not encoding.startswith("utf")
            statistics = result.statistics
            lines += describe_histogram(statistics.histogram, self._width, plain)
        # That nothing is known is an error, which goes to standard error.
        if verdict.level in (Level.WARNING, Level.CRITICAL):
            lines.append(f"{verdict.level.name}: {', '.join(verdict.reasons)}")
        return lines

    def failed(self, message: str, level: Level) -> None:
        """Write the reason to standard error."""
        self.flush()
        self._error(message)

    def line(self, text: str) -> None:
        """Write a line."""
        self._out.write(text + "\n")

    def flush(self) -> None:
        """Let what was written be seen."""
        self._out.flush()


class JSONReporter:
    """JSON lines: a record for each event, and one for the run."""

    def __init__(
        self,
        settings: ProbeSettings,
        out: TextIO,
        error: Callable[[str], None],
        wall_clock: Callable[[], float],
        quiet: bool = False,
        histogram: bool = False,
    ) -> None:
        """Report to C{out}.

        @param wall_clock: the time of day, in seconds since 1970.
        @param quiet: the summary only.
        """
        self._settings = settings
        self._out = out
        self._error = error
        self._wall_clock = wall_clock
        self._quiet = quiet
        self._histogram = histogram
        self._offset = 0.0

    def started(self, address: Address, started: int) -> None:
        """Write the run's parameters."""
        now = self._wall_clock()
        self._offset = now - started / 1e9
        if not self._quiet:
            self._write(start_record(self._settings, address.text, round(now, 6)))

    def observe(self, event: Event) -> None:
        """Write C{event}."""
        if not self._quiet:
            self._write(event_record(event, self._time_of_day))

    def _time_of_day(self, nanoseconds: int) -> float:
        return round(self._offset + nanoseconds / 1e9, 6)

    def refresh(self, result: Result) -> None:
        """Let what was written be seen."""
        self._out.flush()

    def notice(self, text: str) -> None:
        """Write C{text} to standard error."""
        self._error(text)

    def finished(self, result: Result, verdict: Verdict) -> None:
        """Write the summary."""
        self._write(summary_record(result, verdict, self._histogram))
        self._out.flush()

    def failed(self, message: str, level: Level) -> None:
        """Write the reason, as a record and to standard error."""
        status = level.name.lower()
        self._write({"type": "error", "status": status, "message": message})
        self._out.flush()
        self._error(message)

    def _write(self, record: dict[str, Any]) -> None:
        self._out.write(json.dumps(record, separators=(",", ":")) + "\n")


class MonitorReporter:
    """One line with performance data, as monitoring plugins end with."""

    def __init__(
        self, settings: ProbeSettings, out: TextIO, thresholds: Thresholds
    ) -> None:
        self._settings = settings
        self._out = out
        self._thresholds = thresholds
        self._address = ""

    def started(self, address: Address, started: int) -> None:
        """Keep the address for the line."""
        self._address = address.text

    def observe(self, event: Event) -> None:
        """Say nothing yet."""

    def refresh(self, result: Result) -> None:
        """Say nothing yet."""

    def notice(self, text: str) -> None:
        """Say nothing: a monitor reads the first line only."""

    def finished(self, result: Result, verdict: Verdict) -> None:
        """Write the line."""
        statistics = result.statistics
        text = ", ".join(verdict.reasons)
        if verdict.level is Level.OK:
            rtt = format_milliseconds(statistics.rtt.mean)
            text = f"mean rtt {rtt} ms, loss {statistics.loss:.3g} %"
        target = describe_target(self._settings, self._address)
        perfdata = self._thresholds.perfdata(statistics)
        self._line(verdict.level, f"{target}: {text} | {perfdata}")

    def failed(self, message: str, level: Level) -> None:
        """Write the reason where the monitor looks for it."""
        self._line(level, escape(message).replace("|", "/"))

    def _line(self, level: Level, text: str) -> None:
        self._out.write(f"ECHO {level.name} - {text}\n")
        self._out.flush()
