"""What ends a process before it has started, in a line for each reason. Pure."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import NoReturn

from netsvc.daemon.escape import escape


class StartError(SystemExit, Exception):
    """
    What is asked for cannot be done: the process ends before it has started.

    An C{Exception}, too: twistd catches those, and no others, to remove its pid
    file and to tell the process that waits for a daemon to have started.
    """


def refuse(problem: str) -> NoReturn:
    """
    End the process before it has started: what is asked for cannot be done.

    @param problem: One line for operators: what and where.
    @raise StartError: Always. Python writes its text to stderr and ends with
        status 1.
    """
    refuse_all([problem])


def refuse_all(problems: Iterable[str]) -> NoReturn:
    """
    End the process before it has started, for one reason or several.

    @param problems: A line for each.
    @raise StartError: Always.
    """
    raise StartError("\n".join(map(escape, problems))) from None


def say(text: str) -> None:
    """Say why the process does not start, where twistd has redirected stderr to its
    log: in both places."""
    redirected = sys.stderr is not sys.__stderr__ and sys.__stderr__ is not None
    if redirected and "JOURNAL_STREAM" not in os.environ:
        print(text, file=sys.__stderr__)
