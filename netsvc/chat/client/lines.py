"""
What a line of the server means: the line frontend's output, read back.

A line that is none of these is shown as it is, so that the client is of use with any
server that speaks in lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_NAMES: Final = 1_000
"""Nicks that are read from one line that names who is in a room."""

_NICK = r"(?P<nick>[^\s<>:,]{1,64})"
_ROOM = r"(?P<room>#[^\s,:]{1,64})"
_SOME = r"(?:\([@+] only\) )?"


@dataclass(frozen=True, slots=True)
class Line:
    """
    A line without a meaning for the client.

    @ivar text: All of it, safe to show.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Spoken(Line):
    """
    Somebody says something in a room.

    @ivar room: Which; empty for the current one.
    """

    nick: str
    body: str
    room: str = ""


@dataclass(frozen=True, slots=True)
class Acted(Line):
    """Somebody does something in a room that is not the current one."""

    nick: str
    body: str
    room: str


@dataclass(frozen=True, slots=True)
class Past(Line):
    """
    A line of the history.

    @ivar when: When it was, in brackets.
    @ivar line: What it was then.
    """

    when: str
    line: Line


@dataclass(frozen=True, slots=True)
class Whispered(Line):
    """
    A private message.

    @ivar nick: From whom; or to whom, when it is C{own}.
    @ivar own: Whether this user has sent it.
    @ivar direct: Whether it did not go by the server.
    """

    nick: str
    body: str
    own: bool = False
    direct: bool = False


@dataclass(frozen=True, slots=True)
class Info(Line):
    """
    Anything else behind a star: what happens, answers, actions in the current room.

    @ivar nick: The first word, which in an action is the nick.
    """

    nick: str


@dataclass(frozen=True, slots=True)
class Entered(Info):
    """Somebody has joined a room, perhaps this user."""

    room: str


@dataclass(frozen=True, slots=True)
class Left(Info):
    """Somebody is in a room no more, by themselves or not."""

    room: str


@dataclass(frozen=True, slots=True)
class Locked(Info):
    """The server wants its password, before anything else."""


@dataclass(frozen=True, slots=True)
class Farewell(Info):
    """The server has come to C{/quit}, after all that it was sent before."""


@dataclass(frozen=True, slots=True)
class Gone(Info):
    """Somebody has left altogether."""


@dataclass(frozen=True, slots=True)
class Renamed(Info):
    """Somebody has another nick now."""

    new: str


@dataclass(frozen=True, slots=True)
class Present(Info):
    """
    Who is in a room: an answer to C{/who}.

    @ivar nicks: Without the prefixes of their ranks, at most L{MAX_NAMES}.
    """

    room: str
    nicks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused(Line):
    """The server did not do what it was asked to, or is about to end it."""


_SPOKEN = re.compile(rf"(?:{_ROOM} )?{_SOME}<{_NICK}> ?(?P<body>.*)")
_ACTED = re.compile(rf"{_ROOM} {_SOME}\* {_NICK} ?(?P<body>.*)")
_PAST = re.compile(r"(?P<when>\[(?:\d{4}-\d\d-\d\d )?\d\d:\d\d\]) (?P<line>.+)")
_DIRECT = r"(?P<direct>\(direct\) )?"
_SENT = re.compile(rf"{_DIRECT}-> {_NICK}: ?(?P<body>.*)")
_WHISPER = re.compile(rf"{_DIRECT}-{_NICK}- ?(?P<body>.*)")
_ENTERED = re.compile(rf"\* {_NICK} has joined {_ROOM}")
_LEFT = re.compile(rf"\* {_NICK} (?:has left|was kicked from) {_ROOM}(?: .*)?")
_GONE = re.compile(rf"\* {_NICK} has quit(?: \(.*\))?")
_RENAMED = re.compile(rf"\* {_NICK} is now known as (?P<new>[^\s<>:,]{{1,64}})")
_PRESENT = re.compile(rf"\* in {_ROOM}: ?(?P<names>.*)")
_LOCKED = "* this server has a password"
_FAREWELL = ("* goodbye", "* bye")


def parse(text: str) -> Line:
    """
    Read a line.

    @param text: Without its line end, and safe to show already.
    """
    if text.startswith("* "):
        return _parse_info(text)
    if text.startswith("! "):
        return Refused(text)
    if match := _SPOKEN.fullmatch(text):
        return Spoken(text, match["nick"], match["body"], match["room"] or "")
    if match := _SENT.fullmatch(text):
        direct = match["direct"] is not None
        return Whispered(text, match["nick"], match["body"], own=True, direct=direct)
    if match := _WHISPER.fullmatch(text):
        direct = match["direct"] is not None
        return Whispered(text, match["nick"], match["body"], direct=direct)
    if match := _ACTED.fullmatch(text):
        return Acted(text, match["nick"], match["body"], match["room"])
    if match := _PAST.fullmatch(text):
        # Once only: what people said may look like a time again.
        past = match["line"]
        is_past = _PAST.fullmatch(past)
        return Past(text, match["when"], Line(past) if is_past else parse(past))
    return Line(text)


def _parse_info(text: str) -> Line:
    if match := _PRESENT.fullmatch(text):
        names = match["names"].split(",", MAX_NAMES)[:MAX_NAMES]
        nicks = (name.strip().lstrip("@+") for name in names)
        return Present(text, "", match["room"], tuple(filter(None, nicks)))
    if match := _ENTERED.fullmatch(text):
        return Entered(text, match["nick"], match["room"])
    if match := _LEFT.fullmatch(text):
        return Left(text, match["nick"], match["room"])
    if match := _RENAMED.fullmatch(text):
        return Renamed(text, match["nick"], match["new"])
    if match := _GONE.fullmatch(text):
        return Gone(text, match["nick"])
    if text.startswith(_LOCKED):
        return Locked(text, "")
    if text.startswith(_FAREWELL):
        return Farewell(text, "")
    return Info(text, text[2:].partition(" ")[0])
