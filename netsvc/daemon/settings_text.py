"""
A configuration as text: what is in force (L{effective}), a sample of all that there is
(L{sample}), and the reference for the documentation (L{reference}).

All three are made of the settings classes, so that none can say what is not so.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING
from typing import Any, Final

from netsvc.daemon.configuration import DAEMON, NAME, Configuration, Entry, Table
from netsvc.daemon.daemon_settings import DaemonSettings
from netsvc.daemon.kinds import Choice, FilePath, Flag
from netsvc.daemon.quantities import Count, Duration, RateLimit
from netsvc.daemon.settings import Setting, Settings, settings_of
from netsvc.daemon.settings_file import OPTION
from netsvc.daemon.toml_write import WIDTH, is_set, quote, show, show_array

#: What a sample writes for settings that have no default.
_EXAMPLES: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("balance", "backend"): ("10.0.0.1:80", "10.0.0.2:80,weight=2"),
    ("echo", "greeting"): ("Hello",),
    ("chat", "store"): ("/var/lib/netsvc/chat.sqlite",),
    ("relay", "alternate"): ("udp:7076",),
    ("relay", "store"): ("/var/lib/netsvc/relay.sqlite",),
    ("balance", "control"): ("/run/netsvc/balance.sock",),
}

_NAME_HELP: Final = (
    "What this one is called, where there are several: 1 to 32 letters, digits, - and"
    " _, the first one a letter or digit."
)

_HEAD: Final = (
    "A configuration of netsvc. 'netsvc check FILE' checks it, 'netsvc run --config"
    " FILE' runs it, and 'netsvc reload' has a running netsvc read it again.",
    "A service runs if its table is here. Lines that begin with a # and no space are"
    " tables and settings that are not in use; settings show their defaults.",
)

#: Between these, a page has the reference.
BEGIN: Final = "<!-- made by scripts/make-configuration -->\n"
END: Final = "<!-- the end of what is made -->\n"

#: What values are called, and how they are written.
UNITS: Final = (
    'A duration is "500ms", "10s", "5m", "1h" or "7d", or a number of seconds.',
    'A size is in bytes: 65536, "64k", "8M" or "1G" (k is 1024).',
    'A rate is "100/s", "60/m" or "100/s:2000" (the burst last), or "off".',
    'A FILE may be "credential:NAME", a file in $CREDENTIALS_DIRECTORY.',
)


def all_tables(tables: Mapping[str, Table]) -> dict[str, Table]:
    """Give C{[daemon]} and the tables of services."""
    daemon = Table(lambda: DaemonSettings, about="The process: workers, watching, log.")
    return {DAEMON: daemon, **tables}


# What is in force.


def effective(
    configuration: Configuration,
    idle_keys: Callable[[Configuration, Entry], Collection[str]] = lambda *_: (),
) -> str:
    """
    Write all settings that are in force, as TOML that reads back as the same.

    Each value has a comment with its default. Files with secrets are named by their
    paths; what stands in them is not read.

    @param idle_keys: Gives the keys of an entry that may not be given.
    """
    parts = [_in_force(f"[{DAEMON}]", "", configuration.daemon)]
    several = [entry.table for entry in configuration.entries]
    for entry in configuration.entries:
        header = f"[{entry.table}]"
        if several.count(entry.table) > 1:
            header = f"[{header}]"
        idle = idle_keys(configuration, entry)
        parts.append(_in_force(header, entry.name, entry.settings, idle))
    return "\n".join(parts)


def _in_force(
    header: str, name: str, settings: Settings, idle: Collection[str] = ()
) -> str:
    lines = [header, *([f"{NAME} = {quote(name)}"] if name else [])]
    for group, every in groups(type(settings)):
        declared = [each for each in every if each.key not in idle]
        if not declared:
            continue
        if group:
            lines += ["", f"# {group}"]
        for setting in declared:
            value = getattr(settings, setting.key)
            if not is_set(setting, value):
                lines.append(f"# {setting.key}: not set (the default)")
                continue
            lines.append(f"{setting.key} = {show(setting, value, setting.key)}")
            if default := _default_comment(setting, value):
                lines[-1] += f"  # {default}"
    return "\n".join(lines) + "\n"


def _default_comment(setting: Setting, value: Any) -> str:
    """Say what the default is, in one line."""
    if setting.default is MISSING:
        return ""
    if setting.default == value:
        return "default"
    if not is_set(setting, setting.default):
        return "default: not set"
    return "default: " + " ".join(show(setting, setting.default).split())


# A sample.


def sample(tables: Mapping[str, Table], only: str = "", run: str = "") -> str:
    """
    Write a file with every key of every table, as a comment with its default.

    Comments begin with C{# }; what is meant to be used begins with C{#} alone.

    @param only: A table, to write no others.
    @param run: A table that is no comment: a file needs one.
    """
    known = all_tables(tables)
    shown = {only: known[only]} if only else known
    head = ["\n".join(_comment(each)) for each in _HEAD]
    head.append("\n".join(line for each in UNITS for line in _comment(each)))
    parts = [] if only else ["\n#\n".join(head) + "\n"]
    return "\n".join([*parts, *(_sample_table(*item, run) for item in shown.items())])


def _sample_table(name: str, table: Table, run: str) -> str:
    header = f"[[{name}]]" if table.several else f"[{name}]"
    mark = "" if name in (run, DAEMON) else "#"
    if not mark:
        header = f"[{name}]"
    lines = [*_comment(table.about), f"{mark}{header}"]
    if table.several:
        lines += ["", *_comment(_NAME_HELP), f"#{NAME} = {quote(name)}"]
    for group, declared in groups(table.settings()):
        if group:
            lines += ["", f"# -- {group} --"]
        for setting in declared:
            value, note = sample_value(name, setting)
            facts = "; ".join(filter(None, [allowed(setting), note]))
            lines += ["", *_comment(f"{help_of(setting)} [{facts}]")]
            text = f"{setting.key} = {value}"
            lines += ["#" + line for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def sample_value(table: str, setting: Setting) -> tuple[str, str]:
    """Give a value to write for a setting, and what to say when it is no default."""
    default = setting.default
    if default is not MISSING and is_set(setting, default):
        return show(setting, default, setting.key), ""
    example = _EXAMPLES.get((table, setting.key))
    if example is None:
        path = isinstance(setting.kind, FilePath)
        example = (f"/etc/netsvc/{setting.key}" if path else "text",)
    note = "must be given" if default is MISSING else "not set by default"
    quoted = [quote(each) for each in example]
    return show_array(quoted, setting.key) if setting.repeat else quoted[0], note


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, WIDTH - 8, break_on_hyphens=False):
        yield f"# {line}"


# The reference.


def reference(tables: Mapping[str, Table]) -> str:
    """Write the reference of all tables, in Markdown."""
    parts = []
    for name, table in all_tables(tables).items():
        parts += [f"## `[{name}]`", "", table.about]
        if table.several:
            parts += ["", f"Several: `[[{name}]]`, each with a `{NAME}`."]
        for group, declared in groups(table.settings()):
            parts += ["", f"### {group}", ""] if group else [""]
            parts += ["| key | value | default | |", "|---|---|---|---|"]
            parts += [_row(setting) for setting in declared]
        parts.append("")
    return "\n".join(parts)


def with_reference(page: str, tables: Mapping[str, Table]) -> str:
    """
    Put the reference into a page, in the place of the one that it has.

    @raise ValueError: The page has no place for it.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError("the page does not say where the reference begins and ends")
    return f"{before}{begin}\n{reference(tables)}\n{end}{after}"


def _row(setting: Setting) -> str:
    default = "must be given" if setting.default is MISSING else "not set"
    if setting.default is not MISSING and is_set(setting, setting.default):
        default = f"`{' '.join(show(setting, setting.default).split())}`"
    cells = (f"`{setting.key}`", allowed(setting), default, help_of(setting))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


# What is said of a setting.


def groups(settings_class: type[Settings]) -> list[tuple[str, list[Setting]]]:
    """Give the settings of a class by their groups, both in their order."""
    found: dict[str, list[Setting]] = {}
    for setting in settings_of(settings_class):
        found.setdefault(setting.group, []).append(setting)
    return list(found.items())


def help_of(setting: Setting) -> str:
    """
    Say what a setting does.

    What is on by default has an option that turns it off, of which its help tells.
    """
    help = OPTION.sub(lambda match: match[1].replace("-", "_"), setting.help)
    if setting.is_flag and setting.default is True:
        return f"If false: {help[0].lower()}{help[1:]}"
    return help


def allowed(setting: Setting) -> str:
    """Say which values a setting takes."""
    kind = setting.kind
    if isinstance(kind, Choice):
        what = " or ".join(f'"{name}"' for name in kind.names)
    elif isinstance(kind, Flag):
        what = "true or false"
    elif isinstance(kind, (Count, Duration, RateLimit)):
        what = kind.metavar.lower()
    else:
        what = kind.metavar
    if bounds := kind.allowed():
        what = f"{what}, {bounds}"
    return f"{what}; one or an array" if setting.repeat else what
