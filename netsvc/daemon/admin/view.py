"""
What the status page shows, as text in tables: the page and its live updates are made
of the same. Pure.

Text that may be a stranger's is escaped here for control characters; the page escapes
what HTML would take for its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from netsvc.daemon import totals
from netsvc.daemon.admin.document import Status
from netsvc.daemon.admin.filtering import Word, fits
from netsvc.daemon.admin.history import Chart
from netsvc.daemon.escape import escape
from netsvc.daemon.figures import format_age, format_bytes, format_number, is_number
from netsvc.daemon.report import (
    COUNTER,
    MAX_ROWS,
    Connected,
    ServiceReport,
    Table,
)

#: Connections that are shown at once: a filter finds the others.
SHOWN: Final = 200

#: Rows of a service's table that are shown.
SHOWN_ROWS: Final = 100

#: Characters of a cell.
MAX_CELL: Final = 80

_UNIT: Final = re.compile(r"^(.*) \((B|s|ms)\)$")
_NUMBER: Final = "number"
_STATE: Final = "state"
_TEXT: Final = "text"

#: Beginnings of the names of counters that say that a limit or rule was applied.
_BITES: Final = (
    *("refused", "limit", "ended", "dropped", "unanswered", "rate", "unserved"),
    *("prohibited", "line-", "irc-", "send-failed", "accounts-"),
)
_BITES_WITHIN: Final = ("limited", "full", "too-", "throttled", "dropped", "timeout")


@dataclass(frozen=True, slots=True)
class Column:
    """
    A column.

    @ivar title: Its heading.
    @ivar kind: C{text}, C{number} or C{state}.
    """

    title: str
    kind: str = _TEXT


@dataclass(frozen=True, slots=True)
class Grid:
    """
    A table of the page.

    @ivar id: Its name in the page.
    @ivar title: Its heading.
    @ivar columns: Its columns.
    @ivar rows: Its rows.
    @ivar note: What there is to say of it, such as how many rows are not shown.
    """

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One figure of the page's head.

    @ivar id: Its name in the page.
    @ivar title: What it is.
    @ivar text: Its value.
    """

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """
    What the page shows.

    @ivar state: C{starting}, C{ready} or C{draining}.
    @ivar version: Of netsvc.
    @ivar figures: In its head.
    @ivar charts: Below.
    @ivar grids: The tables, that of the connections last.
    """

    state: str
    version: str
    figures: tuple[Figure, ...]
    charts: tuple[Chart, ...]
    grids: tuple[Grid, ...]

    def plain(self, rows: int = MAX_ROWS) -> dict[str, Any]:
        """
        Give what changes, in values that JSON has, for the live updates.

        @param rows: How many of each table, at the most.
        """
        return {
            "state": self.state,
            "figures": {each.id: each.text for each in self.figures},
            "charts": {
                each.id: {"now": each.now, "top": each.top, "points": each.points}
                for each in self.charts
            },
            "grids": {
                each.id: {
                    "columns": [(one.title, one.kind) for one in each.columns],
                    "rows": each.rows[:rows],
                    "note": each.note,
                }
                for each in self.grids
            },
        }


def make_view(
    status: Status, charts: tuple[Chart, ...] = (), words: tuple[Word, ...] = ()
) -> View:
    """
    Make the view.

    @param status: What there is to show.
    @param charts: The charts.
    @param words: The filter of the connections.
    """
    services = status.services
    grids = [_services(services), _listening(services)]
    grids += [_of_service(each, table) for each in services for table in each.tables]
    grids += [_bites(services), _workers(status), _connections(services, words)]
    return View(
        status.state,
        status.version,
        tuple(_figures(status)),
        charts,
        tuple(grids),
    )


