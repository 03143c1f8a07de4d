"""The C{netsvc} command: C{netsvc COMMAND [OPTIONS]}.

Each command is a module whose C{main(argv)} returns an exit status. It is imported
when it is asked for and not before, so that no command pays for another's imports.
"""

from __future__ import annotations

import difflib
import importlib
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata

from netsvc._version import __version__

__all__ = ["COMMANDS", "EXIT_USAGE", "main", "unknown"]

#: Exit status of a command line that cannot be understood.
EXIT_USAGE = 2

#: Each command: the module that holds its C{main}, and what C{--help} says of it.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("netsvc.cli.run", "run a service in the foreground"),
    "check": ("netsvc.cli.check", "check a configuration file"),
    "ping": ("netsvc.cli.ping", "measure an RFC 862 echo service"),
    "chat": ("netsvc.cli.chat", "chat, on a terminal or in a pipe"),
    "lookup": ("netsvc.cli.lookup", "ask DNS servers, and compare them"),
    "balance": ("netsvc.cli.balance", "show and steer a running balancer"),
    "status": ("netsvc.cli.status", "show what a running daemon does"),
    "reload": ("netsvc.cli.reload", "have a running daemon read its configuration"),
    "hash-password": (
        "netsvc.cli.hash_password",
        "hash an operator's password for netsvc-chat",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the command line names.

    @param argv: the arguments after the program's name; C{sys.argv}'s by default.
    @return: the exit status: the command's own, or L{EXIT_USAGE} where none is named.
    """
    try:
        try:
            return _run(argv)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough; nor is the rest to be written at exit.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return 0


def _run(argv: Sequence[str] | None) -> int:
    """Run the command; see L{main}."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        print(_help(), file=sys.stderr)
        return EXIT_USAGE
    name, *rest = words
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    if name in ("-V", "--version"):
        print(_version())
        return 0
    if name not in COMMANDS:
        kind = "option" if name.startswith("-") else "command"
        print(f"netsvc: {unknown(kind, name, COMMANDS)}", file=sys.stderr)
        return EXIT_USAGE
    module = importlib.import_module(COMMANDS[name][0])
    status: int = module.main(rest)
    return status


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say in one line that there is no such thing, and which one may be meant.

    @param kind: what was looked for, a noun.
    @param name: what was asked for; control characters in it are escaped.
    @param known: the names that there are.
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
    return f"no {kind} {name!r}; {hint}"


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        (
            "Usage: netsvc COMMAND [OPTIONS]",
            "",
            *lines,
            "",
            "'netsvc COMMAND --help' tells more, 'netsvc --version' the version.",
        )
    )


def _version() -> str:
    return (
        f"netsvc {__version__} "
        f"(Twisted {metadata.version('twisted')}, Python {platform.python_version()})"
    )
