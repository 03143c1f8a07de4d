"""C{netsvc balance}: shows and steers a running balancer."""

from __future__ import annotations

import argparse
import io
import json
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any, Final

from netsvc.balance.control_wire import (
    COMMANDS,
    DEFAULT_SOCKET,
    MAX_ANSWER,
    ControlError,
    Request,
    parse_answer,
)
from netsvc.balance.status_table import backend_rows, format_status
from netsvc.cli import unknown
from netsvc.cli.parsing import Parser
from netsvc.daemon.escape import escape, escape_json

__all__ = ["main"]

#: Exit status when the balancer is not there or refuses.
EXIT_FAILED: Final = 1
#: Seconds for each step of the conversation.
TIMEOUT: Final = 5.0
_CHUNK: Final = 65536

_DESCRIPTION = """\
Show and steer a running netsvc-balance through its control socket.

  status [BACKEND]   pools and backends; or only the backends of that name
  drain BACKEND      send it no new session, let those that it has finish
  maint BACKEND      the same, and do not check it either
  enable BACKEND     use it again
  weight BACKEND N   change its share of new sessions; 0 is none
  check BACKEND      check it now
"""
_EPILOG = """\
columns of the table: sessions NOW, at most (MAX), in TOTAL, and new ones a second
(RATE); those that wait for a backend (QUEUE); bytes IN (from clients) and OUT. The
line in front of a pool's backends is the pool as a whole, with the clients that it
had to refuse.

exit status: 0 well; 1 no balancer there, or it refuses; 2 bad usage.

examples:
  netsvc balance status
  netsvc balance drain web1 --socket /run/user/1000/balance.sock
  netsvc balance status --json | jq '.[].backends[] | select(.state != "up")'
"""


def _parser() -> Parser:
    parser = Parser(
        "netsvc balance",
        usage="%(prog)s COMMAND [--socket PATH] [--json] [BACKEND] [N]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument(
        "--socket",
        metavar="PATH",
        default=DEFAULT_SOCKET,
        help=f"the control socket (default {DEFAULT_SOCKET})",
    )
    parser.add_argument("--json", action="store_true", help="write JSON, on one line")
    return parser


def _request(parser: Parser, words: Sequence[str]) -> Request:
    """Make the request that the words ask for."""
    if not words:
        parser.error(f"which command? There are: {', '.join(COMMANDS)}")
    command, *operands = words
    if command not in COMMANDS:
        parser.error(unknown("command", command, COMMANDS))
    takes = COMMANDS[command]
    most = 1 if command == "status" else len(takes)
    if not len(takes) <= len(operands) <= most:
        shown = {"backend": "BACKEND", "weight": "N"}
        wanted = " ".join(shown[name] for name in takes) or "[BACKEND]"
        parser.error(f"{command} takes {wanted}")
    if command == "status":
        return Request(command, operands[0] if operands else "")
    if command == "weight":
        text = operands[1]
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            parser.error(f"weight {text!r} is not a whole number")
        return Request(command, operands[0], int(text))
    return Request(command, operands[0])


def main(argv: Sequence[str]) -> int:
    """Run C{netsvc balance} with the arguments C{argv}, without the command's name.

    @return: the exit status: 0 well, L{EXIT_FAILED}, or L{EXIT_USAGE}.
    """
    parser = _parser()
    try:
        arguments = parser.parse_intermixed_args(argv)
        request = _request(parser, arguments.words)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A backend's name may hold what the terminal's encoding does not.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        result = parse_answer(exchange(arguments.socket, request.to_line()))
        shown = _show(request, result, as_json=arguments.json)
    except ControlError as error:
        print(f"netsvc balance: {escape(str(error))}", file=sys.stderr)
        return EXIT_FAILED
    try:
        print(shown, flush=True)
    except BrokenPipeError:
        # Whoever reads has seen enough; nor is the rest to be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def exchange(path: str, line: bytes) -> bytes:
    """Send a request to the control socket and take the answer.

    @raise ControlError: if there is no socket, nobody at it, or no whole answer.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(path)
            connection.sendall(line)
            return _receive(connection, path)
    except FileNotFoundError:
        problem = "there is none; is netsvc-balance running, and is --socket right?"
    except ConnectionRefusedError:
        problem = "nobody listens; netsvc-balance does not run any more"
    except PermissionError:
        problem = "permission denied; only the user who runs netsvc-balance may"
    except TimeoutError:
        problem = f"no answer within {TIMEOUT:.0f} s"
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        problem = getattr(error, "strerror", None) or str(error)
    raise ControlError(f"control socket {path}: {problem}")


def _receive(connection: socket.socket, path: str) -> bytes:
    answer = bytearray()
    while not answer.endswith(b"\n"):
        chunk = connection.recv(_CHUNK)
        if not chunk:
            raise ControlError(f"control socket {path}: closed without a whole answer")
        answer += chunk
        if len(answer) > MAX_ANSWER:
            raise ControlError(f"control socket {path}: the answer is too long")
    return bytes(answer)


def _show(request: Request, result: Any, *, as_json: bool) -> str:
    """Write the result; raise L{ControlError} if it is not what was asked for."""
    if request.command != "status":
        if as_json:
            return json.dumps({"ok": True})
        shown = f" {request.weight}" if request.command == "weight" else ""
        return f"{escape(request.backend)}: {request.command}{shown}: done"
    if not (
        isinstance(result, list) and all(isinstance(pool, dict) for pool in result)
    ):
        raise ControlError("the status is not of this protocol")
    if request.backend:
        result = _only(result, request.backend)
    if as_json:
        return escape_json(json.dumps(result))
    return format_status(result, colours=_colours())


def _only(pools: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Leave the backends of a name, and the pools that have them."""
    found = []
    for pool in pools:
        rows = [row for row in backend_rows(pool) if row.get("name") == name]
        if rows:
            found.append({**pool, "backends": rows})
    if not found:
        raise ControlError(f"no backend {name!r}")
    return found


def _colours() -> bool:
    """Colours are for terminals, and for people who want them (no-color.org)."""
    return (
        sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )
