"""Keeps one kind of line from filling the log: it counts what it leaves out.

L{Repeats} looks at all events, whoever logs them; L{OncePer} is for a condition that
its own code logs with a count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import RLock
from time import monotonic, time
from typing import Any, Final

from twisted.logger import LogEvent, LogLevel

from netsvc.daemon.limits import Rate
from netsvc.daemon.log_events import EVENTS

MAX_KINDS: Final = 1024
"""Kinds of lines that are told apart; the one not seen for longest is forgotten."""

REPORT_AFTER: Final = 10.0
"""Seconds after which it is said how many lines were left out."""

MAX_NAME: Final = 100
"""Characters that tell a kind of line from others."""


class _Kind:
    """A kind of line: how much of it may come, and what did not."""

    __slots__ = ("full_at", "name", "namespace", "since", "suppressed")

    def __init__(self, name: str, namespace: object) -> None:
        self.name = name
        self.namespace = namespace
        self.full_at = float("-inf")
        self.suppressed = 0
        self.since = 0.0


class Repeats:
    """Lets so many lines of a kind pass, and says how many others there were.

    A kind is the name of the event with the fields that
    L{netsvc.daemon.log_events} names (a backend, say); without a name, the text
    that the program gave. What operators did is always let pass.

    @ivar suppressed: how many lines were left out.
    """

    def __init__(
        self,
        rate: Callable[[], Rate | None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Begin with nothing seen.

        @param rate: gives how many lines of a kind may come; C{None}: all.
        @param clock: gives the time in seconds; never the wall clock.
        """
        self.suppressed = 0
        self._rate = rate
        self._clock = clock
        # By when they were last seen; and those with something to report, by when
        # that began. Any thread may log, and a signal in the middle of it.
        self._kinds: dict[tuple[str, ...], _Kind] = {}
        self._reports: dict[tuple[str, ...], _Kind] = {}
        self._lock = RLock()

    def __call__(self, event: LogEvent) -> Iterator[LogEvent]:
        """Give what to write at an event: reports that are due, and it if it may."""
        with self._lock:
            now = self._clock()
            events = self._due(now - REPORT_AFTER)
            if self._passes(event, now, events):
                events.append(event)
        return iter(events)

    def report(self, all: bool = False) -> list[LogEvent]:
        """Give the reports that are due, as events.

        @param all: also those that are not due yet: the log ends.
        """
        with self._lock:
            return self._due(float("inf") if all else self._clock() - REPORT_AFTER)

    def _due(self, until: float) -> list[LogEvent]:
        """Take the reports of what began at a time or before."""
        due = []
        for key, kind in self._reports.items():
            if kind.since > until:
                break
            due.append(key)
        return [_report(self._reports.pop(key)) for key in due]

    def _passes(self, event: LogEvent, now: float, events: list[LogEvent]) -> bool:
        rate = self._rate()
        name = event.get("event")
        defined = EVENTS.get(name) if isinstance(name, str) else None
        if rate is None or (defined is not None and not defined.limited):
            return True
        by = defined.by if defined is not None else ()
        key = (_name(event), *(str(event.get(each))[:MAX_NAME] for each in by))
        kind = self._kinds.pop(key, None)
        if kind is None:
            kind = _Kind(key[0], event.get("log_namespace", "-"))
            if len(self._kinds) >= MAX_KINDS:
                oldest = next(iter(self._kinds))
                del self._kinds[oldest]
                if oldest in self._reports:
                    events.append(_report(self._reports.pop(oldest)))
        self._kinds[key] = kind
        # The generic cell rate algorithm: when the bucket will be full again.
        full_at = max(kind.full_at, now)
        if full_at - now > (rate.burst - 1) / rate.per_second:
            if not kind.suppressed:
                kind.since = now
                self._reports[key] = kind
            kind.suppressed += 1
            self.suppressed += 1
            return False
        kind.full_at = full_at + 1 / rate.per_second
        return True


def _name(event: Mapping[str, Any]) -> str:
    """Name an event's kind: never by what a stranger has sent."""
    name = event.get("event")
    if isinstance(name, str):
        return name[:MAX_NAME]
    return str(event.get("log_format") or event.get("log_namespace"))[:MAX_NAME]


def _report(kind: _Kind) -> LogEvent:
    """Make the event that says what was left out, and begin to count again."""
    count, kind.suppressed = kind.suppressed, 0
    return {
        "log_time": time(),
        "log_level": LogLevel.warn,
        "log_namespace": kind.namespace,
        "log_format": "{count} more such lines suppressed: {of}",
        "event": "suppressed",
        "count": count,
        "of": kind.name,
    }


class OncePer:
    """Says when a condition that repeats may be logged again."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        """Be ready at once, then once in so many seconds.

        @param seconds: the least time between two logged ones.
        @param clock: gives the time in seconds, such as C{reactor.seconds}.
        """
        self._seconds = seconds
        self._clock = clock
        self._last: float | None = None
        self._suppressed = 0

    def ready(self) -> tuple[bool, int]:
        """Say if it may be logged now, and how many times it was not until now."""
        now = self._clock()
        # A clock that was set back must not silence the condition for long.
        if self._last is not None and 0 <= now - self._last < self._seconds:
            self._suppressed += 1
            return False, self._suppressed
        suppressed, self._suppressed = self._suppressed, 0
        self._last = now
        return True, suppressed
