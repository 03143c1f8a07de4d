"""Where lines go: a terminal with colours, or anything else without."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TextIO

from netsvc.dns.lookups.spans import Line, plain

if TYPE_CHECKING:
    from rich.console import Console


def wants_colours(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """
    Tell whether to write with colours: to a terminal that has some, unless the user
    does not want them (U{https://no-color.org}).
    """
    return (
        stream.isatty()
        and not environment.get("NO_COLOR")
        and environment.get("TERM", "dumb") != "dumb"
    )


class Output:
    """
    Writes to a stream until nobody reads it any more.

    @ivar failure: Why writing has ended.
    """

    def __init__(
        self,
        stream: TextIO,
        environment: Mapping[str, str],
        failed: Callable[[], object],
    ) -> None:
        """
        @param failed: Called when writing has failed, once.
        """
        self._stream = stream
        self._failed = failed
        self._console: Console | None = None
        self.failure: OSError | None = None
        if wants_colours(stream, environment):
            # Not before: it takes longer to load than a lookup takes.
            from rich.console import Console

            self._console = Console(file=stream, highlight=False)

    def lines(self, lines: Iterable[Line]) -> None:
        """Write lines."""
        if self._console is None:
            for line in lines:
                self.text(plain(line))
            return
        from rich.text import Text

        with self._console.capture() as captured:
            for line in lines:
                text = Text.assemble(*((each.text, each.style) for each in line))
                self._console.print(text, soft_wrap=True)
        self._write(captured.get())

    @property
    def descriptor(self) -> int:
        """The stream's descriptor, for who writes to it in another way."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        """The stream's encoding."""
        return self._stream.encoding

    def text(self, text: str) -> None:
        """Write a line that is fit for a terminal."""
        self._write(f"{text}\n")

    def flush(self) -> None:
        """Let what was written be seen."""
        self._guard(self._stream.flush)

    def _write(self, text: str) -> None:
        self._guard(lambda: self._stream.write(text))

    def _guard(self, act: Callable[[], object]) -> None:
        if self.failure is not None:
            return
        try:
            act()
        except OSError as error:
            self.fail(error)

    def fail(self, error: OSError) -> None:
        """Note that writing has failed, here or by who writes to the same place."""
        if self.failure is None:
            self.failure = error
            self._failed()
