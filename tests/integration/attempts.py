"""Measures that a busy machine may spoil: the best of a few attempts counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

#: How often something is measured at the most.
ATTEMPTS = 3


def best(measure: Callable[[], float], enough: float) -> float:
    """
    Measure until it is good enough, a few times at the most; give the smallest.

    @param measure: Measures once.
    @param enough: What is good enough: no attempt is made after it.
    """
    found = measure()
    for _ in range(ATTEMPTS - 1):
        if found <= enough:
            break
        found = min(found, measure())
    return found


def waited(task: int | str) -> float:
    """
    Give the seconds that a thread was ready to run and something else ran.

    @param task: Its number, or C{thread-self}.
    """
    return int(Path(f"/proc/{task}/schedstat").read_text().split()[1]) / 1e9


def rests(spent: Callable[[], float], seconds: float = 0.5) -> bool:
    """
    Tell whether a process does next to nothing: not a tenth of a time that passes.

    @param spent: Gives the seconds of processor time that it has used.
    @param seconds: How long to look.
    """
    before, began = spent(), time.monotonic()
    time.sleep(seconds)
    return spent() - before < (time.monotonic() - began) / 10
