"""
The status page as HTML, by twisted.web.template, which escapes what it is given.

It works without JavaScript; the script (C{static/page.js}) replaces the texts of what
has an id by those of the live updates. Nothing in it is inline, so that no injected
script would run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.web.template import Tag, flattenString, tags

from netsvc.daemon.admin.filtering import MAX_LENGTH
from netsvc.daemon.admin.history import HEIGHT, SPAN, WIDTH, Chart
from netsvc.daemon.admin.view import Column, Figure, Grid, View

DOCTYPE: Final = b"<!DOCTYPE html>\n"

#: The id of the table that has a filter.
FILTERED: Final = "connections"

#: Rows that are written in one go: a few milliseconds.
PIECE: Final = 20

Pause = Callable[[], Deferred[str]]


def render(view: View, host: str, filter: str, pause: Pause) -> Deferred[bytes]:
    """
    Write the page, in pieces between which others have their turn.

    @param view: What it shows.
    @param host: The machine's name.
    @param filter: The filter of the connections, as it was typed.
    @param pause: Gives what fires, with an empty text, when it is our turn again.
    """
    done: Deferred[bytes] = flattenString(None, _page(view, host, filter, pause))
    return done.addCallback(lambda page: DOCTYPE + page)


def _page(view: View, host: str, filter: str, pause: Pause) -> Tag:
    title = f"netsvc on {host}"
    return tags.html(
        tags.head(
            tags.meta(charset="utf-8"),
            tags.meta(name="viewport", content="width=device-width, initial-scale=1"),
            tags.meta(name="color-scheme", content="light dark"),
            tags.title(f"{view.state} - {title}"),
            tags.link(rel="icon", href="static/icon.svg", type="image/svg+xml"),
            tags.link(rel="stylesheet", href="static/style.css"),
            tags.script(src="static/page.js", defer="defer"),
        ),
        tags.body(
            tags.a("Skip to the connections", href=f"#{FILTERED}", class_="skip"),
            tags.header(
                tags.h1("netsvc ", tags.small("on ", host)),
                tags.p(
                    tags.span(view.state, id="state", class_="badge", **_data(view)),
                    tags.span("version ", view.version, class_="quiet"),
                    tags.span(
                        tags.a("Reload", href="./"),
                        id="live",
                        class_="quiet",
                        role="status",
                    ),
                    class_="line",
                ),
            ),
            Tag("main")(
                tags.dl(*map(_figure, view.figures), class_="figures"),
                tags.section(
                    *map(_chart, view.charts),
                    class_="charts",
                    **{"aria-label": f"The last {SPAN / 60:.0f} minutes"},
                ),
                *(_grid(grid, filter, pause) for grid in view.grids),
            ),
            tags.footer(
                tags.p(
                    "For programs: ",
                    tags.a("metrics", href="metrics"),
                    ", ",
                    tags.a("status.json", href="status.json"),
                    ", ",
                    tags.a("livez", href="livez"),
                    ", ",
                    tags.a("readyz", href="readyz"),
                )
            ),
        ),
        lang="en",
    )


def _data(view: View) -> dict[str, str]:
    return {"data-state": view.state}


def _figure(figure: Figure) -> Tag:
    return tags.div(
        tags.dt(figure.title), tags.dd(figure.text, id=f"figure-{figure.id}")
    )


def _chart(chart: Chart) -> Tag:
    picture = Tag(
        "svg",
        attributes={
            "viewBox": f"0 0 {WIDTH} {HEIGHT}",
            "preserveAspectRatio": "none",
            "aria-hidden": "true",
            "focusable": "false",
        },
        children=[Tag("polyline", attributes={"points": chart.points})],
    )
    return tags.figure(
        tags.figcaption(
            tags.span(chart.title),
            tags.strong(chart.now, class_="now"),
        ),
        picture,
        tags.p("top: ", tags.span(chart.top or "-", class_="top"), class_="quiet"),
        id=f"chart-{chart.id}",
    )


def _grid(grid: Grid, filter: str, pause: Pause) -> Tag:
    heading = f"heading-{grid.id}"
    return tags.section(
        tags.h2(grid.title, id=heading),
        _filter(filter) if grid.id == FILTERED else "",
        tags.p(grid.note, class_="note quiet"),
        tags.div(
            tags.table(
                tags.thead(tags.tr(*map(_heading, grid.columns))),
                tags.tbody(_rows(grid, pause)),
                **{"aria-labelledby": heading},
            ),
            class_="scroll",
            tabindex="0",
            role="region",
            **{"aria-labelledby": heading},
        ),
        id=grid.id,
        class_="grid",
    )


def _heading(column: Column) -> Tag:
    return tags.th(column.title, scope="col", class_=column.kind)


def _rows(grid: Grid, pause: Pause) -> Any:
    """Give the rows one by one, and a pause now and then."""
    kinds = [column.kind for column in grid.columns]
    for place, row in enumerate(grid.rows):
        if place % PIECE == PIECE - 1:
            yield pause()
        yield tags.tr(*map(_cell, row, kinds))


def _cell(text: str, kind: str) -> Tag:
    attributes: dict[Any, Any] = {"class": kind}
    if kind == "state":
        attributes["data-state"] = text
    return Tag("td", attributes=attributes, children=[text])


def _filter(filter: str) -> Tag:
    return tags.form(
        tags.label("Filter", for_="filter"),
        tags.input(
            type="search",
            id="filter",
            name="filter",
            value=filter,
            maxlength=str(MAX_LENGTH),
            placeholder="state:closing -127.0.0.1",
            autocomplete="off",
            spellcheck="false",
            **{"aria-describedby": "filter-help"},
        ),
        tags.button("Apply", type="submit"),
        tags.p(
            "All words have to fit; one may name its column (",
            tags.code("service: transport: peer: local: state: about:"),
            "), a minus excludes.",
            id="filter-help",
            class_="quiet",
        ),
        method="get",
        action=f"./#{FILTERED}",
        role="search",
        class_="filter",
    )
