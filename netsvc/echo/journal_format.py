"""What passes between the echo service and its journal writer, and the journal's line.

Pure: bytes in, values out. Three forms are held here:

- the B{record frame}, service to writer: a fixed header, the peer, the payload, so
  that the service spends next to nothing on a record;
- the B{status line}, writer to service: C{ready N}, C{stored N} (cumulative),
  C{error TEXT} and C{unrotated TEXT};
- the B{journal line}, writer to file: one JSON object a record.
"""

from __future__ import annotations

import binascii
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from netsvc.daemon.escape import escape, escape_json

#: Transports that a record can name; their position is their code in a frame.
TRANSPORTS = ("tcp", "tls", "udp", "unix")

#: Most bytes of what a peer sent in one record; more becomes several records.
#: A datagram (at most 65507 bytes) always fits.
MAX_PAYLOAD = 65536

#: Most bytes of a peer's name; the rest is cut off.
MAX_PEER = 255

#: Most bytes of an error text in a status line; the rest is cut off.
MAX_ERROR = 512

# Length of what follows, sequence number, time, code of the transport, length of
# the peer; then the peer and the payload.
_HEADER = struct.Struct("!IQdBB")
_LENGTH = struct.Struct("!I")
_MIN_LENGTH = _HEADER.size - _LENGTH.size

#: Most bytes of a frame's part that its length field counts.
MAX_LENGTH = _MIN_LENGTH + MAX_PEER + MAX_PAYLOAD

#: Most bytes of a journal line: a control character becomes six bytes.
MAX_LINE = 6 * (MAX_PAYLOAD + MAX_PEER) + 512

#: How each line of a journal begins.
LINE_START = b'{"run": "'

_CODES = {name: code for code, name in enumerate(TRANSPORTS)}

_to_json = json.JSONEncoder(ensure_ascii=False).encode


class FormatError(Exception):
    """Bytes between the service and its writer have no meaning: a fault of ours."""


class Record(NamedTuple):
    """One piece of what a peer sent.

    @ivar seq: the record's number in its run, from 1, without gaps.
    @ivar time: when it arrived, in seconds since the epoch.
    @ivar peer: C{host:port} or a path.
    @ivar transport: one of L{TRANSPORTS}.
    @ivar data: what the peer sent, at most L{MAX_PAYLOAD} bytes.
    """

    seq: int
    time: float
    peer: str
    transport: str
    data: bytes


def encode_record(
    seq: int, time: float, peer: str, transport: str, data: bytes
) -> bytes:
    """Make the frame of one record; the arguments are the fields of L{Record}.

    @raise KeyError: C{transport} is not one of L{TRANSPORTS}.
    @raise struct.error: a number is out of its range.
    """
    name = peer.encode("utf-8", "backslashreplace")[:MAX_PEER]
    length = _MIN_LENGTH + len(name) + len(data)
    header = _HEADER.pack(length, seq, time, _CODES[transport], len(name))
    return header + name + data


