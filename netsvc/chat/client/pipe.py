"""
The client without a terminal: lines of standard input are sent, the server's printed.

Nothing is sent before the room is entered; the end of the input is C{/quit}, and the
run went well when the server has said goodbye in answer and has refused nothing: then
it has taken every line.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

from netsvc.chat.client.lines import Line, Refused
from netsvc.chat.client.look import stamp
from netsvc.chat.client.session import Call, Clock, Session
from netsvc.chat.text import clean
from netsvc.daemon.limits import Rate, RateTable

MAX_LINE: Final = 65_536
"""Characters of a line of the input; what is longer is no line of chat."""

PACE: Final = Rate(40, 100)
"""Lines that are sent: the server cuts those off who send 50 a second for long."""

_PAUSE: Final = 0.1


class Source(Protocol):
    """Where the input comes from."""

    def resume(self) -> None:
        """Give what there is."""

    def pause(self) -> None:
        """Give nothing for now."""


class Pipe:
    """
    What stands between the input, the session and the output.

    It is a L{netsvc.chat.client.session.View}.

    @ivar failed: Whether anything was not as it should be.
    @ivar trouble: Why the session ended, if not as it should.
    """

    def __init__(
        self,
        clock: Clock,
        write: Callable[[str], None],
        complain: Callable[[str], None],
        finish: Callable[[], None],
        now: Callable[[], datetime | None],
        encoding: str = "utf-8",
        commands: bool = True,
    ) -> None:
        """
        Prepare; L{begin} has to follow.

        @param clock: Sets the pace.
        @param write: Takes the server's lines for standard output.
        @param complain: Takes what the server refuses for standard error.
        @param finish: Is called once, at the end.
        @param now: Gives the time to show with a line, or nothing.
        @param encoding: Of the input.
        @param commands: Whether a line that begins with a slash is a command; if not
            it is said as it is.
        """
        self._commands = commands
        self._clock = clock
        self._write = write
        self._complain = complain
        self._finish = finish
        self._now = now
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._rest = ""
        self._lines: deque[str] = deque()
        self._pace = RateTable(PACE, 1)
        self._timer: Call | None = None
        self._is_entered = False
        self._is_held = False
        self._is_ended = False
        self.failed = False
        self.trouble = ""

    def begin(self, session: Session, source: Source) -> None:
        """Take who is on both sides."""
        self._session = session
        self._source = source

    def feed(self, data: bytes) -> None:
        """Take a part of the input, and send the lines that it completes."""
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        self._lines += lines
        if len(self._rest) > MAX_LINE:
            self._rest = ""
            self._complain(f"a line of the input is longer than {MAX_LINE} characters")
            self.failed = self._is_ended = True
        self._go_on()

    def end(self) -> None:
        """Take the end of the input: say the rest, and goodbye."""
        self._lines.append(self._rest + self._decoder.decode(b"", final=True))
        self._rest = ""
        self._is_ended = True
        self._go_on()

    def show(self, line: Line) -> None:
        """Print a line of the server."""
        if isinstance(line, Refused):
            self.failed = True
            self._complain(line.text.removeprefix("! "))
        else:
            self._write(f"{stamp(self._now())}{line.text}")

    def note(self, text: str) -> None:
        """Tell what the client has to say."""
        self._complain(clean(text))

    def locked(self) -> None:
        """Give up: who asks for the password is not there."""
        self._complain("the server has a password: --password-file FILE gives it")
        self.failed = True
        self._session.leave()

    def entered(self, is_as_wished: bool) -> None:
        """Begin to read, or give up: the text is for another room or another nick."""
        if is_as_wished:
            self._is_entered = True
            self._go_on()
        else:
            self.failed = True
            self._session.leave()

    def held(self, is_held: bool) -> None:
        """Read no more than the server takes."""
        self._is_held = is_held
        self._go_on()

    def ended(self, trouble: str) -> None:
        """Take that the session is over."""
        self.trouble = trouble
        self.failed = self.failed or bool(trouble)
        self._is_entered = False
        self._go_on()
        self._finish()

    def _go_on(self) -> None:
        """Send what may be sent now, and see whether there should be more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._may_send() and self._lines:
            if not self._pace.allow("", self._clock.seconds()):
                self._timer = self._clock.callLater(_PAUSE, self._wake)
                break
            text = self._lines.popleft().rstrip("\r")
            if text.strip():
                self._say(text)
        if not self._may_send() or self._lines:
            self._source.pause()
        elif self._is_ended:
            self._source.pause()
            self._session.leave()
        else:
            self._source.resume()

    def _say(self, text: str) -> None:
        if not self._commands and text.lstrip().startswith("/"):
            text = f"/{text.lstrip()}"
        self._session.say(text)

    def _may_send(self) -> bool:
        return self._is_entered and not self._is_held and not self._session.is_leaving

    def _wake(self) -> None:
        self._timer = None
        self._go_on()
