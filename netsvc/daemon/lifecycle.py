"""
From start to stop: signals, drain, exit status.

The service that a C{tap} returns is a L{Daemon}. When the reactor runs it takes
SIGTERM and SIGINT (from Twisted, which would stop at once): the first one drains
its services and then stops the reactor, so that the process ends with status 0;
a second one stops it at once.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn, Protocol

from twisted.application.service import IService, MultiService
from twisted.internet import defer
from twisted.internet.base import ReactorBase
from twisted.logger import Logger

from netsvc.daemon.escape import escape

SIGNALS = (signal.SIGTERM, signal.SIGINT)


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
    line = escape(problem)
    if sys.stderr is not sys.__stderr__ and sys.__stderr__ is not None:
        # twistd has redirected stderr to its log: say it in both places.
        print(line, file=sys.__stderr__)
    raise StartError(line) from None


def service_reactor(reactor: Any = None) -> Any:
    """
    Give the reactor for a process's services, with a clock that nobody sets.

    Twisted's is the wall clock: a correction by an hour would end every idle
    connection, or stop all timers for an hour. The clock is changed only while
    nothing has been timed by the old one.

    @param reactor: The reactor; by default the global one.
    """
    if reactor is None:
        from twisted.internet import reactor
    if (
        isinstance(reactor, ReactorBase)
        and not reactor.running
        and not reactor.getDelayedCalls()
    ):
        reactor.seconds = time.monotonic
    return reactor


class Drainable(Protocol):
    """What L{Daemon} asks of a service, beside L{IService}."""

    def drain(self, timeout: float) -> defer.Deferred[None]:
        """
        Accept nothing new, finish what is in flight.

        @param timeout: Seconds after which to cut what is left.
        @return: A Deferred that fires when nothing is left.
        """


class Daemon(MultiService):
    """
    The root of a process's services.

    @ivar drain_timeout: Seconds that a drain may take.
    """

    _log = Logger()

    def __init__(
        self,
        services: Sequence[Any],
        drain_timeout: float,
        reactor: Any = None,
    ) -> None:
        """
        @param services: Its services; each is an L{IService} and L{Drainable}.
        @param drain_timeout: Seconds that a drain may take.
        @param reactor: The reactor; by default the global one.
        """
        super().__init__()
        if reactor is None:
            from twisted.internet import reactor
        self._reactor = reactor
        self.drain_timeout = drain_timeout
        self._draining = False
        self._stopping = False
        self._handlers: dict[int, Any] = {}
        for service in services:
            IService(service).setServiceParent(self)

    def startService(self) -> None:
        """
        Start the services; take the signals now, and again when the reactor runs
        and has taken them itself.
        """
        super().startService()
        self._take_signals()
        self._reactor.callWhenRunning(self._take_signals)

    def stopService(self) -> Any:
        """
        Stop the services, and then give the signals back: Twisted's handlers
        would stop the reactor that is stopping, and fail.
        """
        return defer.maybeDeferred(super().stopService).addBoth(self._give_signals)

    def _give_signals(self, result: Any) -> Any:
        """
        Let who handled the signals before handle them again; if the process is
        about to end, nobody: it has done what they ask for.
        """
        for number, handler in self._handlers.items():
            signal.signal(number, signal.SIG_IGN if self._stopping else handler)
        self._handlers.clear()
        return result

    def _take_signals(self) -> None:
        """Handle the signals from now on, if they reach this thread at all."""
        if self.running and threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.signal(number, self._signalled)
                if before != self._signalled:
                    self._handlers[number] = before

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """A signal came, between any two instructions: wake the reactor."""
        self._reactor.callFromThread(self.shut_down, signal.Signals(number).name)

    def shut_down(self, why: str) -> None:
        """
        Drain and stop; when already draining, stop.

        @param why: What for, for the log.
        """
        if self._draining:
            self._log.info("{why} again: stopping at once", why=why, event="stop")
            self._stop()
            return
        self._draining = True
        self._log.info(
            "{why}: draining, for {timeout:g} s at the most",
            why=why,
            timeout=self.drain_timeout,
            event="drain",
        )
        drained = defer.DeferredList(
            [
                defer.maybeDeferred(one.drain, self.drain_timeout).addErrback(
                    lambda failure: self._log.failure("while draining", failure)
                )
                for one in self
            ]
        )
        drained.addCallback(lambda _: self._stop())

    def _stop(self) -> None:
        """Stop the reactor, once."""
        if self.running and self._reactor.running and not self._stopping:
            self._stopping = True
            self._reactor.stop()
