"""Tests of L{netsvc.daemon.lifecycle}."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from twisted.application.service import Service
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.lifecycle import MAX_WAITING, SIGNALS, Daemon, service_reactor


class FakeReactor(Clock):
    """A reactor whose turns the test takes.

    @ivar stops: how often it was stopped.
    """

    def __init__(self) -> None:
        """Begin stopped."""
        super().__init__()
        self.running = False
        self.stops = 0
        self._when_running: list[Callable[[], Any]] = []
        self._calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def callWhenRunning(self, function: Callable[[], Any]) -> None:
        """Call when it runs."""
        self._when_running.append(function)

    def callFromThread(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call at the next turn."""
        self._calls.append((function, arguments))

    def run(self) -> None:
        """Begin to run."""
        self.running = True
        for function in self._when_running:
            function()

    def turn(self) -> None:
        """Make the calls of a turn."""
        calls, self._calls = self._calls, []
        for function, arguments in calls:
            function(*arguments)

    def stop(self) -> None:
        """Stop at the end of the turn; twice is an error, as with Twisted's."""
        if self.stops:
            raise ReactorNotRunning
        self.stops += 1


class Drained(Service):
    """A service whose drain ends when the test says so."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self.timeouts: list[float] = []
        self.drained: Deferred[None] = Deferred()
        self.stopped: Deferred[None] | None = None

    def drain(self, timeout: float) -> Deferred[None]:
        """Drain."""
        self.timeouts.append(timeout)
        return self.drained

    def stopService(self) -> Any:
        """Stop."""
        super().stopService()
        return self.stopped


class ReactorTests(SynchronousTestCase):
    """Tests of L{service_reactor}."""

    class Idle(ReactorBase):
        """A reactor that does not run, with no descriptors of its own."""

        running = False

        def __init__(self, *calls: Any) -> None:
            """
            @param calls: What it is to call later.
            """
            self.calls = calls

        def getDelayedCalls(self) -> Any:
            """Give what it is to call later."""
            return self.calls

    def test_monotonic(self) -> None:
        """Its time is one that nobody sets."""
        reactor = self.Idle()
        self.assertIs(service_reactor(reactor), reactor)
        self.assertIs(reactor.seconds, time.monotonic)

    def test_too_late(self) -> None:
        """Where something was timed by the old clock it stays."""
        running = self.Idle()
        running.running = True
        for reactor in (running, self.Idle("call")):
            self.assertIs(service_reactor(reactor), reactor)
            self.assertNotIn("seconds", vars(reactor))

    def test_other(self) -> None:
        """A reactor of another make, in a test say, keeps its clock."""
        clock = Clock()
        self.assertIs(service_reactor(clock), clock)
        self.assertEqual(clock.seconds(), 0)

    def test_global(self) -> None:
        """Without one it is the global one."""
        from twisted.internet import reactor

        self.patch(reactor, "seconds", reactor.seconds)
        self.assertIs(service_reactor(), reactor)


class DaemonCase(SynchronousTestCase):
    """A daemon of two services on a reactor that the test plays."""

    def setUp(self) -> None:
        """Make it; whatever happens, the signals are given back."""
        self.before = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in self.before.items():
            self.addCleanup(signal.signal, number, handler)
        self.reactor = FakeReactor()
        self.services = [Drained(), Drained()]
        self.daemon = Daemon(self.services, 30.0, self.reactor)
        self.events = self.enterContext(capturedLogs())

    def handlers(self) -> dict[signal.Signals, Any]:
        """Give who handles the signals now."""
        return {number: signal.getsignal(number) for number in SIGNALS}

    def start(self) -> None:
        """Start the daemon, and the reactor."""
        self.daemon.startService()
        self.reactor.run()

    def raise_signal(self, number: signal.Signals) -> None:
        """Raise a signal, and take the reactor's next turn."""
        self.assertNotEqual(signal.getsignal(number), self.before[number])
        signal.raise_signal(number)
        self.reactor.turn()

    def messages(self) -> list[str]:
        """Give what was logged."""
        return [formatEvent(event) for event in self.events]


