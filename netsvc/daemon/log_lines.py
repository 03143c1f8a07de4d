"""One line for one event of the log: as text for people, or as a JSON object.

What strangers sent cannot forge a line, reorder it or reach the terminal as a
control sequence (L{netsvc.daemon.escape}), and no field makes a line endless.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from json import dumps
from time import time as current_time
from typing import Any, Final

from twisted.logger import LogEvent, eventAsText, formatEvent
from twisted.python.failure import Failure
from twisted.python.reflect import qual, safe_repr, safe_str

from netsvc.daemon.escape import escape, escape_json

MAX_LENGTH: Final = 16384
"""Characters that a message, a traceback or a field may have; the rest is cut."""

MAX_ITEMS: Final = 64
"""Items that a list or mapping in a field may have; the rest is cut."""

MAX_DEPTH: Final = 4
"""Levels of lists and mappings in a field; deeper ones are shown as text."""

# What the legacy log puts into its events, for its own use.
_LEGACY_FIELDS = (
    *("message", "time", "system", "isError", "format"),
    *("failure", "why", "printed", "logLevel"),
)


def format_text(
    event: LogEvent, worker: int | None = None, with_time: bool = True
) -> str:
    """Give the line for people: time, namespace and level, message.

    A traceback follows its message, its lines joined by C{ | }. An event that
    says nothing gives no line.

    @param worker: the number of the process among several that write one log.
    @param with_time: whether to begin with the time, which a journal has itself.
    """
    message = escape(_cut(formatEvent(event)))
    if "log_failure" in event:
        traceback = _cut(_traceback(event)).split("\n")
        message = " | ".join([message, *map(escape, traceback)])
    if not message:
        return ""
    namespace = escape(safe_str(event.get("log_namespace", "-")))
    who = "" if worker is None else f" worker={worker}"
    time = f"{_time(event)} " if with_time else ""
    return f"{time}[{namespace}#{_level_name(event)}{who}] {message}"


def format_json(event: LogEvent, worker: int | None = None) -> str:
    """Give the event as one JSON object, see L{netsvc.daemon.logs.json}.

    @param worker: the number of the process among several that write one log.
    """
    record: dict[str, Any] = {
        "time": _time(event),
        "level": _level_name(event),
        "namespace": _cut(safe_str(event.get("log_namespace", "-"))),
        "message": _cut(formatEvent(event)),
    }
    if worker is not None:
        record["worker"] = worker
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
