"""
One line of IRC: from bytes to a message, and from parts to bytes.

The form is that of Modern IRC ("Message Format") with IRCv3 message tags. Reading is
lenient: a bare LF ends a line, runs of spaces count as one, what a client says of its
source is skipped, NUL and stray CR are dropped. Writing is strict: one CR LF, 512
bytes without the tags, nothing that could end a line early.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

BODY_LIMIT: Final = 512
"""Bytes of a line without its tags, with CR LF."""

TAGS_LIMIT: Final = 4096
"""Bytes of a client's tags, from C{@} to the space behind them."""

LABEL_LIMIT: Final = 64
"""Bytes of a C{label} tag's value."""

BLANKS: Final = 256
"""Empty lines in one read that are as much work as a line with a command."""

_BODY: Final = BODY_LIMIT - 2
_LINE: Final = TAGS_LIMIT + _BODY + 1
_TAG_NAME: Final = re.compile(r"\+?(?:[A-Za-z0-9.-]+/)?[A-Za-z0-9-]+\Z")
_DROPPED: Final = {0: None, 10: None, 13: None}
_ESCAPE: Final = str.maketrans(
    {";": "\\:", " ": "\\s", "\\": "\\\\", "\r": "\\r", "\n": "\\n", "\0": None}
)
_UNESCAPE: Final = {":": ";", "s": " ", "r": "\r", "n": "\n"}
_ESCAPED: Final = re.compile(r"\\(.?)", re.DOTALL)


class MessageError(Exception):
    """A line that a client may not send: answered on the wire, not relayed."""


class LineTooLongError(MessageError):
    """The line without its tags has more than L{BODY_LIMIT} bytes: numeric 417."""


class TagsTooLongError(MessageError):
    """The tags have more than L{TAGS_LIMIT} bytes: numeric 417."""


class InvalidUtf8Error(MessageError):
    """
    The line is no UTF-8: C{FAIL <verb> INVALID_UTF8}.

    @ivar verb: The command, in upper case; C{*} where it cannot be told.
    """

    def __init__(self, verb: str) -> None:
        """Refuse the line of a command."""
        super().__init__(verb)
        self.verb = verb


@dataclass(slots=True)
class Message:
    """
    What a client sent.

    @ivar verb: The command, in upper case.
    @ivar params: Its parameters.
    @ivar tags: All tags by name, unescaped; a tag without value has C{""}.
    """

    verb: str
    params: list[str]
    tags: dict[str, str]


class LineSplitter:
    """
    A stream of bytes, cut into lines of at most L{TAGS_LIMIT} + L{BODY_LIMIT} bytes.

    However the stream is split, the lines are the same.
    """

    __slots__ = ("_dropping", "_rest")

    def __init__(self) -> None:
        """Start with an empty line."""
        self._rest = b""
        self._dropping = False

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take what was read, and give the lines that it completes, without their ends.

        A line ends with LF; one CR before it is dropped; empty lines are left out,
        but for one of each L{BLANKS} that came at once: whoever counts lines counts
        that work, too.
        An overlong line is given once, as its beginning, which is long enough for
        L{parse} to refuse it; the rest of it is dropped up to its LF.
        """
        if self._dropping:
            end = data.find(b"\n")
            if end < 0:
                return []
            self._dropping = False
            data = data[end + 1 :]
        elif self._rest:
            data = self._rest + data
        lines = data.split(b"\n")
        self._rest = lines.pop()
        found = []
        for line in lines:
            if len(line) > _LINE:
                found.append(line[: _LINE + 1])
            elif line[-1:] == b"\r":
                if len(line) > 1:
                    found.append(line[:-1])
            elif line:
                found.append(line)
        blanks = len(lines) - len(found)
        if blanks >= BLANKS:
            found += [b""] * (blanks // BLANKS)
        if len(self._rest) > _LINE:
            found.append(self._rest[: _LINE + 1])
            self._rest = b""
            self._dropping = True
        return found


def parse(line: bytes | str) -> Message | None:
    """
    Read a client's line, without its end.

    @return: The message, or C{None} for a line that says nothing: blank, or a
        numeric, which only servers send.
    @raise LineTooLongError: If the line without its tags is too long.
    @raise TagsTooLongError: If its tags are too long.
    @raise InvalidUtf8Error: If it is no UTF-8.
    """
    if isinstance(line, str):
        text = line
        if len(text) * 4 > _BODY:
            _check_length(text.encode("utf-8", "replace"))
    else:
        if len(line) > _BODY:
            _check_length(line)
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise InvalidUtf8Error(_verb_of(line)) from None
    if "\r" in text or "\0" in text or "\n" in text:
        text = text.translate(_DROPPED)
    tags: dict[str, str] = {}
    if text[:1] in "@: ":
        if text[:1] == "@":
            words, _, text = text.partition(" ")
            tags = parse_tags(words[1:])
        text = text.lstrip(" ")
        if text[:1] == ":":
            text = text.partition(" ")[2].lstrip(" ")
    head, colon, last = text.partition(" :")
    params = head.split(" ")
    if "" in params:
        params = [param for param in params if param]
        if not params:
            return None
    verb = params.pop(0).upper()
    if colon:
        params.append(last)
    if len(verb) == 3 and verb.isdigit():
        return None
    return Message(verb, params, tags)


def _check_length(line: bytes) -> None:
    """Refuse a line that is too long, or whose tags are."""
    body = len(line)
    if line[:1] == b"@":
        tags = line.find(b" ") + 1
        if not 0 < tags <= TAGS_LIMIT:
            raise TagsTooLongError
        body -= tags
    if body > _BODY:
        raise LineTooLongError


def _verb_of(line: bytes) -> str:
    """Give the verb of a line that is no UTF-8, or C{*} if it is no word."""
    message = parse(line.decode("ascii", "replace").replace("\ufffd", "?"))
    if message is None or not (message.verb.isascii() and message.verb.isalpha()):
        return "*"
    return message.verb


def parse_tags(text: str) -> dict[str, str]:
    """
    Read tags, written C{a=1;b;c=2}: the last of a name counts.

    Names of no valid form are left out.
    """
    found = {}
    for tag in text.split(";"):
        name, _, value = tag.partition("=")
        if _TAG_NAME.match(name):
            found[name] = unescape(value) if "\\" in value else value
    return found


def client_tags(tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Give the tags that are relayed to others: those with a C{+}."""
    return tuple((name, value) for name, value in tags.items() if name[0] == "+")


