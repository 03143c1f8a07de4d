"""
One end of a reliable, ordered channel over datagrams: pure, time is an argument.

What is written is cut into segments, each with a number. The other end says with each
packet which number it waits for next, and which of those behind it are there already
(selective acknowledgement, RFC 2018); what is missing is sent again, in the manner of
TCP: by a timer that follows the round trips (RFC 6298), and when others have overtaken
it, within a congestion window (RFC 8085 section 3.1; L{netsvc.relay.flight}). The
channel ends with a reason when nothing comes back for too long.

Both ends hold a bounded number of segments: L{WINDOW} that are on their way, L{WINDOW}
that have come out of order or wait for a slow reader, and what is queued behind them up
to a limit of bytes.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from netsvc.relay.flight import Flight
from netsvc.relay.round_trip import RoundTrip

WINDOW: Final = 32
"""Segments on their way at most; one bit of the acknowledgement each."""

MAX_SEGMENT: Final = 1100
"""Bytes of a segment at most: its datagram passes every network (RFC 8200: 1280)."""

MAX_QUEUE: Final = 4 * 2**20
"""Bytes that may wait to be sent; whoever writes more has been told to stop before."""

HEADER: Final = struct.Struct("!BIII")
"""Of a packet: kind, number, the number waited for, what is there from that on."""

ACK, TEXT, MESSAGE, END, PING = range(5)
"""Kinds of packets: L{TEXT}, L{MESSAGE} and L{END} are segments."""

NEVER: Final = float("inf")

Event = tuple[int, bytes]
"""The kind of a segment, and what it carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """
    How patient an end is. All times are seconds.

    @ivar first: Until what was sent first is sent again.
    @ivar least: The shortest time until something is sent again.
    @ivar most: The longest.
    @ivar give_up: After how long without any answer the channel ends.
    @ivar keepalive: After how long without sending anything the other end is asked
        for a sign of life; 0 for never.
    @ivar silence: After how long without hearing anything the channel ends, though
        nothing was asked; 0 for never.
    """

    first: float = 0.5
    least: float = 0.15
    most: float = 2.0
    give_up: float = 30.0
    keepalive: float = 15.0
    silence: float = 0.0


