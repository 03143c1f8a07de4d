"""The probe itself: sends on schedule, matches answers, knows when it is done.

It sees the network through a small link (L{ILink}) and time through a clock and
a function, so that it runs in tests without either.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from netsvc.echo.probe.events import (
    Connected,
    Disconnected,
    Event,
    Status,
    Unexpected,
)
from netsvc.echo.probe.quantity import seconds
from netsvc.echo.probe.rejection import Rejection, describe_errno
from netsvc.echo.probe.result import Result
from netsvc.echo.probe.schedule import Schedule
from netsvc.echo.probe.target import ProbeSettings
from netsvc.echo.probe.tracker import Tracker
from netsvc.echo.probe.wire import Codec

__all__ = ["MAX_SENDS_PER_WAKEUP", "ILink", "Probe"]

#: Packets sent in one go when the schedule is behind, before answers get a turn.
MAX_SENDS_PER_WAKEUP = 32

#: Errors of sending that are about the path, not about this host.
_PATH_ERRORS = frozenset(
    {
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.ENETDOWN,
        errno.EMSGSIZE,
        errno.EACCES,
        errno.EPERM,
    }
)


class ILink(Protocol):
    """What the probe asks of the network."""

    def send(self, sequence: int, payload: bytes) -> None:
        """Send one packet.

        @raise OSError: if it cannot be sent.
        """


class Probe:
    """One run against one address.

    @ivar done: fires with L{None} when all is sent and answered or overdue.
    @ivar refused_at_once: whether it ended because of C{try_another}.
    """

    def __init__(
        self,
        settings: ProbeSettings,
        codec: Codec,
        clock: IReactorTime,
        now: Callable[[], int],
        observe: Callable[[Event], None],
        try_another: bool = False,
    ) -> None:
        """Prepare to run.

        @param now: the time in nanoseconds of a clock that never steps.
        @param observe: is told of each event.
        @param try_another: end as soon as the port refuses, if nothing has been
            answered, because there are other addresses to try.
        """
        self._settings = settings
        self._codec = codec
        self._clock = clock
        self._now = now
        self._observe = observe
        self._try_another = try_another
        self._link: ILink | None = None
        self._tracker = Tracker(settings.timeout, settings.is_sweep)
        self._schedule = Schedule(0, settings.interval, settings.count)
        self._started: int | None = None
        self._ended: int | None = None
        self._timer: IDelayedCall | None = None
        self.done: Deferred[None] = Deferred()
        self.refused_at_once = False

    @property
    def result(self) -> Result:
        """How the run went, or goes."""
        end = self._now() if self._ended is None else self._ended
        elapsed = 0 if self._started is None else end - self._started
        return Result(self._tracker.statistics, self._schedule, elapsed)

    def start(self, link: ILink) -> None:
        """Begin to send over C{link}."""
        self._link = link
        settings = self._settings
        self._started = self._now()
        self._schedule = Schedule(
            self._started, settings.interval, settings.count, settings.duration
        )
        self._wake()

    def stop(self) -> None:
        """End the run now; packets that still wait count as in flight."""
        if self._ended is not None:
            return
        self._ended = self._now()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tracker.finish()
        self.done.callback(None)

    def _wake(self) -> None:
        """Send what is due, give up what is overdue, and plan the next time."""
        self._timer = None
        for _ in range(MAX_SENDS_PER_WAKEUP):
            now = self._now()
            if self._ended is not None or not self._schedule.take(now):
                break
            self._send(now)
        for event in self._tracker.expire(self._now()):
            self._observe(event)
        self._plan()

    def _plan(self) -> None:
        if self._ended is not None:
            return
        times = (self._schedule.next_time, self._tracker.deadline)
        wanted = [time for time in times if time is not None]
        if not wanted:
            self.stop()
            return
        delay = max(min(wanted) - self._now(), 0)
        self._timer = self._clock.callLater(seconds(delay), self._wake)

    def _send(self, now: int) -> None:
        sizes = self._settings.sizes
        size = sizes[self._tracker.newest % len(sizes)]
        sequence = self._tracker.send(size, now)
        payload = self._codec.payload(sequence, now, size)
        assert self._link is not None
        try:
            self._link.send(sequence, payload)
        except OSError as error:
            number = error.errno or errno.EIO
            status = Status.UNREACHABLE if number in _PATH_ERRORS else Status.ERROR
            self._fail(sequence, status, error.strerror or describe_errno(number))

    def _fail(self, sequence: int, status: Status, detail: str) -> None:
        event = self._tracker.fail(sequence, status, detail)
        if event is not None:
            self._observe(event)

    def _stop_if_complete(self) -> None:
        if not self._tracker.statistics.in_flight and self._schedule.next_time is None:
            self.stop()

    # What links report.

    def datagram(self, data: bytes) -> None:
        """Take a datagram from the target."""
        now = self._now()
        if self._ended is not None:
            return
        sequence = self._codec.identify(data, self._tracker.newest)
        if sequence is None:
            damaged = self._codec.resembles(data)
            if damaged:
                self._tracker.statistics.damaged += 1
            else:
                self._tracker.statistics.unexpected += 1
            self._observe(Unexpected(len(data), damaged))
        else:
            self._answer(sequence, data, now)

    def message(self, sequence: int, data: bytes) -> None:
        """Take the answer to packet C{sequence}, which a stream link knows by place."""
        if self._ended is None:
            self._answer(sequence, data, self._now())

    def _answer(self, sequence: int, data: bytes, now: int) -> None:
        packet = self._tracker.packet(sequence)
        intact = packet is not None and data == self._codec.payload(sequence, *packet)
        self._observe(self._tracker.answer(sequence, now, intact))
        self._stop_if_complete()

    def unexpected(self, size: int) -> None:
        """Take C{size} bytes of a stream that belong to no packet."""
        self._tracker.statistics.unexpected += size
        self._observe(Unexpected(size, damaged=False))

    def rejected(self, rejection: Rejection) -> None:
        """Take the report that a packet was not delivered."""
        if self._ended is not None:
            return
        statistics = self._tracker.statistics
        refused = rejection.status is Status.REFUSED
        if refused and self._try_another and not statistics.received:
            self.refused_at_once = True
            self.stop()
            return
        newest = self._tracker.newest
        sequence = self._codec.identify(rejection.quoted, newest)
        # A report that quotes too little is most likely about the newest packet.
        self._fail(sequence or newest, rejection.status, rejection.detail)
        self._stop_if_complete()

    def connected(self, event: Connected) -> None:
        """Take that a connection was made, and how long it took."""
        statistics = self._tracker.statistics
        statistics.connect_time.add(event.connect_time)
        if event.handshake_time is not None:
            statistics.handshake_time.add(event.handshake_time)
        self._observe(event)

    def disconnected(self, reason: str) -> None:
        """Take that the connection is lost, and with it what was under way."""
        if self._ended is not None:
            return
        self._tracker.statistics.disconnects += 1
        self._observe(Disconnected(reason))
        for event in self._tracker.fail_waiting("connection lost"):
            self._observe(event)
        self._stop_if_complete()
