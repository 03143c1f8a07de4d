"""Lines out of what telnet and nc send: bounded, in UTF-8 or CP949."""

from __future__ import annotations

from typing import Final

#: Bytes in a line: a name, escaped, is not longer.
MAX_LINE: Final = 1100

#: Stands for a line that was longer, and was dropped.
TOO_LONG: Final = None

_IAC, _SE, _SB, _WILL = 255, 240, 250, 251

# States: what the next byte is.
_TEXT, _COMMAND, _OPTION, _INSIDE, _INSIDE_COMMAND = range(5)


class LineReader:
    """
    Gives the lines that one connection sends, without telnet's commands (RFC 854).

    Telnet's options are neither accepted nor refused: its client asks for nothing on
    ports other than 23 unless the server does.
    """

    __slots__ = ("_buffer", "_dropping", "_state")

    def __init__(self) -> None:
        """Start with nothing."""
        self._buffer = bytearray()
        self._dropping = False
        self._state = _TEXT

    def feed(self, data: bytes) -> list[str | None]:
        """
        Take what was received; give the lines that have ended.

        Empty lines are left out; one that is too long is L{TOO_LONG}, once.
        """
        if self._state != _TEXT or b"\xff" in data:
            data = self._without_telnet(data)
        lines: list[str | None] = []
        pieces = data.replace(b"\r", b"\n").replace(b"\0", b"").split(b"\n")
        for number, piece in enumerate(pieces):
            if number:
                lines += self._end()
            if not self._dropping:
                self._buffer += piece
                if len(self._buffer) > MAX_LINE:
                    self._dropping = True
                    self._buffer.clear()
                    lines.append(TOO_LONG)
        return lines

    def finish(self) -> list[str | None]:
        """Give the last line, which has no end."""
        return self._end()

    def _end(self) -> list[str | None]:
        self._dropping = False
        line = decoded(bytes(self._buffer)).strip()
        self._buffer.clear()
        return [line] if line else []

    def _without_telnet(self, data: bytes) -> bytes:
        text = bytearray()
        for byte in data:
            state = self._state
            if state == _TEXT:
                if byte == _IAC:
                    self._state = _COMMAND
                else:
                    text.append(byte)
            elif state == _COMMAND:
                self._state = _TEXT
                if byte == _SB:
                    self._state = _INSIDE
                elif byte >= _WILL and byte != _IAC:
                    self._state = _OPTION
            elif state == _OPTION:
                self._state = _TEXT
            elif state == _INSIDE:
                self._state = _INSIDE_COMMAND if byte == _IAC else _INSIDE
            else:
                self._state = _TEXT if byte == _SE else _INSIDE
        return bytes(text)


def decoded(line: bytes) -> str:
    """Read a line as UTF-8, else as CP949 (Korean Windows)."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp949", "replace")
