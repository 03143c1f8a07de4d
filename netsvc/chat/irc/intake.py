"""
What a client sends, line by line: not faster than it may, and one command at a time.

A client that sends faster than its rate is not refused: its connection is read later;
if it goes on like that for long, it is cut. It waits, too, while a command waits for
the disk, or for a password's hash; so a command never overtakes the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from netsvc.chat.irc.link import Timer
from netsvc.chat.irc.message import LineSplitter
from netsvc.chat.pace import Pace

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

#: Seconds for which one connection's lines are carried out before others have a turn.
TURN: Final = 0.01

_NOTHING: Sequence[bytes] = ()


class Intake:
    """
    The lines of one connection.

    It holds no more than what was read before it had the connection held: one read.
    """

    __slots__ = (
        "_busy",
        "_ended",
        "_held",
        "_lines",
        "_next",
        "_pace",
        "_running",
        "_session",
        "_splitter",
        "_timer",
    )

    def __init__(self, session: IrcSession) -> None:
        """
        Start with nothing.

        @param session: What carries the lines out.
        """
        self._session = session
        self._splitter = LineSplitter()
        self._lines = _NOTHING
        self._next = 0
        self._pace = Pace()
        self._timer: Timer | None = None
        self._busy = self._running = self._held = self._ended = False

    @property
    def waiting(self) -> bool:
        """Whether something that came is not done yet."""
        return bool(self._lines)

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        lines = self._splitter.feed(data)
        if self._lines:
            self._lines = [*self._lines[self._next :], *lines]
            self._next = 0
        else:
            self._lines = lines
        self._go()

    def end(self) -> None:
        """Nothing more comes: the session ends when all that came is done."""
        self._ended = True
        self._go()

    def stop(self) -> None:
        """Forget what has come."""
        self._lines, self._next = _NOTHING, 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go(self) -> None:
        """Carry out what may be carried out now."""
        if self._running or self._busy or self._timer is not None:
            return
        self._running = True
        try:
            finished = self._run()
        finally:
            self._running = False
        session = self._session
        if not finished:
            self._hold()
        else:
            self._lines, self._next = _NOTHING, 0
            if self._held and not session.closing:
                self._held = False
                session.link.release()
            if self._ended and not session.closing:
                session.end_of_input()

    def _run(self) -> bool:
        """Carry out lines; say whether all are done."""
        session = self._session
        clock = session.frontend.network.seconds
        until = clock() + TURN
        while self._next < len(self._lines):
            if session.closing:
                return True
            now = clock()
            if now > until:
                self._timer = session.link.later(0, self._resume)
                return False
            wait = self._wait(now)
            if wait > 0.0:
                if self._flood(now):
                    return True
                self._timer = session.link.later(wait, self._resume)
                return False
            line = self._lines[self._next]
            self._next += 1
            work = session.line_received(line)
            if work is not None:
                self._busy = True
                seconds = session.frontend.config.command_timeout
                session.link.run(work, seconds, self._done)
                if self._busy:
                    return False
        return True

    def charge(self, commands: float) -> None:
        """
        Take from the budget for a command that was more work than most.

        What comes next waits for it no longer than the budget takes to be full.

        @param commands: How many others it was worth.
        """
        rate = self._session.frontend.config.command_rate
        if rate is not None:
            now = self._session.frontend.network.seconds()
            self._pace.charge(commands, rate, now)
            self._pace.bound(2, rate, now)

    def _wait(self, now: float) -> float:
        """Take one from the budget, or give the seconds until there is one."""
        rate = self._session.frontend.config.command_rate
        if rate is None:
            return 0.0
        wait = self._pace.wait(1.0, rate, now)
        if wait <= 0.0:
            self._pace.charge(1.0, rate, now)
        return wait

    def _flood(self, now: float) -> bool:
        """Note who sends too fast; cut who has done so for long."""
        session, pace = self._session, self._pace
        counters = session.frontend.network.counters
        if pace.begins(now):
            counters["irc-command-rate"] += 1
        elif pace.too_long(session.frontend.config.flood_patience, now):
            counters["irc-flood-cut"] += 1
            session.close("Excess Flood")
            return True
        return False

    def _hold(self) -> None:
        if not self._held:
            self._held = True
            self._session.link.hold()

    def _resume(self) -> None:
        self._timer = None
        self._go()

    def _done(self, error: Exception | None) -> None:
        """A slow command is done."""
        self._busy = False
        self._session.command_done(error)
        self._go()
