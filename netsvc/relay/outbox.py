"""
What a peer is to be told: lines that wait, and the datagrams that they go out in. Pure.

They wait until the datagram that is being answered is done with, and until the peer may
be sent so much (L{netsvc.relay.admission}).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from netsvc.relay.admission import Credit

#: Bytes of an answer's datagram: it fits in one packet on every path (RFC 8200, less
#: headers), and no more lines are put into one.
MAX_ANSWER: Final = 1200

#: Bytes that wait until an address is validated.
MAX_HELD: Final = 4 * 1024


class Outbox:
    """The lines that wait for one peer; false if there are none."""

    __slots__ = ("_held", "_waiting")

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: list[bytes] = []
        self._held = 0

    def __bool__(self) -> bool:
        """Say whether anything waits."""
        return bool(self._waiting)

    def put(self, data: bytes, credit: Credit) -> bool:
        """
        Add whole lines.

        @param credit: The peer's: without bounds if its address is validated.
        @return: Whether there was room; they are dropped if not.
        """
        if self._held + len(data) > MAX_HELD and not credit.validated:
            return False
        self._held += len(data)
        self._waiting.append(data)
        return True

    def datagrams(self, credit: Credit, end: bytes) -> Iterator[bytes]:
        """
        Take out what may be sent, as datagrams; the rest waits on.

        @param credit: Is charged for each.
        @param end: How the peer ends its lines.
        """
        if not self._waiting:
            return
        lines = b"".join(self._waiting).splitlines()
        self._waiting.clear()
        self._held = 0
        while lines:
            data, taken = packed(lines, end)
            if not credit.take(len(data)):
                # It waits until the address is validated.
                rest = b"".join(line + b"\r\n" for line in lines)
                self._waiting.append(rest)
                self._held = len(rest)
                return
            del lines[:taken]
            yield data


def packed(lines: list[bytes], end: bytes) -> tuple[bytes, int]:
    """
    Give a datagram of as many lines as fit into one, one at least.

    @return: It, and how many lines it has.
    """
    size, taken = len(lines[0]) + len(end), 1
    between = end or b"\n"
    for line in lines[1:]:
        size += len(line) + len(between)
        if size > MAX_ANSWER:
            break
        taken += 1
    return between.join(lines[:taken]) + end, taken
