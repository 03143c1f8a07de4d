"""
Events as lines of text.

What a reader sees of an event depends on two things: their character set, and whether
a message is to the room that they are talking in (another one is named). So there is
one L{LineWire} for each character set and room; a wire of a room that nobody is
talking in is gone. An event is rendered at most twice, in words, and at most four
times in bytes, however many wires there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from weakref import WeakValueDictionary

from netsvc.chat.charset import UTF8, Encoding, encode
from netsvc.chat.events import Event, Said, Session
from netsvc.chat.line.words import words
from netsvc.chat.names import fold

Send = Callable[[bytes, Sequence[Session]], None]


def to_bytes(text: str, encoding: Encoding) -> bytes:
    """
    Write lines.

    @param text: Lines with LF between them, none behind the last one.
    """
    return encode(text.replace("\n", "\r\n") + "\r\n", encoding)


class _Rendered:
    """
    The event that was rendered last.

    @ivar renderings: How many times any event was turned into bytes.
    """

    __slots__ = ("_bytes", "_event", "_room", "renderings")

    def __init__(self) -> None:
        self._event: Event | None = None
        self._room: str | None = None
        self._bytes: dict[tuple[Encoding, bool], bytes] = {}
        self.renderings = 0

    def encode(self, event: Event, encoding: Encoding, room: str | None) -> bytes:
        """Render an event, or give what it was rendered to for another wire."""
        if event is not self._event:
            self._event = event
            self._bytes.clear()
            # Of all events, only a message to a room looks different in there.
            to_room = type(event) is Said and event.to is None
            self._room = fold(event.target) if to_room else None  # type: ignore[attr-defined]
        here = room is not None and room == self._room
        data = self._bytes.get((encoding, here))
        if data is None:
            text = words(event, here)
            data = to_bytes(text, encoding) if text else b""
            self._bytes[encoding, here] = data
            self.renderings += 1
        return data


class LineWire:
    """
    How events look to those of one character set who are talking in one room.

    @ivar encoding: The character set.
    @ivar room: The room's key, or C{None} for those who are talking in none.
    """

    __slots__ = ("__weakref__", "_rendered", "_send", "encoding", "room")

    #: Line clients watch nobody.
    extended_monitor = False

    #: They are shown no hosts.
    shows_hosts = True

    def __init__(
        self, encoding: Encoding, room: str | None, send: Send, rendered: _Rendered
    ) -> None:
        """Make one; see L{LineWires.get}."""
        self.encoding = encoding
        self.room = room
        self._send = send
        self._rendered = rendered

    def encode(self, event: Event) -> bytes:
        """Render an event; no bytes when it is not shown."""
        return self._rendered.encode(event, self.encoding, self.room)

    def send(self, data: bytes, sessions: Sequence[Session]) -> None:
        """Write the same bytes to many sessions."""
        self._send(data, sessions)


class LineWires:
    """All wires that are in use."""

    def __init__(self, send: Send) -> None:
        """
        Start with none.

        @param send: Writes the same bytes to many sessions.
        """
        self._send = send
        self._rendered = _Rendered()
        self._wires: WeakValueDictionary[tuple[Encoding, str | None], LineWire] = (
            WeakValueDictionary()
        )

    def __len__(self) -> int:
        """Give how many there are: not more than sessions."""
        return len(self._wires)

    @property
    def renderings(self) -> int:
        """How many times any event was turned into bytes."""
        return self._rendered.renderings

    def get(self, encoding: Encoding = UTF8, room: str | None = None) -> LineWire:
        """
        Give the wire for a character set and a room.

        @param room: The room's key.
        """
        wire = self._wires.get((encoding, room))
        if wire is None:
            wire = LineWire(encoding, room, self._send, self._rendered)
            self._wires[encoding, room] = wire
        return wire
