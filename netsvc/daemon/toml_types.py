"""What a value of a TOML file is, and what it should be, in words."""

from __future__ import annotations

from datetime import date, time
from typing import Any

from netsvc.daemon.kinds import Flag, Kind, found
from netsvc.daemon.quantities import Count, Duration, RateLimit, Size


def type_name(value: object) -> str:
    """Say what a value is."""
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, float):
        return "a float"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, (date, time)):  # a datetime is a date, too
        return "a date or time"
    return f"a {type(value).__name__}"


def meant(kind: Kind[Any]) -> str:
    """Say what a kind of setting takes."""
    if isinstance(kind, Flag):
        return "true or false"
    if isinstance(kind, Duration):
        return 'a duration (such as "5m", or a number of seconds)'
    if isinstance(kind, Size):
        return 'a size (such as "64k", or a number of bytes)'
    if isinstance(kind, Count):
        return "a whole number"
    if isinstance(kind, RateLimit):
        return 'a rate (such as "100/s" or "off")'
    return "a string"


def mismatch(kind: Kind[Any], value: object) -> str:
    """
    Say that a value is of a type that a kind does not take; nothing if it does.

    @param value: What L{tomllib} gives.
    """
    if isinstance(value, (dict, list, date, time)):
        return f"{type_name(value)} stands where {meant(kind)} is meant"
    if isinstance(kind, Flag) and not isinstance(value, bool):
        quoted = " (without quotes)" if value in ("true", "false") else ""
        return f"{found(value)} is {type_name(value)}, not true or false{quoted}"
    if meant(kind) == "a string" and not isinstance(value, str):
        return f"{found(value)} is {type_name(value)}, not a string: write it in quotes"
    if isinstance(value, bool) and not isinstance(kind, Flag):
        return f"{found(value)} is a truth value, not {meant(kind)}"
    return ""
