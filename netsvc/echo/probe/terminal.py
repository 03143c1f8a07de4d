"""The live report of a terminal: lines above, how the run goes below."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from netsvc.echo.probe.events import (
    Disconnected,
    Event,
    PacketEvent,
    Status,
    Unexpected,
)
from netsvc.echo.probe.output import Output
from netsvc.echo.probe.report import PlainReporter
from netsvc.echo.probe.result import Result
from netsvc.echo.probe.target import Address, ProbeSettings
from netsvc.echo.probe.text import describe_event, describe_live
from netsvc.echo.probe.thresholds import Level, Verdict

__all__ = ["LINES_PER_REFRESH", "TerminalReporter"]

#: Lines shown between two refreshes: of answers as they should be, and in all.
#: The rest of a fast run is counted.
ORDINARY_LINES_PER_REFRESH = 5
LINES_PER_REFRESH = 20

_STYLES = {
    Status.OK: "",
    Status.LATE: "yellow",
    Status.DUPLICATE: "yellow",
    Status.STALE: "yellow",
    Status.TIMEOUT: "red",
    Status.CORRUPT: "red",
    Status.REFUSED: "red",
    Status.UNREACHABLE: "red",
    Status.ERROR: "red",
}
_LEVEL_STYLES = {Level.OK: "", Level.WARNING: "yellow"}


class TerminalReporter(PlainReporter):
    """Lines that scroll, over a summary that stays and changes."""

    def __init__(
        self,
        settings: ProbeSettings,
        out: Output,
        error: Callable[[str], None],
        quiet: bool = False,
        histogram: bool = False,
        console: Console | None = None,
    ) -> None:
        """Report to the terminal C{out}.

        @param console: what draws; made for C{out} if L{None}.
        """
        file = cast(IO[str], out)
        self._console = console or Console(file=file, highlight=False)
        super().__init__(settings, cast(Any, out), error, quiet, histogram)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._shown = 0
        self._hidden = 0

    @property
    def is_capable(self) -> bool:
        """Whether the terminal can move its cursor."""
        return not self._console.is_dumb_terminal

    def started(self, address: Address, started: int) -> None:
        """Say what is probed, and open the live part."""
        super().started(address, started)
        self._live.start()
        # A stopped or killed process should not leave the shell without a cursor.
        self._console.show_cursor(True)

    def observe(self, event: Event) -> None:
        """Show C{event}, unless there were too many just now."""
        if self._quiet:
            return
        style = "dim"
        most = LINES_PER_REFRESH
        if isinstance(event, PacketEvent):
            if event.status is Status.OK:
                most = ORDINARY_LINES_PER_REFRESH
            style = _STYLES[event.status]
        elif isinstance(event, Disconnected | Unexpected):
            style = "red"
        if self._shown >= most:
            self._hidden += 1
            return
        self._shown += 1
        self._print(describe_event(event, self._settings), style)

    def refresh(self, result: Result) -> None:
        """Draw the live part again."""
        if self._hidden:
            self._print(f"... {self._hidden} more lines", "dim")
        self._shown = self._hidden = 0
        lines = [Text(line, "bold", no_wrap=True) for line in describe_live(result)]
        for line in lines:
            # The terminal's echo of Ctrl-C has to fit behind it.
            line.truncate(self._console.width - 3, overflow="ellipsis")
        self._live.update(Group(*lines), refresh=True)

    def notice(self, text: str) -> None:
        """Show C{text} among the lines."""
        self._live.stop()
        super().notice(text)

    def finished(self, result: Result, verdict: Verdict) -> None:
        """Replace the live part by the summary."""
        self._live.stop()
        self._width = self._console.width
        *lines, last = self._summary(result, verdict)
        for line in lines:
            self._print(line, "")
        self._print(last, _LEVEL_STYLES.get(verdict.level, "red"))

    def failed(self, message: str, level: Level) -> None:
        """Close the live part and write the reason to standard error."""
        self._live.stop()
        super().failed(message, level)

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)
