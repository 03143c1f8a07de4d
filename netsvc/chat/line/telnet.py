"""
What telnet puts between the bytes of text, taken out (RFC 854, RFC 855).

A L{TelnetFilter} stands between a connection and its lines. Whoever sends none of this,
such as nc, does not notice it. It works on bytes: 0xFF occurs neither in UTF-8 nor in
CP949.

It refuses each option but BINARY, which it asks for as soon as it meets a telnet
client. Without it the Unix clients look for their keys in seven bits of each byte: of
the UTF-8 of C{한} they take the last byte, 9C, for Ctrl-backslash, and send BRK for it.
"""

from __future__ import annotations

from typing import Final

SUBNEGOTIATION_LIMIT: Final = 512
"""Bytes after which a subnegotiation without an end is over; text goes on."""

ARE_YOU_THERE_LIMIT: Final = 64
"""Answers to "are you there" in a connection; the question is shorter."""

ARE_YOU_THERE_ANSWER: Final = b"[Yes]\r\n"

ASK_BINARY: Final = b"\xff\xfd\0\xff\xfb\0"
"""IAC DO BINARY, IAC WILL BINARY (RFC 856): all bytes are text, both ways."""

TIMING_MARK: Final = 6
"""RFC 860. The Unix client shows no output after Ctrl-C until this is answered."""

_SE, _AYT, _SB, _WILL, _WONT, _DO, _DONT, _IAC = 240, 246, *range(250, 256)
_BINARY = 0
_FIRST_COMMAND = 236  # EOF, SUSP, ABORT, EOR: 236 to 239, RFC 1184 and RFC 885
_ESCAPE = b"\xff"

# States: what the next byte is.
_TEXT = 0
_COMMAND = 1
_OPTION = 2
_INSIDE = 3
_INSIDE_COMMAND = 4


class TelnetFilter:
    """
    Takes telnet out of what one connection sends, and gives the polite answers.

    Each end of a line (CR LF, CR NUL, LF, and also a CR alone) becomes LF. NUL does
    nothing (RFC 854 page 10), which also suits clients that send whole C buffers.
    After an IAC that begins no command, the byte behind it is text.

    @ivar negotiated: Whether any telnet command came: then there is a telnet client,
        which sends whole lines with their end.
    @ivar cut_short: How many subnegotiations reached L{SUBNEGOTIATION_LIMIT}.
    """

    __slots__ = (
        "_after_cr",
        "_answered",
        "_inside",
        "_state",
        "_there",
        "_verb",
        "cut_short",
        "negotiated",
    )

    def __init__(self) -> None:
        """Start with text."""
        self.negotiated = False
        self.cut_short = 0
        self._state = _TEXT
        self._verb = 0
        self._inside = 0  # bytes of a subnegotiation so far
        self._there = 0
        self._after_cr = False
        self._answered = 0  # the refusals given: a bit for each verb and option

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """
        Take what was received: give the text in it, and what to answer.

        However the bytes are split, the results joined are the same.
        """
        if self._state == _TEXT and _ESCAPE not in data:
            return self._text(data), b""
        text: list[bytes] = []
        answers: list[bytes] = []
        position = 0
        while position < len(data):
            if self._state == _TEXT:
                end = data.find(_ESCAPE, position)
                if end < 0:
                    end = len(data)
                else:
                    self._state = _COMMAND
                text.append(self._text(data[position:end]))
                position = end + 1
                continue
            self._byte(data[position], text, answers)
            position += 1
        return b"".join(text), b"".join(answers)

    def _byte(self, byte: int, text: list[bytes], answers: list[bytes]) -> None:
        """Take a byte that is no plain text."""
        state = self._state
        if state in (_INSIDE, _INSIDE_COMMAND):
            self._within(byte)
            return
        self._state = _TEXT
        if state == _OPTION:
            answers.append(self._refuse(byte))
        elif byte == _IAC or byte < _FIRST_COMMAND:
            text.append(self._text(bytes((byte,))))
        else:
            if not self.negotiated:
                self.negotiated = True
                answers.append(ASK_BINARY)
            if byte == _SB:
                self._state = _INSIDE
                self._inside = 0
            elif byte >= _WILL:
                self._state = _OPTION
                self._verb = byte
            elif byte == _AYT and self._there < ARE_YOU_THERE_LIMIT:
                self._there += 1
                answers.append(ARE_YOU_THERE_ANSWER)
            # Of the others, IP, AO, BRK, EC and EL are done by clients on their
            # own side, and there is no output here that could be aborted.

    def _within(self, byte: int) -> None:
        """Skip a byte of a subnegotiation."""
        if self._state == _INSIDE_COMMAND and byte == _SE:
            self._state = _TEXT
            return
        escaped = self._state == _INSIDE and byte == _IAC
        self._state = _INSIDE_COMMAND if escaped else _INSIDE
        self._inside += 1
        if self._inside >= SUBNEGOTIATION_LIMIT:
            self._state = _TEXT
            self.cut_short += 1

    def _refuse(self, option: int) -> bytes:
        """
        Refuse an option, once; agree with a refusal by saying nothing, and so with
        BINARY, which was asked for before anything is answered.
        """
        if option == _BINARY:
            return b""
        if self._verb == _DO:
            answer = _WONT
        elif self._verb == _WILL:
            answer = _DONT
        else:
            return b""
        bit = 1 << (option | (answer == _DONT) << 8)
        if self._answered & bit and option != TIMING_MARK:
            return b""
        self._answered |= bit
        return bytes((_IAC, answer, option))

    def _text(self, data: bytes) -> bytes:
        """Make every end of a line LF; leave out NUL."""
        if self._after_cr and data:
            self._after_cr = False
            if data[0] in b"\n\0":
                data = data[1:]
        if b"\r" in data:
            self._after_cr = data[-1] == 13
            data = data.replace(b"\r\n", b"\n").replace(b"\r\0", b"\n")
            data = data.replace(b"\r", b"\n")
        return data.replace(b"\0", b"") if b"\0" in data else data
