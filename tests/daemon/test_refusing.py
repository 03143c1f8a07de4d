"""Tests of L{netsvc.daemon.refusing}, and of how a daemon says what it refuses."""

from __future__ import annotations

import os
import sys
from io import StringIO

from twisted.application.service import Service
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.lifecycle import Daemon
from netsvc.daemon.refusing import StartError, refuse, refuse_all
from tests.daemon.test_lifecycle import FakeReactor


class RefuseTests(SynchronousTestCase):
    """Tests of L{refuse}."""

    def setUp(self) -> None:
        """Take both names of stderr."""
        self.real = StringIO()
        self.patch(sys, "__stderr__", self.real)
        self.patch(sys, "stderr", self.real)

    def test_line(self) -> None:
        """The line is the exit code: Python writes it to stderr and ends with 1."""
        error = self.assertRaises(SystemExit, refuse, "netsvc-echo: no port")
        self.assertEqual(error.code, "netsvc-echo: no port")
        self.assertEqual(self.real.getvalue(), "")
        self.assertIsNone(error.__cause__)
        self.assertTrue(error.__suppress_context__)

    def test_exception(self) -> None:
        """It is an C{Exception}, too: twistd catches no others to tell that a daemon
        has not started."""
        error = self.assertRaises(StartError, refuse, "netsvc-echo: no port")
        self.assertIsInstance(error, Exception)
        self.assertIsInstance(error, SystemExit)

    def test_escaped(self) -> None:
        """Control characters in it are shown and cannot make a second line."""
        error = self.assertRaises(SystemExit, refuse, "no\nport \x1b[31m")
        self.assertEqual(error.code, r"no\nport \x1b[31m")

    def test_several(self) -> None:
        """Each of several reasons has its line."""
        error = self.assertRaises(SystemExit, refuse_all, ["no\nport", "no file"])
        self.assertEqual(error.code, "no\\nport\nno file")


class Refusing(Service):
    """A service that does not start."""

    def __init__(self, **problems: str) -> None:
        """@param problems: Why, by the method that says it."""
        self.problems = problems
        self.tried: list[str] = []

    def privilegedStartService(self) -> None:
        """Bind."""
        self._try("bind")

    def startService(self) -> None:
        """Start."""
        self._try("start")

    def _try(self, what: str) -> None:
        self.tried.append(what)
        if what in self.problems:
            refuse(self.problems[what])


class NotStartedTests(SynchronousTestCase):
    """What L{Daemon} says when its services do not start."""

    def setUp(self) -> None:
        """Take both names of stderr."""
        self.real = StringIO()
        self.patch(sys, "__stderr__", self.real)
        self.patch(sys, "stderr", StringIO())
        self.patch(os, "environ", {})
        self.services = [
            Refusing(bind="no port"),
            Refusing(start="no file"),
            Refusing(bind="nor here", start="nor here"),
        ]
        self.daemon = Daemon(self.services, 1.0, FakeReactor())
        self.daemon.takes_signals = False

    def test_bind(self) -> None:
        """All that cannot be bound is told at once, and on the real stderr where
        the other one is a log."""
        error = self.assertRaises(StartError, self.daemon.privilegedStartService)
        self.assertEqual(error.code, "no port\nnor here")
        self.assertEqual(self.real.getvalue(), "no port\nnor here\n")

    def test_explained(self) -> None:
        """Whoever knows the file says where in it the reason is."""
        place = {id(each): n for n, each in enumerate(self.services, 1)}
        self.daemon.explain = lambda service, problem: (
            f"f:{place[id(service)]} {problem}"
        )
        error = self.assertRaises(StartError, self.daemon.privilegedStartService)
        self.assertEqual(error.code, "f:1 no port\nf:3 nor here")

    def test_start(self) -> None:
        """Who cannot start ends the start: those after it are not begun."""
        error = self.assertRaises(StartError, self.daemon.startService)
        self.assertEqual(error.code, "no file")
        self.assertEqual([each.tried for each in self.services][2], [])

    def test_journal(self) -> None:
        """Under journald stderr is the log, too: it is said once."""
        self.patch(os, "environ", {"JOURNAL_STREAM": "8:1"})
        self.assertRaises(StartError, self.daemon.privilegedStartService)
        self.assertEqual(self.real.getvalue(), "")

    def test_same(self) -> None:
        """Where stderr is itself, Python says it when it ends, and nobody before."""
        self.patch(sys, "stderr", self.real)
        self.assertRaises(StartError, self.daemon.privilegedStartService)
        self.assertEqual(self.real.getvalue(), "")

    def test_no_stderr(self) -> None:
        """A process without stderr ends in the same way."""
        self.patch(sys, "__stderr__", None)
        self.assertRaises(StartError, self.daemon.privilegedStartService)
