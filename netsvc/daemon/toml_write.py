"""Values as TOML text, which reads back as the same values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from netsvc.daemon.kinds import Flag, Kind
from netsvc.daemon.quantities import Count, RateLimit, Size
from netsvc.daemon.settings import Setting

#: Columns that a line of a file should have at most.
WIDTH: Final = 88

_SHORT: Final = {"\t": r"\t", '"': r"\"", "\\": r"\\"}


def quote(text: str) -> str:
    """Write a string, with nothing in it that could harm a terminal."""
    if "\\" in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return '"' + "".join(map(_character, text)) + '"'


def _character(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if char <= "\uffff" else f"\\U{ord(char):08x}"


def is_set(setting: Setting, value: Any) -> bool:
    """Tell whether a setting has a value that can be written."""
    return value is not None or isinstance(setting.kind, RateLimit) or setting.repeat


def show(setting: Setting, value: Any, key: str = "") -> str:
    """
    Write the value of a setting, which is set.

    @param key: What is written before it: a value that is too long for the rest of
        the line takes several.
    """
    if not setting.repeat:
        return _one(setting.kind, value)
    return show_array([_one(setting.kind, each) for each in value], key)


def show_array(shown: Sequence[str], key: str = "") -> str:
    """Write an array of values that are written already."""
    line = f"[{', '.join(shown)}]"
    if len(key) + 3 + len(line) <= WIDTH:
        return line
    return "\n".join(["[", *(f"    {each}," for each in shown), "]"])


def _one(kind: Kind[Any], value: Any) -> str:
    if isinstance(kind, Flag):
        return "true" if value else "false"
    if isinstance(kind, Count) and not isinstance(kind, Size):
        return str(value)
    return quote(kind.format(value))
