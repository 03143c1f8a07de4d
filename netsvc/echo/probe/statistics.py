"""Counts, round-trip times, jitter and loss bursts of one run."""

from __future__ import annotations

from netsvc.echo.probe.histogram import Histogram
from netsvc.echo.probe.running import Running

__all__ = ["Bursts", "Jitter", "SizeStatistics", "Statistics"]

#: The gain of RFC 3550's jitter estimator (section 6.4.1).
_JITTER_GAIN = 16


class Jitter:
    """How round-trip times vary from packet to packet, two ways, in nanoseconds.

    @ivar interarrival: RFC 3550, section 6.4.1: a smoothed estimate over answers
        in order of arrival; L{None} before the second.
    @ivar ipdv: absolute differences of packets sent one after the other
        (RFC 3393), where both were answered.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._estimate: float | None = None
        self.ipdv = Running()

    @property
    def interarrival(self) -> float | None:
        """The smoothed estimate so far."""
        return self._estimate

    def arrived(self, rtt: int, comparable: bool = True) -> None:
        """Take the answer that arrives next.

        @param comparable: whether its payload is as large as that of the last.
        """
        if self._last is not None and comparable:
            estimate = self._estimate or 0.0
            difference = abs(rtt - self._last)
            self._estimate = estimate + (difference - estimate) / _JITTER_GAIN
        self._last = rtt

    def neighbours(self, first: int, second: int) -> None:
        """Take the round-trip times of two packets sent one after the other."""
        self.ipdv.add(abs(second - first))


class Bursts:
    """Runs of packets lost one after the other.

    @ivar count: how many there were.
    @ivar longest: packets in the longest.
    """

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0
        self._current = 0

    def lost(self) -> None:
        """Take a packet that was lost; packets come in order of sending."""
        if not self._current:
            self.count += 1
        self._current += 1
        self.longest = max(self.longest, self._current)

    def answered(self) -> None:
        """Take a packet that was answered."""
        self._current = 0


class SizeStatistics:
    """What became of the packets of one size in a sweep.

    @ivar rtt: round-trip times in nanoseconds.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.corrupt = 0
        self.in_flight = 0
        self.rtt = Running()

    @property
    def lost(self) -> int:
        """Packets that will have no answer, as far as is known."""
        return self.sent - self.received - self.in_flight


class Statistics:
    """Everything counted in a run. Times are in nanoseconds.

    @ivar sent: packets sent, also those whose sending failed.
    @ivar received: packets that were answered, in time or late, each once.
    @ivar late: answers after the timeout, part of C{received}.
    @ivar corrupt: answers with other bytes, part of C{received}; they add to no
        round-trip time.
    @ivar in_flight: packets that still wait for their answer.
    @ivar duplicates: further answers to the same packet.
    @ivar reordered: answers that a later packet's answer overtook (RFC 4737).
    @ivar stale: answers older than the window of packets remembered.
    @ivar refused: reports that nothing listens on the port.
    @ivar unreachable: reports that packets cannot get there.
    @ivar last_rejection: the words of the last of these two, or nothing.
    @ivar errors: packets that could not be sent or went with their connection.
    @ivar damaged: corrupt answers that do not tell to which packet.
    @ivar unexpected: datagrams (UDP) or bytes (TCP) that are no answer.
    @ivar by_size: filled only in a sweep.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.late = 0
        self.corrupt = 0
        self.in_flight = 0
        self.duplicates = 0
        self.reordered = 0
        self.stale = 0
        self.refused = 0
        self.unreachable = 0
        self.last_rejection = ""
        self.errors = 0
        self.damaged = 0
        self.unexpected = 0
        self.disconnects = 0
        self.rtt = Running()
        self.histogram = Histogram()
        self.jitter = Jitter()
        self.bursts = Bursts()
        self.connect_time = Running()
        self.handshake_time = Running()
        self.by_size: dict[int, SizeStatistics] = {}

    @property
    def lost(self) -> int:
        """Packets without an answer that wait for none any more."""
        return self.sent - self.received - self.in_flight

    @property
    def loss(self) -> float:
        """The share of C{lost} in packets whose fate is known, percent."""
        settled = self.sent - self.in_flight
        return 100 * self.lost / settled if settled else 0.0

    @property
    def intact(self) -> int:
        """Packets that were answered byte for byte."""
        return self.received - self.corrupt
