"""The first steps on each connection: character set, nick, rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from netsvc.chat.client.lines import Line, Locked, Refused
from netsvc.chat.client.people import People
from netsvc.chat.names import fold

STEP_TIMEOUT: Final = 10.0
"""Seconds that the server may take to answer one step."""

GREETING_TIMEOUT: Final = 2.0
"""Seconds that the server may take to let this user into its first room."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """
    What the user wants of each connection.

    @ivar nick: The nick; empty for the one that the server gives.
    @ivar rooms: Rooms to be in, the current one last.
    @ivar charset: What to tell the server of the character set; empty for nothing.
    """

    nick: str = ""
    rooms: tuple[str, ...] = ()
    charset: str = ""


class Entry:
    """
    One step after the other, each sent when the one before is answered.

    Who speaks before the room is entered speaks in another one: so each step waits
    for what confirms it. Other people cannot forge that: what they do begins with
    their own nick, and this user's is known from the first room, which the server
    chooses, before anybody else can be heard.

    @ivar done: Whether nothing is left to do.
    @ivar is_locked: Whether the server waits for its password: whatever it is sent
        then is taken for that.
    @ivar is_as_wished: Whether no step has failed so far.
    """

    def __init__(self, wishes: Wishes, people: People) -> None:
        """
        Prepare the steps.

        @param people: Knows this user's nick and rooms; it has to learn of each line
            before this does.
        """
        self._people = people
        self._steps: list[tuple[str, str]] = []
        if wishes.nick:
            self._steps.append(("/nick", wishes.nick))
        self._steps += [("/join", room) for room in wishes.rooms]
        self._charset = wishes.charset
        self._is_greeted = False
        self.is_locked = False
        self.done = False
        self.is_as_wished = True

    @property
    def patience(self) -> float:
        """Seconds to wait for what comes next, before L{expire}."""
        return STEP_TIMEOUT if self._is_greeted else GREETING_TIMEOUT

    @property
    def step(self) -> str:
        """What was sent and is not answered yet; nothing before the greeting."""
        return " ".join(self._steps[0]) if self._is_greeted and self._steps else ""

    def take(self, line: Line) -> Sequence[str]:
        """Take a line of the server, and give the lines to send now."""
        if self.done:
            return []
        if not self._is_greeted:
            if isinstance(line, Locked):
                self.is_locked = True
            return self._greeted() if self._people.rooms else []
        if isinstance(line, Refused):
            return self._failed()
        return self._go_on() if self._is_so(*self._steps[0]) else []

    def expire(self) -> Sequence[str]:
        """Take that the server has not answered in time."""
        return self._failed() if self._is_greeted else self._greeted()

    def _greeted(self) -> Sequence[str]:
        self._is_greeted = True
        self.is_locked = False
        charset = [f"/charset {self._charset}"] if self._charset else []
        return [*charset, *self._go_on()]

    def _go_on(self) -> Sequence[str]:
        while self._steps and self._is_so(*self._steps[0]):
            del self._steps[0]
        if self._steps:
            return [" ".join(self._steps[0])]
        self.done = True
        return []

    def _failed(self) -> Sequence[str]:
        self.is_as_wished = False
        del self._steps[0]
        return self._go_on()

    def _is_so(self, command: str, name: str) -> bool:
        """Is it as the step wants already?"""
        if command == "/nick":
            return self._people.is_me(name)
        return fold(self._people.room) == fold(name)
