"""How a bulk run goes, on standard error while that is a terminal."""

from __future__ import annotations

from collections import Counter
from typing import TextIO

from netsvc.dns.lookups.bulk import ANSWERED, BROKEN, FAILED, SKIPPED


def summary(counts: Counter[str], seconds: float) -> str:
    """Say in one line how a run has gone."""
    asked = counts[ANSWERED] + counts[FAILED]
    parts = [f"{counts[ANSWERED]} answered", f"{counts[FAILED]} failed"]
    for kind in (BROKEN, SKIPPED):
        if counts[kind]:
            parts.append(f"{counts[kind]} {kind}")
    rate = f", {asked / seconds:.0f}/s" if asked and seconds > 0 else ""
    return f"{', '.join(parts)} in {seconds:.1f} s{rate}"


class Progress:
    """A bar that moves; nothing where there is no terminal."""

    def __init__(self, stream: TextIO, size: int | None) -> None:
        """
        @param stream: Standard error.
        @param size: Bytes of the input; L{None} if that is not known.
        """
        self._bar = None
        if not stream.isatty():
            return
        # Not before: it takes longer to load than a lookup takes.
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        console = Console(file=stream, highlight=False)
        if console.is_dumb_terminal:
            return
        columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar = Bar(
            *columns,
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=size)
        self._bar.start()

    @property
    def is_shown(self) -> bool:
        """Whether there is a bar."""
        return self._bar is not None

    def show(self, counts: Counter[str], size: int, seconds: float) -> None:
        """
        Draw it.

        @param size: Bytes of input that were begun.
        @param seconds: Since the beginning.
        """
        if self._bar is not None:
            text = summary(counts, seconds)
            self._bar.update(self._task, completed=size, description=text, refresh=True)

    def close(self) -> None:
        """Take it away."""
        if self._bar is not None:
            self._bar.stop()
