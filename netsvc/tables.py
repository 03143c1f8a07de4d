"""
Which tables a configuration file may have: the one list of the services.

Nothing of a service is imported before its table is met, so that a daemon starts as
quickly as what it runs allows.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from netsvc.daemon import settings_file
from netsvc.daemon.configuration import (
    Configuration,
    ConfigurationError,
    Entry,
    Problem,
    Table,
)
from netsvc.daemon.files import read_file
from netsvc.daemon.kinds import found
from netsvc.daemon.settings import Settings, settings_of
from netsvc.daemon.toml_read import MAX_TEXT

#: Keys of files that a service has for itself.
WRITTEN: Final = ("journal", "control", "store")

#: Bytes that a file may have: a character of UTF-8 may have four.
MAX_BYTES: Final = 4 * MAX_TEXT


@dataclass(frozen=True, slots=True)
class ServiceTable:
    """
    A service's table.

    @ivar settings: Module and class of its settings.
    @ivar service: Module and class of the service.
    @ivar several: Whether a process may run several of them.
    @ivar about: What it is, in a sentence.
    """

    settings: tuple[str, str]
    service: tuple[str, str]
    several: bool
    about: str


SERVICES: Final[dict[str, ServiceTable]] = {
    "echo": ServiceTable(
        ("netsvc.echo.settings", "EchoSettings"),
        ("netsvc.echo.service", "EchoService"),
        several=True,
        about="Echo over TCP, UDP and TLS (RFC 862).",
    ),
    "chat": ServiceTable(
        ("netsvc.chat.settings", "ChatSettings"),
        ("netsvc.chat.service", "ChatService"),
        several=False,
        about="Chat rooms for telnet, IRC clients and people's own programs.",
    ),
    "relay": ServiceTable(
        ("netsvc.relay.settings", "RelaySettings"),
        ("netsvc.relay.service", "RelayService"),
        several=False,
        about="The chat's rooms over UDP, and introductions for direct paths.",
    ),
    "dns": ServiceTable(
        ("netsvc.dns.settings", "DNSSettings"),
        ("netsvc.dns.service", "DNSService"),
        several=True,
        about="DNS lookups for people and programs: a caching forwarder.",
    ),
    "balance": ServiceTable(
        ("netsvc.balance.settings", "BalanceSettings"),
        ("netsvc.balance.service", "BalanceService"),
        several=True,
        about="One entrance for several computers, over TCP and UDP.",
    ),
}
"""What a file may have beside C{[daemon]}, by name."""


def settings_class(table: str) -> type[Settings]:
    """Give the class of a table's settings."""
    return _load(SERVICES[table].settings)


def service_class(table: str) -> type[Any]:
    """Give the class of a table's service. It may import a reactor's parts."""
    return _load(SERVICES[table].service)


def _load(where: tuple[str, str]) -> type[Any]:
    module, name = where
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


TABLES: Final = {
    name: Table(partial(settings_class, name), table.several, table.about)
    for name, table in SERVICES.items()
}
"""The same, as L{netsvc.daemon.settings_file} wants it."""


def parse(text: str, file: str) -> Configuration:
    """
    Read the text of a configuration file.

    @param file: What it is called in messages.
    @raise ConfigurationError: It cannot be used.
    """
    problems: tuple[Problem, ...] = ()
    try:
        configuration = settings_file.parse(text, file, TABLES)
    except ConfigurationError as error:
        if error.rest is None:
            raise
        configuration, problems = error.rest, error.problems
    problems += (*_idle_keys(configuration), *_shared_files(configuration))
    if problems:
        ordered = tuple(sorted(problems, key=lambda each: each.line))
        raise ConfigurationError(ordered, configuration)
    return configuration


def idle_keys(configuration: Configuration, entry: Entry) -> list[str]:
    """Give the keys of an entry that mean nothing: those of rooms in a relay that uses
    the rooms of a chat."""
    tables = {each.table for each in configuration.entries}
    if entry.table != "relay" or "chat" not in tables:
        return []
    hub = importlib.import_module("netsvc.chat.hub_settings").HubSettings
    own = inspect.get_annotations(type(entry.settings))
    return [each.key for each in settings_of(hub) if each.key not in own]


def _idle_keys(configuration: Configuration) -> Iterator[Problem]:
    """Find keys that are given and mean nothing."""
    for entry in configuration.entries:
        for key in idle_keys(configuration, entry):
            if key in entry.where:
                problem = "stands in [chat], whose rooms the relay uses"
                yield configuration.problem(entry, key, problem)


def _shared_files(configuration: Configuration) -> Iterator[Problem]:
    """Find files that two services would write."""
    taken: dict[Path, str] = {}
    for entry in configuration.entries:
        for key in WRITTEN:
            path = getattr(entry.settings, key, None)
            if path is None or str(path) == ":memory:":
                continue
            if path in taken:
                problem = f"{found(str(path))} is taken: {taken[path]} writes it"
                yield configuration.problem(entry, key, problem)
            where = f"{entry.label}.{key} in line {entry.line(key)}"
            taken.setdefault(path, where)


def load(path: str | Path, file: str = "", *, pipe: bool = True) -> Configuration:
    """
    Read a configuration file.

    @param file: What it is called in messages; by default as in C{path}.
    @param pipe: Whether it may come through a pipe.
    @raise ConfigurationError: It cannot be read, or not be used.
    """
    file = file or str(path)
    try:
        data = read_file(path, MAX_BYTES, pipe=pipe)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refused(file, 0, f"cannot be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise _refused(file, 0, f"has more than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise _refused(file, line, problem) from None
    return parse(text, file)


def _refused(file: str, line: int, problem: str) -> ConfigurationError:
    return ConfigurationError((Problem(file, line, "", problem),))
