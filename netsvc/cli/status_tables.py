"""A daemon's status as rich's tables: what the status page shows, for a terminal."""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from netsvc.daemon.admin.document import Status
from netsvc.daemon.admin.filtering import parse_filter
from netsvc.daemon.admin.view import Grid, View, make_view

#: Colours of states; of others it is yellow.
_COLOURS: Final = {
    **dict.fromkeys(("up", "ready", "open"), "green"),
    **dict.fromkeys(("down", "ejected"), "red"),
}


def renderable(status: Status, *, connections: bool, filter: str = "") -> Group:
    """
    Make what is shown.

    @param status: The status.
    @param connections: Whether to list the connections.
    @param filter: Which ones.
    """
    view = make_view(status, words=parse_filter(filter))
    parts: list[RenderableType] = [_head(view)]
    for grid in view.grids:
        wanted = connections if grid.id == "connections" else bool(grid.rows)
        if wanted:
            parts += [Text(""), _grid(grid)]
            if grid.note:
                parts.append(Text(grid.note, style="dim"))
    return Group(*parts)


def _head(view: View) -> Text:
    """The state, and the figures in a line."""
    text = Text.assemble(
        ("netsvc ", "bold"),
        view.version,
        "  ",
        (view.state, f"bold {_COLOURS.get(view.state, 'yellow')}"),
    )
    for figure in view.figures:
        text.append(f"   {figure.title.lower()} ", style="dim")
        text.append(figure.text)
    return text


def _grid(grid: Grid) -> Table:
    table = Table(
        title=Text(grid.title, style="bold"),
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    for column in grid.columns:
        right = column.kind == "number"
        table.add_column(
            column.title,
            justify="right" if right else "left",
            no_wrap=right,
            overflow="fold",  # half an address is none
        )
    kinds = [column.kind for column in grid.columns]
    for row in grid.rows:
        # Text, not markup: a nick may have brackets.
        table.add_row(*(_cell(*each) for each in zip(row, kinds, strict=True)))
    return table


def _cell(text: str, kind: str) -> Text:
    style = _COLOURS.get(text, "yellow") if kind == "state" else ""
    return Text(text, style=style)