class SignalTests(DaemonCase):
    """Tests of what the signals do."""

    def test_first(self) -> None:
        """The first signal drains the services; the reactor stops after them."""
        self.start()
        self.raise_signal(signal.SIGTERM)
        self.assertEqual([one.timeouts for one in self.services], [[30.0], [30.0]])
        self.assertEqual(self.messages(), ["SIGTERM: draining, for 30 s at the most"])
        self.services[0].drained.callback(None)
        self.assertEqual(self.reactor.stops, 0)
        self.services[1].drained.callback(None)
        self.assertEqual(self.reactor.stops, 1)

    def test_second(self) -> None:
        """A second signal, whichever, stops the reactor at once."""
        self.start()
        self.raise_signal(signal.SIGTERM)
        self.raise_signal(signal.SIGINT)
        self.assertEqual(self.reactor.stops, 1)
        self.assertEqual([one.timeouts for one in self.services], [[30.0], [30.0]])
        self.assertEqual(self.messages()[1], "SIGINT again: stopping at once")

    def test_many_in_a_turn(self) -> None:
        """However many signals come in one turn, the reactor is stopped once."""
        self.start()
        for _ in range(4):
            signal.raise_signal(signal.SIGTERM)
        self.reactor.turn()
        for one in self.services:
            one.drained.callback(None)
        self.assertEqual(self.reactor.stops, 1)

    def test_nothing_to_drain(self) -> None:
        """With nothing in flight the reactor stops in the same turn."""
        self.start()
        for one in self.services:
            one.drain = lambda timeout: succeed(None)  # type: ignore[method-assign]
        self.raise_signal(signal.SIGINT)
        self.assertEqual(self.reactor.stops, 1)

    def test_failing_drain(self) -> None:
        """A drain that fails, in either way, is logged and keeps nothing waiting."""
        self.start()

        def fails(timeout: float) -> Deferred[None]:
            raise ZeroDivisionError

        self.services[0].drain = fails  # type: ignore[method-assign]
        self.raise_signal(signal.SIGTERM)
        self.assertEqual(self.services[1].timeouts, [30.0])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.reactor.stops, 0)
        self.services[1].drained.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.reactor.stops, 1)

    def test_handler_does_little(self) -> None:
        """The handler itself, which may run anywhere, only calls the reactor."""
        self.start()
        signal.raise_signal(signal.SIGTERM)
        self.assertEqual(self.services[0].timeouts, [])
        self.assertEqual(self.messages(), [])

    def test_drained_after_stop(self) -> None:
        """A drain that ends when the services have been stopped changes nothing."""
        self.start()
        self.raise_signal(signal.SIGTERM)
        self.daemon.stopService()
        for one in self.services:
            one.drained.callback(None)
        self.assertEqual(self.reactor.stops, 0)

    def test_reactor_not_running(self) -> None:
        """A reactor that does not run is not stopped."""
        self.daemon.startService()
        self.daemon.shut_down("test")
        self.daemon.shut_down("test")
        self.assertEqual(self.reactor.stops, 0)
        self.daemon.stopService()


class HandlerTests(DaemonCase):
    """Tests of when the signals are handled."""

    def test_taken_when_running(self) -> None:
        """The signals are taken at the start, and again when the reactor runs and has
        taken them itself."""
        self.daemon.startService()
        taken = self.handlers()
        self.assertTrue(all(taken[number] != self.before[number] for number in SIGNALS))
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # as the reactor would
        self.reactor.run()
        self.assertEqual(self.handlers(), taken)
        self.daemon.stopService()

    def test_given_back(self) -> None:
        """The stop gives the signals back to who had them."""
        self.start()
        self.successResultOf(self.daemon.stopService())
        self.assertEqual(self.handlers(), self.before)
        self.assertFalse(self.daemon.running)
        self.assertFalse(self.services[0].running)

    def test_kept_while_stopping(self) -> None:
        """While the services stop, a further signal changes nothing: Twisted's
        handler would stop the reactor again, and fail."""
        self.start()
        self.services[0].stopped = Deferred()
        self.raise_signal(signal.SIGTERM)
        self.raise_signal(signal.SIGTERM)
        stopped = self.daemon.stopService()
        self.raise_signal(signal.SIGTERM)
        self.assertEqual(self.reactor.stops, 1)
        self.assertNoResult(stopped)
        self.services[0].stopped.callback(None)
        self.successResultOf(stopped)

    def test_ignored_at_the_end(self) -> None:
        """When a signal has stopped it, further ones do nothing until the process has
        ended: its exit status stays 0."""
        self.start()
        self.raise_signal(signal.SIGTERM)
        self.raise_signal(signal.SIGTERM)
        self.successResultOf(self.daemon.stopService())
        self.assertEqual(set(self.handlers().values()), {signal.SIG_IGN})
        for number in SIGNALS:
            signal.raise_signal(number)

    def test_stopped_before_running(self) -> None:
        """A daemon that was stopped before the reactor runs takes no signals."""
        self.daemon.startService()
        self.successResultOf(self.daemon.stopService())
        self.reactor.run()
        self.assertEqual(self.handlers(), self.before)

    def test_other_thread(self) -> None:
        """In a thread that signals do not reach, it runs without them."""

        def run() -> None:
            self.daemon.startService()
            self.reactor.run()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        self.assertTrue(self.reactor.running)
        self.assertEqual(self.handlers(), self.before)
        self.successResultOf(self.daemon.stopService())

    def test_global_reactor(self) -> None:
        """Without a reactor it is the global one's."""
        from twisted.internet import reactor

        daemon = Daemon([], 1.0)
        self.assertIs(daemon._reactor, reactor)


