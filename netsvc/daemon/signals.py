"""
The signals of a daemon: handled in the reactor, given back at the end.

A handler may run between any two instructions, so it only wakes the reactor.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any


def terminal_is_there() -> bool:
    """Tell whether this process has a terminal that could be closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


class Signals:
    """
    Calls functions in the reactor when signals come.

    SIGHUP says two things: a person asks for a reload, or the terminal that the
    process was started from has been closed. For the second there is C{hung_up},
    unless nohup was used.
    """

    def __init__(
        self,
        calls: Mapping[int, Callable[[str], object]],
        hung_up: Callable[[str], object],
        reactor: Any,
        terminal: Callable[[], bool] = terminal_is_there,
    ) -> None:
        """
        @param calls: What to call, with the signal's name, by the signal.
        @param hung_up: What to call when the terminal was closed.
        @param reactor: The reactor.
        @param terminal: Tells whether there is a terminal.
        """
        self._calls = dict(calls)
        self._hung_up = hung_up
        self._reactor = reactor
        self._terminal = terminal
        self._had_terminal = False
        self._before: dict[int, Any] = {}

    def take(self) -> None:
        """Handle the signals from now on, if they reach this thread at all."""
        if threading.current_thread() is not threading.main_thread():
            return
        if not self._before:
            self._had_terminal = (
                signal.getsignal(signal.SIGHUP) != signal.SIG_IGN and self._terminal()
            )
        for number in self._calls:
            before = signal.signal(number, self._signalled)
            if before != self._signalled:
                self._before[number] = before
        # Twisted's reactor takes SIGTERM when it starts, and would for a moment handle
        # it by itself: it stops, and the process ends by the signal.
        self._reactor.sigTerm = self._signalled

    def give_back(self, *, ignored: bool = False) -> None:
        """
        Let who handled the signals before handle them again.

        @param ignored: Nobody shall: the process is about to end.
        """
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if ignored else handler)
        self._before.clear()
        vars(self._reactor).pop("sigTerm", None)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """A signal came, between any two instructions: wake the reactor."""
        self._reactor.callFromThread(self._handle, number)

    def _handle(self, number: int) -> None:
        """Do what a signal asks for."""
        name = signal.Signals(number).name
        if number == signal.SIGHUP and self._had_terminal and not self._terminal():
            self._hung_up(f"{name}, the terminal is closed")
        else:
            self._calls[number](name)
