"""The one exception with which a benchmark gives up."""

from __future__ import annotations


class BenchError(Exception):
    """Something that must be repaired before a figure means anything.

    Its text is one line for the person at the terminal. A missed ratio is no error.
    """