class FakeReloader:
    """Reloads when the test says so."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self.asked: list[Deferred[list[str]]] = []

    def reload(self) -> Deferred[list[str]]:
        """Reload."""
        self.asked.append(Deferred())
        return self.asked[-1]


class ReloadTests(DaemonCase):
    """Tests of when it is reloaded, and what is said of it."""

    def setUp(self) -> None:
        """Start it, with a reloader that the test plays."""
        super().setUp()
        self.reloader = FakeReloader()
        self.daemon.reloader = self.reloader
        self.start()
        self.addCleanup(self.daemon.stopService)

    def test_signal(self) -> None:
        """SIGHUP reloads, and the log says so."""
        self.raise_signal(signal.SIGHUP)
        self.reloader.asked[0].callback([])
        self.assertEqual(self.messages(), ["SIGHUP: reloading", "reloaded"])
        self.assertEqual(self.daemon.reloads, {"ok": 1})

    def test_refused(self) -> None:
        """Every problem is a line of the log, and the result of who has asked."""
        done = self.daemon.reload()
        self.reloader.asked[0].callback(["a.toml:1: no", "a.toml:2: no"])
        self.assertEqual(
            self.messages(),
            [
                "cannot reload: a.toml:1: no",
                "cannot reload: a.toml:2: no",
                "not reloaded, the old configuration stays: 2 to correct",
            ],
        )
        self.assertEqual(len(self.successResultOf(done)), 2)
        self.assertEqual(self.daemon.reloads, {"failed": 1})

    def test_mistake(self) -> None:
        """A mistake of ours is logged, and a result, too."""
        done = self.daemon.reload()
        self.reloader.asked[0].errback(ZeroDivisionError("oh"))
        self.assertEqual(self.successResultOf(done), ["internal error: oh"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_one_at_a_time(self) -> None:
        """Who asks while one goes on gets the next one, which is the same for all."""
        first = self.daemon.reload()
        others = [self.daemon.reload() for _ in range(3)]
        self.assertEqual(len(self.reloader.asked), 1)
        self.reloader.asked[0].callback([])
        self.successResultOf(first)
        self.assertEqual(len(self.reloader.asked), 2)
        self.assertNoResult(others[0])
        self.reloader.asked[1].callback(["no"])
        for other in others:
            self.assertEqual(self.successResultOf(other), ["no"])
        self.assertEqual(self.daemon.reloads, {"ok": 1, "failed": 1})

    def test_asking_in_between(self) -> None:
        """Who asks again as soon as one has ended gets another one."""
        again: list[Deferred[list[str]]] = []
        first = self.daemon.reload()
        first.addCallback(lambda problems: again.append(self.daemon.reload()))
        second = self.daemon.reload()
        self.reloader.asked[0].callback([])
        self.assertEqual(len(self.reloader.asked), 2)
        self.reloader.asked[1].callback([])
        self.successResultOf(second)
        self.successResultOf(again[0])

    def test_storm(self) -> None:
        """Of many signals one goes on and one waits."""
        for _ in range(100):
            signal.raise_signal(signal.SIGHUP)
        self.reactor.turn()
        self.assertEqual(len(self.reloader.asked), 1)
        self.reloader.asked[0].callback([])
        self.reloader.asked[1].callback([])
        self.assertEqual(self.daemon.reloads, {"ok": 2})

    def test_too_many(self) -> None:
        """Not any number may wait."""
        done = [self.daemon.reload() for _ in range(MAX_WAITING + 2)]
        self.assertIn("wait for a reload", self.successResultOf(done[-1])[0])
        self.assertNoResult(done[-2])

    def test_while_draining(self) -> None:
        """A daemon that drains is not reloaded."""
        self.daemon.shut_down("test")
        done = self.daemon.reload()
        self.assertEqual(self.successResultOf(done), ["the daemon is stopping"])
        self.assertEqual(self.daemon.reloads, {"failed": 1})
        self.assertEqual(self.reloader.asked, [])

    def test_drain_in_between(self) -> None:
        """When the drain begins while one goes on, that ends as it ends."""
        done = self.daemon.reload()
        self.daemon.shut_down("test")
        self.reloader.asked[0].callback([])
        self.assertEqual(self.successResultOf(done), [])
        self.assertEqual(self.daemon.state, "draining")

    def test_by_default(self) -> None:
        """Without anything else the files of the services are read again."""
        daemon = Daemon([Drained()], 1.0, self.reactor)
        self.assertEqual(self.successResultOf(daemon.reload()), [])


class StateTests(DaemonCase):
    """Tests of what it tells about itself."""

    def test_state(self) -> None:
        """It is ready once the reactor runs, and then draining."""
        self.assertEqual(self.daemon.state, "starting")
        self.daemon.startService()
        self.assertEqual(self.daemon.state, "starting")
        self.reactor.run()
        self.assertEqual(self.daemon.state, "ready")
        self.daemon.shut_down("test")
        self.assertEqual(self.daemon.state, "draining")
        self.daemon.stopService()

    def test_same_name(self) -> None:
        """A service may have the name of one that drains, and each can go first."""
        self.daemon.startService()
        for old_first in (True, False):
            old, new = Drained(), Drained()
            for each in (old, new):
                each.setName("echo.one")
                each.setServiceParent(self.daemon)
            self.assertTrue(new.running)
            for each in (old, new) if old_first else (new, old):
                each.disownServiceParent()
                self.assertFalse(each.running)
            self.assertEqual(list(self.daemon), self.services)
        self.daemon.stopService()

    def test_summary(self) -> None:
        """SIGUSR2 logs how it is, and a line for each service that counts."""
        passed: list[str] = []
        one: Any = self.services[0]
        one.service = "netsvc-one"
        one.counters = lambda: {"connections": 3, "bytes": 5}
        one.name = "one.first"
        one.log_summary = lambda: passed.append("summary")
        one.reopen_logs = lambda: passed.append("reopen")
        self.start()
        self.raise_signal(signal.SIGUSR2)
        self.assertEqual(
            self.messages(),
            [
                "ready, 0 reloads, 0 of them refused",
                "netsvc-one/first: connections=3, bytes=5",
            ],
        )
        self.raise_signal(signal.SIGUSR1)
        self.assertEqual(passed, ["summary", "reopen"])
        self.daemon.stopService()

    def test_drain_timeout(self) -> None:
        """A service drains for its own time, and not longer than all may."""
        one: Any = self.services[0]
        self.assertEqual(self.daemon.drain_timeout_of(one), 30.0)
        for own, longest in ((5.0, 5.0), (60.0, 30.0)):
            one.settings = SimpleNamespace(drain_timeout=own)
            self.assertEqual(self.daemon.drain_timeout_of(one), longest)

    def test_without_signals(self) -> None:
        """One that is told to takes no signals at all."""
        self.daemon.takes_signals = False
        self.daemon.privilegedStartService()
        self.start()
        self.assertEqual(self.handlers(), self.before)
        self.daemon.stopService()

    def test_early(self) -> None:
        """Signals are taken before the ports are bound: none ends the process."""
        self.daemon.privilegedStartService()
        signal.raise_signal(signal.SIGHUP)
        self.start()
        self.reactor.turn()
        self.assertEqual(self.messages(), ["SIGHUP: reloading", "reloaded"])
        self.daemon.stopService()
