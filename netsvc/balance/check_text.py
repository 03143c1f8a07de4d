"""How an operator writes what a check sends, and which answers are good."""

from __future__ import annotations

import re

from netsvc.daemon.kinds import found

#: The least and the greatest status of HTTP.
_STATUSES = (100, 599)


def parse_statuses(text: str) -> str:
    """
    Check which HTTP statuses are good, C{200-399} or C{204}, and give the text.

    @raise ValueError: If it is neither a status nor a range of them.
    """
    low, _, high = text.partition("-")
    if not re.fullmatch("[0-9]{3}(-[0-9]{3})?", text) or not (
        _STATUSES[0] <= int(low) <= int(high or low) <= _STATUSES[1]
    ):
        raise ValueError(f"{found(text)} is not a range of statuses, such as 200-399")
    return text


def statuses(text: str) -> range:
    """Give what L{parse_statuses} has checked as a range."""
    low, _, high = text.partition("-")
    return range(int(low), int(high or low) + 1)


_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.)|$)")
_ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


def unescape(text: str) -> bytes:
    r"""
    Give the bytes of a text with C{\r}, C{\n}, C{\t}, C{\0}, C{\xNN} and C{\\}.

    @raise ValueError: If another character follows a backslash.
    """
    data = b""
    position = 0
    for match in _ESCAPE.finditer(text):
        data += text[position : match.start()].encode()
        position = match.end()
        if match[1]:
            data += bytes((int(match[1], 16),))
        elif match[2] in _ESCAPES:
            data += _ESCAPES[match[2]]
        else:
            raise ValueError(
                f"{found(match[0])} is not one of \\r, \\n, \\t, \\0, \\xNN, \\\\"
            )
    return data + text[position:].encode()