def _figures(status: Status) -> list[Figure]:
    services, workers = status.services, status.workers
    failed = status.reloads.get("failed", 0)
    lost = status.log_write_errors
    cpu = sum(each.cpu for each in workers)
    descriptors = sum(each.descriptors for each in workers)
    return [
        Figure("uptime", "Up for", format_age(status.time - status.started)),
        Figure(
            "connections",
            "Connections",
            format_number(sum(each.live for each in services)),
        ),
        Figure("cpu-time", "CPU time", format_age(cpu)),
        Figure("memory", "Memory", format_bytes(sum(each.memory for each in workers))),
        Figure("descriptors", "Descriptors", format_number(descriptors)),
        Figure(
            "reloads",
            "Reloads",
            f"{status.reloads.get('ok', 0)}" + (f", {failed} failed" if failed else ""),
        ),
        Figure("log-errors", "Log lines lost", format_number(lost)),
    ]


def _sum(
    report: ServiceReport, name: str, label: str = "", value: str = ""
) -> float | None:
    """Add up the samples of a family of counters; L{None} if there are none."""
    found = [
        sample.value
        for family in report.families
        if family.name == name and family.kind == COUNTER
        for sample in family.samples
        if not label or sample.labels.get(label) == value
    ]
    return sum(found) if found else None


def _services(services: Sequence[ServiceReport]) -> Grid:
    columns = (
        Column("Service"),
        Column("Connections", _NUMBER),
        Column("Accepted", _NUMBER),
        Column("Refused", _NUMBER),
        Column("In", _NUMBER),
        Column("Out", _NUMBER),
        Column("Send queue", _NUMBER),
        Column("Datagrams dropped", _NUMBER),
    )
    rows = []
    for each in services:
        queued = sum(
            sample.value
            for family in each.families
            if family.name == "send_queue_bytes"
            for sample in family.samples
        )
        rows.append(
            (
                _cell(totals.label(each)),
                _of_most(each.live, each.max_connections),
                format_number(_sum(each, "connections", "result", "accepted")),
                format_number(_sum(each, "rejected")),
                format_bytes(_sum(each, "bytes", "direction", "in")),
                format_bytes(_sum(each, "bytes", "direction", "out")),
                format_bytes(queued),
                format_number(_sum(each, "datagrams_dropped")),
            )
        )
    return Grid("services", "Services", columns, tuple(rows))


def _of_most(live: int, most: int) -> str:
    """Say how many there are, and how many there may be, if that is limited."""
    shown = format_number(live)
    return f"{shown} of {format_number(most)}" if most else shown


def _listening(services: Sequence[ServiceReport]) -> Grid:
    columns = tuple(map(Column, ("Service", "Transport", "Address", "Listen string")))
    rows = [
        (totals.label(each), port.transport, port.address, port.listen)
        for each in services
        for port in each.listening
    ]
    shown = tuple(tuple(map(_cell, row)) for row in rows[:SHOWN_ROWS])
    return Grid("listeners", "Listeners", columns, shown, _left_out(shown, len(rows)))


def _of_service(report: ServiceReport, table: Table) -> Grid:
    """Show a service's own table."""
    label = totals.label(report)
    columns, kinds = [], []
    for place, heading in enumerate(table.columns):
        unit = _UNIT.match(heading)
        numbers = bool(unit) or any(is_number(row[place]) for row in table.rows)
        kind = _STATE if heading == "State" else _NUMBER if numbers else _TEXT
        title = heading if unit is None else unit[1]
        kinds.append("" if unit is None else unit[2])
        columns.append(Column(title, kind))
    rows = tuple(
        tuple(_show(cell, unit) for cell, unit in zip(row, kinds, strict=True))
        for row in table.rows[:SHOWN_ROWS]
    )
    id = re.sub(r"[^a-z0-9]+", "-", f"{label}-{table.title}".lower())
    title = f"{table.title} of {label}"
    note = _left_out(rows, table.total) or ("" if rows else "None.")
    return Grid(id, title, tuple(columns), rows, note)


