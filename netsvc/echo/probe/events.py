"""What happens to packets and connections, as values that reporters render."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

__all__ = ["Connected", "Disconnected", "Event", "PacketEvent", "Status", "Unexpected"]


class Status(Enum):
    """What became of a packet; the value is the word in JSON records."""

    #: Answered in time, byte for byte.
    OK = "ok"
    #: Answered byte for byte after the timeout.
    LATE = "late"
    #: Answered with other bytes than were sent.
    CORRUPT = "corrupt"
    #: Answered once more.
    DUPLICATE = "duplicate"
    #: Answered so long after that nothing more is known of it.
    STALE = "stale"
    #: Not answered within the timeout; a late answer may still follow.
    TIMEOUT = "timeout"
    #: Rejected by the target: nothing listens on the port.
    REFUSED = "refused"
    #: Rejected on the way: no route, filtered, too big.
    UNREACHABLE = "unreachable"
    #: Not sent, or lost with its connection.
    ERROR = "error"


class PacketEvent(NamedTuple):
    """Something happened to a packet.

    @ivar sequence: 1 for the first packet.
    @ivar size: bytes of payload.
    @ivar sent: when it was sent, nanoseconds of the probe's clock.
    @ivar rtt: round-trip time in nanoseconds, where there is an answer.
    @ivar reordered: a packet sent later was answered before it (RFC 4737).
    @ivar detail: why, for people.
    """

    status: Status
    sequence: int
    size: int
    sent: int
    rtt: int | None = None
    reordered: bool = False
    detail: str = ""


class Unexpected(NamedTuple):
    """Something came that is the answer to no packet.

    @ivar size: bytes.
    @ivar damaged: it was once a packet of this run.
    """

    size: int
    damaged: bool


class Connected(NamedTuple):
    """A connection was made. Times are in nanoseconds.

    @ivar connect_time: from the first packet to the connection (TCP).
    @ivar handshake_time: from then to the end of the TLS handshake.
    """

    connect_time: int
    handshake_time: int | None = None
    tls_version: str = ""


class Disconnected(NamedTuple):
    """A connection was lost, or could not be made again."""

    reason: str


Event = PacketEvent | Unexpected | Connected | Disconnected
