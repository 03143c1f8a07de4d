r"""
Domain names: text and wire form.

A name is kept in its wire form (RFC 1035 section 3.1), uncompressed: each label
after its length, and a zero byte. That is what is sent, compared and hashed;
C{bytes.lower} lowers its letters and nothing else, for a length is at most 63 and
a letter at least 65. Text is what people write: labels with dots between them,
C{\.} for a dot in a label and C{\DDD} for any byte, the final dot left out.
Names of other scripts are L{netsvc.dns.idn}'s.
"""

from __future__ import annotations

import ipaddress
import re

from netsvc.dns.errors import InvalidName

#: Bytes of a label (RFC 1035 section 2.3.4).
MAX_LABEL = 63

#: Bytes of a name in wire form (RFC 1035 section 2.3.4).
MAX_NAME = 255

#: The name of the root zone.
ROOT = b"\0"

#: Lengths of labels as they are written.
_LENGTH = {length: bytes((length,)) for length in range(1, MAX_LABEL + 1)}

_ESCAPE = re.compile(rb"\\([0-9]{3})|\\([^0-9])", re.DOTALL)
_SPECIAL = re.compile(rb"[^!#%-'*-\-/-:<-?A-\[\]-~]")


def from_text(text: str) -> bytes:
    r"""
    Give the wire form of an absolute name in ASCII.

    @param text: With or without a final dot; C{"."} is the root. C{\.}, C{\\}
        and C{\DDD} are understood (RFC 1035 section 5.1).
    @raise InvalidName: A label is empty or longer than 63 bytes, the name longer
        than 255, an escape is none, or there is a character beyond ASCII.
    """
    if text == ".":
        return ROOT
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError:
        raise InvalidName(f"{text!r} is not ASCII") from None
    labels = _escaped_labels(raw) if b"\\" in raw else raw.split(b".")
    if not labels[-1]:
        labels.pop()
    if not labels:
        raise InvalidName("an empty text is no domain name")
    try:
        wire = b"".join([_LENGTH[len(label)] + label for label in labels]) + ROOT
    except KeyError:
        what = "a label of more than 63 bytes" if all(labels) else "an empty label"
        raise InvalidName(f"{text!r} has {what}") from None
    if len(wire) > MAX_NAME:
        raise InvalidName(f"{text!r} is longer than 255 bytes")
    return wire


def _escaped_labels(raw: bytes) -> list[bytes]:
    """Split a name with escapes into its labels."""
    labels = [bytearray()]
    position = 0
    while position < len(raw):
        byte = raw[position]
        if byte == 0x5C:
            match = _ESCAPE.match(raw, position)
            if match is None or (match[1] and int(match[1]) > 255):
                raise InvalidName(f"{raw.decode()!r} has a bad escape")
            labels[-1] += bytes((int(match[1]),)) if match[1] else match[2]
            position = match.end()
            continue
        if byte == 0x2E:
            labels.append(bytearray())
        else:
            labels[-1].append(byte)
        position += 1
    return [bytes(label) for label in labels]


def to_text(name: bytes) -> str:
    r"""
    Give the text of a name, without a final dot; C{"."} for the root.

    Whatever is not printable ASCII, or has a meaning in a zone file, is escaped:
    the text can go to a terminal as it is.

    @param name: The wire form, well-formed.
    """
    if name == ROOT:
        return "."
    return ".".join(
        _SPECIAL.sub(_escape, label).decode("ascii") for label in labels(name)
    )


def _escape(match: re.Match[bytes]) -> bytes:
    byte = match[0][0]
    return b"\\" + match[0] if 0x21 <= byte < 0x7F else b"\\%03d" % byte


def labels(name: bytes) -> list[bytes]:
    """Give the labels of a name in wire form, without the root's empty one."""
    found = []
    position = 0
    while length := name[position]:
        found.append(name[position + 1 : position + 1 + length])
        position += 1 + length
    return found


def parent(name: bytes) -> bytes:
    """Give the name without its first label; the root's is the root."""
    return name[1 + name[0] :] or ROOT


def is_within(name: bytes, zone: bytes) -> bool:
    """Tell whether a name is a zone's own or below it; both in lower case."""
    if not name.endswith(zone):
        return False
    # The end may be in the middle of a label.
    start = len(name) - len(zone)
    position = 0
    while position < start:
        position += 1 + name[position]
    return position == start


def reverse_name(address: str) -> bytes:
    """
    Give the name under which the PTR record of an address stands.

    @param address: An IPv4 (RFC 1035 section 3.5) or IPv6 address (RFC 3596
        section 2.5).
    @raise InvalidName: It is none.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        raise InvalidName(f"{address!r} is no address") from None
    return from_text(found.reverse_pointer)
