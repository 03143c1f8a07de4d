"""
From start to stop: signals, reload, drain, exit status.

The service that a C{tap} returns is a L{Daemon}. When the reactor runs it takes
SIGTERM and SIGINT (from Twisted, which would stop at once): the first one drains
its services and then stops the reactor, so that the process ends with status 0;
a second one stops it at once. SIGHUP reloads, SIGUSR1 opens the log files again,
SIGUSR2 logs what the services have counted.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.application.service import IService, MultiService, Service
from twisted.internet import defer, task
from twisted.internet.base import ReactorBase
from twisted.logger import Logger

from netsvc.daemon import logs
from netsvc.daemon.notify import Notifier
from netsvc.daemon.refusing import StartError, say
from netsvc.daemon.reloading import DRAINING, STOPPING, same_again
from netsvc.daemon.service import label_of
from netsvc.daemon.signals import Signals

__all__ = [
    "MAX_WAITING",
    "SIGNALS",
    "Daemon",
    "Drainable",
    "Reloads",
    "service_reactor",
]

#: What a daemon handles.
SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
)

#: How many may wait for the next reload.
MAX_WAITING = 100

#: Seconds between two looks at lines of the log that were left out.
LOG_FLUSH = 10.0


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


class Reloads(Protocol):
    """What L{Daemon} asks of who reloads it."""

    def reload(self) -> defer.Deferred[list[str]]:
        """Use the configuration as it is now; fires with what is wrong with it."""


class Daemon(MultiService):
    """
    The root of a process's services.

    @cvar takes_signals: Whether it handles the signals of the process.
    @ivar drain_timeout: Seconds that a drain may take.
    @ivar reloader: Who reloads; by default all files that the services' settings
        name are read again.
    @ivar reloads: How many reloads there were, by result: C{ok}, C{failed}.
    @ivar state: C{starting}, C{ready} or C{draining}.
    @ivar notifier: Tells the service manager.
    @ivar explain: Says in which line of a file it is why a service does not start.
    @ivar log_observer: Where the log goes, for twistd; L{None}: where it says.
    """

    _log = Logger()
    takes_signals = True
    log_observer: Any = None

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
        self.state = "starting"
        self.notifier = Notifier()
        self.explain: Callable[[Any, str], str] = lambda service, problem: problem
        self.reloads: Counter[str] = Counter()
        self._stopping = False
        self._reloading: defer.Deferred[Any] | None = None
        self._waiting: list[defer.Deferred[list[str]]] = []
        self._flushing = task.LoopingCall(logs.flush)
        self._flushing.clock = reactor
        self._signals = Signals(
            {
                signal.SIGTERM: self.shut_down,
                signal.SIGINT: self.shut_down,
                signal.SIGHUP: self._asked_to_reload,
                signal.SIGUSR1: lambda name: self.reopen_logs(),
                signal.SIGUSR2: lambda name: self.log_summary(),
            },
            self.shut_down,
            reactor,
        )
        for service in services:
            IService(service).setServiceParent(self)
        self.reloader: Reloads = same_again(self)

    # IServiceCollection. One that still drains may have the name of one that is new:
    # nobody looks for services by their names.

    def addService(self, service: Any) -> None:
        """Take a service, which may have the name of another."""
        self.namedServices.pop(service.name, None)
        super().addService(service)

    def removeService(self, service: Any) -> Any:
        """Give up a service; fires when it has stopped."""
        if service.name:
            self.namedServices[service.name] = service
        return super().removeService(service)

    # IService

    def setServiceParent(self, parent: Any) -> None:
        """Take a parent; if it is twistd's application, it logs as we do."""
        logs.attach(parent, self.log_observer)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """
        Bind what the services listen on; from now on no signal is lost.

        @raise StartError: Some cannot be bound: a line for each service.
        """
        if self.takes_signals:
            self._signals.take()
        Service.privilegedStartService(self)
        problems = []
        for service in self:
            try:
                service.privilegedStartService()
            except StartError as error:
                problems.append(self.explain(service, str(error)))
        self._refuse(problems)

    def _refuse(self, problems: Sequence[str]) -> None:
        """Do not start, if there is a reason; these are escaped already."""
        if problems:
            text = "\n".join(problems)
            say(text)
            raise StartError(text) from None

    def startService(self) -> None:
        """
        Start the services; take the signals now, and again when the reactor runs
        and has taken them itself.

        @raise StartError: One cannot be started.
        """
        Service.startService(self)
        for service in self:
            try:
                service.startService()
            except StartError as error:
                self._refuse([self.explain(service, str(error))])
        if self.takes_signals:
            self._signals.take()
        self._reactor.callWhenRunning(self._running)

    def _running(self) -> None:
        """Everything has started, and the reactor runs."""
        if not self.running:
            return
        if self.takes_signals:
            self._signals.take()
        if self.state == "starting":
            self.state = "ready"
            self.notifier.ready(self._status())
            self.notifier.start_watchdog(self._reactor)
            self._flushing.start(LOG_FLUSH, now=False)

    def stopService(self) -> Any:
        """
        Stop the services, and then give the signals back: Twisted's handlers
        would stop the reactor that is stopping, and fail.
        """
        return defer.maybeDeferred(super().stopService).addBoth(self._stopped)

    def _stopped(self, result: Any) -> Any:
        """
        Let who handled the signals before handle them again; if the process is
        about to end, nobody: it has done what they ask for.
        """
        self.notifier.stop_watchdog()
        if self._flushing.running:
            self._flushing.stop()
        logs.flush(all=True)
        self._signals.give_back(ignored=self._stopping)
        return result

    # Reload.

    def reload(self) -> defer.Deferred[list[str]]:
        """
        Reload: one after the other. Who asks while one goes on is served by the
        next one, which is the same for all who ask meanwhile.

        @return: Fires with what is wrong, a line each; with nothing if all is well.
        """
        if self.state == DRAINING:
            return defer.succeed(self._reloaded([STOPPING]))
        if len(self._waiting) >= MAX_WAITING:
            return defer.succeed([f"more than {MAX_WAITING} wait for a reload"])
        done: defer.Deferred[list[str]] = defer.Deferred()
        self._waiting.append(done)
        if self._reloading is None:
            self._next_reload()
        return done

    def _asked_to_reload(self, name: str) -> None:
        """A signal asks for it: one that waits already is enough."""
        if self._reloading is None or not self._waiting:
            self._log.info("{why}: reloading", why=name, event="reload")
            self.reload()

    def _next_reload(self) -> None:
        """Reload for all who wait."""
        waiting, self._waiting = self._waiting, []
        self.notifier.reloading()
        self._reloading = defer.maybeDeferred(self.reloader.reload)
        self._reloading.addErrback(self._mistaken)
        self._reloading.addCallback(self._reloaded)
        self._reloading.addCallback(self._end_reload, waiting)

    def _mistaken(self, failure: Any) -> list[str]:
        """The mistake is ours."""
        self._log.failure("while reloading", failure, event="internal-error")
        return [f"internal error: {failure.getErrorMessage()}"]

    def _reloaded(self, problems: list[str]) -> list[str]:
        """Say how a reload has ended."""
        self.reloads["failed" if problems else "ok"] += 1
        for problem in problems:
            self._log.error(
                "cannot reload: {problem}", problem=problem, event="reload-problem"
            )
        if problems:
            self._log.error(
                "not reloaded, the old configuration stays: {count} to correct",
                count=len(problems),
                event="reload-refused",
            )
        else:
            self._log.info("reloaded", event="reloaded")
        return problems

    def _end_reload(
        self, problems: list[str], waiting: Sequence[defer.Deferred[list[str]]]
    ) -> None:
        """Tell those who have waited, and serve those who have come since."""
        self._reloading = None
        if self.state != DRAINING:
            self.notifier.ready(self._status())
        for each in waiting:
            each.callback(problems)
        if self._waiting and self._reloading is None:
            self._next_reload()

    # Logs.

    def reopen_logs(self) -> None:
        """Open the log files again, after they were moved away."""
        logs.reopen()
        self._each("reopen_logs")

    def log_summary(self) -> None:
        """Log how the daemon is, and what each service has counted."""
        self._log.info(
            "{state}, {reloads} reloads, {failed} of them refused",
            state=self.state,
            reloads=self.reloads.total(),
            failed=self.reloads["failed"],
            event="summary",
        )
        for service in self:
            counters = getattr(service, "counters", None)
            if counters is not None:
                counted = counters()
                self._log.info(
                    "{service}: {text}",
                    service=_name(service),
                    text=", ".join(f"{k}={v}" for k, v in counted.items()) or "nothing",
                    counters=counted,
                    event="service-summary",
                )
        self._each("log_summary")

    def _each(self, method: str) -> None:
        """Pass on to the services that have processes of their own."""
        for service in self:
            call = getattr(service, method, None)
            if call is not None:
                call()

    def _status(self) -> str:
        """Say in a few words what runs."""
        return ", ".join(_name(each) for each in self if hasattr(each, "service"))

    # Drain.

    def drain_timeout_of(self, service: Any) -> float:
        """Give the seconds that the drain of a service may take."""
        settings = getattr(service, "settings", None)
        own = getattr(settings, "drain_timeout", self.drain_timeout)
        return float(min(own, self.drain_timeout))

    def shut_down(self, why: str) -> None:
        """
        Drain and stop; when already draining, stop.

        @param why: What for, for the log.
        """
        if self.state == DRAINING:
            self._log.info("{why} again: stopping at once", why=why, event="stop")
            self._stop()
            return
        self.state = DRAINING
        self.notifier.stopping("draining")
        self._log.info(
            "{why}: draining, for {timeout:g} s at the most",
            why=why,
            timeout=self.drain_timeout,
            event="drain",
        )
        drained = defer.DeferredList(
            [
                defer.maybeDeferred(one.drain, self.drain_timeout_of(one)).addErrback(
                    lambda failure: self._log.failure(
                        "while draining", failure, event="internal-error"
                    )
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


def _name(service: Any) -> str:
    """Name a service for people."""
    if getattr(service, "service", None):
        return label_of(service)
    return str(service.name or type(service).__name__)
