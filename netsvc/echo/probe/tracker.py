"""The packets of a run: which wait for an answer, which have had theirs.

Only the newest L{WINDOW} packets are remembered, whatever the rate and the
length of the run: that bounds the table of outstanding packets and the detection
of duplicates at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from netsvc.echo.probe.events import PacketEvent, Status
from netsvc.echo.probe.statistics import SizeStatistics, Statistics

__all__ = ["WINDOW", "Tracker"]

#: The number of packets remembered. An answer to an older packet is stale.
WINDOW = 65_536


class _Packet:
    """A packet that is remembered.

    @ivar status: L{None} while it waits.
    @ivar rtt: set when it is answered intact.
    """

    __slots__ = ("rtt", "sent", "size", "status")

    def __init__(self, size: int, sent: int) -> None:
        self.size = size
        self.sent = sent
        self.status: Status | None = None
        self.rtt: int | None = None


_ANSWERED = frozenset({Status.OK, Status.LATE, Status.CORRUPT})


class Tracker:
    """Follows each packet from sending to answer or loss.

    All times are nanoseconds of one clock that never steps.

    @ivar newest: the highest sequence number, 0 before the first packet.
    """

    def __init__(self, timeout: int, sweep: bool = False, window: int = WINDOW) -> None:
        """Start with no packets.

        @param timeout: an answer after it is late, nanoseconds.
        @param sweep: keep statistics for each payload size.
        @param window: how many packets to remember.
        """
        self.statistics = Statistics()
        self.newest = 0
        self._timeout = timeout
        self._sweep = sweep
        self._window = window
        self._packets: dict[int, _Packet] = {}
        self._oldest = 1
        #: No packet before it waits.
        self._first_waiting = 1
        self._highest_answered = 0
        self._last_arrived_size: int | None = None

    def send(self, size: int, now: int) -> int:
        """Add a packet of C{size} bytes that is sent at C{now}.

        @return: its sequence number.
        """
        if self.newest - self._oldest + 1 >= self._window:
            self._forget_oldest()
        self.newest += 1
        self._packets[self.newest] = _Packet(size, now)
        self.statistics.sent += 1
        self.statistics.in_flight += 1
        if self._sweep:
            of_size = self.statistics.by_size.setdefault(size, SizeStatistics())
            of_size.sent += 1
            of_size.in_flight += 1
        return self.newest

    def packet(self, sequence: int) -> tuple[int, int] | None:
        """Tell when packet C{sequence} was sent and its size, if remembered."""
        packet = self._packets.get(sequence)
        return None if packet is None else (packet.sent, packet.size)

    def answer(self, sequence: int, now: int, intact: bool) -> PacketEvent:
        """Take an answer to packet C{sequence}, which was sent once.

        @param intact: whether it has the bytes that were sent.
        """
        statistics = self.statistics
        packet = self._packets.get(sequence)
        if packet is None:
            statistics.stale += 1
            return PacketEvent(Status.STALE, sequence, 0, 0)
        rtt = now - packet.sent
        if packet.status in _ANSWERED:
            statistics.duplicates += 1
            return PacketEvent(
                Status.DUPLICATE, sequence, packet.size, packet.sent, rtt
            )
        self._settle(packet)
        statistics.received += 1
        reordered = sequence < self._highest_answered
        if reordered:
            statistics.reordered += 1
        else:
            self._highest_answered = sequence
        late = rtt > self._timeout
        if late:
            statistics.late += 1
        of_size = statistics.by_size.get(packet.size)
        if of_size is not None:
            of_size.received += 1
        if intact:
            packet.status = Status.LATE if late else Status.OK
            self._measure(sequence, packet, rtt)
        else:
            packet.status = Status.CORRUPT
            statistics.corrupt += 1
            if of_size is not None:
                of_size.corrupt += 1
        return PacketEvent(
            packet.status, sequence, packet.size, packet.sent, rtt, reordered
        )

    def _measure(self, sequence: int, packet: _Packet, rtt: int) -> None:
        statistics = self.statistics
        packet.rtt = rtt
        statistics.rtt.add(rtt)
        statistics.histogram.add(rtt)
        statistics.jitter.arrived(rtt, packet.size == self._last_arrived_size)
        self._last_arrived_size = packet.size
        if self._sweep:
            statistics.by_size[packet.size].rtt.add(rtt)
        # Each pair once: when the second of the two is answered.
        for other in (sequence - 1, sequence + 1):
            neighbour = self._packets.get(other)
            if (
                neighbour is not None
                and neighbour.rtt is not None
                and neighbour.size == packet.size
            ):
                statistics.jitter.neighbours(neighbour.rtt, rtt)

    def fail(self, sequence: int, status: Status, detail: str) -> PacketEvent | None:
        """Take the report that packet C{sequence} has come to nothing.

        Should an answer come all the same, the answer counts.

        @param status: refused, unreachable or error.
        @return: L{None} if nothing is waited for any more.
        """
        packet = self._packets.get(sequence)
        if packet is None or packet.status not in (None, Status.TIMEOUT):
            return None
        if status is Status.REFUSED:
            self.statistics.refused += 1
        elif status is Status.UNREACHABLE:
            self.statistics.unreachable += 1
        else:
            self.statistics.errors += 1
        if status is not Status.ERROR:
            self.statistics.last_rejection = detail
        self._settle(packet)
        packet.status = status
        return PacketEvent(status, sequence, packet.size, packet.sent, detail=detail)

    def fail_waiting(self, detail: str) -> Iterator[PacketEvent]:
        """Give up all packets that wait, because their connection is gone."""
        for sequence in range(self._first_waiting, self.newest + 1):
            if self._packets[sequence].status is None:
                event = self.fail(sequence, Status.ERROR, detail)
                assert event is not None
                yield event

    def expire(self, now: int) -> Iterator[PacketEvent]:
        """Find the packets whose answer is overdue at C{now}."""
        while (waiting := self._first()) is not None:
            sequence, packet = waiting
            if now - packet.sent < self._timeout:
                return
            self._settle(packet)
            packet.status = Status.TIMEOUT
            yield PacketEvent(Status.TIMEOUT, sequence, packet.size, packet.sent)

    @property
    def deadline(self) -> int | None:
        """When the oldest packet that waits becomes overdue."""
        waiting = self._first()
        return None if waiting is None else waiting[1].sent + self._timeout

    def finish(self) -> None:
        """End the run: packets that still wait stay neither answered nor lost."""
        while self._oldest <= self.newest:
            self._forget_oldest(at_end=True)

    def _first(self) -> tuple[int, _Packet] | None:
        while self._first_waiting <= self.newest:
            packet = self._packets[self._first_waiting]
            if packet.status is None:
                return self._first_waiting, packet
            self._first_waiting += 1
        return None

    def _settle(self, packet: _Packet) -> None:
        """Count C{packet} as waiting no more."""
        if packet.status is None:
            self.statistics.in_flight -= 1
            if self._sweep:
                self.statistics.by_size[packet.size].in_flight -= 1

    def _forget_oldest(self, at_end: bool = False) -> None:
        packet = self._packets.pop(self._oldest)
        self._oldest += 1
        self._first_waiting = max(self._first_waiting, self._oldest)
        if packet.status in _ANSWERED:
            self.statistics.bursts.answered()
        elif packet.status is not None:
            self.statistics.bursts.lost()
        elif not at_end:
            self._settle(packet)
            self.statistics.bursts.lost()
