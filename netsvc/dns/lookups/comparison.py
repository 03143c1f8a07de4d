"""
What several servers say to one question, beside each other.

Only three verdicts are certain: a server that has not answered, one that says itself
that it filters (RFC 8914), and one whose answer DNSSEC proves to be wrong. All others
are guesses and are called so: servers may differ because a name is served by location
or in turn, or because a private network has names of its own.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from netsvc.dns.codes import NXDOMAIN, rcode_name
from netsvc.dns.errors import DNSError, LookupFailed
from netsvc.dns.lookups.outcome import error_word, extended_errors
from netsvc.dns.rdata import LAYOUTS, name_at
from netsvc.dns.result import ExtendedError, Result, Security
from netsvc.dns.servers import Server

#: Extended errors by which a server says that it filters: blocked (by itself),
#: censored (by others), filtered (as its client wishes).
FILTERING = frozenset({15, 16, 17})

#: Extended errors of an answer that could not be validated because keys were not to be
#: had: DNSKEY missing. It proves nothing.
UNPROVEN = frozenset({9})

#: A response code, and the data of the records of the type asked for.
Content = tuple[int, frozenset[bytes]]


class Kind(Enum):
    """What one server's answer is, beside the others'."""

    SAME = "same"
    DIFFERS = "differs (rotation or location)"
    FILTERED = "filtered"
    REWRITTEN = "NXDOMAIN rewritten"
    BOGUS = "bogus"
    REFUSED = "no answer"
    UNREACHABLE = "unreachable"


class Verdict(NamedTuple):
    """
    A verdict about one server.

    @ivar kind: What its answer is.
    @ivar is_guess: Whether it is a guess, which may be wrong.
    @ivar why: What it is based on; may be empty.
    """

    kind: Kind
    is_guess: bool = False
    why: str = ""

    def __str__(self) -> str:
        """Write it for people."""
        guess = "probably " if self.is_guess and self.kind in _ACCUSATIONS else ""
        return guess + self.kind.value + (f": {self.why}" if self.why else "")


_ACCUSATIONS = frozenset({Kind.FILTERED, Kind.REWRITTEN})


class Said(NamedTuple):
    """
    What one server has said.

    @ivar server: Which.
    @ivar result: Its answer.
    @ivar error: What it has done instead.
    @ivar rewrites: Addresses that it gives for a name that cannot exist.
    """

    server: Server
    result: Result | None = None
    error: DNSError | None = None
    rewrites: frozenset[str] = frozenset()

    @property
    def status(self) -> str:
        """The response code, or what went wrong, in a word."""
        if self.result is not None:
            return rcode_name(self.result.rcode)
        return error_word(self.error)

    @property
    def extended_errors(self) -> tuple[ExtendedError, ...]:
        """The extended errors that it has sent, with an answer or without."""
        if self.result is not None:
            return self.result.extended_errors
        return extended_errors(self.error)

    @property
    def filtering(self) -> str:
        """How the server says that it filters; empty if it does not."""
        names = [each.name for each in self.extended_errors if each.code in FILTERING]
        return names[0] if names else ""

    @property
    def content(self) -> Content | None:
        """What counts when answers are compared; L{None} without an answer."""
        return None if self.result is None else content(self.result)


def content(result: Result) -> Content:
    """Give what counts when answers are compared: code and data, order-free."""
    return result.rcode, frozenset(
        _canonical(record.rtype, record.rdata) for record in result.answers
    )


def _canonical(rtype: int, data: bytes) -> bytes:
    """Lower the letters of the names in a record's data, and of nothing else."""
    pieces = []
    position = 0
    for part in LAYOUTS.get(rtype, ()):
        piece = data[position:]
        if part == "name":
            piece = name_at(data, position)
        elif isinstance(part, int):
            piece = data[position : position + part]
        else:
            return data  # strings: their case counts
        pieces.append(piece.lower() if part == "name" else piece)
        position += len(piece)
    return b"".join(pieces) + data[position:]


def names_differ(said: Sequence[Said]) -> bool:
    """Tell whether some servers say NXDOMAIN, and others give data."""
    codes = {each.result.rcode for each in said if each.result is not None}
    return NXDOMAIN in codes and len(codes) > 1


