"""Command lines: what is wrong in one is said in one line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from netsvc.cli import EXIT_USAGE
from netsvc.daemon.escape import escape

__all__ = ["Parser", "argument"]

T = TypeVar("T")


class Parser(argparse.ArgumentParser):
    """
    A parser of full option names, whose help stands as it was written.

    @ivar usage_status: The exit status for a command line that is wrong.
    """

    def __init__(
        self, prog: str, *, usage_status: int = EXIT_USAGE, **keywords: Any
    ) -> None:
        """
        @param prog: The command, such as C{netsvc ping}.
        @param usage_status: See there.
        @param keywords: What else L{argparse.ArgumentParser} takes.
        """
        super().__init__(
            prog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **keywords,
        )
        self.usage_status = usage_status

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in a line, and leave with the status for bad usage."""
        hint = f"try '{self.prog} --help'"
        self.exit(self.usage_status, f"{self.prog}: {escape(message)} ({hint})\n")


def argument(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Make argparse show the sentence of a C{ValueError}."""

    def convert(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert
