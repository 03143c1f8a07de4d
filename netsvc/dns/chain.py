"""
Which records of an answer section belong to the answer.

Only those on the chain of aliases that begins with the name asked for: a server
may put others beside them, and who believes those is poisoned (dns.md, rule 9).
"""

from __future__ import annotations

from netsvc.dns import rrtypes
from netsvc.dns.errors import BadChain
from netsvc.dns.names import MAX_NAME, is_within, to_text
from netsvc.dns.result import Question, Record

#: Aliases that are followed.
MAX_CHAIN = 16

_SIGNED = (rrtypes.RRSIG, rrtypes.TYPES["SIG"])


def on_chain(records: tuple[Record, ...], question: Question) -> tuple[Record, ...]:
    """
    Choose the records that answer a question.

    @param records: The answer section.
    @param question: The question; its name in any case.
    @return: The records of its class on the chain, aliases first, each RRset followed
        by its signatures. The chain ends where the type is found, and where there is
        no alias.
    @raise BadChain: The aliases go round in a circle, are more than L{MAX_CHAIN}, or
        are not those that a DNAME beside them makes: what is at the end of them is
        not known, and that is not the same as "no data".
    """
    name, wanted, rclass = question
    for owner, rtype, rc, _, _ in records:
        if owner != name or rtype != wanted or rc != rclass:
            break
    else:
        return records  # as nearly all are
    return _follow(records, name.lower(), wanted, rclass)


def _follow(
    records: tuple[Record, ...], name: bytes, wanted: int, rclass: int
) -> tuple[Record, ...]:
    by_owner: dict[bytes, list[Record]] = {}
    dnames: list[Record] = []
    for record in records:
        if rclass in (record.rclass, rrtypes.CLASSES["ANY"]):
            by_owner.setdefault(record.owner.lower(), []).append(record)
            if record.rtype == rrtypes.DNAME:
                dnames.append(record)
    chain: list[Record] = []
    seen = {name}
    while True:
        here = by_owner.get(name, [])
        found = _rrset(here, wanted)
        if found or wanted == rrtypes.ANY:
            chain += found
            break
        alias = _rrset(here, rrtypes.CNAME)
        above = _dname(name, dnames)
        if above is not None:
            over, target = above
            chain += _rrset(by_owner[over], rrtypes.DNAME)
            if target is None:
                break  # the name would be too long (RFC 6672 section 2.2)
            if alias and alias[0].rdata.lower() != target:
                raise BadChain(f"{to_text(name)} is not the alias that its DNAME makes")
        elif not alias:
            break
        else:
            target = alias[0].rdata.lower()
        chain += alias
        if target in seen:
            raise BadChain(f"they come back to {to_text(target)}")
        if len(seen) > MAX_CHAIN:
            raise BadChain(f"they are more than {MAX_CHAIN}")
        seen.add(target)
        name = target
    return tuple(dict.fromkeys(chain))


def _rrset(records: list[Record], rtype: int) -> list[Record]:
    """Give the records of one type, and the signatures of these; all for ANY."""
    if rtype == rrtypes.ANY:
        return records
    found = [record for record in records if record.rtype == rtype]
    if found and rtype not in _SIGNED:
        covered = rtype.to_bytes(2, "big")
        found += [
            record
            for record in records
            if record.rtype == rrtypes.RRSIG and record.rdata[:2] == covered
        ]
    return found


def _dname(name: bytes, dnames: list[Record]) -> tuple[bytes, bytes | None] | None:
    """
    Find the DNAME above a name (RFC 6672 section 2.2).

    @return: Its owner, and the name that it makes; L{None} for that if it is too long.
    """
    for record in dnames:
        owner = record.owner.lower()
        if len(owner) < len(name) and is_within(name, owner):
            target = name[: -len(owner)] + record.rdata.lower()
            return owner, target if len(target) <= MAX_NAME else None
    return None