class Channel:
    """
    One end.

    Feed it what comes (L{receive}), take what it means (L{events}), send what it gives
    (L{packets}) then and at L{next_at}.

    @ivar ended: Why it is over; C{None} while it is not.
    @ivar queued: Bytes that wait behind the window.
    @ivar held: Whether nothing is taken for now: the other end stops, too.
    @ivar junk: How many packets made no sense.
    @ivar heard_at: When something was heard last.
    """

    def __init__(
        self, now: float, timing: Timing | None = None, max_queue: int = MAX_QUEUE
    ) -> None:
        """
        Begin with nothing on the way.

        @param now: The time in seconds, of any clock that counts forwards.
        @param timing: How patient it is.
        @param max_queue: Bytes that may wait; more ends the channel.
        """
        self._timing = timing or Timing()
        self._max_queue = max_queue
        self._queue: deque[tuple[int, bytes]] = deque()
        self._trip = RoundTrip()
        self._flying = Flight(self._trip, WINDOW)
        self._expected = 0
        self._arrived: dict[int, Event] = {}
        self._ack_due = self._ping_due = False
        # How many times it was asked for a sign of life, and when it was last.
        self._pings = 0
        self._pinged_at = now
        self._finishing = False
        self._asked_at: float | None = None
        self._sent_at = self.heard_at = now
        self._timer = NEVER
        self.ended: str | None = None
        self.queued = 0
        self.held = False
        self.junk = 0

    @property
    def round_trip(self) -> float | None:
        """Seconds that a round trip takes, smoothed; C{None} if unknown."""
        return self._trip.seconds

    # Writing.

    @property
    def pending(self) -> int:
        """Bytes that the other end has not acknowledged."""
        return self.queued + self._flying.size

    @property
    def finished(self) -> bool:
        """Whether the end was written, and all has arrived."""
        return self._finishing and not self._queue and not self._flying

    def write(self, data: bytes) -> None:
        """Send text: whole lines, in as many segments as it takes."""
        if self.ended is None and self._queue and self._queue[-1][0] == TEXT:
            # A full segment is better than two that are not.
            before = self._queue.pop()[1]
            self.queued -= len(before)
            data = before + data
        for start in range(0, len(data), MAX_SEGMENT):
            self._put(TEXT, data[start : start + MAX_SEGMENT])

    def message(self, data: bytes) -> None:
        """
        Send a message in a segment of its own.

        @param data: At most L{MAX_SEGMENT} bytes.
        @raise ValueError: If it is longer.
        """
        if len(data) > MAX_SEGMENT:
            raise ValueError("a message must fit into a segment")
        self._put(MESSAGE, data)

    def finish(self) -> None:
        """Send the end, behind all that was written."""
        if not self._finishing:
            self._put(END, b"")
            self._finishing = True

    def messages_left(self) -> list[bytes]:
        """Give the messages that the other end is not known to have."""
        missing = self._flying.missing()
        flying = [each.data for each in missing if each.kind == MESSAGE]
        return flying + [data for kind, data in self._queue if kind == MESSAGE]

    def _put(self, kind: int, data: bytes) -> None:
        if self._finishing or self.ended is not None:
            return
        self._queue.append((kind, data))
        self.queued += len(data)
        if self.queued > self._max_queue:
            self.ended = "too much waits to be sent"

    # Being sent packets.

    def receive(self, packet: bytes, now: float) -> bool:
        """
        Take a packet.

        @return: Whether it made sense; what does not is counted and ignored.
        """
        if self.ended is not None or len(packet) < HEADER.size:
            self.junk += 1
            return False
        kind, number, ack, there = HEADER.unpack_from(packet)
        data = packet[HEADER.size :]
        # It cannot have what was not sent, nor be sent more than is kept for it.
        if kind > PING or ack > self._flying.number or len(data) > MAX_SEGMENT:
            self.junk += 1
            return False
        if kind in (TEXT, MESSAGE, END):
            if number >= self._expected + WINDOW:
                self.junk += 1
                return False
            self._ack_due = True
            if number >= self._expected:
                self._arrived.setdefault(number, (kind, data))
        elif kind == PING:
            self._ack_due = True
        self.heard_at = now
        self._asked_at = None
        if kind == ACK and self._pings == 1:
            self._trip.measured(now - self._pinged_at)
        if kind != PING:  # which may have crossed ours, and answers nothing
            self._pings = 0
        self._acknowledged(ack, there, now)
        return True

    def events(self) -> Iterator[Event]:
        """Give segments in order, as long as the channel is not held."""
        while not self.held and self._expected in self._arrived:
            event = self._arrived.pop(self._expected)
            self._expected += 1
            yield event

    def hold(self) -> None:
        """Take no segment for now: a window's worth waits, and no more comes."""
        self.held = True

    def release(self) -> None:
        """Take segments again; L{events} has those that waited."""
        self.held = False
        self._ack_due = True

    def _acknowledged(self, ack: int, there: int, now: float) -> None:
        """Forget what has arrived, and wait for the rest from now on."""
        if self._flying.acknowledged(ack, there, now):
            self._trip.answered()
            self._timer = now + self._patience() if self._flying else NEVER
        elif not self._flying:
            self._timer = NEVER

    def _patience(self) -> float:
        """Seconds until something is sent again."""
        timing = self._timing
        return self._trip.patience(timing.first, timing.least, timing.most)

    # Sending packets.

    def next_at(self) -> float:
        """Give when L{packets} is to be called at the latest; infinity for never."""
        if self.ended is not None:
            return NEVER
        timing, when = self._timing, self._timer
        if self._asked_at is not None:
            when = min(when, self._asked_at + timing.give_up)
        if timing.keepalive:
            when = min(when, self._sent_at + timing.keepalive)
        if timing.silence:
            when = min(when, self.heard_at + timing.silence)
        return when

    def ask(self) -> None:
        """Ask the other end for a sign of life with the next packets."""
        self._ping_due = True

    def again(self, now: float) -> None:
        """Take that what is on its way is lost, as the way is another one now."""
        if self._flying:
            self._timer = now
        else:
            self._ping_due = True

    def packets(self, now: float) -> list[bytes]:
        """Give what is to be sent now."""
        self._look_at_the_time(now)
        if self.ended is not None:
            return []
        flying, found = self._flying, []
        while (lost := flying.again(now)) is not None:
            found.append(self._packet(lost.kind, lost.number, lost.data))
        while self._queue and flying.may_add():
            kind, data = self._queue.popleft()
            self.queued -= len(data)
            number = flying.add(kind, data, now).number
            found.append(self._packet(kind, number, data))
        if found:
            self._ping_due = False
        elif self._ping_due:
            self._ping_due = False
            self._pings += 1
            self._pinged_at = now
            found.append(self._packet(PING, 0))
        elif self._ack_due:
            found.append(self._packet(ACK, 0))
            self._ack_due = False
            self._sent_at = now
            return found
        if found:
            self._ack_due = False
            self._sent_at = now
            if self._asked_at is None:
                self._asked_at = now
            if self._timer == NEVER:
                self._timer = now + self._patience()
        return found

    def _look_at_the_time(self, now: float) -> None:
        """See what has taken too long."""
        timing = self._timing
        if self.ended is not None:
            return
        if self._asked_at is not None and now >= self._asked_at + timing.give_up:
            self.ended = f"no answer for {timing.give_up:g} s"
        elif timing.silence and now >= self.heard_at + timing.silence:
            self.ended = f"nothing was heard for {timing.silence:g} s"
        elif self._flying.used_up:
            self.ended = "all numbers are used up"
        elif self._timer <= now:
            self._expired(now)
        elif timing.keepalive and now >= self._sent_at + timing.keepalive:
            self._ping_due = True

    def _expired(self, now: float) -> None:
        """What was sent is not acknowledged in time: all of it counts as lost."""
        missing = self._flying.lose_all()
        if not missing and (self._flying or self._pings):
            # All is there, but the other end does not take it: ask whether it does.
            self._ping_due = True
        self._trip.unanswered()
        waits = missing or self._ping_due
        self._timer = now + self._patience() if waits else NEVER

    def _packet(self, kind: int, number: int, data: bytes = b"") -> bytes:
        there = 0
        for arrived in self._arrived:
            there |= 1 << (arrived - self._expected)
        return HEADER.pack(kind, number, self._expected, there) + data
