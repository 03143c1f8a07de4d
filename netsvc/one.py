"""
The services of one process: which is made of what, and what they get of each other.

Services do not know each other. What one needs of another is put in here: the relay
talks in the rooms of the chat, and the balancer finds its backends by our own DNS
client.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Final

from twisted.internet.protocol import Factory

from netsvc import tables
from netsvc.daemon.admin.access import read_token
from netsvc.daemon.binding import Binder, reason
from netsvc.daemon.configuration import (
    Configuration,
    ConfigurationError,
    Entry,
    Problem,
)
from netsvc.daemon.refusing import StartError, refuse_all
from netsvc.daemon.reloading import Running
from netsvc.daemon.settings import settings_of
from netsvc.daemon.workers.placement import wishes
from netsvc.multiplex import multiplexed

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


def make_services(
    configuration: Configuration, reactor: Any, others: Iterable[Problem] = ()
) -> list[Running]:
    """
    Make all services of a configuration.

    @param others: What else is wrong, to be told with it.
    @raise StartError: Some cannot be made: one line for each, with that of the file.
    """
    running, problems = _made(configuration, reactor)
    if problems := _in_order(problems, others):
        refuse_all(map(str, problems))
    return running


def problems(configuration: Configuration, reactor: Any) -> list[Problem]:
    """
    Find what is wrong with the files that a configuration names: all that can be known
    without binding or starting anything.

    @return: What is wrong, in the order of the lines.
    """
    found = _made(configuration, reactor)[1]
    return _in_order(found, token_problems(configuration))


def all_problems(error: ConfigurationError, reactor: Any) -> list[Problem]:
    """
    Give what is wrong with a file, and with the files that the rest of it names.

    @param error: Why it cannot be used.
    @return: What is wrong, in the order of the lines.
    """
    found = [] if error.rest is None else problems(error.rest, reactor)
    return _in_order(error.problems, found)


def _in_order(*several: Iterable[Problem]) -> list[Problem]:
    """Give problems in the order of the lines."""
    return sorted(chain(*several), key=lambda each: each.line)


def _made(
    configuration: Configuration, reactor: Any
) -> tuple[list[Running], list[Problem]]:
    """Make all services, and give what is wrong with what they are made of."""
    running: list[Running] = []
    problems = list(_certificates(configuration, reactor))
    # The relay uses the rooms of a chat: it comes after that, and goes before it.
    for entry in sorted(configuration.entries, key=lambda each: each.table == "relay"):
        try:
            running.append(Running(entry, make_service(entry, reactor, running)))
        except StartError as error:
            problems.append(_told(configuration, entry, str(error)))
    return running, sorted(problems, key=lambda each: each.line)


def _certificates(configuration: Configuration, reactor: Any) -> Iterator[Problem]:
    """Find listen strings whose keys and certificates cannot be used."""
    binder = Binder(multiplexed(reactor))
    for entry in configuration.entries:
        for wish in wishes(entry):
            if wish.listen.transport != "tls":
                continue
            try:
                binder.layered(wish.listen, Factory())
            except Exception as error:
                problem = f"{wish.listen}: {reason(wish.listen, error)}"
                yield configuration.problem(entry, wish.key, problem)


def token_problems(configuration: Configuration) -> Iterator[Problem]:
    """Find a token for the admin pages that cannot be used."""
    settings = configuration.daemon
    if settings.wants_admin and settings.admin_token is not None:
        try:
            read_token(settings.admin_token)
        except ValueError as error:
            yield configuration.problem(None, "admin_token", str(error))


def explain(
    configuration: Configuration, running: Iterable[Running]
) -> Callable[[Any, str], str]:
    """
    Give what says in which line of the file it is why a service does not start.

    @param running: The services, with what they were made of.
    """

    def explained(service: Any, problem: str) -> str:
        found = [each.entry for each in running if each.service is service]
        if not found or problem.startswith(f"{configuration.file}:"):
            return problem
        return str(_told(configuration, found[0], problem))

    return explained


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


def _told(configuration: Configuration, entry: Entry, problem: str) -> Problem:
    """Say in which line of the file it is what a service has refused."""
    keys = {each.key for each in settings_of(type(entry.settings))}
    match = _REFUSED.fullmatch(problem)
    if match is not None and (key := match[1].replace("-", "_")) in keys:
        return configuration.problem(entry, key, match[2])
    for own in (f"netsvc-{entry.table}", f"netsvc-{entry.table}/{entry.name}"):
        problem = problem.removeprefix(f"{own}: ")
    return configuration.problem(entry, "", problem)
