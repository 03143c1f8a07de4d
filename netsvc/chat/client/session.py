"""
One user's stay on a server, across the connections that it takes.

It sees the network through a L{Link}, time through a clock and chance through a
function, so that it runs in tests without any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from netsvc.chat.client.backoff import Backoff
from netsvc.chat.client.commands import command
from netsvc.chat.client.entry import Entry, Wishes
from netsvc.chat.client.lines import Farewell, Line, Locked, Refused, parse
from netsvc.chat.client.link import Link, Receiver
from netsvc.chat.client.people import People
from netsvc.chat.text import clean

LEAVE_TIMEOUT: Final = 10.0
"""Seconds that the server may take to do all that it was sent, and C{/quit}."""

STABLE: Final = 60.0
"""Seconds that a connection lasts before the next loss begins with a short delay."""


class Call(Protocol):
    """A call that will be made."""

    def cancel(self) -> None:
        """Do not make it."""

    def active(self) -> bool:
        """Say whether it is still to be made."""


class Clock(Protocol):
    """Time, in seconds, as Twisted's reactors give it."""

    def seconds(self) -> float:
        """Give the time."""

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object
    ) -> Call:
        """Call something after a delay."""


class View(Protocol):
    """What shows the session to its user."""

    def show(self, line: Line) -> None:
        """Show a line of the server."""

    def note(self, text: str) -> None:
        """Show what the client has to say."""

    def locked(self) -> None:
        """Ask the user for the server's password, for L{Session.unlock}."""

    def entered(self, is_as_wished: bool) -> None:
        """
        Take that the first steps on a new connection are done.

        @param is_as_wished: Whether nick and rooms are what the user wants.
        """

    def held(self, is_held: bool) -> None:
        """Take that the server does not keep up with what is sent, or does again."""

    def ended(self, trouble: str) -> None:
        """
        Take that the session is over; nothing follows.

        @param trouble: Why, or nothing when it went as the user wanted.
        """


