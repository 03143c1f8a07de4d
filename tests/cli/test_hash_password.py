"""Tests of C{netsvc hash-password}."""

from __future__ import annotations

import getpass
import io
import sys

from argon2 import PasswordHasher
from twisted.trial.unittest import SynchronousTestCase

from netsvc.cli import hash_password


class Terminal(io.StringIO):
    """A standard input that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class HashPasswordTests(SynchronousTestCase):
    """What the command prints."""

    def run_with(self, stdin: io.StringIO, *typed: str) -> tuple[int, str, str]:
        """Run it with an input; C{typed} is what is typed where nothing is shown."""
        out, err = io.StringIO(), io.StringIO()
        answers = iter(typed)
        self.patch(sys, "stdin", stdin)
        self.patch(sys, "stdout", out)
        self.patch(sys, "stderr", err)
        self.patch(getpass, "getpass", lambda prompt: next(answers))
        status = hash_password.main([])
        return status, out.getvalue(), err.getvalue()

    def test_pipe(self) -> None:
        """The first line of a pipe is hashed, without its end."""
        status, out, err = self.run_with(io.StringIO("비밀 sesame\nmore\n"))
        self.assertEqual((status, err), (0, ""))
        self.assertTrue(PasswordHasher().verify(out.strip(), "비밀 sesame"))

    def test_terminal(self) -> None:
        """On a terminal it is asked for twice."""
        status, out, _ = self.run_with(Terminal(), "sesame", "sesame")
        self.assertEqual(status, 0)
        self.assertTrue(PasswordHasher().verify(out.strip(), "sesame"))

    def test_not_the_same(self) -> None:
        """Two that differ are one line, and status 1."""
        status, out, err = self.run_with(Terminal(), "sesame", "sesam")
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err, "netsvc hash-password: the two are not the same\n")

    def test_empty(self) -> None:
        """An empty one is refused."""
        status, out, err = self.run_with(io.StringIO("\n"))
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err.count("\n"), 1)

    def test_not_text(self) -> None:
        """Bytes that are no text are refused."""
        stdin = io.TextIOWrapper(io.BytesIO(b"\xff\n"), encoding="utf-8")
        status, _, err = self.run_with(stdin)  # type: ignore[arg-type]
        self.assertEqual(status, 1)
        self.assertIn("not text", err)
