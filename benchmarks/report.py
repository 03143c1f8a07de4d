"""The tables: on the terminal, and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import figures
from benchmarks.peers import NETSVC
from benchmarks.row import Row
from benchmarks.suite import Results

PAGES = Path(__file__).parent / "pages"


def template(name: str) -> str:
    """Return the text of a page, with names in braces where the tables go."""
    return (PAGES / name).read_text(encoding="utf-8")


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, its columns aligned so that it reads as plain text.

    All columns but the first are numbers or short words, and aligned to the right.
    """
    lines = [list(header), *map(list, rows)]
    widths = [
        max(3, *(len(cell) for cell in column)) for column in zip(*lines, strict=True)
    ]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (cell.replace("|", "\\|") for cell in cells)
        aligned = [first.ljust(widths[0])]
        aligned += [
            cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)
        ]
        return f"| {' | '.join(aligned)} |"

    return "\n".join([line(header), line(rule), *map(line, rows)])


def number(value: float, digits: int) -> str:
    """Return a figure as text, with thousands apart."""
    return f"{value:,.{digits}f}"


def targets_table(rows: Sequence[Row], results: Results) -> str:
    """Return the table of what netsvc is to reach, and what it reaches."""
    lines = []
    for verdict in figures.verdicts(rows, results):
        figure = "-" if verdict.figure is None else f"{verdict.figure:.2f}"
        reached = {None: "not measured", True: "yes", False: "**no**"}[verdict.reached]
        lines.append([verdict.row.title, verdict.wanted, figure, reached])
    return markdown(["work", "to reach", "measured", "reached"], lines)


def row_table(row: Row, results: Results) -> str:
    """Return one row's table: every peer's medians, and netsvc's ratio to it.

    The spread is that of the first measure, from the lowest round to the highest.
    """
    main, *others = row.measures
    own = figures.summarize(results.values(row.name, NETSVC, main.key))
    lines = []
    for peer in row.peers:
        summary = figures.summarize(results.values(row.name, peer, main.key))
        if summary is None:
            if (row.name, peer) in results.failures:
                lines.append([peer, "failed", *[""] * (len(others) + 2)])
            continue
        ratio = "-" if own is None else f"{own.median / max(summary.median, 1e-9):.2f}"
        middle, low, high = (
            number(value, main.digits)
            for value in (summary.median, summary.low, summary.high)
        )
        lines.append([peer, middle, f"{low}-{high}", ratio])
        for measure in others:
            value = figures.summarize(results.values(row.name, peer, measure.key))
            lines[-1].append(
                "-" if value is None else number(value.median, measure.digits)
            )
    header = ["server", main.title, "lowest-highest", "netsvc / this"]
    return markdown([*header, *(measure.title for measure in others)], lines)


def row_tables(rows: Sequence[Row], results: Results, level: str) -> str:
    """Return the tables of all rows that have figures, each under a heading."""
    return "\n\n".join(
        f"{level} {row.title}\n\n{row_table(row, results)}" for row in rows
    )


def others(share: float) -> str:
    """Return the sentence on what else ran on the machine.

    @param share: the part of all CPU time that it took, from 0 to 1.
    """
    return f"Other programs used {share:.0%} of the machine meanwhile."


def repetition(rows: Sequence[Row], rounds: int | None) -> str:
    """Return how often the rows were repeated, in words."""
    numbers = {row.repeated(rounds) for row in rows}
    least, most = min(numbers), max(numbers)
    return f"{most} rounds" if least == most else f"{least} to {most} rounds"


def page(
    rows: Sequence[Row],
    results: Results,
    machine: str,
    share: float,
    rounds: int | None,
    seconds: float,
) -> str:
    """Return the whole page for C{docs/performance.md}.

    @param rounds: how many were asked for; C{None} if nobody said how many.
    """
    return template("performance.md").format(
        machine=machine,
        others=others(share),
        rounds=repetition(rows, rounds),
        seconds=seconds,
        targets=targets_table(rows, results),
        rows=row_tables(rows, results, "###"),
    )
