"""The language of the control socket: one line of JSON asks, one line answers.

A request is an object with C{command} and what the command takes::

    {"command": "status"}
    {"command": "drain", "backend": "web1"}
    {"command": "weight", "backend": "web1", "weight": 5}

An answer is C{{"ok": true, "result": ...}} or C{{"ok": false, "error": "..."}}; the
error is one line for operators. A connection carries one of each.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from netsvc.daemon.escape import escape

__all__ = [
    "COMMANDS",
    "DEFAULT_SOCKET",
    "MAX_ANSWER",
    "MAX_REQUEST",
    "ControlError",
    "Request",
    "format_answer",
    "format_refusal",
    "parse_answer",
    "parse_request",
]

#: Where the socket is unless told otherwise.
DEFAULT_SOCKET: Final = "/run/netsvc/balance.sock"
#: The longest request and the longest answer, in bytes, line feed included.
MAX_REQUEST: Final = 4096
MAX_ANSWER: Final = 16 * 1024 * 1024

#: Each command and what it takes.
COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "status": (),
    "drain": ("backend",),
    "enable": ("backend",),
    "maint": ("backend",),
    "weight": ("backend", "weight"),
    "check": ("backend",),
}

_KINDS: Final = {"backend": (str, "text"), "weight": (int, "a whole number")}


class ControlError(Exception):
    """A command cannot be carried out; its text is one line for operators."""


@dataclass(frozen=True)
class Request:
    """A command and what it takes.

    @ivar backend: the backend's name; empty for C{status}.
    @ivar weight: for C{weight} only.
    """

    command: str
    backend: str = ""
    weight: int = 0

    def to_line(self) -> bytes:
        """Write it."""
        fields: dict[str, object] = {"command": self.command}
        for name in COMMANDS[self.command]:
            fields[name] = getattr(self, name)
        return _line(fields)


def parse_request(line: bytes) -> Request:
    """Read a request.

    @param line: without or with its line feed.
    @raise ControlError: if it is none.
    """
    fields = _object(line, "the request")
    command = fields.pop("command", None)
    if not isinstance(command, str) or command not in COMMANDS:
        raise ControlError(f"command must be one of {', '.join(COMMANDS)}")
    takes = COMMANDS[command]
    for name in takes:
        kind, what = _KINDS[name]
        if type(fields.get(name)) is not kind:  # true is no number here
            raise ControlError(f"{command}: {name} must be {what}")
    if len(fields) > len(takes):
        raise ControlError(f"{command} takes {', '.join(takes) or 'nothing'}")
    return Request(command, **fields)


def format_answer(result: object) -> bytes:
    """Write the answer to a command that was carried out."""
    return _line({"ok": True, "result": result})


def format_refusal(problem: str) -> bytes:
    """Write the answer to one that was not; C{problem} is for operators."""
    return _line({"ok": False, "error": escape(problem)})


def parse_answer(line: bytes) -> Any:
    """Read an answer, and give the result in it.

    @raise ControlError: if the command was not carried out, with its text, or if
        this is no answer.
    """
    fields = _object(line, "the answer")
    if fields.get("ok") is True and "result" in fields:
        return fields["result"]
    problem = fields.get("error")
    if fields.get("ok") is False and isinstance(problem, str):
        raise ControlError(problem)
    raise ControlError("the answer is not of this protocol")


def _line(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"


def _object(line: bytes, what: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError(f"{what} is not JSON") from None
    if not isinstance(fields, dict):
        raise ControlError(f"{what} is not a JSON object")
    return fields
