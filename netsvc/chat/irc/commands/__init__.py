"""
The commands of IRC, each a function of the session and the message.

A module of this package registers its functions with L{command}; L{load} imports all
of them. A function that must wait is an C{async def}: the connection is not read until
it is done. It must not act for its member when the session is C{closing} after a wait:
somebody else may have the nick then.

What the hub refuses (L{HubError<netsvc.chat.events.HubError>}) it may let through: the
session answers it with the numeric.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from netsvc.chat.irc.link import Work
from netsvc.chat.irc.message import Message

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

Handler = Callable[["IrcSession", Message], Work | None]


@dataclass(frozen=True, slots=True)
class Command:
    """
    A command.

    @ivar verb: Its name, in upper case.
    @ivar call: What does it.
    @ivar least: How many parameters it must have at the least, else 461.
    @ivar early: Whether it may come before the registration is complete, else 451.
    """

    verb: str
    call: Handler
    least: int
    early: bool


COMMANDS: Final[dict[str, Command]] = {}
"""All commands by name."""


def command(
    verb: str, *, least: int = 0, before_registration: bool = False
) -> Callable[[Handler], Handler]:
    """
    Make a function a command.

    @param verb: The command's name, in upper case.
    @param least: How many parameters it must have, else it is answered with 461.
    @param before_registration: Whether it may come before the registration is
        complete; else it is answered with 451 then.
    """

    def register(call: Handler) -> Handler:
        COMMANDS[verb] = Command(verb, call, least, before_registration)
        return call

    return register


def load() -> None:
    """Import all modules of this package, so that their commands are there."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