def _show(cell: str | int | float, unit: str) -> str:
    """Write a cell of a service's table."""
    if not is_number(cell):
        return _cell(str(cell))
    if unit == "B":
        return format_bytes(cell)
    if unit == "s":
        return format_age(cell)
    return f"{cell:.1f} ms" if unit == "ms" else format_number(cell)


def is_bite(name: str) -> bool:
    """Tell whether a counter says that a limit or a rule was applied to somebody."""
    return name.startswith(_BITES) or any(each in name for each in _BITES_WITHIN)


def _bites(services: Sequence[ServiceReport]) -> Grid:
    columns = (Column("Service"), Column("Limit or rule"), Column("Times", _NUMBER))
    found = sorted(
        (
            (number, totals.label(each), name)
            for each in services
            for name, number in each.counters.items()
            if number and is_bite(name)
        ),
        key=lambda bite: (-bite[0], bite[1:]),
    )
    rows = tuple(
        (_cell(service), _cell(name), format_number(number))
        for number, service, name in found[:SHOWN_ROWS]
    )
    note = _left_out(rows, len(found)) or ("" if rows else "None so far.")
    return Grid("limits", "Limits that bit", columns, rows, note)


def _workers(status: Status) -> Grid:
    columns = (
        Column("Worker"),
        Column("Process"),
        Column("State", _STATE),
        Column("Up for", _NUMBER),
        Column("Connections", _NUMBER),
        Column("CPU time", _NUMBER),
        Column("Memory", _NUMBER),
        Column("Descriptors", _NUMBER),
    )
    rows = tuple(
        (
            str(each.worker),
            str(each.pid),
            each.state,
            format_age(status.time - each.started),
            format_number(each.connections),
            format_age(each.cpu),
            format_bytes(each.memory),
            f"{each.descriptors:,} of {each.max_descriptors:,}",
        )
        for each in status.workers[:SHOWN_ROWS]
    )
    note = _left_out(rows, len(status.workers))
    return Grid("workers", "Processes", columns, rows, note)


def _connections(services: Sequence[ServiceReport], words: tuple[Word, ...]) -> Grid:
    columns = (
        Column("Service"),
        Column("Transport"),
        Column("Peer"),
        Column("Local"),
        Column("State", _STATE),
        Column("Age", _NUMBER),
        Column("Quiet for", _NUMBER),
        Column("Received", _NUMBER),
        Column("Queued", _NUMBER),
        Column("About"),
    )
    rows: list[tuple[str, ...]] = []
    found = 0
    for each in services:
        label = totals.label(each)
        for connection in each.connections:
            texts = _texts(label, connection)
            if fits(words, texts):
                found += 1
                if len(rows) < SHOWN:
                    rows.append(_connection_row(texts, connection))
    live = sum(each.live for each in services)
    listed = sum(len(each.connections) for each in services)
    note = f"{len(rows):,} of {live:,} shown."
    if words:
        note = f"{found:,} of {listed:,} fit the filter, {len(rows):,} shown."
    if listed < live:
        note += f" Only the newest {listed:,} can be listed."
    return Grid("connections", "Connections", columns, tuple(rows), note)


def _texts(service: str, connection: Connected) -> dict[str, str]:
    """Give what a filter looks at; escaped, as it is shown."""
    return {
        "service": _cell(service),
        "transport": connection.transport,
        "peer": _cell(connection.peer),
        "local": _cell(connection.local),
        "state": connection.state,
        "about": _cell(connection.what),
    }


def _connection_row(texts: dict[str, str], connection: Connected) -> tuple[str, ...]:
    return (
        *(texts[key] for key in ("service", "transport", "peer", "local", "state")),
        format_age(connection.age),
        format_age(connection.quiet),
        format_bytes(connection.received),
        format_bytes(connection.queued),
        texts["about"],
    )


def _cell(text: str) -> str:
    """Make a text safe to look at, and not too long."""
    text = escape(text[: MAX_CELL + 1])
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def _left_out(rows: Sequence[object], total: int) -> str:
    left = total - len(rows)
    return f"{left:,} more are not shown." if left > 0 else ""
