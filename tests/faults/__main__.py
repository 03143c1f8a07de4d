"""
C{python -m tests.faults [--soak] [--write FILE] [ROW...]}: run the table of faults.

Prints a line a row, with its figures, and ends with status 1 if one is not as it must
be. With C{--write} the table is written as a page, too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import markdown
from netsvc import __version__
from tests.faults.table import ROWS, Row
from tests.integration.figures import FILE

#: Seconds that all tests of a row may take.
PATIENCE = 900

PAGE = """\
# Reliability

What netsvc stands, as `{command}` saw it: netsvc {version}, Python {python}, Linux
{kernel}, {processors} processors. Each row is a fault or an attack on real processes;
each figure was asserted by a test. `scripts/test faults` runs the rows of the first
table, `scripts/test soak` those of both.

## With every change

{quick}

## From time to time

{soak}
"""


class Outcome:
    """
    What became of a row.

    @ivar row: The row.
    @ivar figures: What its tests have written down.
    @ivar trouble: What the tests said, if not all of them passed.
    @ivar skipped: Whether a test was skipped.
    """

    def __init__(self, row: Row) -> None:
        """Run the tests of a row."""
        self.row = row
        with tempfile.TemporaryDirectory(prefix="netsvc-faults-") as folder:
            path = Path(folder, "figures")
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "twisted.trial", "--reporter=text"),
                    *(f"--temp-directory={folder}/trial", *row.tests),
                ],
                env={**os.environ, FILE: str(path)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PATIENCE,
            )
            lines = path.read_text().splitlines() if path.exists() else []
        self.figures: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self.trouble = done.stdout if done.returncode else ""
        self.skipped = "skips=" in done.stdout

    @property
    def verdict(self) -> str:
        """Whether it held, in a word."""
        if self.trouble:
            return "FAILED"
        return "skipped" if self.skipped else "held"

    def said(self) -> str:
        """Give the figures in words."""
        return "; ".join(map(_said, self.figures)) or "as its tests assert"


def _said(figure: dict[str, Any]) -> str:
    """Give a figure in words."""
    value = f"{figure['value']:.3g}" if figure["value"] % 1 else f"{figure['value']:g}"
    unit = f" {figure['unit']}" if figure["unit"] else ""
    return f"{figure['what']}: {value}{unit}"


def page(outcomes: Sequence[Outcome], command: str) -> str:
    """Give the page for people."""

    def table(quick: bool) -> str:
        rows = [
            [
                str(each.row.number),
                each.row.fault,
                each.row.target,
                each.said(),
                each.verdict,
            ]
            for each in outcomes
            if each.row.quick == quick
        ]
        return markdown(["row", "fault", "must hold", "seen", "verdict"], rows)

    return PAGE.format(
        command=command,
        version=__version__,
        python=platform.python_version(),
        kernel=platform.release(),
        processors=os.cpu_count(),
        quick=table(True),
        soak=table(False),
    )


def main(arguments: Sequence[str]) -> int:
    """Run what the command line says; give the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/test faults", description=__doc__)
    parser.add_argument("--soak", action="store_true", help="all rows")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write a page")
    parser.add_argument("rows", metavar="ROW", nargs="*", type=int)
    options = parser.parse_args(arguments)
    chosen = [
        row
        for row in ROWS
        if (row.number in options.rows if options.rows else row.quick or options.soak)
    ]
    outcomes = []
    for row in chosen:
        outcome = Outcome(row)
        outcomes.append(outcome)
        print(f"{row.number:3} {outcome.verdict:8} {row.fault}: {outcome.said()}")
        if outcome.trouble:
            print(outcome.trouble)
        sys.stdout.flush()
    if options.write is not None:
        options.write.write_text(page(outcomes, "scripts/test soak"), "utf-8")
    strict = bool(os.environ.get("NETSVC_NO_SKIP"))
    bad = [o for o in outcomes if o.trouble or (strict and o.skipped)]
    return 1 if bad or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
