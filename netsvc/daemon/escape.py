"""Makes text from strangers safe to show on a terminal and to keep on one line.

Escaped are C0 and C1 control characters and DEL (which move the cursor, retitle
the window or forge lines), the characters that reorder what is shown around them
(bidirectional embeddings, overrides, isolates and marks; Unicode UAX #9 section
2), the line and paragraph separators, and lone surrogates, which no encoding can
carry. Printable text of every script stays as it is.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\u2028\u2029"
    "\ud800-\udfff"
    "]"
)

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str) -> str:
    r"""Make every unsafe character visible.

    Line feed, carriage return and tab become C{\n}, C{\r} and C{\t}; others
    below U+0100 C{\xNN}, the rest C{\uNNNN}. A backslash stays: the result is for
    people to read, not for programs to turn back.
    """
    if text.isprintable():
        return text
    return _UNSAFE.sub(_visible, text)


def escape_json(document: str) -> str:
    r"""Write the unsafe characters inside a JSON document as C{\uNNNN}.

    The document stays the same value (RFC 8259 section 7). It must be on one
    line, so that every unsafe character is inside a string.
    """
    if document.isprintable():
        return document
    return _UNSAFE.sub(_json_visible, document)


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _NAMED.get(character) or (f"\\x{code:02x}" if code < 256 else _u(code))


def _json_visible(match: re.Match[str]) -> str:
    return _u(ord(match[0]))


def _u(code: int) -> str:
    return f"\\u{code:04x}"
