"""
What people may type behind a slash.

A command is a function of a session and of what stands behind its name; one that takes
time is C{async}. What it raises, the user is told (L{netsvc.chat.line.refusals}).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Final

from netsvc.chat.events import HubError, Reason
from netsvc.chat.line import entrance
from netsvc.chat.line.refusals import LONGEST, Mistake
from netsvc.chat.line.speech import say
from netsvc.chat.names import is_room

if TYPE_CHECKING:
    from netsvc.chat.line.link import Work
    from netsvc.chat.line.session import LineSession
    from netsvc.chat.rooms import Room

Call = Callable[["LineSession", str], "Work | None"]

_MODULES: Final = ("talk", "rooms", "information", "moderation", "accounts")


@dataclass(frozen=True, slots=True)
class Command:
    """
    A command.

    @ivar name: Its name, without the slash.
    @ivar usage: What belongs behind it.
    @ivar text: What it does.
    @ivar outside: Whether it may be used before the server's password is given.
    @ivar call: Does it.
    """

    name: str
    usage: str
    text: str
    outside: bool
    call: Call

    @property
    def form(self) -> str:
        """How it is typed."""
        return f"/{self.name} {self.usage}".rstrip()


#: All commands by name, in the order in which they are listed.
COMMANDS: Final[dict[str, Command]] = {}

#: Other names.
ALIASES: Final = {
    "bye": "quit",
    "exit": "quit",
    "j": "join",
    "leave": "part",
    "names": "who",
    "w": "msg",
    "whois": "who",
}


def command(
    name: str, usage: str, text: str, *, outside: bool = False
) -> Callable[[Call], Call]:
    """Make a function a command; see L{Command}."""

    def register(call: Call) -> Call:
        COMMANDS[name] = Command(name, usage, text, outside, call)
        return call

    return register


def load() -> None:
    """Have all commands in L{COMMANDS}."""
    for module in _MODULES:
        import_module(f"{__name__}.{module}")


def find(name: str, among: Mapping[str, Command] = COMMANDS) -> Command:
    """
    Give a command.

    @param name: Its name, in any case, with or without its slash.
    @param among: The commands that there are, by name.
    @raise Mistake: If there is none of that name.
    """
    name = name.removeprefix("/").lower()[:LONGEST]
    found = among.get(ALIASES.get(name, name))
    if found is not None:
        return found
    close = get_close_matches(name, among, 1)
    hint = f"do you mean /{close[0]}? " * bool(close) if close else ""
    raise Mistake(f"there is no command /{name}: {hint}/help lists all")


def dispatch(session: LineSession, text: str) -> Work | None:
    """
    Do what a line says.

    @param text: The line: safe to show, and with something in it.
    @return: What is left to do, for a command that takes time.
    """
    outside = session.member is None
    if text.startswith("/") and not text.startswith("//"):
        name, _, rest = text.partition(" ")
        among = session.frontend.commands
        if not outside or name[1:].lower() in among:
            found = find(name, among)
            if not outside or found.outside:
                session.frontend.used[found.name] += 1
                return found.call(session, rest.strip())
    if outside:
        entrance.try_password(session, text)
    else:
        say(session, session.current().name, text[text.startswith("//") :])
    return None


def need(rest: str, name: str) -> str:
    """
    Give what stands behind a command.

    @raise Mistake: If nothing does.
    """
    if not rest:
        raise Mistake(f"type it as {COMMANDS[name].form}")
    return rest


def two(rest: str) -> tuple[str, str]:
    """Give the first word, and what is behind it."""
    first, _, second = rest.partition(" ")
    return first, second.strip()


def where(session: LineSession, rest: str) -> tuple[Room, str]:
    """
    Give the room that a command is about: the first word, or where one is talking.

    @return: The room, and what is left of the words.
    @raise Mistake: If one is in no room.
    @raise HubError: If there is none of that name, as far as one may know.
    """
    first, behind = two(rest)
    if is_room(first):
        room = session.hub.room(first)
        if not session.hub.visible(room, session.me):
            raise HubError(Reason.NO_SUCH_ROOM, first)
        return room, behind
    return session.current(), rest
