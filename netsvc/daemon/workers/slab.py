"""
Memory that a worker shares with its parent, for what it tells about itself.

One writes, one reads, and neither waits. A sequence number that is odd while there is
writing, and a checksum, tell the reader whether what it has copied is whole; if it is
not, it tries again a few times, and then does with what it read before.

The memory is a file without a name (memfd_create(2)): it lives as long as somebody has
it open, so what a worker told last can be read after its death.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from typing import Final

#: Bytes of a slab. Pages that were never written take no memory.
SIZE: Final = 4 * 1024 * 1024

#: How often a reader tries to copy something whole.
TRIES: Final = 3

# Sequence number, length, checksum.
_HEADER: Final = struct.Struct("=QQL")


class TooLargeError(ValueError):
    """What is to be told does not fit."""


def create(size: int = SIZE) -> int:
    """
    Make memory to share.

    @return: A descriptor, which children do not inherit.
    """
    fd = os.memfd_create("netsvc-worker", os.MFD_CLOEXEC)
    os.ftruncate(fd, size)
    return fd


class Slab:
    """One end of the shared memory; which one is a matter of what is called."""

    def __init__(self, fd: int) -> None:
        """
        @param fd: The memory's descriptor. It can be closed then.
        """
        self._memory = mmap.mmap(fd, os.fstat(fd).st_size)
        self._seen = 0
        self._last: bytes | None = None

    @property
    def sequence(self) -> int:
        """A number that grows with each write; 0 if there was none."""
        return int(_HEADER.unpack_from(self._memory)[0])

    def write(self, data: bytes) -> None:
        """
        Replace what there is.

        @raise TooLargeError: It does not fit; nothing has changed.
        """
        memory = self._memory
        if _HEADER.size + len(data) > len(memory):
            raise TooLargeError(f"{len(data)} bytes")
        # Odd already if this writer took over from one that died while writing.
        sequence = self.sequence | 1
        _HEADER.pack_into(memory, 0, sequence, 0, 0)
        memory[_HEADER.size : _HEADER.size + len(data)] = data
        checksum = zlib.crc32(data)
        _HEADER.pack_into(memory, 0, sequence, len(data), checksum)
        _HEADER.pack_into(memory, 0, sequence + 1, len(data), checksum)

    def read(self) -> bytes | None:
        """Give what was written last; L{None} if there is nothing whole yet."""
        memory = self._memory
        for _ in range(TRIES):
            sequence, length, checksum = _HEADER.unpack_from(memory)
            if sequence == self._seen:
                break
            if sequence & 1 or length > len(memory) - _HEADER.size:
                continue
            data = memory[_HEADER.size : _HEADER.size + length]
            if self.sequence == sequence and zlib.crc32(data) == checksum:
                self._seen, self._last = sequence, data
                break
        return self._last

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
