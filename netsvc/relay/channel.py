"""
One end of a reliable, ordered channel over datagrams: pure, time is an argument.

What is written is cut into segments, each with a number. The other end says with each
packet which number it waits for next, and which of those behind it are there already
(selective acknowledgement, RFC 2018); what is missing is sent again, in the manner of
TCP: a timer that follows the round trips (RFC 6298), a segment that three later ones
have overtaken (RFC 5681), a congestion window (RFC 8085 section 3.1). The channel ends
with a reason when nothing comes back for too long.

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

from netsvc.relay.round_trip import RoundTrip

WINDOW: Final = 32
"""Segments on their way at most; one bit of the acknowledgement each."""

MAX_SEGMENT: Final = 1100
"""Bytes of a segment at most: its datagram passes every network (RFC 8200: 1280)."""

MAX_QUEUE: Final = 4 * 2**20
"""Bytes that may wait to be sent; whoever writes more has been told to stop before."""

FIRST_WINDOW: Final = 10
"""Segments that may be on their way at first (RFC 6928)."""

OVERTAKEN: Final = 3
"""Later segments that must have come before one counts as lost."""

LAST: Final = 2**32 - 2
"""The number of the last segment that a channel can have."""

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


class _Segment:
    """A segment on its way."""

    __slots__ = ("data", "kind", "number", "overtaken", "sent_at", "there", "tries")

    def __init__(self, number: int, kind: int, data: bytes) -> None:
        self.number = number
        self.kind = kind
        self.data = data
        self.tries = 0
        self.sent_at = 0.0
        self.overtaken = 0
        self.there = False


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
        self._flying: deque[_Segment] = deque()
        self._lost: deque[_Segment] = deque()
        self._number = 0
        self._window = float(FIRST_WINDOW)
        self._threshold = float(WINDOW)
        self._recovering = 0
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
        self._trip = RoundTrip()
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
        return self.queued + sum(len(each.data) for each in self._flying)

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
        flying = [
            each.data
            for each in self._flying
            if each.kind == MESSAGE and not each.there
        ]
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
        if kind > PING or ack > self._number or len(data) > MAX_SEGMENT:
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
        """Forget what has arrived, and see what has not."""
        flying, news = self._flying, 0
        while flying and flying[0].number < ack:
            news += self._came(flying.popleft(), now)
        best = -1
        for each in flying:
            if there >> (each.number - ack) & 1:
                news += self._came(each, now)
                best = each.number
        if not news:
            if not flying:
                self._timer = NEVER
            return
        if self._window < self._threshold:
            self._window += news
        else:
            self._window += news / self._window
        self._window = min(self._window, WINDOW)
        self._trip.answered()
        for each in flying:
            if each.number >= best:
                break
            if not each.there and each.tries == 1 and each not in self._lost:
                each.overtaken += news
                if each.overtaken >= OVERTAKEN:
                    self._lose(each)
        self._timer = now + self._patience() if flying else NEVER

    def _came(self, segment: _Segment, now: float) -> bool:
        """Take that a segment has arrived; say whether that is news."""
        if segment.there:
            return False
        segment.there = True
        if segment in self._lost:
            self._lost.remove(segment)
        if segment.tries == 1:  # of another one it is not known which has come (Karn)
            self._trip.measured(now - segment.sent_at)
        return True

    def _lose(self, segment: _Segment) -> None:
        """Send a segment again; slow down, once for all that was lost together."""
        segment.overtaken = 0
        self._lost.append(segment)
        if segment.number >= self._recovering:
            self._recovering = self._number
            self._threshold = self._window = max(self._window / 2, 2.0)

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
        found = []
        while self._lost:
            if self._in_flight() >= self._window:
                break
            found.append(self._send(self._lost.popleft(), now))
        while self._queue and self._may_send():
            kind, data = self._queue.popleft()
            self.queued -= len(data)
            segment = _Segment(self._number, kind, data)
            self._number += 1
            self._flying.append(segment)
            found.append(self._send(segment, now))
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
        elif self._number > LAST:
            self.ended = "all numbers are used up"
        elif self._timer <= now:
            self._expired(now)
        elif timing.keepalive and now >= self._sent_at + timing.keepalive:
            self._ping_due = True

    def _expired(self, now: float) -> None:
        """What was sent is not acknowledged in time: all of it counts as lost."""
        missing = [each for each in self._flying if not each.there]
        if missing:
            self._lost = deque(missing)
            self._threshold = max(self._window / 2, 2.0)
            self._window = 2.0
            self._recovering = self._number
        elif self._flying or self._pings:
            # All is there, but the other end does not take it: ask whether it does.
            self._ping_due = True
        self._trip.unanswered()
        waits = bool(missing) or self._ping_due
        self._timer = now + self._patience() if waits else NEVER

    def _in_flight(self) -> int:
        """Count the segments that are on their way, as far as is known."""
        there = sum(each.there for each in self._flying)
        return len(self._flying) - there - len(self._lost)

    def _may_send(self) -> bool:
        """Whether a new segment may be sent."""
        if self._number > LAST:
            return False
        flying = self._flying
        first = flying[0].number if flying else self._number
        return self._number - first < WINDOW and self._in_flight() < self._window

    def _send(self, segment: _Segment, now: float) -> bytes:
        segment.tries += 1
        segment.sent_at = now
        segment.overtaken = 0
        return self._packet(segment.kind, segment.number, segment.data)

    def _packet(self, kind: int, number: int, data: bytes = b"") -> bytes:
        there = 0
        for arrived in self._arrived:
            there |= 1 << (arrived - self._expected)
        return HEADER.pack(kind, number, self._expected, there) + data