class RecordDecoder:
    """Turns what came through the pipe, cut anywhere, into records."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Record]:
        """Give the records that C{data} completes, in order.

        @raise FormatError: this is no frame. The decoder is of no use afterwards.
        """
        self._buffer = buffer = self._buffer + data
        records = []
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if not _MIN_LENGTH <= length <= MAX_LENGTH:
                raise FormatError(f"a frame of {length} bytes")
            end = start + _LENGTH.size + length
            if len(buffer) < end:
                break
            records.append(_decode(buffer, start, end))
            start = end
        self._buffer = buffer[start:]
        return records


def _decode(buffer: bytes, start: int, end: int) -> Record:
    """Read the whole frame at C{buffer[start:end]}."""
    _, seq, time, code, peer_length = _HEADER.unpack_from(buffer, start)
    peer_start = start + _HEADER.size
    data_start = peer_start + peer_length
    if code >= len(TRANSPORTS) or data_start > end:
        raise FormatError("a frame with a broken header")
    # The limit on its length can cut a character in two.
    peer = buffer[peer_start:data_start].decode("utf-8", "replace")
    return Record(seq, time, peer, TRANSPORTS[code], buffer[data_start:end])


def run_prefix(run: str) -> bytes:
    """Give how each line of C{run} begins, up to its sequence number."""
    return LINE_START + run.encode("ascii") + b'", "seq": '


def format_line(run: str, record: Record) -> bytes:
    """Give the journal line of C{record}, with the newline that ends it.

    Keys in this order: C{run}, C{seq}, C{time} (RFC 3339, UTC, microseconds),
    C{peer}, C{transport}, C{size} (bytes), then C{text} if the data is valid UTF-8,
    else C{base64}. The line is UTF-8; what could drive a terminal (control
    characters, C1, bidi controls) is written as C{\\uXXXX}.

    @param run: the identity of the run, ASCII letters and digits.
    """
    moment = datetime.fromtimestamp(record.time, UTC)
    fields: dict[str, Any] = {
        "run": run,
        "seq": record.seq,
        "time": moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z",
        "peer": record.peer,
        "transport": record.transport,
        "size": len(record.data),
    }
    try:
        fields["text"] = record.data.decode("utf-8")
    except UnicodeDecodeError:
        encoded = binascii.b2a_base64(record.data, newline=False)
        fields["base64"] = encoded.decode("ascii")
    return escape_json(_to_json(fields)).encode() + b"\n"


def last_seq(text: bytes, run: str) -> int:
    """Give the sequence number of the last whole line of C{run} in C{text}, or 0.

    @param text: the end of a journal; its first line may lack its beginning.
    """
    prefix = run_prefix(run)
    for line in reversed(text.split(b"\n")[:-1]):
        if line.startswith(prefix):
            digits = line[len(prefix) :].partition(b",")[0]
            if digits.isdigit():
                return int(digits)
    return 0


def is_torn(fragment: bytes) -> bool:
    """Tell whether C{fragment} is the beginning of a line that was never finished.

    @param fragment: what stands after the last newline of a file, not empty. Zero
        bytes are torn too: file systems leave them after a power cut. A whole line
        that only lacks its newline is not, and neither is anybody else's text.
    """
    if not fragment.strip(b"\0"):
        return True
    if not fragment.startswith(LINE_START[: len(fragment)]):
        return False
    try:
        json.loads(fragment)
    except (ValueError, RecursionError):
        return True
    return False


def ready_status(seq: int) -> bytes:
    """Give the status line "send me the records after C{seq}"."""
    return b"ready %d\n" % seq


def stored_status(seq: int) -> bytes:
    """Give the status line "all records up to C{seq} are on disk"."""
    return b"stored %d\n" % seq


def error_status(kind: str, text: str) -> bytes:
    """Give the status line for a failure.

    @param kind: C{error}, nothing was written and it is tried again; or C{unrotated},
        the file could not be rotated and grows on.
    @param text: the reason.
    """
    clean = escape(text).encode("utf-8", "backslashreplace")[:MAX_ERROR]
    return b"%b %b\n" % (kind.encode("ascii"), clean)


class Status(NamedTuple):
    """What one status line says.

    @ivar kind: C{ready}, C{stored}, C{error} or C{unrotated}.
    @ivar seq: the sequence number of the first two.
    @ivar text: the reason of the other two.
    """

    kind: str
    seq: int = 0
    text: str = ""


class StatusDecoder:
    """Turns the writer's output, cut anywhere, into statuses."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Status]:
        """Give the statuses that C{data} completes, in order.

        @raise FormatError: this is no status line.
        """
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            kind, _, value = line.partition(b" ")
            if kind in (b"error", b"unrotated"):
                text = value.decode("utf-8", "replace")
                yield Status(kind.decode("ascii"), text=text)
            elif kind in (b"ready", b"stored") and value.isdigit():
                yield Status(kind.decode("ascii"), int(value))
            else:
                raise FormatError("an unknown status line")
        if len(self._buffer) > MAX_ERROR + len(b"unrotated "):
            raise FormatError("a status line without an end")
