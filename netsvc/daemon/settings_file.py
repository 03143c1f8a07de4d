"""
A configuration file: TOML text in, checked settings out, or all that is wrong.

Each table holds the settings of one service, by the name of the service; C{[daemon]}
those of the process. A service runs if its table is there. Where a service may run
several times, its table may be an array of tables, in which each has a C{name}::

    [echo]
    listen = ["tcp:7007", "udp:7007"]

    [[balance]]
    name = "web"
    backend = ["10.0.0.1:80", "10.0.0.2:80"]

Nothing here knows a service: which tables there are comes in as an argument
(L{netsvc.tables}).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, replace
from difflib import get_close_matches
from typing import Any, Final

from netsvc.daemon.configuration import (
    DAEMON,
    NAME,
    Configuration,
    ConfigurationError,
    Entry,
    Problem,
    Table,
)
from netsvc.daemon.daemon_settings import DaemonSettings
from netsvc.daemon.kinds import found
from netsvc.daemon.listen import Listen
from netsvc.daemon.listen_clash import clash, clash_key
from netsvc.daemon.settings import Setting, Settings, SettingsError, settings_of
from netsvc.daemon.toml_lines import KeyPath
from netsvc.daemon.toml_read import read_toml
from netsvc.daemon.toml_types import mismatch

#: Tables of one kind that a file may have.
MAX_SEVERAL: Final = 256

#: Problems that are told at once.
MAX_PROBLEMS: Final = 200

_NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
#: An option in a message or a help text.
OPTION: Final = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")
_SHARED: Final = frozenset(each.key for each in settings_of(DaemonSettings))
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


def parse(text: str, file: str, tables: Mapping[str, Table]) -> Configuration:
    """
    Read the text of a configuration file.

    @param text: TOML.
    @param file: What it is called in messages.
    @param tables: The tables of services that there are, by name.
    @raise ConfigurationError: It cannot be used.
    """
    return _Reader(text, file, tables).read()


@dataclass(frozen=True)
class _Found:
    """
    A table as it was found: its values so far, checked or not given.

    @ivar shown: How messages call it: C{echo}, or C{balance[1]}.
    """

    table: str
    shown: str
    path: KeyPath
    declared: dict[str, Setting]
    values: dict[str, Any]
    bad: set[str]


class _Reader:
    """Reads one text and collects what is wrong."""

    def __init__(self, text: str, file: str, tables: Mapping[str, Table]) -> None:
        self._text = text
        self._file = file
        self._tables = tables
        self._problems: list[Problem] = []
        self._lines: Mapping[KeyPath, int] = {}
        self._broken = False  # some lines were left out: what is missing may be there

    def read(self) -> Configuration:
        """Read it."""
        document = read_toml(self._text)
        self._lines = document.lines
        self._broken = bool(document.errors)
        for line, problem in document.errors:
            self._problems.append(Problem(self._file, line, "", problem))
        daemon, daemon_where = DaemonSettings(), {}
        entries: list[Entry] = []
        tables: list[_Found] = []
        for key, value in document.values.items():
            for entry, where, table in self._top(key, value):
                tables.append(table)
                if isinstance(entry, DaemonSettings):
                    daemon, daemon_where = entry, where
                elif entry is not None:
                    entries.append(entry)
        self._check_clashes(tables)
        if not (self._problems or entries):
            names = ", ".join(f"[{name}]" for name in self._tables)
            self._say(
                (), "", f"there is nothing to run: no table of a service ({names})"
            )
        entries.sort(key=lambda entry: entry.line())
        configuration = Configuration(
            file=self._file,
            text=self._text,
            daemon=daemon,
            entries=tuple(entries),
            where=daemon_where,
        )
        if self._problems:
            # Of a file without end nothing more is looked at.
            short = len(self._problems) <= MAX_PROBLEMS
            raise ConfigurationError(self._told(), configuration if short else None)
        return configuration

    def _told(self) -> tuple[Problem, ...]:
        """Give what is wrong in the order of the lines, and not without end."""
        told = sorted(self._problems, key=lambda each: each.line)
        more = len(told) - MAX_PROBLEMS
        if more > 0:
            told[MAX_PROBLEMS:] = [Problem(self._file, 0, "", f"and {more} more")]
        return tuple(told)

    def _say(self, path: KeyPath, key: str, problem: str) -> None:
        """Note what is wrong, with the line of what is nearest on the way to it."""
        while path and path not in self._lines:
            path = path[:-1]
        line = self._lines.get(path, 1)
        self._problems.append(Problem(self._file, line, key, problem))

    def _similar(self, name: str, names: Iterable[str]) -> str:
        """Give the name that may be meant, while it is told at all: it takes long."""
        if len(self._problems) > MAX_PROBLEMS:
            return ""
        return next(iter(get_close_matches(name, names, 1)), "")

    # Tables.

    def _top(
        self, key: str, value: object
    ) -> Iterator[tuple[Entry | DaemonSettings | None, dict[str, int], _Found]]:
        """Read what stands at the top: tables, as far as they are known."""
        known = self._tables.get(key)
        if key == DAEMON:
            known = Table(lambda: DaemonSettings)
        if known is None:
            self._say((key,), _show_key(key), self._unknown_table(key, value))
            return
        several = isinstance(value, list)
        tables = value if isinstance(value, list) else [value]
        if not all(isinstance(each, dict) for each in tables) or not tables:
            self._say((key,), key, f"it must be a table: write [{key}]")
            return
        if len(tables) > (MAX_SEVERAL if known.several else 1):
            self._say((key, 1), key, _too_many(key, known, len(tables)))
            return
        settings_class = known.settings()
        lines_of_names: dict[str, int] = {}
        for index, given in enumerate(tables):
            path: KeyPath = (key, index) if several else (key,)
            shown = f"{key}[{index}]" if len(tables) > 1 else key
            name = self._name(given, path, shown, len(tables) > 1, lines_of_names)
            table = self._values(key, given, path, shown, settings_class)
            where = {
                each: line
                for each in ("", *table.declared)
                if (line := self._lines.get((*path, each) if each else path))
            }
            settings = self._settings(table, settings_class)
            if settings is None or isinstance(settings, DaemonSettings):
                yield settings, where, table
            else:
                entry = Entry(table=key, name=name, settings=settings, where=where)
                yield entry, where, table

    def _unknown_table(self, key: str, value: object) -> str:
        """Say that there is no such table, and which one may be meant."""
        names = [*self._tables, DAEMON]
        shown = ", ".join(f"[{name}]" for name in names)
        if not isinstance(value, (dict, list)):
            return f"it stands in no table; there are {shown}"
        folded = key.lower().removeprefix("netsvc-").removeprefix("netsvc_")
        close = self._similar(folded, names)
        hint = f"did you mean [{close}]?" if close else f"there are {shown}"
        return f"unknown table; {hint}"

    def _name(
        self,
        given: dict[str, Any],
        path: KeyPath,
        shown: str,
        needed: bool,
        taken: dict[str, int],
    ) -> str:
        """Check a table's name."""
        key = f"{shown}.{NAME}"
        if path[0] == DAEMON:
            return ""  # there it is an unknown key
        if NAME not in given:
            if needed:
                self._say(path, key, "must be given where there are several tables")
            return ""
        name = given[NAME]
        if not isinstance(name, str) or not _NAME_PATTERN.fullmatch(name):
            problem = (
                f"{found(name)} is not a name: 1 to 32 letters, digits, - and _,"
                " beginning with a letter or digit"
            )
            self._say((*path, NAME), key, problem)
            return ""
        line = self._lines.get((*path, NAME), 0)
        if name in taken:
            self._say(
                (*path, NAME),
                key,
                f"{found(name)} is the name in line {taken[name]}, too",
            )
        taken.setdefault(name, line)
        return name

    # Values.

    def _values(
        self,
        table: str,
        given: dict[str, Any],
        path: KeyPath,
        shown: str,
        settings_class: type[Settings],
    ) -> _Found:
        """Check each value of a table."""
        declared = {each.key: each for each in settings_of(settings_class)}
        result = _Found(table, shown, path, declared, {}, set())
        for key, value in given.items():
            if key == NAME and table != DAEMON:
                continue
            if key not in declared:
                meant, problem = self._unknown_key(table, key, declared)
                self._say((*path, key), f"{shown}.{_show_key(key)}", problem)
                result.bad.update((key, meant))
            elif not self._check(result, declared[key], value):
                result.bad.add(key)
        for key, setting in declared.items():
            missing = setting.default is MISSING and key not in given
            if missing and key not in result.bad and not self._broken:
                self._say(path, f"{shown}.{key}", "must be given")
                result.bad.add(key)
        return result

    def _unknown_key(
        self, table: str, key: str, declared: dict[str, Setting]
    ) -> tuple[str, str]:
        """Give which key may be meant by one that there is not, and say so."""
        folded = key.lower().replace("-", "_").removeprefix("no_")
        names = [*declared, *([NAME] if table != DAEMON else [])]
        if close := self._similar(folded, names):
            return close, f"unknown key; did you mean {close}?"
        if table != DAEMON and folded in _SHARED:
            return "", f"unknown key; {folded} stands in [{DAEMON}]"
        shows = f"'netsvc check --sample {table}' shows all of [{table}]"
        return "", f"unknown key; {shows}"

    def _check(self, table: _Found, setting: Setting, value: object) -> bool:
        """Check a value; note it if it is good."""
        key, path = f"{table.shown}.{setting.key}", (*table.path, setting.key)
        if not setting.repeat:
            checked, good = self._check_one(setting, value, path, key)
        elif not isinstance(value, list):
            one, good = self._check_one(setting, value, path, key)
            checked = (one,)
        elif not value and setting.default != ():
            default = setting.default is not MISSING
            hint = "leave the key out for the default" if default else "name one"
            self._say(path, key, f"is empty; {hint}")
            return False
        else:
            pairs = [
                self._check_one(setting, each, (*path, index), f"{key}[{index}]")
                for index, each in enumerate(value)
            ]
            checked, good = tuple(one for one, _ in pairs), all(ok for _, ok in pairs)
        if good:
            table.values[setting.key] = self._placed(checked, path, key)
        return good

    def _placed(self, value: Any, path: KeyPath, key: str) -> Any:
        """Have listen strings know where they stand, for who cannot bind them."""
        if isinstance(value, tuple):
            several = enumerate(value)
            return tuple(self._placed(one, (*path, n), key) for n, one in several)
        if isinstance(value, Listen):
            line = self._lines.get(path) or self._lines.get(path[:-1], 1)
            return replace(value, origin=str(Problem(self._file, line, "", key)))
        return value

    def _check_one(
        self, setting: Setting, value: object, path: KeyPath, key: str
    ) -> tuple[Any, bool]:
        """Check one value, or one element of an array."""
        try:
            if problem := mismatch(setting.kind, value):
                raise ValueError(problem)
            return setting.kind.check(value), True
        except ValueError as error:
            self._say(path, key, str(error))
            return None, False

    def _settings(
        self, table: _Found, settings_class: type[Settings]
    ) -> Settings | None:
        """Put the values together; check what holds between them."""
        if table.bad or self._broken:
            return None  # what else is wrong may come from that
        try:
            return settings_class(**table.values)
        except SettingsError as error:
            problem = self._with_keys(error.problem, table.declared)
            key = f"{table.shown}.{error.key}" if error.key else table.shown
            path = (*table.path, error.key) if error.key else table.path
            self._say(path, key, problem)
            return None

    def _with_keys(self, problem: str, declared: dict[str, Setting]) -> str:
        """Say C{drain_timeout} where a message says C{--drain-timeout}."""
        keys = {each.option[2:]: each.key for each in declared.values()}
        return OPTION.sub(lambda match: keys.get(match[1], match[0]), problem)

    # What holds between tables.

    def _check_clashes(self, tables: list[_Found]) -> None:
        """See that nothing listens where something else does."""
        taken: dict[object, list[tuple[Listen, str, int]]] = {}
        for table in tables:
            for setting in table.declared.values():
                if setting.key in table.bad:
                    continue
                given = setting.key in table.values
                value = table.values.get(setting.key, setting.default)
                several = value if isinstance(value, tuple) else (value,)
                for index, listen in enumerate(several):
                    if isinstance(listen, Listen):
                        path: KeyPath = (*table.path, setting.key, index)
                        key = f"{table.shown}.{setting.key}"
                        rivals = taken.setdefault(clash_key(listen), [])
                        self._check_clash(listen, path, key, given, rivals)

    def _check_clash(
        self,
        listen: Listen,
        path: KeyPath,
        key: str,
        given: bool,
        taken: list[tuple[Listen, str, int]],
    ) -> None:
        for other, other_key, other_line in taken:
            if clash(listen, other):
                default = "" if given else " (the default)"
                self._say(
                    path,
                    key,
                    f"'{listen}'{default} is taken: {other_key} in line {other_line}"
                    f" listens on '{other}'",
                )
                return
        while path and path not in self._lines:
            path = path[:-1]
        taken.append((listen, key, self._lines.get(path, 1)))


def _show_key(key: str) -> str:
    """Show a key as it is written, cut if it is long."""
    return key if _BARE_KEY.fullmatch(key) and len(key) <= 60 else found(key)


def _too_many(key: str, known: Table, count: int) -> str:
    if known.several:
        return f"there are {count}, at most {MAX_SEVERAL} are allowed"
    return f"there are {count}, but only one [{key}] is allowed"
