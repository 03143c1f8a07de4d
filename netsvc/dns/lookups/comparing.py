"""Asks all servers at once, and writes what they say beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, gatherResults

from netsvc.dns.asking import Asks
from netsvc.dns.errors import DNSError, ResolverClosed
from netsvc.dns.lookups.comparison import Kind, Said, Verdict, names_differ
from netsvc.dns.lookups.describe import (
    data_text,
    ede_text,
    error_object,
    milliseconds,
    nsid_text,
    record_object,
    result_object,
)
from netsvc.dns.lookups.outcome import Interrupted
from netsvc.dns.lookups.spans import (
    BAD,
    DATA,
    DOUBT,
    GOOD,
    NAME,
    NOTE,
    TTL,
    Line,
    Span,
    align,
    span,
)
from netsvc.dns.lookups.validating import ValidatingAsks
from netsvc.dns.names import from_text
from netsvc.dns.options import QueryOptions
from netsvc.dns.result import Question, Result
from netsvc.dns.rrtypes import AAAA, IN, A, class_name, type_name
from netsvc.dns.servers import Server

_STYLES = {
    Kind.SAME: GOOD,
    Kind.DIFFERS: DOUBT,
    Kind.FILTERED: DOUBT,
    Kind.REWRITTEN: BAD,
    Kind.BOGUS: BAD,
    Kind.REFUSED: BAD,
    Kind.UNREACHABLE: BAD,
}

_HEADINGS = ("SERVER", "STATUS", "RTT", "TTL", "AD", "EDE", "VERDICT", "ANSWER")


async def ask_all(
    asks: Asks, servers: Sequence[Server], question: Question, options: QueryOptions
) -> list[Said]:
    """
    Ask all servers one question at once.

    @param asks: A resolver of these servers, or a validator in front of one.
    @return: What each has said, in their order.
    """
    said = await gatherResults(
        [
            Deferred.fromCoroutine(_ask(asks, server, question, options))
            for server in servers
        ]
    )
    return list(said)


async def _ask(
    asks: Asks, server: Server, question: Question, options: QueryOptions
) -> Said:
    how = replace(options, servers=(server,), authentic_data=True)
    name, rtype, rclass = question
    try:
        if isinstance(asks, ValidatingAsks):
            result = await asks.ask_unjudged(name, rtype, rclass, how)
            return Said(server, await asks.judged(result, how))
        return Said(server, await asks.query(name, rtype, rclass, how))
    except (CancelledError, ResolverClosed):
        return Said(server, error=Interrupted("interrupted"))
    except DNSError as error:
        return Said(server, error=error)


async def look_for_rewriting(
    asks: Asks, said: Sequence[Said], options: QueryOptions, label: str
) -> list[Said]:
    """
    See which servers have an address even for a name that cannot exist.

    They are asked for one below C{invalid.}, which no one can register (RFC 6761
    section 6.4), and only where some say NXDOMAIN and others have data.

    @param asks: The resolver itself.
    @param label: One that nobody has asked for: random.
    """
    asked = [each.result for each in said if each.result is not None]
    if not names_differ(said) or asked[0].question.rtype not in (A, AAAA):
        return list(said)
    name = from_text(f"{label}.invalid")
    question = Question(name, asked[0].question.rtype, IN)
    servers = [
        each.server for each in said if each.result is not None and each.result.exists
    ]
    found = {
        each.server: frozenset(each.result.addresses)
        for each in await ask_all(asks, servers, question, options)
        if each.result is not None
    }
    return [
        each._replace(rewrites=found.get(each.server, frozenset())) for each in said
    ]


def comparison_object(
    name: str, question: Question, said: Sequence[Said], verdicts: Sequence[Verdict]
) -> dict[str, Any]:
    """Describe a comparison as a JSON object."""
    servers = []
    for each, verdict in zip(said, verdicts, strict=True):
        found: dict[str, Any] = {
            "server": str(each.server),
            "status": each.status,
            "verdict": verdict.kind.value,
            "guess": verdict.is_guess,
            "why": verdict.why,
        }
        if each.result is not None:
            found |= result_object(each.result) | {"server": str(each.server)}
            records = each.result.records
            found["records"] = [record_object(record) for record in records]
        elif each.error is not None:
            found["error"] = error_object(each.error)
        servers.append(found)
    _, rtype, rclass = question
    return {
        "name": name,
        "type": type_name(rtype),
        "class": class_name(rclass),
        "servers": servers,
    }


def comparison_lines(
    title: str, said: Sequence[Said], verdicts: Sequence[Verdict]
) -> list[Line]:
    """
    Write a comparison for people: a table, the reasons, a summary.

    @param title: The question.
    """
    rows: list[tuple[Span, ...]] = [tuple(span(each, NOTE) for each in _HEADINGS)]
    notes: list[Line] = []
    for each, verdict in zip(said, verdicts, strict=True):
        rows += _rows(each, verdict)
        notes += _notes(each, verdict)
    kinds = Counter(verdict.kind for verdict in verdicts)
    counts = ", ".join(f"{count} {kind.value}" for kind, count in kinds.items())
    lines = [(span(f"; {title}", NOTE),), *align(rows), *notes]
    servers = "1 server" if len(said) == 1 else f"{len(said)} servers"
    lines.append((span(f"; {servers}: {counts}", NOTE),))
    if any(verdict.is_guess for verdict in verdicts):
        lines.append((span(_GUESSES, NOTE),))
    return lines


_GUESSES = (
    '; "differs" and "probably" are guesses: answers also differ by location, in turn,'
    " and in private networks"
)


def _rows(said: Said, verdict: Verdict) -> list[tuple[Span, ...]]:
    result = said.result
    style = _STYLES[verdict.kind]
    data = sorted({data_text(each) for each in result.answers}) if result else []
    ede = " ".join(str(each.code) for each in said.extended_errors)
    shown = verdict.kind.value + ("?" if verdict.is_guess else "")
    first = (
        span(str(said.server), NAME),
        span(said.status, "" if result else BAD),
        span(milliseconds(result.rtt) if result else "-"),
        span(_ttl(result), TTL),
        span("ad" if result and result.is_authenticated else "-"),
        span(ede or "-"),
        span(shown, style),
        span(data[0] if data else "-", DATA),
    )
    blank = (span(""),) * (len(_HEADINGS) - 1)
    return [first, *((*blank, span(text, DATA)) for text in data[1:])]


def _ttl(result: Result | None) -> str:
    ttls = [record.ttl for record in result.answers] if result else []
    return str(min(ttls)) if ttls else "-"


def _notes(said: Said, verdict: Verdict) -> list[Line]:
    notes: list[Line] = []
    if verdict.why and said.result is not None:
        text = f"; {said.server}: {verdict}"
        notes.append((span(text, _STYLES[verdict.kind]),))
    if said.result is None and said.error is not None:
        notes.append((span(f"; {said.error}", NOTE),))
    if said.result is not None and (nsid := said.result.nsid) is not None:
        notes.append((span(f"; {said.server}: NSID {nsid_text(nsid)}", NOTE),))
    for each in said.extended_errors:
        if each.text:
            text = f"; {said.server}: {ede_text(each)}"
            notes.append((span(text, NOTE),))
    return notes
