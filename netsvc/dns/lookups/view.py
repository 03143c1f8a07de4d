"""Answers as lines for people."""

from __future__ import annotations

from collections.abc import Iterable

from netsvc.dns.codes import NOERROR, rcode_name
from netsvc.dns.errors import DNSError
from netsvc.dns.idn import display
from netsvc.dns.lookups.describe import (
    data_text,
    ede_text,
    flag_names,
    milliseconds,
    nsid_text,
)
from netsvc.dns.lookups.outcome import Outcome, extended_errors
from netsvc.dns.lookups.spans import (
    BAD,
    DATA,
    DOUBT,
    GOOD,
    NAME,
    NOTE,
    TTL,
    TYPE,
    Line,
    align,
    span,
)
from netsvc.dns.names import to_text
from netsvc.dns.result import Question, Record, Result, Security
from netsvc.dns.rrtypes import IN, class_name, type_name

_SECURITY = {
    Security.SECURE: GOOD,
    Security.INSECURE: DOUBT,
    Security.INDETERMINATE: DOUBT,
    Security.BOGUS: BAD,
}


def record_lines(records: Iterable[Record]) -> list[Line]:
    """Write records below each other."""
    return align(
        (
            span(display(record.owner), NAME),
            span(str(record.ttl), TTL),
            span(_kind(record.rtype, record.rclass), TYPE),
            span(data_text(record), DATA),
        )
        for record in records
    )


def _kind(rtype: int, rclass: int) -> str:
    kind = type_name(rtype)
    return kind if rclass == IN else f"{class_name(rclass)} {kind}"


def question_text(question: Question, name: str = "") -> str:
    """
    Write a question for people.

    @param name: The name as it was written, if it is to be shown so.
    """
    shown = name or display(question.name)
    return f"{shown} {_kind(question.rtype, question.rclass)}"


def outcome_lines(outcome: Outcome) -> list[Line]:
    """
    Write an answer, and all that there is to say about it after a C{;}.

    Of a failure there is nothing: it goes where errors go.
    """
    result = outcome.result
    if result is None:
        return []
    lines = record_lines(result.records)
    if not result.exists:
        lines.append((span(f"; {_nothing(outcome, result)}", DOUBT),))
        lines += record_lines(result.authority)
    lines += [_note(str(error), DOUBT) for error in result.errors]
    lines += [_note(ede_text(error), DOUBT) for error in result.extended_errors]
    if result.security is not Security.UNCHECKED:
        lines += _security_lines(result)
    if (nsid := result.nsid) is not None:
        lines.append(_note(f"NSID {nsid_text(nsid)}"))
    lines.append(_note(server_text(result)))
    return lines


def _nothing(outcome: Outcome, result: Result) -> str:
    """Say what a negative answer means."""
    asked = question_text(outcome.question, outcome.name)
    if result.rcode != NOERROR:
        # With an alias it is its target that does not exist.
        target = result.canonical
        shown = outcome.name if target == outcome.question.name else display(target)
        return f"{shown}: {rcode_name(result.rcode)}"
    return f"{asked}: no such data"


def _note(text: str, style: str = NOTE) -> Line:
    return (span(f"; {text}", style),)


def _security_lines(result: Result) -> list[Line]:
    why = "; ".join(ede_text(reason) for reason in result.reasons)
    text = f"DNSSEC: {result.security.value}" + (f", {why}" if why else "")
    return [_note(text, _SECURITY[result.security])]


def server_text(result: Result) -> str:
    """Say who has answered, over what, in which time, and how."""
    where = str(result.server) if result.server else "?"
    parts = [
        f"{rcode_name(result.rcode)} from {where} ({result.transport})"
        f" in {milliseconds(result.rtt)}",
        f"{result.size} bytes",
        f"flags {' '.join(flag_names(result.flags))}",
    ]
    return ", ".join(parts)


def failure_text(error: DNSError) -> str:
    """Say in one line why there is no answer."""
    notes = [ede_text(each) for each in extended_errors(error)]
    return ", ".join([str(error), *notes])


def short_lines(outcome: Outcome) -> list[Line]:
    """Write the data of the records of the type asked for, and nothing else."""
    if outcome.result is None:
        return []
    return data_lines(outcome.result.answers)


def data_lines(records: Iterable[Record]) -> list[Line]:
    """Write the data of records, and nothing else."""
    return [(span(data_text(record)),) for record in records]


def zone_name(name: bytes) -> str:
    """Write a zone's name for people, with a final dot."""
    text = display(name)
    return text if to_text(name) == "." else f"{text}."
