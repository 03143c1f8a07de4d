"""
The services of one process: which is made of what, and what they get of each other.

Services do not know each other. What one needs of another is put in here: the relay
talks in the rooms of the chat, and the balancer finds its backends by our own DNS
client.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from netsvc import tables
from netsvc.daemon.configuration import Configuration, Entry, Problem
from netsvc.daemon.lifecycle import StartError
from netsvc.daemon.reloading import Running
from netsvc.daemon.settings import settings_of

#: Keys of C{[daemon]} that count when the process starts, and not again.
AT_START: Final = ("workers", "admin", "admin_host", "admin_token")

# What a service says when it refuses to be made: netsvc-chat: --motd: why
_REFUSED: Final = re.compile(r"netsvc-[a-z]+: --(?:no-)?([a-z-]+):? (.*)")


def make_service(entry: Entry, reactor: Any, running: Iterable[Running] = ()) -> Any:
    """
    Make the service of an entry.

    @param entry: What is asked for.
    @param reactor: The reactor.
    @param running: The services that there are, with what they were made of.
    @raise StartError: It cannot be made; one line for operators.
    """
    make = tables.service_class(entry.table)
    service = make(entry.settings, reactor, **_needs(entry, reactor, running))
    service.setName(entry.label)
    return service


def make_services(configuration: Configuration, reactor: Any) -> list[Running]:
    """
    Make all services of a configuration.

    @raise StartError: Some cannot be made: one line for each, with that of the file.
    """
    running: list[Running] = []
    problems: list[str] = []
    # The relay uses the rooms of a chat: it comes after that, and goes before it.
    for entry in sorted(configuration.entries, key=lambda each: each.table == "relay"):
        try:
            running.append(Running(entry, make_service(entry, reactor, running)))
        except StartError as error:
            problems.append(_told(configuration, entry, str(error)))
    if problems:
        raise StartError("\n".join(problems))
    return running


def reload_problems(old: Configuration, new: Configuration) -> list[Problem]:
    """Say what of a new configuration cannot be had without a restart."""
    problems = []
    for key in AT_START:
        if getattr(old.daemon, key) != getattr(new.daemon, key):
            problem = "is used at the start only: restart netsvc to change it"
            problems.append(new.problem(None, key, problem))
    relay = _entry(new, "relay")
    if relay is not None and _entry(old, "relay") is not None:
        had, has = _entry(old, "chat") is not None, _entry(new, "chat") is not None
        if had != has:
            problem = (
                f"[chat] {'comes' if has else 'goes'}, whose rooms it uses: restart"
            )
            problems.append(new.problem(relay, "", f"{problem} netsvc for that"))
    return problems


def _entry(configuration: Configuration, table: str) -> Entry | None:
    """Give the entry of a table that is there once."""
    found = (each for each in configuration.entries if each.table == table)
    return next(found, None)


def _needs(entry: Entry, reactor: Any, running: Iterable[Running]) -> dict[str, Any]:
    """Give what a service gets of others."""
    if entry.table == "relay":
        chats = [each.service for each in running if each.entry.table == "chat"]
        return {"host": chats[0].host} if chats else {}
    if entry.table == "balance":
        from netsvc.balance.tap import make_lookup

        return {"lookup": make_lookup(entry.settings, reactor)}
    return {}


def _told(configuration: Configuration, entry: Entry, problem: str) -> str:
    """Say in which line of the file it is what a service has refused."""
    keys = {each.key for each in settings_of(type(entry.settings))}
    match = _REFUSED.fullmatch(problem)
    if match is not None and (key := match[1].replace("-", "_")) in keys:
        return str(configuration.problem(entry, key, match[2]))
    return str(configuration.problem(entry, "", problem))
