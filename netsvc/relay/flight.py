"""
Segments of a channel that are on their way, and how many may be: pure.

What is missing when three later ones have come is lost (RFC 5681 section 3.2), and the
congestion window follows that: it doubles with each round trip at first, then grows by
one, and is halved once for all that was lost together (RFC 5681 section 3.1).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from netsvc.relay.round_trip import RoundTrip

FIRST_WINDOW: Final = 10
"""Segments that may be on their way at first (RFC 6928)."""

LEAST_WINDOW: Final = 2.0
"""Segments that always may be."""

OVERTAKEN: Final = 3
"""Later segments that must have come before one counts as lost."""

LAST: Final = 2**32 - 2
"""The number of the last segment that a channel can have."""


class Segment:
    """
    A segment.

    @ivar number: Its number.
    @ivar kind: Its kind.
    @ivar data: What it carries.
    @ivar tries: How often it was sent.
    @ivar sent_at: When it was sent last.
    @ivar overtaken: How many later ones have come since.
    @ivar there: Whether the other end has it, though not all before it.
    """

    __slots__ = ("data", "kind", "number", "overtaken", "sent_at", "there", "tries")

    def __init__(self, number: int, kind: int, data: bytes) -> None:
        """Make one that was not sent."""
        self.number = number
        self.kind = kind
        self.data = data
        self.tries = 0
        self.sent_at = 0.0
        self.overtaken = 0
        self.there = False

    def sent(self, now: float) -> None:
        """Take that it is sent, once more or for the first time."""
        self.tries += 1
        self.sent_at = now
        self.overtaken = 0


class Flight:
    """
    What is on its way from one end to the other.

    Its length is the number of segments from the first one that is missing on.

    @ivar number: The number of the next segment.
    """

    __slots__ = (
        "_limit",
        "_lost",
        "_recovering",
        "_segments",
        "_threshold",
        "_trip",
        "_window",
        "number",
    )

    def __init__(self, trip: RoundTrip, limit: int) -> None:
        """
        Begin with nothing on the way.

        @param trip: What measures the round trips.
        @param limit: Segments that may be on their way at most.
        """
        self._trip = trip
        self._limit = limit
        self._segments: deque[Segment] = deque()
        self._lost: deque[Segment] = deque()
        self._window = float(FIRST_WINDOW)
        self._threshold = float(limit)
        self._recovering = 0
        self.number = 0

    def __len__(self) -> int:
        """Count the segments."""
        return len(self._segments)

    @property
    def size(self) -> int:
        """Bytes that the segments carry."""
        return sum(len(each.data) for each in self._segments)

    @property
    def used_up(self) -> bool:
        """Whether there is no number for one more segment."""
        return self.number > LAST

    def missing(self) -> Iterator[Segment]:
        """Give the segments that the other end is not known to have."""
        return (each for each in self._segments if not each.there)

    # Sending.

    def may_add(self) -> bool:
        """Whether a new segment may be sent."""
        if self.number > LAST:
            return False
        segments = self._segments
        first = segments[0].number if segments else self.number
        return self.number - first < self._limit and self._under_way() < self._window

    def add(self, kind: int, data: bytes, now: float) -> Segment:
        """Take that a new segment is sent; give it."""
        segment = Segment(self.number, kind, data)
        self.number += 1
        self._segments.append(segment)
        segment.sent(now)
        return segment

    def again(self, now: float) -> Segment | None:
        """Give a lost segment, to be sent again now; C{None} if none may be."""
        if not self._lost or self._under_way() >= self._window:
            return None
        segment = self._lost.popleft()
        segment.sent(now)
        return segment

    def _under_way(self) -> int:
        """Count the segments that are neither there nor lost, as far as is known."""
        there = sum(each.there for each in self._segments)
        return len(self._segments) - there - len(self._lost)

    # What has become of them.

    def acknowledged(self, ack: int, there: int, now: float) -> bool:
        """
        Forget what has arrived, and see what has not.

        @param ack: The number that the other end waits for.
        @param there: What it has from that on, a bit for each.
        @return: Whether that is news.
        """
        segments, news = self._segments, 0
        while segments and segments[0].number < ack:
            news += self._came(segments.popleft(), now)
        best = -1
        for each in segments:
            if there >> (each.number - ack) & 1:
                news += self._came(each, now)
                best = each.number
        if not news:
            return False
        if self._window < self._threshold:
            self._window += news
        else:
            self._window += news / self._window
        self._window = min(self._window, self._limit)
        for each in segments:
            if each.number >= best:
                break
            if not each.there and each.tries == 1 and each not in self._lost:
                each.overtaken += news
                if each.overtaken >= OVERTAKEN:
                    self._lose(each)
        return True

    def lose_all(self) -> bool:
        """
        Take that all which is missing is lost, as no answer has come in time.

        @return: Whether anything is.
        """
        missing = deque(self.missing())
        if not missing:
            return False
        self._lost = missing
        self._threshold = max(self._window / 2, LEAST_WINDOW)
        self._window = LEAST_WINDOW
        self._recovering = self.number
        return True

    def _came(self, segment: Segment, now: float) -> bool:
        """Take that a segment has arrived; say whether that is news."""
        if segment.there:
            return False
        segment.there = True
        if segment in self._lost:
            self._lost.remove(segment)
        if segment.tries == 1:  # of another one it is not known which has come (Karn)
            self._trip.measured(now - segment.sent_at)
        return True

    def _lose(self, segment: Segment) -> None:
        """Send a segment again; slow down, once for all that was lost together."""
        segment.overtaken = 0
        self._lost.append(segment)
        if segment.number >= self._recovering:
            self._recovering = self.number
            self._threshold = self._window = max(self._window / 2, LEAST_WINDOW)
