"""The balancer's status as a table for a terminal.

Pure: the pools' figures in (C{Pool.status}, as they came over the control socket),
text out. A figure that another version does not send is shown as C{-}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from netsvc.daemon.escape import escape
from netsvc.daemon.figures import format_age, format_bytes, is_number

__all__ = ["backend_rows", "format_age", "format_bytes", "format_status"]

_HEADINGS: Final = (
    "POOL",
    "BACKEND",
    "ADDRESS",
    "STATE",
    "SINCE",
    "LAST CHECK",
    "WEIGHT",
    "NOW",
    "MAX",
    "TOTAL",
    "RATE",
    "QUEUE",
    "IN",
    "OUT",
    "ERRORS",
)
#: The columns whose figures stand at the right.
_NUMBERS: Final = frozenset(
    ("SINCE", "WEIGHT", "NOW", "MAX", "TOTAL", "RATE", "QUEUE", "IN", "OUT")
)
_STATE: Final = _HEADINGS.index("STATE")
_NONE: Final = "-"
#: The longest text of a cell, characters.
_MAX_CELL: Final = 60

_GREEN, _YELLOW, _RED, _BOLD, _RESET = (f"\x1b[{n}m" for n in (32, 33, 31, 1, 0))
_COLOURS: Final = {"up": _GREEN, "down": _RED, "ejected": _RED}

_Row = tuple[str, ...]


def format_status(pools: Sequence[Mapping[str, Any]], *, colours: bool = False) -> str:
    """Write the table: a line for each pool, then one for each of its backends.

    @param pools: what C{Pool.status} gives.
    @param colours: mark the states with terminal colours (ECMA-48).
    @return: lines, the last one without a line feed.
    """
    rows: list[_Row] = [_HEADINGS]
    for pool in pools:
        rows.append(_pool_row(pool))
        rows += (_backend_row(pool, backend) for backend in backend_rows(pool))
    shown = [tuple(_clean(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = []
    for number, row in enumerate(shown):
        cells = [
            text.rjust(width) if heading in _NUMBERS else text.ljust(width)
            for heading, text, width in zip(_HEADINGS, row, widths, strict=True)
        ]
        if colours and number and row[_STATE] != _NONE:
            mark = _COLOURS.get(row[_STATE], _YELLOW)
            cells[_STATE] = mark + cells[_STATE] + _RESET
        line = "  ".join(cells).rstrip()
        lines.append(_BOLD + line + _RESET if colours and not number else line)
    return "\n".join(lines)


def _pool_row(pool: Mapping[str, Any]) -> _Row:
    """The pool's own figures: all its backends together, and what waits."""
    backends = backend_rows(pool)
    policy = pool.get("policy", _NONE)
    available = f"{_figure(pool, 'available')}/{len(backends)} available"
    return (
        _name(pool),
        f"({policy})",
        available,
        _NONE,
        _NONE,
        _NONE,
        _NONE,
        _figure(pool, "sessions"),
        _NONE,
        _figure(pool, "sessions_total"),
        _figure(pool, "rate") + "/s",
        _figure(pool, "waiting"),
        format_bytes(pool.get("bytes_in")),
        format_bytes(pool.get("bytes_out")),
        _counts(pool.get("refused")),
    )


def _backend_row(pool: Mapping[str, Any], backend: Mapping[str, Any]) -> _Row:
    name = str(backend.get("name", _NONE))
    return (
        _name(pool),
        name + (" (backup)" if backend.get("backup") else ""),
        str(backend.get("address", _NONE)),
        str(backend.get("state", _NONE)),
        format_age(backend.get("since")),
        _check(backend.get("check")),
        _weight(backend),
        _figure(backend, "sessions"),
        # No limit is no figure.
        _figure(backend, "max_connections") if backend.get("max_connections") else "-",
        _figure(backend, "sessions_total"),
        _figure(backend, "rate") + "/s",
        _NONE,
        format_bytes(backend.get("bytes_in")),
        format_bytes(backend.get("bytes_out")),
        _counts(backend.get("errors")),
    )


def backend_rows(pool: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the rows of a pool's backends; what is no row is left out."""
    backends = pool.get("backends")
    if not isinstance(backends, list):
        return []
    return [row for row in backends if isinstance(row, Mapping)]


def _name(pool: Mapping[str, Any]) -> str:
    return str(pool.get("name") or _NONE)


def _figure(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return f"{value:.0f}" if is_number(value) else _NONE


def _weight(backend: Mapping[str, Any]) -> str:
    """The weight, and behind it what slow start makes of it for now."""
    weight, effective = backend.get("weight"), backend.get("effective_weight")
    shown = _figure(backend, "weight")
    if backend.get("state") == "up" and is_number(effective) and effective != weight:
        shown = f"{effective:.1f}/{shown}"
    return shown


def _check(check: object) -> str:
    if not isinstance(check, Mapping):
        return _NONE
    detail = str(check.get("detail") or ("ok" if check.get("passed") else "failed"))
    took = check.get("seconds")
    # One that failed has taken as long as it was waited for: no news.
    if check.get("passed") and is_number(took):
        detail += f" in {took * 1000:.1f} ms"
    return f"{detail}, {format_age(check.get('age'))} ago"


def _counts(counts: object) -> str:
    if not isinstance(counts, Mapping):
        return _NONE
    return " ".join(f"{name}={n}" for name, n in counts.items() if n) or _NONE


def _clean(text: str) -> str:
    """Make a cell safe for a terminal, and not too long for it."""
    text = escape(text)
    return text if len(text) <= _MAX_CELL else text[: _MAX_CELL - 1] + "…"
