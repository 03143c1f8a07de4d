"""Random bytes, fetched from the system a block at a time."""

from __future__ import annotations

from collections.abc import Callable

#: Bytes of a block: a few hundred queries.
BLOCK = 4096


class Entropy:
    """
    Hands out random bytes, each once.

    A system call for each id would cost as much as to write the query.
    """

    __slots__ = ("_block", "_position", "_source")

    def __init__(self, source: Callable[[int], bytes]) -> None:
        """
        @param source: Gives so many unpredictable bytes; C{os.urandom}.
        """
        self._source = source
        self._block = b""
        self._position = 0

    def take(self, count: int) -> bytes:
        """Give some bytes, L{BLOCK} at most."""
        start = self._position
        end = start + count
        if end > len(self._block):
            self._block = self._source(BLOCK)
            start, end = 0, count
        self._position = end
        return self._block[start:end]