def judge(said: Sequence[Said]) -> list[Verdict]:
    """
    Compare.

    What most servers say counts as usual, or what DNSSEC has proven if it was asked:
    no more than a convention where nothing is proven. Between two that differ the one
    that has a public address to give counts.

    @return: A verdict for each.
    """
    usual = _usual(said)
    return [_judge(each, usual) for each in said]


def _usual(said: Sequence[Said]) -> Result | None:
    """Give what most say; of those that are proven, if any is."""
    results = [
        (each.content, each.result)
        for each in said
        if each.result is not None
        and not _is_bogus(each.result)
        and not each.rewrites
        and not each.filtering
    ]
    secure = [each for each in results if each[1].security is Security.SECURE]
    chosen = secure or results
    votes = Counter(content for content, _ in chosen)
    # Of those with as many votes, one that no filter would give: a filter that is
    # asked first is not to make the others look wrong.
    return max(
        (result for _, result in chosen),
        key=lambda result: (votes[content(result)], _is_open(result)),
        default=None,
    )


def _is_open(result: Result) -> bool:
    """Tell whether an answer has data, and addresses that may be a public server's."""
    return result.exists and not _all_special(result.addresses)


def _judge(said: Said, usual: Result | None) -> Verdict:
    if said.filtering:
        return Verdict(Kind.FILTERED, why=f"it says {said.filtering}")
    result = said.result
    if result is None:
        error = said.error
        if isinstance(error, LookupFailed) and error.rcode is not None:
            return Verdict(Kind.REFUSED, why=error_word(error))
        return Verdict(Kind.UNREACHABLE, why=error_word(error).lower())
    same = usual is None or said.content == content(usual)
    if _is_bogus(result):
        return _judge_bogus(result, usual, same)
    verdict = _judge_content(said, result, usual, same)
    if result.security in (Security.BOGUS, Security.INDETERMINATE):
        why = f"not validated: {result.reasons[0].text}"
        verdict = verdict._replace(why="; ".join(filter(None, (verdict.why, why))))
    return verdict


def _judge_content(
    said: Said, result: Result, usual: Result | None, same: bool
) -> Verdict:
    found = said.rewrites.intersection(result.addresses)
    if found:
        why = f"names that cannot exist have {_listed(found)} there, too"
        return Verdict(Kind.REWRITTEN, is_guess=True, why=why)
    if usual is None or same:
        return Verdict(Kind.SAME)
    return _judge_difference(result, usual)


def _is_bogus(result: Result) -> bool:
    """
    Tell whether DNSSEC proves an answer to be wrong. A validator calls bogus also what
    it must not believe because a server has no keys for it.
    """
    codes = {reason.code for reason in result.reasons}
    return result.security is Security.BOGUS and not codes & UNPROVEN


def _judge_bogus(result: Result, usual: Result | None, same: bool) -> Verdict:
    why = result.reasons[0].text if result.reasons else ""
    if same and usual is not None and usual.security is Security.SECURE:
        # Whoever passes on no signatures has not thereby forged anything.
        return Verdict(Kind.SAME, why=f"as proven elsewhere, but {why}")
    return Verdict(Kind.BOGUS, why=why)


def _judge_difference(result: Result, usual: Result) -> Verdict:
    addresses = result.addresses
    if _all_special(addresses) and usual.exists and not _all_special(usual.addresses):
        why = f"{_listed(addresses)} is no public address"
        return Verdict(Kind.FILTERED, is_guess=True, why=why)
    if usual.rcode == NXDOMAIN and addresses:
        proven = usual.security is Security.SECURE
        why = "NXDOMAIN is proven" if proven else "most say NXDOMAIN"
        return Verdict(Kind.REWRITTEN, is_guess=True, why=why)
    if result.rcode == NXDOMAIN and usual.exists:
        why = "NXDOMAIN where others have data"
        return Verdict(Kind.FILTERED, is_guess=True, why=why)
    why = ""
    if not result.exists:
        why = "no data"
    elif content(usual)[1] & content(result)[1]:
        why = "in part the same"
    return Verdict(Kind.DIFFERS, is_guess=True, why=why)


def _all_special(addresses: Sequence[str]) -> bool:
    """Tell whether there are addresses, and none of them can be a public server's."""
    return bool(addresses) and not any(
        ipaddress.ip_address(each).is_global for each in addresses
    )


def _listed(addresses: Iterable[str]) -> str:
    return ", ".join(sorted(addresses)[:3])
