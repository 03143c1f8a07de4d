"""Bytes, ages and counts as people read them. Pure; what is no figure is C{-}."""

from __future__ import annotations

from typing import Final, TypeGuard

__all__ = ["format_age", "format_bytes", "format_number", "is_number"]

_NONE: Final = "-"
#: What the largest unit can still show.
_BEYOND: Final = 1e21

_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
#: Seconds of a unit, its name, and the one below it.
_AGES: Final = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


def format_bytes(number: object) -> str:
    """Write a number of bytes in three digits or so: C{999 B}, C{1.5 KiB}."""
    if not is_number(number):
        return _NONE
    if number < 1000:
        return f"{number:.0f} B"
    units = iter(_UNITS)
    while number >= 999.95:
        number /= 1024
        unit = next(units)
    return f"{number:.1f} {unit}"


def format_age(seconds: object) -> str:
    """Write seconds for people, in two units at most: C{0.5s}, C{3m20s}, C{2d4h}."""
    if not is_number(seconds):
        return _NONE
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f}s"
    whole = round(seconds)
    for size, unit, below, below_unit in _AGES:
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size}{unit}" + (f"{rest}{below_unit}" if rest else "")
    return f"{whole}s"


def format_number(number: object) -> str:
    """Write a number with its thousands apart; a broken one with one more digit."""
    if not is_number(number):
        return _NONE
    if number == int(number):
        return f"{int(number):,}"
    return f"{number:,.1f}"


def is_number(value: object) -> TypeGuard[float]:
    """Is it a figure that can be written? Neither truth nor what is beyond count."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_BEYOND < value < _BEYOND
