"""
A limit to HTTP/2 frames (RFC 9113 section 4.2).

The h2 package refuses a frame that is too long only when all of it has come, up to
16 MiB. Whoever feeds it asks here first.
"""

from __future__ import annotations

#: Bytes of a frame's header, and of the longest body that a peer may send us.
HEADER = 9
MAX_BODY = 16384


class FrameGuard:
    """Follows the frames in a stream of bytes."""

    def __init__(self, preface: int = 0) -> None:
        """
        @param preface: How many bytes come before the first frame.
        """
        self._skip = preface
        self._head = b""

    def accepts(self, data: bytes) -> bool:
        """
        Look at the next bytes.

        @return: Whether no frame that begins in them is too long. After the first
            that is there is no way to go on.
        """
        position = 0
        size = len(data)
        while position < size:
            if self._skip:
                step = min(self._skip, size - position)
                self._skip -= step
                position += step
                continue
            more = data[position : position + HEADER - len(self._head)]
            position += len(more)
            self._head += more
            if len(self._head) == HEADER:
                self._skip = int.from_bytes(self._head[:3], "big")
                self._head = b""
                if self._skip > MAX_BODY:
                    return False
        return True
