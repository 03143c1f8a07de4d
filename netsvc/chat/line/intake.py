"""
What a stream brings: bytes, which become lines, not faster than they may.

A client that sends faster than its rate is not read for a while, and told so once; if
it goes on like that for long, it is cut. The same holds while a command waits for the
disk, or for a password's hash; so a command never overtakes the one before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from netsvc.chat.line import entrance
from netsvc.chat.line.reader import TOO_LONG, LineReader
from netsvc.chat.line.telnet import TelnetFilter
from netsvc.chat.pace import Pace

if TYPE_CHECKING:
    from netsvc.chat.line.link import Link, Timer
    from netsvc.chat.line.session import LineSession

#: Bytes that cost as much as a line, whether they are one or not.
BYTES_PER_LINE: Final = 512

#: How a TLS client begins, which here meets a port without TLS (RFC 8446 section 5.1).
TLS_HANDSHAKE: Final = b"\x16\x03"

#: How IRC clients begin, which would say all that in the lobby, passwords too.
IRC_REGISTRATION: Final = re.compile(
    rb"CAP (?:LS|REQ)\b|PASS [^\n]*\n(?:CAP|NICK) |NICK [^\n]*\nUSER "
)

#: Seconds for which one connection's lines are carried out before others have a turn.
TURN: Final = 0.01

_NOTHING: Sequence[bytes | None] = ()


class LineIntake:
    """
    The lines of one stream.

    It holds no more than what was read before it had the stream held: one read.
    """

    __slots__ = (
        "_begun",
        "_ended",
        "_held",
        "_lines",
        "_link",
        "_next",
        "_pace",
        "_quiet",
        "_reader",
        "_running",
        "_session",
        "_telnet",
        "_timer",
    )

    def __init__(self, session: LineSession, link: Link) -> None:
        """
        Start with nothing.

        @param session: What carries the lines out.
        @param link: Where they come from.
        """
        self._session = session
        self._link = link
        self._telnet = TelnetFilter()
        self._reader = LineReader(session.frontend.options.line_limit)
        self._lines = _NOTHING
        self._next = 0
        self._pace = Pace()
        self._timer: Timer | None = None
        self._quiet: Timer | None = None
        self._running = self._held = self._ended = self._begun = False
        session.wake = self._go

    def begin(self) -> None:
        """Greet: the client can be written to from now on."""
        self._running = True
        try:
            entrance.begin(self._session)
        finally:
            self._running = False
        self._go()

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        session = self._session
        if session.closing:
            return
        if not self._begun:
            self._begun = True
            wrong = _wrong_protocol(data)
            if wrong:
                session.network.counters["line-no-text-protocol"] += 1
                session.close(f"this port does not speak {wrong}")
                return
        self._charge(len(data) / BYTES_PER_LINE)
        telnet = self._telnet
        was_telnet = telnet.negotiated
        text, answer = telnet.feed(data)
        if telnet.negotiated and not was_telnet:
            session.frontend.telnets[session] = None
        if answer:
            session.send(answer)
        self._add(self._reader.feed(text))
        self._go()

    def end(self) -> None:
        """Nothing more comes: the session ends when all that came is done."""
        self._ended = True
        self._finish()
        self._go()

    def lost(self, reason: str) -> None:
        """
        The stream is gone: what came is still said, within the rate.

        @param reason: What the others are told.
        """
        session = self._session
        if not session.closing:
            self._finish()
            while self._next < len(self._lines) and not session.busy:
                if self._wait(1.0) > 0.0:
                    break
                self._one()
        self._stop()
        session.lost(reason)

    def _finish(self) -> None:
        """Take the last line, which may have no end."""
        line = self._reader.finish()
        if line is not None:
            self._add([line])

    def _stop(self) -> None:
        """Forget what has come, and wait for nothing."""
        self._lines, self._next = _NOTHING, 0
        for timer in (self._timer, self._quiet):
            if timer is not None:
                timer.cancel()
        self._timer = self._quiet = None

    def _add(self, lines: list[bytes | None]) -> None:
        if self._lines:
            self._lines = [*self._lines[self._next :], *lines]
            self._next = 0
        else:
            self._lines = lines

    def _go(self) -> None:
        """Carry out what may be carried out now."""
        if self._running or self._timer is not None:
            return
        self._running = True
        try:
            finished = self._run()
        finally:
            self._running = False
        session = self._session
        if session.closing:
            self._stop()
        elif not finished:
            if not self._held:
                self._held = True
                self._link.hold()
        else:
            self._lines, self._next = _NOTHING, 0
            if self._held:
                self._held = False
                self._link.release()
            if self._ended:
                session.finish("", "Connection closed")
            else:
                self._listen()

    def _run(self) -> bool:
        """Carry out lines; say whether all are done, and more may come."""
        session = self._session
        until = session.network.seconds() + TURN
        while not session.closing:
            if session.busy:
                return False
            if session.network.seconds() > until:
                self._timer = self._link.later(0.0, self._resume)
                return False
            more = self._next < len(self._lines)
            wait = self._wait(1.0 if more else 0.0)
            if wait > 0.0:
                if not self._flood():
                    self._timer = self._link.later(wait, self._resume)
                return False
            if not more:
                return True
            self._one()
        return True

    def _one(self) -> None:
        """Carry out one line."""
        line = self._lines[self._next]
        self._next += 1
        self._charge(1.0)
        if line is TOO_LONG:
            self._session.too_long()
        else:
            self._session.receive(line)

    # The rate.

    def _charge(self, tokens: float) -> None:
        rate = self._session.frontend.options.command_rate
        if rate is not None:
            self._pace.charge(tokens, rate, self._session.network.seconds())

    def _wait(self, tokens: float) -> float:
        """Give the seconds until there are so many tokens."""
        rate = self._session.frontend.options.command_rate
        if rate is None:
            return 0.0
        return self._pace.wait(tokens, rate, self._session.network.seconds())

    def _flood(self) -> bool:
        """Warn who has begun to send too fast; cut who has done so for long."""
        session, pace = self._session, self._pace
        options, now = session.frontend.options, session.network.seconds()
        rate, patience = options.command_rate, options.flood_patience
        assert rate is not None
        if pace.begins(now):
            session.network.counters["line-flood-wait"] += 1
            then = f"; after {patience:g} s of that you are cut off" * bool(patience)
            session.reply(
                f"! you send more than {rate.per_second:g} lines a second, which wait"
                f" now: slow down{then}"
            )
        elif pace.too_long(patience, now):
            session.network.counters["line-flood-cut"] += 1
            session.close("you were told to slow down, and did not (Excess flood)")
            return True
        return False

    def _resume(self) -> None:
        self._timer = None
        self._go()

    # Clients that never end a line.

    def _listen(self) -> None:
        """Wait whether more comes, if what is there may be all there is."""
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None
        reader = self._reader
        if reader.pending and not reader.ends_lines and not self._telnet.negotiated:
            after = self._session.frontend.options.flush_after
            self._quiet = self._link.later(after, self._flush)

    def _flush(self) -> None:
        self._quiet = None
        line = self._reader.flush(self._session.charset.encoding)
        if line is not None:
            self._add([line])
        self._go()


def _wrong_protocol(data: bytes) -> str:
    """Say what a client speaks that has found the wrong port; empty for text."""
    if data.startswith(TLS_HANDSHAKE):
        return "TLS"
    return "IRC" if IRC_REGISTRATION.match(data) else ""
