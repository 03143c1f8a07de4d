"""Standard output that may go away while the probe writes to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

__all__ = ["Output"]


class Output:
    """Writes to a stream until that fails, and says so once.

    Enough of a text stream for the reporters and for rich.

    @ivar failure: why writing ended, or L{None}.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._tell: Callable[[], None] | None = None
        self.failure: OSError | None = None
        self.encoding = stream.encoding

    def on_failure(self, tell: Callable[[], None]) -> None:
        """Call C{tell} when writing fails."""
        self._tell = tell

    def write(self, text: str) -> int:
        """Write C{text}, or nothing after a failure."""
        if self.failure is None:
            try:
                self._stream.write(text)
            except OSError as error:
                self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Let what was written be seen."""
        if self.failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._fail(error)

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The descriptor, by which rich finds the terminal's size."""
        return self._stream.fileno()

    def _fail(self, error: OSError) -> None:
        self.failure = error
        if self._tell is not None:
            self._tell()
