"""C{netsvc status}: what a running daemon does, on the terminal."""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from netsvc.cli.admin import (
    EXIT_FAILED,
    AdminError,
    add_place,
    ask,
    place_of,
    token_of,
)
from netsvc.cli.parsing import Parser
from netsvc.daemon.escape import escape

__all__ = ["EXIT_NOT_READY", "main"]

#: Exit status when the daemon is there and does not serve: it starts, or drains.
EXIT_NOT_READY: Final = 3

#: Characters of a line where there is no terminal.
WIDTH: Final = 200

#: Seconds between two looks of C{--watch}, unless told otherwise.
WATCH: Final = 2.0

_DESCRIPTION = """\
Show what a running netsvc does: its services, ports, backends, rooms, resolvers,
limits that bit, processes and connections.
"""
_EPILOG = """\
exit status: 0 it serves clients; 1 it cannot be asked; 2 bad usage; 3 it does not
serve: it starts, or drains. As a health check: netsvc status --quiet

examples:
  netsvc status
  netsvc status --watch --connections --filter 'service:chat -state:open'
  netsvc status --admin 127.0.0.1:9100 --json | jq '.services[].live'
"""


def _parser() -> Parser:
    parser = Parser(
        "netsvc status",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add_place(parser)
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        type=_seconds,
        const=WATCH,
        help=f"show it again and again, every {WATCH:g} seconds unless told otherwise",
    )
    parser.add_argument("--json", action="store_true", help="write it as JSON")
    parser.add_argument("--quiet", action="store_true", help="only set the exit status")
    parser.add_argument(
        "--connections", action="store_true", help="list the connections, too"
    )
    parser.add_argument(
        "--filter",
        metavar="WORDS",
        default="",
        help="list only connections that fit, as on the status page",
    )
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 0.1 to 86400 seconds")
    return seconds


def main(argv: Sequence[str]) -> int:
    """
    Run C{netsvc status}.

    @param argv: The arguments after the command's name.
    @return: The exit status.
    """
    try:
        arguments = _parser().parse_args(list(argv))
    except SystemExit as leaving:
        return int(leaving.code or 0)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        place, token = place_of(arguments.admin), token_of(arguments.token)

        def fetch(path: str) -> tuple[int, bytes]:
            return ask(place, "GET", path, token)

        if arguments.quiet:
            return 0 if fetch("/readyz")[0] == 200 else EXIT_NOT_READY
        if arguments.watch is not None:
            return _watch(fetch, arguments)
        return _show(fetch, arguments)
    except AdminError as error:
        print(f"netsvc status: {escape(str(error))}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # Whoever reads has seen enough; nor is the rest to be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _status(fetch: Callable[[str], tuple[int, bytes]]) -> tuple[bytes, Any]:
    """
    Get the status.

    @raise AdminError: There is none, or it cannot be read.
    """
    from netsvc.daemon.admin.document import from_json

    code, body = fetch("/status.json")
    if code == 503:
        return b"", None
    if code != 200:
        raise AdminError(f"the answer is {code}, not a status")
    try:
        return body, from_json(body)
    except ValueError as error:
        raise AdminError(str(error)) from None


def _show(fetch: Callable[[str], tuple[int, bytes]], arguments: Any) -> int:
    """Show it once."""
    body, status = _status(fetch)
    if status is None:
        print("netsvc: starting")
        return EXIT_NOT_READY
    if arguments.json:
        print(body.decode().rstrip("\n"), flush=True)
    else:
        console, show = _tools(arguments)
        console.print(show(status))
    return 0 if status.ready else EXIT_NOT_READY


def _tools(arguments: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Load rich; give its console, and what makes the tables of a status."""
    from rich.console import Console

    from netsvc.cli.status_tables import renderable

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    filter = arguments.filter
    listed = arguments.connections or bool(filter)
    return console, partial(renderable, connections=listed, filter=filter)


def _watch(fetch: Callable[[str], tuple[int, bytes]], arguments: Any) -> int:
    """Show it again and again, until C{^C}; a daemon that goes is waited for."""
    console, show = _tools(arguments)
    if arguments.json or not console.is_terminal:
        while True:
            _show(fetch, arguments)
            sys.stdout.flush()
            time.sleep(arguments.watch)
    from rich.live import Live

    with Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            live.update(_look(fetch, show), refresh=True)
            time.sleep(arguments.watch)


def _look(fetch: Callable[[str], tuple[int, bytes]], show: Callable[[Any], Any]) -> Any:
    """Give what is to be shown now, be it that there is nothing."""
    from rich.text import Text

    try:
        _, status = _status(fetch)
    except AdminError as error:
        return Text(f"netsvc status: {escape(str(error))}", style="bold red")
    return Text("netsvc: starting") if status is None else show(status)
