"""What the probe sends, and how an answer is told to be its own and intact.

RFC 862 gives the payload no form: an echo returns whatever came. The probe
therefore writes into it what it needs to know an answer by.

B{32 bytes and more}: a header, then filling::

     0       4               12              20              28      32
     +-------+---------------+---------------+---------------+-------+-----
     | "nsv1"|    run id     |   sequence    |   send time   | CRC-32| fill
     +-------+---------------+---------------+---------------+-------+-----

All numbers are in network byte order. The run id is random for each run, the
send time is in nanoseconds of the sender's own clock, the CRC covers the 28
bytes before it, so that a damaged sequence number is not taken for another
packet's. The filling is random per run (no link can compress it away) and
shifted by the sequence number.

B{1 to 31 bytes}: in the first n bytes, where n is at most 4, the packet's number
among those of its size, modulo 256**n; then filling. The answer is matched to the
newest packet sent with that size and number, which is right while answers come
within 256**n sendings of the size.

B{0 bytes}: there is nothing to match by, so an answer is taken for one to the
newest empty packet: right while answers come before the next one is sent. The
second answer to a packet counts as a duplicate.
"""

from __future__ import annotations

import random
import struct
import zlib

__all__ = ["HEADER_SIZE", "Codec", "distinct_packets"]

_MAGIC = b"nsv1"
_HEADER = struct.Struct("!4sQQQ")
_CHECKSUM = struct.Struct("!I")
#: The smallest payload that holds the whole header, bytes.
HEADER_SIZE = _HEADER.size + _CHECKSUM.size
_MARKER_SIZE = len(_MAGIC) + 8
_LARGEST_NUMBER = 4
#: The filling of consecutive packets starts at as many different places. Prime,
#: so that it keeps no step with sizes and sequence numbers that wrap.
_SHIFTS = 251


def distinct_packets(size: int) -> int | None:
    """Tell how many packets of C{size} bytes in a row their payload tells apart.

    @return: L{None} if all.
    """
    if size >= HEADER_SIZE:
        return None
    return 1 << 8 * min(size, _LARGEST_NUMBER)


class Codec:
    """Makes and checks the payloads of one run.

    @ivar marker: the bytes that every payload with a header begins with.
    """

    def __init__(self, run_id: int, sizes: tuple[int, ...]) -> None:
        """Prepare for payloads of C{sizes} bytes.

        @param run_id: a random number of 64 bits.
        @param sizes: all different, used in turn from packet 1 on.
        """
        self._run_id = run_id
        self._small = {
            size: index for index, size in enumerate(sizes) if size < HEADER_SIZE
        }
        self._cycle = len(sizes)
        self._filling = random.Random(run_id).randbytes(max(sizes) + _SHIFTS)
        self.marker = _MAGIC + run_id.to_bytes(8, "big")

    def payload(self, sequence: int, sent: int, size: int) -> bytes:
        """Make the payload of packet C{sequence} (1 or more).

        @param sent: the time of sending, nanoseconds.
        """
        shift = sequence % _SHIFTS
        if size >= HEADER_SIZE:
            header = _HEADER.pack(_MAGIC, self._run_id, sequence, sent)
            return (
                header
                + _CHECKSUM.pack(zlib.crc32(header))
                + self._filling[shift : shift + size - HEADER_SIZE]
            )
        width = min(size, _LARGEST_NUMBER)
        ordinal = (sequence - 1) // self._cycle
        number = (ordinal % (1 << 8 * width)).to_bytes(width, "big")
        return number + self._filling[shift : shift + size - width]

    def identify(self, data: bytes, newest: int) -> int | None:
        """Find which packet C{data} is the answer to.

        @param data: an answer, perhaps damaged, perhaps cut short.
        @param newest: the highest sequence number sent so far.
        @return: its sequence number, or L{None} if C{data} does not tell.
        """
        size = len(data)
        index = self._small.get(size)
        if index is not None:
            width = min(size, _LARGEST_NUMBER)
            last = (newest - 1 - index) // self._cycle
            behind = (last - int.from_bytes(data[:width], "big")) % (1 << 8 * width)
            ordinal = last - behind
            return ordinal * self._cycle + index + 1 if ordinal >= 0 else None
        if size < HEADER_SIZE:
            return None
        magic, run_id, sequence, _ = _HEADER.unpack_from(data)
        (checksum,) = _CHECKSUM.unpack_from(data, _HEADER.size)
        if (
            magic != _MAGIC
            or run_id != self._run_id
            or checksum != zlib.crc32(data[: _HEADER.size])
            or not 1 <= sequence <= newest
        ):
            return None
        assert isinstance(sequence, int)
        return sequence

    def resembles(self, data: bytes) -> bool:
        """Tell whether C{data}, which nothing identifies, was a packet of this run.

        Half of the marker is enough: what else would begin like that?
        """
        return len(data) in self._small or (
            data[: len(_MAGIC)] == _MAGIC
            or data[len(_MAGIC) : _MARKER_SIZE] == self.marker[len(_MAGIC) :]
        )
