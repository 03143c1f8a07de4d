"""
Messages: queries written, the question of a reply compared, replies read.

Pure and quick: one question costs a few microseconds here. What cannot be read
is a L{FormatError} and nothing else, whatever the bytes are, and takes a time that
is bounded by the message's length: a compression pointer must point backwards,
strictly, and a name that several point to is read once.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

from netsvc.dns import rrtypes
from netsvc.dns.codes import DO, RD
from netsvc.dns.errors import FormatError
from netsvc.dns.names import MAX_NAME, ROOT
from netsvc.dns.rdata import LAYOUTS, Layout
from netsvc.dns.result import Edns, Message, Question, Record

#: Bytes of a message's header.
HEADER: Final = 12

#: Bytes of UDP payload that are asked for (DNS Flag Day 2020).
PAYLOAD: Final = 1232

#: Bytes of the longest message (its length over TCP has 16 bits).
MAX_MESSAGE: Final = 65535

#: Pointers that one name may have; each that is of use adds a label, or a few.
MAX_JUMPS: Final = 127

_header = struct.Struct("!HHHHHH").unpack_from
_fixed = struct.Struct("!HHIH").unpack_from
_pointed = struct.Struct("!HHHIH").unpack_from
_number = int.from_bytes
_pair = struct.Struct("!HH")
#: Types whose data is one name.
_NAMES = frozenset(rtype for rtype, layout in LAYOUTS.items() if layout == ("name",))

# Half the time of calling the class.
_record = tuple.__new__
_message = tuple.__new__

#: Types whose data has one length.
_SIZES = {
    rtype: layout[0]
    for rtype, layout in LAYOUTS.items()
    if len(layout) == 1 and isinstance(layout[0], int)
}

# Queries.

_LETTERS: Final = bytes(
    0x20 if 0x41 <= byte & 0xDF <= 0x5A else 0 for byte in range(256)
)


def mix_case(name: bytes, noise: bytes) -> bytes:
    """
    Set the case of a name's letters at random (draft-vixie-dnsext-dns0x20).

    @param noise: As many random bytes as the name has.
    """
    flips = _number(name.translate(_LETTERS)) & _number(noise)
    return (_number(name) ^ flips).to_bytes(len(name))


def pack_option(code: int, value: bytes) -> bytes:
    """Write one EDNS option (RFC 6891 section 6.1.2)."""
    return _pair.pack(code, len(value)) + value


def pack_opt(
    options: bytes = b"", payload: int = PAYLOAD, dnssec: bool = False, version: int = 0
) -> bytes:
    """
    Write an OPT record (RFC 6891 section 6.1.2).

    @param options: The options, packed.
    @param payload: How many bytes of UDP payload may be sent to us.
    @param dnssec: Whether DNSSEC records are wanted (DO, RFC 3225).
    """
    flags = version << 16 | (DO if dnssec else 0)
    return struct.pack("!BHHIH", 0, rrtypes.OPT, payload, flags, len(options)) + options


def pack_question(question: Question) -> bytes:
    """Write a question (RFC 1035 section 4.1.2)."""
    return question.name + _pair.pack(question.rtype, question.rclass)


def pack_query(
    ident: bytes, question: bytes, opt: bytes = b"", flags: int = RD
) -> bytes:
    """
    Write a query.

    @param ident: Two bytes.
    @param question: See L{pack_question}.
    @param opt: See L{pack_opt}; empty for a query without EDNS.
    @param flags: The header's second word: RD, CD, AD.
    """
    return b"%b%b\0\1\0\0\0\0\0%c%b%b" % (
        ident,
        flags.to_bytes(2, "big"),
        1 if opt else 0,
        question,
        opt,
    )


def padding(length: int, block: int) -> int:
    """
    Say how many bytes of padding make a message as long as a multiple of a block
    (RFC 8467 section 4.1).

    @param length: The message's length with an empty padding option.
    """
    return -length % block


# Replies.


def _name(
    data: bytes, position: int, names: dict[int, bytes], jumps: int = 0
) -> tuple[bytes, int]:
    """
    Read a name.

    @param names: The names read so far, by where they begin.
    @param jumps: How many pointers have led here.
    @return: Its wire form, and where what follows it begins.
    @raise FormatError: It is malformed.
    """
    start = position
    while 0 < (length := data[position]) < 0x40:
        position += 1 + length
    position += 1
    if not length:
        name = data[start:position]
    elif length < 0xC0:
        raise FormatError("a label of an unknown kind")
    else:
        target = (length & 0x3F) << 8 | data[position]
        if target >= start:
            raise FormatError("a compression pointer that points forward")
        tail = names.get(target)
        if tail is None:
            if jumps >= MAX_JUMPS or target < HEADER:
                raise FormatError("a compression pointer that makes no sense")
            tail, _ = _name(data, target, names, jumps + 1)
        name = data[start : position - 1] + tail
        position += 1
    if len(name) > MAX_NAME:
        raise FormatError("a name of more than 255 bytes")
    names[start] = name
    return name, position


def _rdata(
    data: bytes, layout: Layout, position: int, end: int, names: dict[int, bytes]
) -> bytes:
    """
    Read data with names, and uncompress them.

    @raise FormatError: It does not have this layout.
    """
    pieces = []
    for part in layout:
        if part == "name":
            name, position = _name(data, position, names)
            pieces.append(name)
            continue
        if isinstance(part, int):
            size = part
        elif part == "string":
            size = 1 + data[position]
        else:
            size = _strings(data, position, end)
        pieces.append(data[position : position + size])
        position += size
        if position > end:
            break
    if position != end:
        raise FormatError("record data of a wrong length")
    return b"".join(pieces)


def _strings(data: bytes, position: int, end: int) -> int:
    """Measure the strings up to the end; there is at least one."""
    start = position
    while position < end:
        position += 1 + data[position]
    if position == start:
        raise FormatError("record data without a string")
    return position - start


def parse(data: bytes, question: Question | None = None) -> Message:
    """
    Read a message.

    @param data: The message. Bytes after its end are accepted.
    @param question: The one that the message is known to carry, byte for byte:
        then it is not read again.
    @raise FormatError: It is malformed: a name, a count, a length, two OPT records.
    """
    try:
        return _parse(data, question)
    except (IndexError, struct.error):
        raise FormatError("a message that is cut off") from None


def _parse(data: bytes, question: Question | None) -> Message:
    ident, flags, questions, answers, authorities, more = _header(data)
    names: dict[int, bytes] = {}
    position = HEADER
    if question is not None:
        names[HEADER] = question.name
        position += len(question.name) + 4
    elif questions == 1:
        name, position = _name(data, position, names)
        rtype, rclass = _pair.unpack_from(data, position)
        question = Question(name, rtype, rclass)
        position += 4
    elif questions:
        raise FormatError("a message with several questions")
    edns = None
    size = len(data)
    before = answers + authorities
    records: list[Record] = []
    for index in range(before + more):
        first = data[position]
        if first >= 0xC0:
            pointer, rtype, rclass, ttl, length = _pointed(data, position)
            target = pointer & 0x3FFF
            owner = names.get(target)
            if owner is None:
                if target >= position:
                    raise FormatError("a compression pointer that points forward")
                if target < HEADER:
                    raise FormatError("a compression pointer that makes no sense")
                owner, _ = _name(data, target, names, 1)
            position += 12
        else:
            if first:
                owner, position = _name(data, position, names)
            else:
                owner = ROOT
                position += 1
            rtype, rclass, ttl, length = _fixed(data, position)
            position += 10
        end = position + length
        if end > size:
            raise FormatError("record data that is cut off")
        if _SIZES.get(rtype) == length or (layout := LAYOUTS.get(rtype)) is None:
            rdata = data[position:end]
        elif rtype in _NAMES:
            rdata, position = _name(data, position, names)
            if position != end:
                raise FormatError("record data of a wrong length")
        else:
            rdata = _rdata(data, layout, position, end, names)
        position = end
        if rtype == rrtypes.OPT:
            if edns is not None or len(owner) > 1 or index < before:
                raise FormatError("an OPT record that is out of place")
            edns = _edns(rclass, ttl, rdata)
        else:
            records.append(_record(Record, (owner, rtype, rclass, ttl, rdata)))
    rcode = flags & 15
    if edns is not None:
        rcode |= edns.extended_rcode << 4
    if len(records) == answers:
        sections: tuple[tuple[Record, ...], ...] = (tuple(records), (), ())
    else:
        sections = (
            tuple(records[:answers]),
            tuple(records[answers:before]),
            tuple(records[before:]),
        )
    trailing = size - position
    return _message(
        Message, (ident, flags, rcode, question, *sections, edns, size, trailing)
    )


def _edns(payload: int, ttl: int, rdata: bytes) -> Edns:
    """Read an OPT record (RFC 6891 section 6.1.3)."""
    if not rdata:
        return _empty_edns(payload, ttl)
    options = []
    position = 0
    while position < len(rdata):
        code, length = _pair.unpack_from(rdata, position)
        position += 4 + length
        if position > len(rdata):
            raise FormatError("an EDNS option that is cut off")
        options.append((code, rdata[position - length : position]))
    return _empty_edns(payload, ttl)._replace(options=tuple(options))


@lru_cache(64)
def _empty_edns(payload: int, ttl: int) -> Edns:
    """Take the fields of an OPT record apart; a server always sends the same."""
    return Edns(ttl >> 24, ttl >> 16 & 0xFF, bool(ttl & DO), payload, ())


#: What L{compare} finds.
SAME: Final = "same"
FOLDED: Final = "folded"
BARE: Final = "bare"

#: Why L{compare} refuses a message.
SHORT: Final = "short"
NOT_A_REPLY: Final = "not-a-reply"
WRONG_OPCODE: Final = "wrong-opcode"
WRONG_QUESTION: Final = "wrong-question"


def compare(data: bytes, question: bytes) -> str:
    """
    Compare what a message says it answers with the question that was asked.

    @param data: The message; its id has been compared.
    @param question: The question, packed, as it was sent.
    @return: L{SAME}; L{FOLDED}: the same but for the case of letters; L{BARE}: it
        has none. Or why it is no reply to that: L{SHORT}, L{NOT_A_REPLY},
        L{WRONG_OPCODE}, L{WRONG_QUESTION}.
    """
    if len(data) < HEADER:
        return SHORT
    high = data[2]
    if high & 0xF8 != 0x80:
        return NOT_A_REPLY if not high & 0x80 else WRONG_OPCODE
    if data[4:6] == b"\0\1":
        asked = data[HEADER : HEADER + len(question)]
        if asked == question:
            return SAME
        name = len(question) - 4
        if asked[:name].lower() == question[:name].lower() and (
            asked[name:] == question[name:]
        ):
            return FOLDED
        return WRONG_QUESTION
    return BARE if data[4:6] == b"\0\0" else WRONG_QUESTION
