"""C{netsvc} itself: which command runs, and what is said when none does."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Sequence
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

from netsvc import __version__, cli


def call(*argv: str) -> tuple[int, str, str]:
    """Run the command line; its exit status, and what it printed on either stream."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(argv)
    return status, out.getvalue(), err.getvalue()


class CommandTests(SynchronousTestCase):
    """The first word chooses the command."""

    def test_help(self) -> None:
        """C{--help} names every command and is no failure."""
        for word in ("--help", "-h", "help"):
            status, out, err = call(word)
            self.assertEqual((status, err), (0, ""))
            for name in cli.COMMANDS:
                self.assertIn(f"\n  {name} ", out)

    def test_nothing(self) -> None:
        """Without a command the help goes to stderr, and that is a failure."""
        status, out, err = call()
        self.assertEqual((status, out), (cli.EXIT_USAGE, ""))
        self.assertIn("Usage: netsvc COMMAND", err)

    def test_version(self) -> None:
        """The version comes with those of Twisted and Python, for bug reports."""
        status, out, _ = call("--version")
        self.assertEqual(status, 0)
        self.assertRegex(
            out, rf"\Anetsvc {__version__} \(Twisted [\d.]+, Python [\w.+]+\)\n\Z"
        )

    def test_unknown(self) -> None:
        """A word that is near a command's name gets that name as an answer."""
        self.assertEqual(
            call("pin"), (2, "", "netsvc: no command 'pin'; did you mean 'ping'?\n")
        )

    def test_unknown_and_far(self) -> None:
        """A word that is near none gets the list, control characters escaped."""
        status, _, err = call("\x1b[2J")
        self.assertEqual(status, 2)
        self.assertIn(r"no command '\x1b[2J'; there are: run, ", err)

    def test_unknown_option(self) -> None:
        """An option before the command is not taken for a command."""
        status, _, err = call("--frob")
        self.assertEqual(status, 2)
        self.assertIn("netsvc: no option '--frob'", err)

    def test_dispatch(self) -> None:
        """The command's module gets the remaining words and gives the exit status."""
        seen: list[Sequence[str]] = []

        class Command(ModuleType):
            @staticmethod
            def main(argv: Sequence[str]) -> int:
                seen.append(argv)
                return 3

        self.patch(cli, "COMMANDS", {"frob": ("netsvc.cli.frob", "")})
        name = "netsvc.cli.frob"
        sys.modules[name] = Command(name)
        self.addCleanup(sys.modules.pop, name)
        self.patch(sys, "argv", ["netsvc", "frob", "-x", "y"])
        self.assertEqual(cli.main(), 3)
        self.assertEqual(seen, [["-x", "y"]])
