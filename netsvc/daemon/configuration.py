"""What a configuration file says, once it is checked, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from netsvc.daemon.daemon_settings import DaemonSettings
from netsvc.daemon.escape import escape
from netsvc.daemon.settings import Settings

#: The table of the process, and the key that tells tables of a kind apart.
DAEMON: Final = "daemon"
NAME: Final = "name"


@dataclass(frozen=True, slots=True)
class Problem:
    """
    Something that is wrong in a file.

    @ivar file: The file, as it was named.
    @ivar line: The number of the line, from 1; 0 if it is about none.
    @ivar key: The way to the value, such as C{echo.listen[1]}; empty if it is about
        none.
    @ivar problem: What was found and what is allowed, in one line.
    """

    file: str
    line: int
    key: str
    problem: str

    def __str__(self) -> str:
        """Show it as one line, safe for a terminal."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        shown = f"{self.key}: {self.problem}" if self.key else self.problem
        return escape(f"{where}: {shown}")


class ConfigurationError(ValueError):
    """
    A file that cannot be used.

    @ivar problems: All that is wrong, in the order of the lines.
    @ivar rest: What is well of it, so that the files that this names can be looked
        at, too; L{None} if nothing is.
    """

    def __init__(
        self, problems: tuple[Problem, ...], rest: Configuration | None = None
    ) -> None:
        """Say all that is wrong."""
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
        self.rest = rest


@dataclass(frozen=True, slots=True)
class Table:
    """
    A table that a file may have.

    @ivar settings: Gives the class of its settings; called if the table is there.
    @ivar several: Whether it may be there several times.
    @ivar about: What its service is, in a sentence.
    """

    settings: Callable[[], type[Settings]]
    several: bool = False
    about: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """
    A service that is to run.

    @ivar table: Its table, such as C{echo}.
    @ivar name: Its name; empty if it has none.
    @ivar settings: Its settings.
    @ivar where: The lines of its keys; that of the table by the key C{""}.
    """

    table: str
    name: str = ""
    settings: Any
    where: Mapping[str, int] = field(default_factory=dict, compare=False)

    @property
    def identity(self) -> tuple[str, str]:
        """What stays the same when the file is read again."""
        return self.table, self.name

    @property
    def label(self) -> str:
        """What people call it: C{echo}, or C{balance.web}."""
        return f"{self.table}.{self.name}" if self.name else self.table

    def line(self, key: str = "") -> int:
        """Give the line of a key, or that of the table."""
        return self.where.get(key) or self.where.get("", 0)


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """
    What a file says; all of it is checked.

    @ivar file: The file, as it was named.
    @ivar text: What stands in it.
    @ivar daemon: The settings of the process.
    @ivar entries: The services, in the order of their first lines.
    @ivar where: The lines of the keys of C{[daemon]}.
    """

    file: str
    text: str
    daemon: DaemonSettings
    entries: tuple[Entry, ...]
    where: Mapping[str, int] = field(default_factory=dict, compare=False)

    def problem(self, entry: Entry | None, key: str, problem: str) -> Problem:
        """
        Say what is wrong with a setting of an entry, or of C{[daemon]}.

        @param entry: The entry; L{None} for the process.
        @param key: The setting's key, or nothing.
        """
        if entry is None:
            line, label = self.where.get(key) or self.where.get("", 0), DAEMON
        else:
            line, label = entry.line(key), entry.label
        return Problem(self.file, line, f"{label}.{key}" if key else label, problem)


def override(configuration: Configuration, **given: Any) -> Configuration:
    """
    Give a configuration with other settings of the process: a command line's.

    @raise SettingsError: One of them is not allowed.
    """
    return replace(configuration, daemon=replace(configuration.daemon, **given))
