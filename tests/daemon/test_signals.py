"""Tests of L{netsvc.daemon.signals}."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.signals import Signals, terminal_is_there
from tests.daemon.test_lifecycle import FakeReactor

NUMBERS = (signal.SIGHUP, signal.SIGUSR1)


class SignalsTests(SynchronousTestCase):
    """Signals that are handled in the reactor's turn."""

    def setUp(self) -> None:
        """Begin without a terminal; give the signals back at the end."""
        for number in NUMBERS:
            self.addCleanup(signal.signal, number, signal.getsignal(number))
            signal.signal(number, signal.SIG_DFL)
        self.reactor = FakeReactor()
        self.called: list[str] = []
        self.terminal = False
        self.signals = Signals(
            dict.fromkeys(NUMBERS, self.called.append),
            lambda why: self.called.append(f"end: {why}"),
            self.reactor,
            lambda: self.terminal,
        )

    def raised(self, number: int) -> list[str]:
        """Raise a signal, take a turn, and give what was called."""
        signal.raise_signal(number)
        self.reactor.turn()
        called, self.called[:] = list(self.called), []
        return called

    def test_called(self) -> None:
        """A signal's function is called with its name, in the reactor's turn."""
        self.signals.take()
        signal.raise_signal(signal.SIGUSR1)
        self.assertEqual(self.called, [])
        self.reactor.turn()
        self.assertEqual(self.raised(signal.SIGHUP), ["SIGUSR1", "SIGHUP"])

    def test_given_back(self) -> None:
        """Who handled them before does so again, also if they were taken twice."""

        def handler(number: int, frame: Any) -> None:
            """Do nothing."""

        signal.signal(signal.SIGHUP, handler)
        self.signals.take()
        self.signals.take()
        self.signals.give_back()
        self.assertIs(signal.getsignal(signal.SIGHUP), handler)
        self.assertEqual(signal.getsignal(signal.SIGUSR1), signal.SIG_DFL)

    def test_ignored(self) -> None:
        """At the end of the process nobody handles them."""
        self.signals.take()
        self.signals.give_back(ignored=True)
        for number in NUMBERS:
            self.assertEqual(signal.getsignal(number), signal.SIG_IGN)

    def test_reactor_that_starts(self) -> None:
        """What a reactor installs for SIGTERM when it starts is ours, for as long as
        the signals are."""
        self.signals.take()
        vars(self.reactor)["sigTerm"](signal.SIGUSR1, None)
        self.reactor.turn()
        self.assertEqual(self.called, ["SIGUSR1"])
        self.signals.give_back()
        self.assertNotIn("sigTerm", vars(self.reactor))

    def test_other_thread(self) -> None:
        """In another thread nothing is taken."""
        thread = threading.Thread(target=self.signals.take)
        thread.start()
        thread.join()
        self.assertEqual(signal.getsignal(signal.SIGHUP), signal.SIG_DFL)

    def test_terminal(self) -> None:
        """SIGHUP asks for a reload as long as the terminal is there, and for the end
        when it is not any more."""
        self.terminal = True
        self.signals.take()
        self.assertEqual(self.raised(signal.SIGHUP), ["SIGHUP"])
        self.terminal = False
        self.assertEqual(self.raised(signal.SIGUSR1), ["SIGUSR1"])
        ended = ["end: SIGHUP, the terminal is closed"]
        self.assertEqual(self.raised(signal.SIGHUP), ended)

    def test_nohup(self) -> None:
        """Who has used nohup wants it to go on without the terminal."""
        self.terminal = True
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.signals.take()
        self.terminal = False
        self.assertEqual(self.raised(signal.SIGHUP), ["SIGHUP"])

    def test_terminal_is_there(self) -> None:
        """Whether there is a terminal is whether it can be opened."""
        opened: list[str] = []

        def fails(path: str, flags: int) -> int:
            opened.append(path)
            raise OSError

        self.patch(os, "open", fails)
        self.assertFalse(terminal_is_there())
        self.assertEqual(opened, ["/dev/tty"])
        self.patch(os, "open", lambda path, flags: 77)
        closed: list[int] = []
        self.patch(os, "close", closed.append)
        self.assertTrue(terminal_is_there())
        self.assertEqual(closed, [77])
