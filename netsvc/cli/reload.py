"""C{netsvc reload}: has a running daemon read its configuration again."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Final

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

__all__ = ["main"]

#: Seconds for a reload: names are looked up, stores and certificates read.
TIMEOUT: Final = 60.0

_DESCRIPTION = """\
Have a running netsvc read its configuration again. If anything is wrong with it,
nothing changes, and all that is wrong is shown, with file and line.
"""
_EPILOG = """\
exit status: 0 the new configuration is used; 1 it is not, or nobody can be asked;
2 bad usage. The same without a message: kill -HUP, or systemctl reload netsvc.
"""


def main(argv: Sequence[str]) -> int:
    """
    Run C{netsvc reload}.

    @param argv: The arguments after the command's name.
    @return: The exit status.
    """
    parser = Parser(
        "netsvc reload",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add_place(parser)
    try:
        arguments = parser.parse_args(list(argv))
    except SystemExit as leaving:
        return int(leaving.code or 0)
    try:
        place, token = place_of(arguments.admin), token_of(arguments.token)
        problems = problems_of(*ask(place, "POST", "/reload", token, TIMEOUT))
    except AdminError as error:
        print(f"netsvc reload: {escape(str(error))}", file=sys.stderr)
        return EXIT_FAILED
    for problem in problems:
        print(escape(problem), file=sys.stderr)
    if problems:
        print("netsvc reload: nothing was changed", file=sys.stderr)
        return EXIT_FAILED
    print("the configuration was read again")
    return 0


def problems_of(code: int, body: bytes) -> list[str]:
    """
    Read the answer to a reload.

    @return: What is wrong with the configuration; nothing if it is used now.
    @raise AdminError: It is another answer.
    """
    try:
        answer = json.loads(body)
        problems = answer["problems"]
        if isinstance(problems, list) and bool(answer["ok"]) is not bool(problems):
            return [str(problem) for problem in problems]
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    text = body[:200].decode("utf-8", "replace").strip()
    raise AdminError(f"the answer is {code}: {text or 'nothing'}")
