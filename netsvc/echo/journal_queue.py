"""The records that the journal writer has not confirmed yet, kept for sending again.

Pure. A frame is first I{unsent}, then, once the pipe has taken all of it, I{in
flight}; a confirmation takes it out. After the writer died, what was in flight is
unsent again.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

#: Bytes of memory that a record costs beyond its frame.
RECORD_OVERHEAD = 64

#: Most frames handed to the pipe at once (the system takes up to 1024).
MAX_FRAMES = 256


class RecordQueue:
    """Frames in the order of their sequence numbers, from C{confirmed} + 1 on.

    @ivar confirmed: the last sequence number that is on disk.
    @ivar next_seq: the sequence number of the next frame.
    @ivar size: bytes of memory that the frames cost.
    """

    def __init__(self) -> None:
        self.confirmed = 0
        self.next_seq = 1
        self.size = 0
        self._in_flight: deque[bytes] = deque()
        self._unsent: deque[bytes] = deque()
        # How much of the first unsent frame is in the pipe.
        self._offset = 0

    def __len__(self) -> int:
        """Count the frames that are not confirmed."""
        return len(self._in_flight) + len(self._unsent)

    @property
    def has_unsent(self) -> bool:
        """Whether there is something for the pipe."""
        return bool(self._unsent)

    def append(self, frame: bytes) -> None:
        """Add the frame of the record C{next_seq}."""
        self._unsent.append(frame)
        self.next_seq += 1
        self.size += len(frame) + RECORD_OVERHEAD

    def unsent(self) -> list[bytes | memoryview]:
        """Give the next bytes for the pipe, at most L{MAX_FRAMES} pieces."""
        frames: list[bytes | memoryview] = list(islice(self._unsent, MAX_FRAMES))
        if self._offset:
            frames[0] = memoryview(self._unsent[0])[self._offset :]
        return frames

    def sent(self, count: int) -> None:
        """Note that the pipe took the next C{count} bytes."""
        self._offset += count
        while self._unsent and self._offset >= len(self._unsent[0]):
            frame = self._unsent.popleft()
            self._offset -= len(frame)
            self._in_flight.append(frame)

    def confirm(self, seq: int) -> int:
        """Forget the frames in flight up to C{seq}; give how many they were."""
        count = max(0, min(seq - self.confirmed, len(self._in_flight)))
        for _ in range(count):
            self.size -= len(self._in_flight.popleft()) + RECORD_OVERHEAD
        self.confirmed += count
        return count

    def rewind(self) -> None:
        """Make all frames unsent: the writer that had them is gone."""
        self._in_flight.extend(self._unsent)
        self._in_flight, self._unsent = deque(), self._in_flight
        self._offset = 0

    def clear(self) -> int:
        """Forget all frames; give how many they were."""
        count = len(self)
        self._in_flight.clear()
        self._unsent.clear()
        self.size = self._offset = 0
        return count
