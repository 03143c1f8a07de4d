"""
How many descriptors each of several processes serves that accept from one socket.

Whoever wakes up first takes what waits there: on a busy machine that is always the same
process, and a second one would bring nothing. So each tells the others, in a few bytes
of shared memory, how much it has; one that is ahead lets the others go first, for a
moment (L{netsvc.multiplex.listener}). The numbers are hints: nothing depends on their
being exact.
"""

from __future__ import annotations

import mmap
import os
from typing import Final

#: What stands for a process that does not accept.
ABSENT: Final = 0xFFFFFFFF

#: How many descriptors more than another process is not too many, beside an eighth.
SLACK: Final = 2

# Bytes of one number.
_CELL: Final = 4


def create(members: int) -> int:
    """
    Make the shared memory; nobody accepts yet.

    @param members: How many processes there are.
    @return: Its descriptor, which children do not inherit.
    """
    fd = os.memfd_create("netsvc-crowd", os.MFD_CLOEXEC)
    os.write(fd, b"\xff" * (_CELL * members))
    return fd


class Crowd:
    """The numbers of all processes."""

    def __init__(self, fd: int, member: int) -> None:
        """
        @param fd: The memory's descriptor. It can be closed then.
        @param member: The place of this process.
        """
        self._memory = mmap.mmap(fd, os.fstat(fd).st_size)
        self._cells = memoryview(self._memory).cast("I")
        self._member = member

    def ahead(self, mine: int) -> bool:
        """
        Tell the others a number, and whether it is larger than that of one of them.

        @param mine: How many descriptors this process serves.
        """
        cells = self._cells
        cells[self._member] = mine
        least = min(cells)
        return mine > least + SLACK + (least >> 3)

    def leave(self, member: int | None = None) -> None:
        """
        Say that a process accepts nothing any more.

        @param member: Its place; by default this one's.
        """
        self._cells[self._member if member is None else member] = ABSENT

    def close(self) -> None:
        """Give the memory back."""
        self._cells.release()
        self._memory.close()
