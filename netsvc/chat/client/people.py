"""What the client knows of people and rooms, learnt from what the server shows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from netsvc.chat.client.lines import (
    Acted,
    Entered,
    Gone,
    Info,
    Left,
    Line,
    Past,
    Present,
    Renamed,
    Spoken,
    Whispered,
)
from netsvc.chat.names import fold

MAX_NICKS: Final = 1_000
"""Nicks that are known; the one not heard of for longest is forgotten first."""

MAX_ROOMS: Final = 100
"""Rooms that this user is in, as far as the client keeps count."""

MAX_SEEN_ROOMS: Final = 200
"""Rooms that are known for completion."""


class _Recent:
    """Names by when they were last heard of, a bounded number."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: OrderedDict[str, str] = OrderedDict()

    def add(self, name: str) -> None:
        self._names[fold(name)] = name
        self._names.move_to_end(fold(name))
        if len(self._names) > self._most:
            self._names.popitem(last=False)

    def add_older(self, name: str) -> None:
        if fold(name) not in self._names and len(self._names) < self._most:
            self._names[fold(name)] = name
            self._names.move_to_end(fold(name), last=False)

    def discard(self, name: str) -> None:
        self._names.pop(fold(name), None)

    def clear(self) -> None:
        self._names.clear()

    def __contains__(self, name: str) -> bool:
        return fold(name) in self._names

    def names(self) -> list[str]:
        return list(reversed(self._names.values()))


class People:
    """
    Who and what there is, as one connection after the other tells.

    @ivar nick: This user's nick, empty while it is unknown.
    @ivar room: The room that plain text goes to, empty while it is unknown.
    """

    def __init__(self) -> None:
        self.nick = ""
        self.room = ""
        self._nicks = _Recent(MAX_NICKS)
        self._seen_rooms = _Recent(MAX_SEEN_ROOMS)
        self._rooms: dict[str, str] = {}

    @property
    def nicks(self) -> list[str]:
        """Everybody else, who was heard of last in front."""
        return self._nicks.names()

    @property
    def rooms(self) -> list[str]:
        """The rooms that this user is in, the current one last."""
        return list(self._rooms.values())

    @property
    def known_rooms(self) -> list[str]:
        """All rooms that were heard of, the last one in front."""
        return self._seen_rooms.names()

    def knows(self, nick: str) -> bool:
        """Say whether that is the nick of somebody, of this user too."""
        return nick in self._nicks or self.is_me(nick)

    def is_me(self, nick: str) -> bool:
        """Say whether that is this user's nick."""
        return bool(self.nick) and fold(nick) == fold(self.nick)

    def is_in(self, room: str) -> bool:
        """Say whether this user is in a room."""
        return fold(room) in self._rooms

    def forget(self) -> None:
        """Take that the connection is gone: who is there will be told again."""
        self.nick = self.room = ""
        self._rooms.clear()
        self._nicks.clear()

    def learn(self, line: Line) -> None:
        """Take in what a line tells."""
        match line:
            case Spoken(nick=nick, room=room) | Acted(nick=nick, room=room):
                self._heard(nick)
                if room:
                    self._seen_rooms.add(room)
            case Whispered(nick=nick):
                self._heard(nick)
            case Past(line=Spoken(nick=nick)):
                self._present([nick])
            case Entered(nick=nick, room=room):
                self._entered(nick, room)
            case Left(nick=nick, room=room):
                self._left(nick, room)
            case Renamed(nick=old, new=new):
                self._renamed(old, new)
            case Gone(nick=nick):
                self._nicks.discard(nick)
            case Present(room=room, nicks=nicks):
                self._seen_rooms.add(room)
                self._present(nicks)
            case Info(nick=nick) if nick in self._nicks:
                self._nicks.add(nick)

    def _heard(self, nick: str) -> None:
        if not self.is_me(nick):
            self._nicks.add(nick)

    def _present(self, nicks: Iterable[str]) -> None:
        for nick in nicks:
            if not self.is_me(nick):
                self._nicks.add_older(nick)

    def _entered(self, nick: str, room: str) -> None:
        self._seen_rooms.add(room)
        if self._is_unheard():
            self.nick = nick
        if not self.is_me(nick):
            self._nicks.add(nick)
        elif self.is_in(room) or len(self._rooms) < MAX_ROOMS:
            self._rooms.pop(fold(room), None)
            self._rooms[fold(room)] = self.room = room

    def _is_unheard(self) -> bool:
        """Can a line be about nobody else? Who is in no room sees nobody come."""
        return not self.nick and not self._rooms

    def _left(self, nick: str, room: str) -> None:
        if not self.is_me(nick):
            # They may be in another room: still somebody to complete, but last.
            self._nicks.discard(nick)
            self._nicks.add_older(nick)
            return
        self._rooms.pop(fold(room), None)
        if fold(self.room) == fold(room):
            self.room = next(reversed(self._rooms.values()), "")

    def _renamed(self, old: str, new: str) -> None:
        if self.is_me(old) or self._is_unheard():
            self.nick = new
            self._nicks.discard(new)
        else:
            self._nicks.discard(old)
            self._nicks.add(new)
