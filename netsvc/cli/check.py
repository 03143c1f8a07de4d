"""C{netsvc check}: checks a configuration file, and shows what is in force."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Final

from netsvc import tables
from netsvc.cli import unknown
from netsvc.cli.parsing import Parser
from netsvc.daemon.configuration import Configuration, ConfigurationError, Problem
from netsvc.daemon.credentials import credentials_come_later, credentials_directory
from netsvc.daemon.escape import escape
from netsvc.daemon.settings_text import all_tables, effective, sample

__all__ = ["main"]

#: Exit status when something is wrong with the file.
EXIT_PROBLEMS: Final = 1

#: The service that runs in the sample: a file needs one.
SAMPLE_RUNS: Final = "echo"

_DESCRIPTION = """\
Check a configuration file of netsvc and the files that it names, without binding or
starting anything.

Everything that is wrong is told at once, a line each, on standard error:
FILE:LINE: KEY: what was found and what is allowed.
"""
_EPILOG = """\
exit status: 0 all is well; 1 it is not; 2 bad usage.

examples:
  netsvc check /etc/netsvc/netsvc.toml
  netsvc check netsvc.toml --print | grep -v '# default$'
  netsvc check --sample chat
"""


def main(argv: Sequence[str]) -> int:
    """
    Check a file.

    @param argv: The arguments after C{netsvc check}.
    @return: The exit status.
    """
    parser = Parser(
        "netsvc check",
        usage="netsvc check [--print] [--json] FILE | --sample [TABLE]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="the file (TOML)")
    parser.add_argument(
        "--print",
        action="store_true",
        dest="show",
        help="print all settings that are in force, as TOML",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print a JSON object with the problems",
    )
    parser.add_argument(
        "--sample",
        nargs="?",
        const="",
        metavar="TABLE",
        help="print all keys of all tables, or of one, with their defaults",
    )
    given = parser.parse_args(argv)
    if given.sample is not None:
        if given.file is not None or given.show or given.json:
            parser.error("--sample stands alone")
        return _sample(parser, given.sample)
    if given.file is None:
        parser.error("name a file")
    if given.show and given.json:
        parser.error("--print and --json do not go together")
    try:
        configuration = tables.load(given.file)
        problems = _of_files(configuration)
    except ConfigurationError as error:
        problems = _of_files(error)
    if problems:
        if given.json:
            _write_json(given.file, problems)
        else:
            print(*problems, sep="\n", file=sys.stderr)
        return EXIT_PROBLEMS
    if given.show:
        print(effective(configuration, tables.idle_keys), end="")
    elif given.json:
        _write_json(given.file, ())
    else:
        print(_summary(configuration))
    return 0


def _of_files(found: Configuration | ConfigurationError) -> list[Problem]:
    """
    Look at the files that a configuration names: certificates, passwords, texts.

    @param found: It, or why it cannot be used: what is well of it names files, too.
    @return: What is wrong with any of it.
    """
    if isinstance(found, ConfigurationError) and found.rest is None:
        return list(found.problems)
    # Twisted and the services are loaded by files that are well so far.
    from twisted.internet import reactor

    from netsvc import one

    if isinstance(found, Configuration):
        problems = one.problems(found, reactor)
    else:
        problems = one.all_problems(found, reactor)
    if credentials_come_later():
        of_unit = str(credentials_directory())
        problems = [each for each in problems if of_unit not in each.problem]
    return problems


def _sample(parser: Parser, table: str) -> int:
    """Print a sample, of one table or of all."""
    known = all_tables(tables.TABLES)
    if table and table not in known:
        parser.error(unknown("table", table, known))
    print(sample(tables.TABLES, table, "" if table else SAMPLE_RUNS), end="")
    return 0


def _summary(configuration: Configuration) -> str:
    """Say in a line that all is well, and what would run."""
    runs = ", ".join(entry.label for entry in configuration.entries)
    workers = configuration.daemon.workers
    several = f" in {workers} workers" if workers > 1 else ""
    return escape(f"{configuration.file}: well; it runs {runs}{several}")


def _write_json(file: str, problems: Sequence[Problem]) -> None:
    """Print what is wrong for programs."""
    found = [
        {
            "file": each.file,
            "line": each.line,
            "key": each.key,
            "problem": each.problem,
        }
        for each in problems
    ]
    print(json.dumps({"file": file, "ok": not found, "problems": found}, indent=2))