class Session:
    """
    Connects, enters, and comes back when the connection is lost.

    @ivar people: Who and what is there.
    @ivar is_open: Whether there is a connection.
    @ivar is_leaving: Whether C{/quit} was sent.
    """

    def __init__(
        self,
        wishes: Wishes,
        make_link: Callable[[Receiver], Link],
        view: View,
        clock: Clock,
        random: Callable[[], float],
        reconnect: bool = True,
        leave_timeout: float = LEAVE_TIMEOUT,
        password: str = "",
    ) -> None:
        """
        Prepare.

        @param make_link: Gives the link for a receiver.
        @param random: Gives a number from 0 to below 1.
        @param reconnect: Come back after a connection that was made is lost.
        @param leave_timeout: Seconds that the server may take to end the connection
            after C{/quit}.
        @param password: Of the server, if it has one and it is known.
        """
        self._link = make_link(self)
        self._wishes = wishes
        self._view = view
        self._clock = clock
        self._reconnect = reconnect
        self._password = password
        self._leave_timeout = leave_timeout
        self._backoff = Backoff(random)
        self._entry: Entry | None = None
        self._timer: Call | None = None
        self._opened_at: float | None = None
        self._is_over = False
        self.people = People()
        self._is_farewell = False
        self.is_open = False
        self.is_leaving = False

    @property
    def is_waiting(self) -> bool:
        """Whether the next attempt to connect is some time away."""
        return not self.is_open and self._timer is not None

    def start(self) -> None:
        """Connect for the first time."""
        self._link.open()

    def retry(self) -> None:
        """Connect now instead of later."""
        if self.is_waiting:
            self._stop_timer()
            self._link.open()

    def say(self, text: str) -> bool:
        """
        Send a line of the user.

        @return: whether there is a connection to send it on.
        """
        if not self.is_open:
            return False
        name = command(text)
        if name == "quit":
            self._quit(text)
            return True
        if name == "nick" and len(words := text.split()) == 2:
            self._wishes = Wishes(words[1], self._wishes.rooms, self._wishes.charset)
        self._link.send(text)
        return True

    def leave(self) -> None:
        """Say goodbye, or stop trying to connect; the view is told when it is done."""
        if self.is_leaving or not self.is_open:
            self.is_leaving = True
            self._over()
        else:
            self._quit("/quit")

    def opened(self) -> None:
        """Begin to enter: the link is open."""
        self.is_open = True
        if self._opened_at is not None:
            self._view.note("connected again")
        self._opened_at = self._clock.seconds()
        self._entry = Entry(self._wishes, self.people)
        self._look_at_entry()

    def received(self, text: str) -> None:
        """Take a line of the server."""
        if self._is_over:
            return
        line = parse(clean(text))
        self.people.learn(line)
        self._is_farewell = self.is_leaving and isinstance(line, Farewell)
        self._view.show(line)
        if self._entry is not None:
            sent = self._entry.take(line)
            self._send(sent)
            if self._entry.is_locked and isinstance(line, Locked | Refused):
                self._locked(isinstance(line, Refused))
            elif sent or self._entry.done:
                self._look_at_entry()

    def held(self, is_held: bool) -> None:
        """Pass on whether the server keeps up."""
        self._view.held(is_held)

    def closed(self, reason: str, in_order: bool) -> None:
        """Take that there is no connection any more, and what to do about it."""
        self._stop_timer()
        was_open, self.is_open = self.is_open, False
        self._entry = None
        if self._is_over:
            return
        if self.is_leaving:
            well = in_order and self._is_farewell
            self._over("" if well else f"{reason} before all was taken")
            return
        if self._opened_at is None or not self._reconnect:
            self._over(reason)
            return
        if was_open:
            self._remember()
            if self._clock.seconds() - self._opened_at >= STABLE:
                self._backoff.reset()
        delay = self._backoff.next()
        self._timer = self._clock.callLater(delay, self._try_again)
        self._view.note(f"offline: {reason}; next attempt in {delay:.0f} s")

    def unlock(self, password: str) -> None:
        """Give the server's password, now and on each connection that follows."""
        self._password = password
        self._link.send(f"/pass {password}")

    def _locked(self, was_wrong: bool) -> None:
        """Give the server its password, or have the user asked for it."""
        self._stop_timer()
        if self._password and not was_wrong:
            self._link.send(f"/pass {self._password}")
        else:
            self._password = ""
            self._view.locked()

    def _try_again(self) -> None:
        self._timer = None
        self._link.open()

    def _remember(self) -> None:
        """Wish for the rooms that were left behind."""
        rooms = tuple(self.people.rooms) or self._wishes.rooms
        self._wishes = Wishes(self._wishes.nick, rooms, self._wishes.charset)
        self.people.forget()

    def _send(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._link.send(line)

    def _look_at_entry(self) -> None:
        """Wait for the next step's answer, or be in."""
        self._stop_timer()
        entry = self._entry
        assert entry is not None
        if entry.done:
            self._entry = None
            self._view.entered(entry.is_as_wished)
        else:
            self._timer = self._clock.callLater(entry.patience, self._expire)

    def _expire(self) -> None:
        self._timer = None
        assert self._entry is not None
        if self._entry.step:
            self._view.note(f"no answer to {self._entry.step}")
        self._send(self._entry.expire())
        self._look_at_entry()

    def _quit(self, text: str) -> None:
        self.is_leaving = True
        self._entry = None
        self._stop_timer()
        self._link.send(text)
        self._timer = self._clock.callLater(self._leave_timeout, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        self._over(f"no answer to /quit within {self._leave_timeout:g} s")

    def _over(self, trouble: str = "") -> None:
        if self._is_over:
            return
        self._is_over = True
        self._stop_timer()
        self._link.close()
        self._view.ended(trouble)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
