r"""
Domain names of every script, by UTS 46 (non-transitional: straße stays straße).

What people write becomes the ASCII that the DNS carries, and back. A label that
is ASCII already is left alone, so that C{_dmarc} and C{*} can be asked for.
"""

from __future__ import annotations

import idna

from netsvc.dns.errors import InvalidName
from netsvc.dns.names import from_text, labels, to_text

#: Characters that count as dots (UTS 46 section 4, RFC 3490 section 3.1).
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")

#: Characters of a text that is worth converting: far more than a name has.
MAX_TEXT = 1024

_PREFIX = b"xn--"


def to_wire(text: str) -> bytes:
    r"""
    Give the wire form of an absolute name in any script.

    @param text: Escapes (C{\.}, C{\DDD}) are understood in ASCII labels.
    @raise InvalidName: It is no domain name.
    """
    return from_text(text if text.isascii() else to_ascii(text))


def to_ascii(text: str) -> str:
    """
    Give the ASCII form of a name (UTS 46 ToASCII, non-transitional).

    @raise InvalidName: It has none.
    """
    if len(text) > MAX_TEXT:
        raise InvalidName(f"a text of {len(text)} characters is no domain name")
    try:
        mapped = idna.uts46_remap(text.translate(_DOTS), std3_rules=False)
        return ".".join(
            label if label.isascii() else idna.alabel(label).decode("ascii")
            for label in mapped.split(".")
        )
    except (idna.IDNAError, UnicodeError) as error:
        raise InvalidName(f"{text!r} is no domain name: {error}") from None


def display(name: bytes) -> str:
    """
    Give the text of a name for people: labels of other scripts as they are read.

    A label stays ASCII if it is no valid A-label (RFC 5891 section 5.4): what is
    shown can be typed in, and gives the same name.

    @param name: The wire form.
    """
    if _PREFIX not in name.lower():
        return to_text(name)
    return ".".join(_display_label(label) for label in labels(name))


def _display_label(label: bytes) -> str:
    plain = to_text(bytes((len(label),)) + label + b"\0")
    if label[:4].lower() == _PREFIX:
        try:
            shown = idna.ulabel(label.lower())
            if shown.isprintable() and to_ascii(shown) == plain.lower():
                return shown
        except (idna.IDNAError, InvalidName, UnicodeError):
            pass
    return plain
