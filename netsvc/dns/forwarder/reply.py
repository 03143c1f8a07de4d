"""Replies as they go out: sections packed, EDNS added, cut to what the client takes."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from netsvc.dns import rrtypes
from netsvc.dns.codes import CD, DO, EDE, OPCODE, PADDING, QR, RA, RD, TC
from netsvc.dns.forwarder.request import Request
from netsvc.dns.result import ExtendedError, Record
from netsvc.dns.stored import Packed
from netsvc.dns.wire import HEADER, MAX_MESSAGE, PAYLOAD, pack_option, padding

#: Bytes of the blocks to which replies over encrypted transports are padded (RFC 8467
#: section 4.1).
BLOCK: Final = 468

#: The most characters of an extended error's text.
MAX_TEXT: Final = 200

_opt = struct.Struct("!BHHIH").pack
_header = struct.Struct("!2sHHHHH").pack
_TC_BYTE: Final = TC >> 8
_ECHOED: Final = OPCODE | RD | CD
_DENIALS: Final = frozenset({rrtypes.SOA, rrtypes.NSEC, rrtypes.NSEC3})
_SIGNED: Final = frozenset(number.to_bytes(2, "big") for number in _DENIALS)


def pack_edns(rcode: int, dnssec: bool, options: bytes = b"") -> bytes:
    """
    Write the OPT record of a reply (RFC 6891 section 6.1.3).

    @param rcode: The extended response code.
    @param dnssec: Whether the query had DO.
    @param options: The options, packed.
    """
    ttl = (rcode >> 4) << 24 | (DO if dnssec else 0)
    return _opt(0, rrtypes.OPT, PAYLOAD, ttl, len(options)) + options


def pack_errors(errors: Iterable[ExtendedError]) -> bytes:
    """Write extended errors as options (RFC 8914 section 2)."""
    return b"".join(
        pack_option(EDE, code.to_bytes(2, "big") + text[:MAX_TEXT].encode())
        for code, text in errors
    )


def refusal(request: Request, rcode: int, opt: bytes = b"") -> bytes:
    """
    Write a reply without records.

    @param rcode: The response code.
    @param opt: Its OPT record, if the query has one.
    """
    flags = QR | RA | request_flags(request) | rcode & 15
    question = request.data[HEADER : request.end]
    counts = (1 if question else 0, 0, 0, 1 if opt else 0)
    return _header(request.data[:2], flags, *counts) + question + opt


def request_flags(request: Request) -> int:
    """Give what of a query's flags a reply repeats."""
    return int.from_bytes(request.data[2:4], "big") & _ECHOED


def answer(
    request: Request,
    rcode: int,
    records: Iterable[Record],
    authority: Iterable[Record],
    ttl: int,
    opt: bytes = b"",
    flags: int = 0,
) -> bytes:
    """
    Write a reply.

    @param request: The query, with a question.
    @param rcode: The response code.
    @param records: The answer section.
    @param authority: The authority section.
    @param ttl: The most seconds to live that a record gets.
    @param opt: Its OPT record, if the query has one.
    @param flags: More flags: AA, AD.
    """
    end = request.end
    packed = Packed(request.data[HEADER : end - 4])
    answers = packed.add(records, ttl)
    authorities = packed.add(authority, ttl)
    flags |= QR | RA | request_flags(request) | rcode & 15
    head = _header(request.data[:2], flags, 1, answers, authorities, 1 if opt else 0)
    reply = head + request.data[HEADER:end] + packed.data + opt
    return reply if len(reply) <= MAX_MESSAGE else truncated(reply, end, opt)


def truncated(reply: bytes, end: int, opt: bytes = b"") -> bytes:
    """
    Make a reply that says only that there is more over TCP (RFC 2181 section 9).

    @param reply: The reply that is too long.
    @param end: Where its question ends.
    @param opt: Its OPT record, which stays (RFC 6891 section 7).
    """
    return b"%b%c%b\0\1\0\0\0\0\0%c%b%b" % (
        reply[:2],
        reply[2] | _TC_BYTE,
        reply[3:4],
        1 if opt else 0,
        reply[HEADER:end],
        opt,
    )


def denials(records: Iterable[Record], dnssec: bool) -> tuple[Record, ...]:
    """
    Choose what of an authority section is passed on: what proves a denial.

    @param dnssec: Whether proofs and signatures are wanted.
    """
    if not dnssec:
        return tuple(record for record in records if record.rtype == rrtypes.SOA)
    return tuple(
        record
        for record in records
        if record.rtype in _DENIALS
        or (record.rtype == rrtypes.RRSIG and record.rdata[:2] in _SIGNED)
    )


def pad(reply: bytes, opt: bytes) -> bytes:
    """
    Pad a reply to a multiple of L{BLOCK} bytes.

    @param reply: It ends with its OPT record.
    @param opt: That record.
    """
    count = padding(len(reply) + 4, BLOCK)
    if len(reply) + 4 + count > MAX_MESSAGE:
        return reply
    option = pack_option(PADDING, bytes(count))
    size = int.from_bytes(opt[9:11], "big") + len(option)
    grown = opt[:9] + size.to_bytes(2, "big") + opt[11:] + option
    return reply[: len(reply) - len(opt)] + grown
