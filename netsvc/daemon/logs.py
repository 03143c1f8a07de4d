"""Log observers for an operator: one event is one line, as text or as JSON.

L{text} and L{json} are factories for C{twistd --logger netsvc.daemon.logs.json}
and for C{netsvc run --log-format}. Their observers write to standard output::

    2026-11-20T22:53:44.123Z [netsvc.echo#info] listening on tcp:7007
    {"time": "2026-11-20T22:53:44.123Z", "level": "info", ...}

What strangers sent cannot forge a line, reorder it or reach the terminal as a
control sequence (L{netsvc.daemon.escape}). A standard output that fails or stalls
costs lines, which L{write_errors} counts, and never the service.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from json import dumps
from time import time as current_time
from typing import Any, Final, TextIO

from twisted.logger import ILogObserver, LogEvent, LogLevel, eventAsText, formatEvent
from twisted.python.failure import Failure
from twisted.python.reflect import qual, safe_repr, safe_str
from zope.interface import implementer

from netsvc.daemon.escape import escape, escape_json

write_errors = 0
"""How many lines could not be written since the process started."""

MAX_LENGTH: Final = 16384
"""Characters that a message, a traceback or a field may have; the rest is cut."""

MAX_ITEMS: Final = 64
"""Items that a list or mapping in a field may have; the rest is cut."""

MAX_DEPTH: Final = 4
"""Levels of lists and mappings in a field; deeper ones are shown as text."""

MAX_STALL: Final = 0.1
"""Seconds that one line may wait for a reader that has stopped reading."""

# What the legacy log puts into its events, for its own use.
_LEGACY_FIELDS = (
    *("message", "time", "system", "isError", "format"),
    *("failure", "why", "printed", "logLevel"),
)


def text(stream: TextIO | None = None, level: str = "info") -> ILogObserver:
    """Make an observer that writes lines for people.

    @param stream: where to; standard output if C{None}.
    @param level: the name of a L{LogLevel}; events below it are left out.
    """
    return LineObserver(format_text, _writer(stream), level)


def json(stream: TextIO | None = None, level: str = "info") -> ILogObserver:
    """Make an observer that writes JSON Lines: one object a line, in UTF-8.

    An object has C{time} (RFC 3339, UTC), C{level}, C{namespace}, C{message}, and
    the event's own fields, among them C{event}, the name of the kind of event,
    where there is one. A field named as one of the four gets a C{_} at its end. A
    failure adds C{error} and C{traceback}.

    @param stream: where to; standard output if C{None}.
    @param level: the name of a L{LogLevel}; events below it are left out.
    """
    return LineObserver(format_json, _writer(stream), level)


@implementer(ILogObserver)
class LineObserver:
    """Writes each event that is important enough as one line."""

    def __init__(
        self,
        format: Callable[[LogEvent], str],
        write: Callable[[bytes], bool],
        level: str = "info",
    ) -> None:
        """Join what makes lines to what writes them.

        @param format: gives an event's line without its end, or nothing.
        @param write: takes a line with its end; gives whether it was written.
        @param level: the name of a L{LogLevel}; events below it are left out, and
            one without a level is as important as C{info}.
        """
        self._format = format
        self._write = write
        self._level = LogLevel.levelWithName(level)

    def __call__(self, event: LogEvent) -> None:
        """Write an event. Nothing is raised: what is lost is counted."""
        global write_errors
        try:
            if (event.get("log_level") or LogLevel.info) < self._level:
                return
            line = self._format(event)
            written = not line or self._write(line.encode() + b"\n")
        except Exception:
            written = False
        if not written:
            write_errors += 1


def format_text(event: LogEvent) -> str:
    """Give the line for people: time, namespace and level, message.

    A traceback follows its message, its lines joined by C{ | }. An event that
    says nothing gives no line.
    """
    message = escape(_cut(formatEvent(event)))
    if "log_failure" in event:
        traceback = _cut(_traceback(event)).split("\n")
        message = " | ".join([message, *map(escape, traceback)])
    if not message:
        return ""
    namespace = escape(safe_str(event.get("log_namespace", "-")))
    return f"{_time(event)} [{namespace}#{_level_name(event)}] {message}"


def format_json(event: LogEvent) -> str:
    """Give the event as one JSON object, see L{json}."""
    record: dict[str, Any] = {
        "time": _time(event),
        "level": _level_name(event),
        "namespace": _cut(safe_str(event.get("log_namespace", "-"))),
        "message": _cut(formatEvent(event)),
    }
    if "log_failure" in event:
        failure = event["log_failure"]
        if isinstance(failure, Failure):
            kind = qual(type(failure.value))
            record["error"] = _cut(f"{kind}: {safe_str(failure.value)}")
        record["traceback"] = _cut(_traceback(event))
    legacy = "isError" in event
    for name, value in event.items():
        if name.startswith("log_") or (legacy and name in _LEGACY_FIELDS):
            continue
        try:
            plain = _plain(value, MAX_DEPTH)
        except Exception:
            plain = _cut(safe_repr(value))
        record[f"{name}_" if name in record else name] = plain
    return escape_json(dumps(record, ensure_ascii=False))


def _time(event: LogEvent) -> str:
    """Give the event's time by RFC 3339, in UTC, to the millisecond."""
    try:
        when = datetime.fromtimestamp(event["log_time"], UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        when = datetime.fromtimestamp(current_time(), UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _level_name(event: LogEvent) -> str:
    return getattr(event.get("log_level"), "name", "info")


def _traceback(event: LogEvent) -> str:
    only = {"log_failure": event["log_failure"]}
    return eventAsText(only, includeTimestamp=False, includeSystem=False).strip()


def _cut(long: str) -> str:
    if len(long) <= MAX_LENGTH:
        return long
    return f"{long[:MAX_LENGTH]}... ({len(long) - MAX_LENGTH} characters cut)"


def _plain(value: object, depth: int) -> Any:
    """Turn a field's value into what JSON can carry."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, bytes):
        return _cut(value[: MAX_LENGTH + 1].decode(errors="backslashreplace"))
    # Bounded: not every reader takes wider ones, and very long ones do not print.
    if isinstance(value, int) and abs(value) < 2**64:
        return int(value)
    # Written so that not-a-number and the infinities become text.
    if isinstance(value, float) and abs(value) < float("inf"):
        return float(value)
    if depth and isinstance(value, Mapping):
        pairs = islice(value.items(), MAX_ITEMS)
        return {_cut(safe_str(k)): _plain(v, depth - 1) for k, v in pairs}
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one, depth - 1) for one in islice(value, MAX_ITEMS)]
    return _cut(safe_str(value) if depth else safe_repr(value))


def _writer(stream: TextIO | None) -> Callable[[bytes], bool]:
    """Choose how to write to a stream: by its descriptor if it has one."""
    # Not sys.stdout: once logging has begun, that is itself turned into events.
    stream = stream or sys.__stdout__
    if stream is None:
        return _nowhere
    try:
        stream.flush()
        return DescriptorWriter(stream.fileno())
    except (OSError, ValueError):
        return StreamWriter(stream)


def _nowhere(line: bytes) -> bool:
    """Lose a line, in a process that was started with standard output closed."""
    return False


class StreamWriter:
    """Writes lines to a Python text stream that has no descriptor."""

    def __init__(self, stream: TextIO) -> None:
        """@param stream: where to."""
        self._stream = stream

    def __call__(self, line: bytes) -> bool:
        """Write a line, or raise what the stream raises."""
        self._stream.write(line.decode())
        self._stream.flush()
        return True


class DescriptorWriter:
    """Writes lines to a file descriptor, unbuffered, waiting at most L{MAX_STALL}.

    Python's own stream would keep what a full disk refused, and a pipe that
    nobody reads would stop the process. Once a line had to wait in vain, further
    ones do not wait until the reader is back.
    """

    # A pipe that polls as writable takes this many bytes without blocking.
    _CHUNK = select.PIPE_BUF

    def __init__(self, descriptor: int) -> None:
        """@param descriptor: stays its owner's, who closes it."""
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._stalled = False
        self._torn = False

    def __call__(self, line: bytes) -> bool:
        """Write a line; give whether all of it was written."""
        # A line that was cut short is ended first, so that this one stays whole.
        rest = b"\n" + line if self._torn else line
        try:
            while rest:
                wait = 0 if self._stalled else int(MAX_STALL * 1000)
                self._stalled = not self._poll.poll(wait)
                if self._stalled:
                    return False
                rest = rest[os.write(self._descriptor, rest[: self._CHUNK]) :]
                self._torn = bool(rest)
        except OSError:
            return False
        return True


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
