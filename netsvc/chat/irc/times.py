"""Times as IRCv3 writes them: UTC with milliseconds, C{2026-04-30T12:00:00.123Z}."""

from __future__ import annotations

import re
import time
from calendar import timegm
from typing import Final

_FORM: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z", re.ASCII
)


def format_time(milliseconds: int) -> str:
    """Write a time, given in ms since the epoch."""
    seconds, fraction = divmod(milliseconds, 1000)
    return f"{format_seconds(seconds)}.{fraction:03d}Z"


def format_seconds(seconds: int) -> str:
    """Write a time up to its seconds, given in s since the epoch."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def parse_time(text: str) -> int | None:
    """
    Read a time, as ms since the epoch; C{None} if it is none.

    What is finer than a millisecond is dropped. A leap second is the one after it.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    if not (1 <= month <= 12 and hour < 24 and minute < 60 and second <= 60):
        return None
    if year < 1970 or not 1 <= day <= 31:
        return None
    seconds = timegm((year, month, day, hour, minute, second, 0, 0, 0))
    if second < 60 and not format_seconds(seconds).startswith(text[:10]):
        return None  # As the 30th of February.
    return seconds * 1000 + int((found[7] or "0").ljust(3, "0")[:3])
