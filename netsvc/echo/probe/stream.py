"""Answers over TCP: messages found again in a stream that arrives in any pieces.

An echo over a stream returns the bytes sent, in order, so the answer to each
message is known by its place. Two things shift the places and are repaired for
messages that hold the header (32 bytes and more, see
L{netsvc.echo.probe.wire}): a greeting before the first answer, and bytes that
the peer adds or leaves out. Smaller messages go by their place alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from netsvc.echo.probe.wire import HEADER_SIZE, Codec

__all__ = ["MAX_GREETING", "Reassembly"]

#: The most bytes before the first answer that are searched for it.
MAX_GREETING = 4_096
#: The most false markers looked at in one search: a peer may repeat them.
MAX_FALSE_MARKERS = 16


class Reassembly:
    """Cuts the stream of one connection into answers.

    @ivar unexpected: bytes that belong to no message.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._expected: deque[tuple[int, int]] = deque()
        self._newest = 0
        self._buffer = bytearray()
        self._in_step = False
        #: How many messages are known to be damaged where they stand.
        self._damaged = 0
        self.unexpected = 0

    @property
    def outstanding(self) -> int:
        """The number of messages that wait for their answer."""
        return len(self._expected)

    @property
    def buffered(self) -> int:
        """The number of bytes held."""
        return len(self._buffer)

    def sent(self, sequence: int, size: int) -> None:
        """Expect the answer to a message of C{size} bytes after all others."""
        self._expected.append((sequence, size))
        self._newest = sequence

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take C{data} and find what it completes.

        @return: sequence number and bytes of each answer, to be compared with what
            was sent.
        """
        self._buffer += data
        while self._expected and len(self._buffer) >= self._expected[0][1]:
            if self._damaged:
                self._damaged -= 1
            elif not self._aligned() and not self._resynchronize():
                break
            sequence, size = self._expected[0]
            if len(self._buffer) < size:
                break
            self._expected.popleft()
            answer = bytes(self._buffer[:size])
            del self._buffer[:size]
            yield sequence, answer
        if not self._expected:
            self._drop(len(self._buffer))

    def _aligned(self) -> bool:
        sequence, size = self._expected[0]
        if size >= HEADER_SIZE:
            head = bytes(self._buffer[:HEADER_SIZE])
            if self._codec.identify(head, self._newest) != sequence:
                return False
        self._in_step = True
        return True

    def _resynchronize(self) -> bool:
        """Move to the next message that can be recognised.

        @return: whether what is first in the buffer is the answer, perhaps
            damaged, to the first message expected.
        """
        marker = self._codec.marker
        place = self._buffer.find(marker)
        for _ in range(MAX_FALSE_MARKERS):
            if not 0 <= place <= len(self._buffer) - HEADER_SIZE:
                break
            head = bytes(self._buffer[place : place + HEADER_SIZE])
            found = self._codec.identify(head, self._newest)
            if found is not None and found >= self._expected[0][0]:
                self._move_to(place, found)
                return True
            place = self._buffer.find(marker, place + 1)
        if self._in_step:
            # Bytes keep their places from here on: this message was damaged.
            return True
        # Perhaps a greeting whose end has not come, or a marker cut in two.
        if len(self._buffer) > MAX_GREETING:
            keep = len(self._buffer) - HEADER_SIZE + 1
            self._drop(min(place, keep) if place >= 0 else keep)
        return False

    def _move_to(self, place: int, found: int) -> None:
        index = before = 0
        for sequence, size in self._expected:
            if sequence >= found:
                break
            index += 1
            before += size
        self._in_step = True
        if place == before:
            # All bytes are there, so those before were damaged where they stand.
            self._damaged = index - 1
            return
        self._drop(place)
        for _ in range(index):
            self._expected.popleft()

    def _drop(self, number: int) -> None:
        self.unexpected += number
        del self._buffer[:number]
