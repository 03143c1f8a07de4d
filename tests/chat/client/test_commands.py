"""Commands, and which lines may be remembered."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client.commands import (
    ALIASES,
    COMMANDS,
    SECRET,
    command,
    keepable,
    masked,
)
from netsvc.chat.line import commands as server


class CommandTests(SynchronousTestCase):
    """What is behind a slash."""

    def test_name(self) -> None:
        """A command is the first word behind a slash, in any case."""
        self.assertEqual(command("/Join #r"), "join")
        self.assertEqual(command("  /WHO"), "who")
        self.assertEqual(command("/j #r"), "join")
        for text in ("", "join", "a /join", "/", "//join"):
            self.assertEqual(command(text), "")

    def test_keepable(self) -> None:
        """Text and known commands may be kept; passwords and unknown ones may not."""
        for text in ("hello", "/me waves", "/JOIN #r", "and /login too", "//login"):
            self.assertTrue(keepable(text), text)
        for text in (
            "/login",
            "/login a pw",
            "/LOGIN pw",
            " /register pw",
            "/logni pw",
            "/",
        ):
            self.assertFalse(keepable(text), text)

    def test_masked(self) -> None:
        """What may not be kept is shown without its arguments."""
        self.assertEqual(masked("/login a pw"), "/login ...")
        self.assertEqual(masked("/lgin"), "/lgin")
        self.assertEqual(masked("/nick a"), "/nick a")

    def test_secret(self) -> None:
        """The commands with passwords are commands."""
        self.assertLessEqual(SECRET, COMMANDS.keys())

    def test_server(self) -> None:
        """They are the line frontend's and two of UDP; so are their other names."""
        server.load()
        self.assertEqual(COMMANDS.keys() - {"direct", "path"}, server.COMMANDS.keys())
        self.assertEqual(ALIASES, server.ALIASES)
