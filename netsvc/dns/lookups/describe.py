"""Answers as JSON objects, and the pieces of text that all forms share."""

from __future__ import annotations

import json
from typing import Any

from netsvc.daemon.escape import escape_json
from netsvc.dns.codes import AA, AD, CD, RA, RD, TC
from netsvc.dns.errors import DNSError, ServerError
from netsvc.dns.idn import display
from netsvc.dns.lookups.outcome import (
    Outcome,
    error_word,
    extended_errors,
)
from netsvc.dns.names import to_text
from netsvc.dns.rdata import name_at
from netsvc.dns.result import ExtendedError, Record, Result, Security
from netsvc.dns.rrtypes import (
    CNAME,
    DNAME,
    MX,
    NS,
    PTR,
    class_name,
    type_name,
)
from netsvc.dns.text import rdata_text

#: Types whose data is a name, after so many bytes of something else.
_NAMES = {CNAME: 0, DNAME: 0, NS: 0, PTR: 0, MX: 2}

_FLAGS = {"aa": AA, "tc": TC, "rd": RD, "ra": RA, "ad": AD, "cd": CD}


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def flag_names(flags: int) -> list[str]:
    """Name the flags of a header that are set."""
    return [name for name, bit in _FLAGS.items() if flags & bit]


def data_text(record: Record) -> str:
    """Write a record's data for people: names in it in their own script."""
    text = rdata_text(record)
    start = _NAMES.get(record.rtype)
    if start is not None:
        name = name_at(record.rdata, start)
        ascii_text, shown = to_text(name), display(name)
        if shown != ascii_text:
            return text.removesuffix(ascii_text + ".") + shown + "."
    return text


def milliseconds(seconds: float) -> str:
    """Write a time: C{0.42 ms}, C{12.3 ms}, C{1234 ms}."""
    value = seconds * 1000
    digits = 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:.{digits}f} ms"


def ede_text(error: ExtendedError) -> str:
    """Write an extended error for people (RFC 8914)."""
    more = f": {error.text}" if error.text else ""
    return f"EDE {error.code} ({error.name}){more}"


def nsid_text(nsid: bytes) -> str:
    """Write a server's identifier: text where it is text, else hexadecimal."""
    text = nsid.decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() else nsid.hex()


def record_object(record: Record) -> dict[str, Any]:
    """Describe a record."""
    shown, ascii_text = display(record.owner), to_text(record.owner)
    found: dict[str, Any] = {"name": shown}
    if shown != ascii_text:
        found["ascii"] = ascii_text
    found["ttl"] = record.ttl
    found["class"] = class_name(record.rclass)
    found["type"] = type_name(record.rtype)
    found["data"] = rdata_text(record)
    return found


def _ede_objects(errors: tuple[ExtendedError, ...]) -> list[dict[str, Any]]:
    return [
        {"code": error.code, "name": error.name, "text": error.text} for error in errors
    ]


def error_object(error: DNSError) -> dict[str, Any]:
    """Describe an error."""
    found: dict[str, Any] = {"kind": error_word(error), "text": str(error)}
    if isinstance(error, ServerError):
        found |= {"server": str(error.server), "transport": error.transport}
    if ede := extended_errors(error):
        found["ede"] = _ede_objects(ede)
    return found


def result_object(result: Result) -> dict[str, Any]:
    """Describe an answer, its records left out."""
    found: dict[str, Any] = {
        "server": str(result.server) if result.server else "",
        "transport": result.transport,
        "rtt_ms": round(result.rtt * 1000, 3),
        "size": result.size,
        "flags": flag_names(result.flags),
    }
    if result.security is not Security.UNCHECKED:
        found["security"] = result.security.value
        found["reasons"] = _ede_objects(result.reasons)
    if ede := result.extended_errors:
        found["ede"] = _ede_objects(ede)
    if (nsid := result.nsid) is not None:
        found["nsid"] = nsid_text(nsid)
    return found


def outcome_object(outcome: Outcome) -> dict[str, Any]:
    """Describe what became of a question."""
    question, result = outcome.question, outcome.result
    ascii_text = to_text(question.name)
    found: dict[str, Any] = {"name": outcome.name, "ascii": ascii_text}
    found["type"] = type_name(question.rtype)
    found["class"] = class_name(question.rclass)
    found["status"] = outcome.status
    if result is not None:
        found["records"] = [record_object(record) for record in result.records]
        if not result.exists:
            found["authority"] = [record_object(record) for record in result.authority]
        found |= result_object(result)
    elif outcome.error is not None:
        found["error"] = error_object(outcome.error)
    if errors := outcome.errors:
        found["errors"] = [error_object(error) for error in errors]
    return found


def json_line(value: object) -> str:
    """Write a value as JSON on one line, fit for a terminal."""
    return escape_json(_encode(value))


def yaml_document(value: dict[str, Any]) -> str:
    """
    Write an object as a YAML document, with its C{---}.

    Keys are plain words; scalars are JSON's, which are YAML's too (YAML 1.2 chapter 1).
    """
    return "\n".join(["---", *_yaml(value, "")])


def _yaml(value: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for key, each in value.items():
        if isinstance(each, dict) and each:
            lines += [f"{indent}{key}:", *_yaml(each, indent + "  ")]
        elif isinstance(each, list) and each and isinstance(each[0], dict):
            lines.append(f"{indent}{key}:")
            for item in each:
                first, *rest = _yaml(item, indent + "    ")
                lines += [f"{indent}  - {first.strip()}", *rest]
        else:
            lines.append(f"{indent}{key}: {json_line(each)}")
    return lines
