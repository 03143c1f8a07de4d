"""
Record data: what is inside it, and the common types as text.

Data is kept as bytes with its names uncompressed. A record whose data does not
have the form of its type makes a message malformed; types that are not listed
here are kept as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address
from struct import unpack_from

from netsvc.dns import rrtypes
from netsvc.dns.names import to_text

#: A type's layout: bytes of fixed fields, or C{"name"}, or C{"string"}
#: (RFC 1035 section 3.3), or C{"strings"}: one or more of them to the end.
Layout = tuple[int | str, ...]

#: The types whose names are or were compressed (RFC 3597 section 4), and others
#: whose form is checked, with their layouts. The data has no other bytes.
LAYOUTS: dict[int, Layout] = {
    rrtypes.A: (4,),
    rrtypes.NS: ("name",),
    rrtypes.TYPES["MD"]: ("name",),
    rrtypes.TYPES["MF"]: ("name",),
    rrtypes.CNAME: ("name",),
    rrtypes.SOA: ("name", "name", 20),
    rrtypes.TYPES["MB"]: ("name",),
    rrtypes.TYPES["MG"]: ("name",),
    rrtypes.TYPES["MR"]: ("name",),
    rrtypes.PTR: ("name",),
    rrtypes.TYPES["HINFO"]: ("string", "string"),
    rrtypes.TYPES["MINFO"]: ("name", "name"),
    rrtypes.MX: (2, "name"),
    rrtypes.TXT: ("strings",),
    rrtypes.TYPES["RP"]: ("name", "name"),
    rrtypes.TYPES["AFSDB"]: (2, "name"),
    rrtypes.TYPES["RT"]: (2, "name"),
    rrtypes.TYPES["PX"]: (2, "name", "name"),
    rrtypes.AAAA: (16,),
    rrtypes.SRV: (6, "name"),
    rrtypes.NAPTR: (4, "string", "string", "string", "name"),
    rrtypes.TYPES["KX"]: (2, "name"),
    rrtypes.DNAME: ("name",),
    rrtypes.TYPES["SPF"]: ("strings",),
}


def name_at(data: bytes, position: int) -> bytes:
    """Give the name in wire form that begins somewhere in well-formed data."""
    end = position
    while data[end]:
        end += 1 + data[end]
    return data[position : end + 1]


def strings(data: bytes) -> list[bytes]:
    """Give the character-strings of well-formed TXT data (RFC 1035 3.3.14)."""
    found = []
    position = 0
    while position < len(data):
        length = data[position]
        found.append(data[position + 1 : position + 1 + length])
        position += 1 + length
    return found


def string_text(string: bytes) -> str:
    """Write a character-string in quotes; what is not printable is escaped."""
    return '"' + "".join(_STRING[byte] for byte in string) + '"'


_STRING = [
    f"\\{chr(byte)}"
    if byte in b'"\\'
    else (chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03d}")
    for byte in range(256)
]


def _dotted(data: bytes, position: int = 0) -> str:
    """A name with a final dot, as in a zone file."""
    text = to_text(name_at(data, position))
    return text if text == "." else text + "."


def ipv4_text(data: bytes) -> str:
    """Write the four bytes of an IPv4 address."""
    return "%d.%d.%d.%d" % tuple(data)  # noqa: UP031 -- half the time of a format


def ipv6_text(data: bytes) -> str:
    """Write the sixteen bytes of an IPv6 address (RFC 5952)."""
    return str(IPv6Address(data))


def _soa_text(data: bytes) -> str:
    first = name_at(data, 0)
    second = name_at(data, len(first))
    numbers = unpack_from("!5I", data, len(first) + len(second))
    return " ".join(
        [_dotted(data), _dotted(data, len(first)), *(str(number) for number in numbers)]
    )


def _srv_text(data: bytes) -> str:
    priority, weight, port = unpack_from("!3H", data)
    return f"{priority} {weight} {port} {_dotted(data, 6)}"


_TEXT: dict[int, Callable[[bytes], str]] = {
    rrtypes.A: ipv4_text,
    rrtypes.AAAA: ipv6_text,
    rrtypes.NS: _dotted,
    rrtypes.CNAME: _dotted,
    rrtypes.PTR: _dotted,
    rrtypes.DNAME: _dotted,
    rrtypes.MX: lambda data: f"{unpack_from('!H', data)[0]} {_dotted(data, 2)}",
    rrtypes.TXT: lambda data: " ".join(map(string_text, strings(data))),
    rrtypes.SOA: _soa_text,
    rrtypes.SRV: _srv_text,
}


def common_text(rtype: int, data: bytes) -> str | None:
    """
    Write the data of a record as in a zone file.

    @param data: Well-formed, as L{netsvc.dns.wire.parse} gives it.
    @return: L{None} for a type that L{netsvc.dns.text} has to be asked for.
    """
    write = _TEXT.get(rtype)
    return write(data) if write else None


def generic_text(data: bytes) -> str:
    """Write data of an unknown type (RFC 3597 section 5)."""
    return f"\\# {len(data)} {data.hex()}".rstrip()