def label_of(message: Message) -> str | None:
    """Give the label that the answer must carry; an overlong one does not count."""
    label = message.tags.get("label")
    if not label or len(label.encode("utf-8", "replace")) > LABEL_LIMIT:
        return None
    return label


def escape(value: str) -> str:
    """Write a tag's value as it stands in a line. NUL cannot be written."""
    return value if value.isalnum() else value.translate(_ESCAPE)


def unescape(value: str) -> str:
    """Read a tag's value: an unknown escape, or one cut off, loses its backslash."""
    return _ESCAPED.sub(lambda found: _UNESCAPE.get(found[1], found[1]), value)


def render_tags(tags: Iterable[tuple[str, str | None]]) -> str:
    """Write tags, without C{@} and space: C{a=1;b}."""
    return ";".join(
        f"{name}={escape(value)}" if value else name for name, value in tags
    )


def tagged(line: bytes, tags: str) -> bytes:
    """
    Add tags to a line that is written already, before those that it has.

    @param line: One line, with or without tags.
    @param tags: As L{render_tags} writes them; empty adds nothing.
    """
    if not tags:
        return line
    rest = b";" + line[1:] if line[:1] == b"@" else b" " + line
    return b"@" + tags.encode("utf-8", "replace") + rest


def lines_of(data: bytes) -> list[bytes]:
    """Give the lines of what was written, each with its CR LF."""
    return [line + b"\r\n" for line in data.split(b"\r\n")[:-1]]


def build(
    verb: str,
    *params: str,
    source: str | None = None,
    tags: Mapping[str, str] | None = None,
    trailing: str | None = None,
) -> bytes:
    """
    Write a line with its CR LF.

    What would end the line early is dropped. A parameter that cannot stand where it
    does, because it is empty, has a space or begins with a colon, becomes C{*}; the
    last one is written behind a colon instead. Too long a line is cut at a code point.

    @param verb: The command or numeric.
    @param params: Its parameters.
    @param source: Who sends it, without the colon.
    @param tags: Its tags, unescaped.
    @param trailing: One parameter more, always written behind a colon.
    """
    words = [f":{source}", verb] if source else [verb]
    if trailing is None and params:
        *params_, last = params
        if not last or last[0] == ":" or " " in last:
            last = f":{last}"
    else:
        params_, last = [*params], ""
        if trailing is not None:
            last = f":{trailing}"
    for param in params_:
        words.append(param if fits_middle(param) else "*")
    if last:
        words.append(last)
    data = body(" ".join(words))
    return tagged(data, render_tags(tags.items())) if tags else data


def fits_middle(param: str) -> bool:
    """Say whether a parameter can stand before others."""
    return bool(param) and param[0] != ":" and " " not in param


def body(text: str) -> bytes:
    """
    Encode a line without tags and add its CR LF.

    CR, LF and NUL in it are dropped, and what goes beyond L{BODY_LIMIT} is cut.
    """
    if "\r" in text or "\n" in text or "\0" in text:
        text = text.translate(_DROPPED)
    data = text.encode("utf-8", "replace")
    if len(data) > _BODY:
        data = cut(data, _BODY)
    return data + b"\r\n"


def cut(data: bytes, limit: int) -> bytes:
    """Shorten UTF-8 to at most so many bytes, between two code points."""
    if len(data) <= limit:
        return data
    end = max(limit, 0)
    while end and data[end] & 0xC0 == 0x80:
        end -= 1
    return data[:end]


def fit(prefix: int, text: str) -> str:
    """
    Shorten a text to what fits into a line, at a code point.

    @param prefix: The bytes of the line before the text.
    """
    room = _BODY - prefix
    if len(text) * 4 <= room:
        return text
    data = text.encode("utf-8", "replace")
    if len(data) <= room:
        return text
    return cut(data, room).decode()
