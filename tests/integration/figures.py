"""
Figures that tests find out, for the table of faults (C{scripts/test faults}).

A test that measures something calls L{figure}: it fails if the figure is not as it
must be, and writes it down where C{NETSVC_FIGURES} names a file.
"""

from __future__ import annotations

import json
import os
from typing import Any
from unittest import TestCase

#: Names the file to which figures are appended, a JSON object a line.
FILE = "NETSVC_FIGURES"


def figure(
    case: TestCase,
    what: str,
    value: float,
    unit: str = "",
    *,
    most: float | None = None,
    least: float | None = None,
) -> None:
    """
    Write a figure down, and fail if it is out of bounds.

    @param case: The test that has found it.
    @param what: What it is, in a few words.
    @param value: The figure.
    @param unit: Its unit.
    @param most: What it may be at the most.
    @param least: What it must be at the least.
    """
    path = os.environ.get(FILE)
    if path is not None:
        record: dict[str, Any] = {
            "test": case.id(),
            "what": what,
            "value": value,
            "unit": unit,
            "most": most,
            "least": least,
        }
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    if most is not None and not value <= most:
        case.fail(f"{what}: {value:g} {unit} is more than {most:g}")
    if least is not None and not value >= least:
        case.fail(f"{what}: {value:g} {unit} is less than {least:g}")
