"""Answers as lines that people read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netsvc.daemon.escape import escape
from netsvc.dns import rrtypes
from netsvc.dns.codes import NXDOMAIN
from netsvc.dns.errors import LookupFailed
from netsvc.dns.idn import display
from netsvc.dns.line.request import LineRequest
from netsvc.dns.result import Record, Result, Security
from netsvc.dns.text import rdata_text

#: Records of an answer that are shown.
MAX_RECORDS: Final = 200

#: Characters of a record that are shown.
MAX_TEXT: Final = 1000

GREETING: Final = ("netsvc-dns: type a name, such as www.example.com, or help.",)

HELP: Final = (
    "  www.example.com      the addresses of a name",
    "  MX example.com       its records of a type: A AAAA MX NS TXT SOA CAA HTTPS ...",
    "  -x 8.8.8.8           the name of an address; or the address alone",
    "  help                 this text",
    "  quit                 end",
)

#: A lookup's end.
Outcome = Result | LookupFailed


def answer_lines(request: LineRequest, outcomes: Sequence[Outcome]) -> list[str]:
    """
    Write the answers to a line.

    @param request: What was asked.
    @param outcomes: What each of its questions got, in their order.
    """
    results = [each for each in outcomes if isinstance(each, Result)]
    records = list(
        dict.fromkeys(record for result in results for record in result.records)
    )
    lines = _table(records[:MAX_RECORDS])
    if len(records) > MAX_RECORDS:
        lines.append(f"and {len(records) - MAX_RECORDS} more records")
    shown = escape(request.name)
    if any(result.rcode == NXDOMAIN for result in results):
        lines.append(f"{shown}: there is no such name (NXDOMAIN)")
    elif results and not any(result.exists for result in results):
        types = " or ".join(rrtypes.type_name(each.question.rtype) for each in results)
        lines.append(f"{shown}: the name exists, but it has no {types} record")
    failed = [each for each in outcomes if isinstance(each, LookupFailed)]
    lines += list(dict.fromkeys(f"{shown}: no answer: {each}" for each in failed))
    notes = list(dict.fromkeys(filter(None, map(_note, results))))
    lines += [f"({note})" for note in notes]
    return [escape(line) for line in lines]


def _table(records: Sequence[Record]) -> list[str]:
    """Write records in columns."""
    rows = [
        (
            display(record.owner),
            rrtypes.type_name(record.rtype),
            str(record.ttl),
            _data(record),
        )
        for record in records
    ]
    widths = [max((len(row[n]) for row in rows), default=0) for n in range(3)]
    return [
        f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {ttl:>{widths[2]}}  {data}"
        for name, kind, ttl, data in rows
    ]


def _data(record: Record) -> str:
    text = rdata_text(record)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."


def _note(result: Result) -> str:
    """Say what else there is to know of an answer."""
    notes = []
    if result.stale:
        notes.append("an old answer: no server gives a new one")
    if result.security is Security.SECURE:
        notes.append("secure: DNSSEC proves it")
    elif result.security is Security.INSECURE:
        notes.append("not signed")
    notes += [error.name for error in result.extended_errors]
    return "; ".join(notes)
