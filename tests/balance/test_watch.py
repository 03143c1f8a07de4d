"""Tests of L{netsvc.balance.watch}, C{.controlled} and C{.upstream}."""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.internet.error import (
    ConnectBindError,
    ConnectError,
    ConnectionRefusedError,
    NoRouteError,
    TCPTimedOutError,
    TimeoutError,
)
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backend import Backend, Failure, HealthRules
from netsvc.balance.backends import parse_backend
from netsvc.balance.control_wire import ControlError
from netsvc.balance.controlled import ControlledPools
from netsvc.balance.system_lookup import Answer
from netsvc.balance.upstream import kind_of
from netsvc.balance.watch import Watch
from tests.balance.session_fakes import Table
from tests.balance.test_checker import Probe
from tests.balance.test_resolving import FakeLookup


class WatchCase(SynchronousTestCase):
    """A test with a watched pool."""

    def make(self, *backends: str, checked: bool = True) -> None:
        """Make a pool and its watch."""
        self.table = Table(
            *backends, rules=HealthRules(checked=checked, fall=1, rise=1)
        )
        self.lookup = FakeLookup()
        self.probes: dict[str, Probe] = {}
        self.asked: list[str] = []
        self.down: list[str] = []
        self.watch = Watch(
            self.table.upstream,
            check=self.check if checked else None,
            interval=2,
            timeout=1,
            lookup=self.lookup,
            clock=self.table.clock,
            random=lambda: 0.5,
            went_down=lambda backend: self.down.append(backend.name),
        )
        self.watch.start()

    def check(self, backend: Backend, done: Any) -> Any:
        """Begin a probe."""
        self.asked.append(backend.name)
        probe = self.probes[backend.name] = Probe(done)
        return probe

    def states(self) -> dict[str, str]:
        """Give each backend's state."""
        now = self.table.clock.seconds()
        return {each.name: each.state(now).value for each in self.table.pool.backends}


class WatchTests(WatchCase):
    """Backends are looked up and checked."""

    def test_ready(self) -> None:
        """It is ready when each backend has been checked once, well or not."""
        self.make("10.0.0.1:80", "10.0.0.2:80")
        self.probes["10.0.0.1:80"].done(True, "")
        self.assertNoResult(self.watch.ready)
        self.probes["10.0.0.2:80"].done(False, "")
        self.successResultOf(self.watch.ready)
        self.assertEqual(self.states(), {"10.0.0.1:80": "up", "10.0.0.2:80": "down"})
        self.assertEqual(self.down, ["10.0.0.2:80"])

    def test_unchecked(self) -> None:
        """Without checks it is ready at once."""
        self.make("10.0.0.1:80", checked=False)
        self.successResultOf(self.watch.ready)
        self.watch.soon(self.table.pool.backends[0])

    def test_waiting_client(self) -> None:
        """Whoever waits gets a backend that comes up."""
        self.make("10.0.0.1:80,max=1", "10.0.0.2:80")
        self.probes["10.0.0.1:80"].done(True, "")
        got: list[Any] = []
        assert self.table.upstream.choose(b"") is not None
        self.table.upstream.wait(got.append, b"")
        self.probes["10.0.0.2:80"].done(True, "")
        self.assertEqual([each.name for each in got], ["10.0.0.2:80"])

    def test_names(self) -> None:
        """The addresses of a name come and go, and are checked while they are there."""
        self.make("a.test:80")
        self.assertNoResult(self.watch.ready)
        self.lookup.asked[0][1].callback(Answer(("10.0.0.1", "10.0.0.2"), ttl=1))
        self.assertEqual(len(self.probes), 2)
        for probe in list(self.probes.values()):
            probe.done(True, "")
        self.successResultOf(self.watch.ready)
        self.table.clock.advance(1)
        self.lookup.asked[1][1].callback(Answer(("10.0.0.2",), ttl=100))
        self.assertEqual(list(self.states()), ["a.test:80/10.0.0.2:80"])
        self.asked.clear()
        self.table.clock.advance(2)
        self.assertEqual(self.asked, ["a.test:80/10.0.0.2:80"])

    def test_suspicion(self) -> None:
        """A backend that has failed a client is checked soon."""
        self.make("10.0.0.1:80", "10.0.0.2:80")
        for probe in list(self.probes.values()):
            probe.done(True, "")
        self.asked.clear()
        backend = self.table.upstream.choose(b"")
        assert backend is not None
        self.table.upstream.failed(backend, Failure.REFUSED)
        self.table.clock.advance(0.1)
        self.assertEqual(self.asked, ["10.0.0.1:80"])

    def test_local_failure(self) -> None:
        """For a failure of our own nobody is suspected."""
        self.make("10.0.0.1:80")
        self.probes["10.0.0.1:80"].done(True, "")
        backend = self.table.upstream.choose(b"")
        assert backend is not None
        self.table.upstream.failed(backend, Failure.LOCAL)
        self.table.clock.advance(0.1)
        self.assertEqual(len(self.asked), 1)

    def test_stop(self) -> None:
        """After a stop nothing is left."""
        self.make("10.0.0.1:80", "a.test:80")
        self.watch.stop()
        self.table.upstream.stop()
        self.table.sessions.stop()
        self.assertEqual(self.table.clock.getDelayedCalls(), [])


class ChangeTests(WatchCase):
    """The pool goes on to other backends, and other checks."""

    def change(self, *texts: str, again: bool = False) -> None:
        """Change the pool and its watch."""
        pool = self.table.pool
        update = pool.change(
            [parse_backend(text) for text in texts],
            rules=HealthRules(fall=1, rise=1),
            max_ejected=0.5,
            max_waiting=5,
            queue_timeout=5,
            now=self.table.clock.seconds(),
        )
        self.watch.change(
            update, check=self.watch._check, interval=3 if again else 2, timeout=1
        )

    def test_backends(self) -> None:
        """New ones are checked at once, those that go no more; who waits is served."""
        self.make("10.0.0.1:80,max=1", "10.0.0.2:80")
        for probe in list(self.probes.values()):
            probe.done(True, "")
        self.asked.clear()
        self.change("10.0.0.1:80,max=1", "10.0.0.3:80")
        self.assertEqual(self.asked, ["10.0.0.3:80"])
        self.table.clock.advance(2)
        self.assertEqual(self.asked, ["10.0.0.3:80", "10.0.0.1:80", "10.0.0.3:80"])

    def test_all_exchanged(self) -> None:
        """When all are exchanged, clients wait for the first check of the new ones."""
        self.make("10.0.0.1:80")
        self.probes["10.0.0.1:80"].done(True, "")
        self.change("10.0.0.2:80")
        got: list[Any] = []
        self.assertIsNone(self.table.upstream.choose(b""))
        self.table.upstream.wait(got.append, b"")
        self.probes["10.0.0.2:80"].done(True, "")
        self.assertEqual([each.name for each in got], ["10.0.0.2:80"])

    def test_other_checks(self) -> None:
        """With another interval all are checked anew, and stay what they are."""
        self.make("10.0.0.1:80")
        self.probes["10.0.0.1:80"].done(True, "")
        self.asked.clear()
        self.change("10.0.0.1:80", again=True)
        self.assertEqual(self.asked, ["10.0.0.1:80"])
        self.assertEqual(self.states(), {"10.0.0.1:80": "up"})
        self.watch.stop()
        self.table.sessions.stop()
        self.assertEqual(self.table.clock.getDelayedCalls(), [])

    def test_names(self) -> None:
        """A name that stays is not looked up again; one that comes is, and one that
        goes no more."""
        self.make("a.test:80", "b.test:80")
        for _, answer in list(self.lookup.asked):
            answer.callback(Answer(("10.0.0.1",), ttl=5))
        self.change("a.test:80", "c.test:80")
        self.assertEqual([name for name, _ in self.lookup.asked][2:], ["c.test"])
        self.change("a.test:80,weight=2", "c.test:80")
        self.assertEqual([name for name, _ in self.lookup.asked][3:], ["a.test"])
        self.table.clock.advance(5)
        self.assertEqual(len(self.lookup.asked), 4)


class ControlledTests(WatchCase):
    """What an operator asks for."""

    def make(self, *backends: str, checked: bool = True) -> None:
        """Make the commands' target, too."""
        super().make(*backends, checked=checked)
        self.pools = ControlledPools([self.watch], self.table.clock.seconds)

    def test_admin(self) -> None:
        """A backend is drained, put into maintenance, and enabled again."""
        self.make("10.0.0.1:80,name=one")
        self.probes["one"].done(True, "")
        self.pools.drain("one")
        self.assertEqual(self.states(), {"one": "drain"})
        self.pools.maint("one")
        self.assertEqual(self.states(), {"one": "maint"})
        self.asked.clear()
        self.table.clock.advance(5)
        self.assertEqual(self.asked, [])
        self.pools.enable("one")
        self.table.clock.advance(0)
        self.assertEqual(self.asked, ["one"])
        self.probes["one"].done(True, "")
        self.assertEqual(self.states(), {"one": "up"})

    def test_weight(self) -> None:
        """A weight is changed, within its range."""
        self.make("10.0.0.1:80,name=one")
        self.pools.weight("one", 7)
        self.assertEqual(self.table.row()["weight"], 7)
        self.assertRaises(ControlError, self.pools.weight, "one", 257)

    def test_check(self) -> None:
        """A check is made at once."""
        self.make("10.0.0.1:80,name=one")
        self.probes["one"].done(True, "")
        self.pools.check("one")
        self.table.clock.advance(0)
        self.assertEqual(self.asked, ["one", "one"])

    def test_unknown(self) -> None:
        """A name that nobody has is an error; one without addresses is none."""
        self.make("a.test:80,name=one")
        self.assertRaises(ControlError, self.pools.drain, "two")
        self.pools.drain("one")
        self.lookup.asked[0][1].callback(Answer(("10.0.0.1",)))
        self.assertEqual(self.states(), {"one/10.0.0.1:80": "drain"})

    def test_status(self) -> None:
        """Each pool is described."""
        self.make("10.0.0.1:80,name=one")
        (status,) = self.pools.status()
        self.assertEqual(status["backends"][0]["name"], "one")


class KindTests(SynchronousTestCase):
    """How a connection has failed."""

    def test_kinds(self) -> None:
        """Each error has its label."""
        for error, failure in (
            (ConnectionRefusedError(), Failure.REFUSED),
            (TimeoutError(), Failure.TIMEOUT),
            (TCPTimedOutError(), Failure.TIMEOUT),
            (NoRouteError(), Failure.UNREACHABLE),
            (ConnectBindError(), Failure.LOCAL),
            (OSError(24, "too many"), Failure.LOCAL),
            (ConnectError(), Failure.OTHER),
            (defer.CancelledError(), Failure.OTHER),
        ):
            self.assertIs(kind_of(error), failure, error)


class UpstreamTests(SynchronousTestCase):
    """A pool at work."""

    def test_ejection(self) -> None:
        """A backend with too many failures is ejected, and that is logged."""
        table = Table(
            "10.0.0.1:80",
            "10.0.0.2:80",
            rules=HealthRules(checked=False, eject_after=2),
        )
        upstream = table.upstream
        for failed in (True, False):
            for _ in range(2):
                backend = upstream.choose(b"")
                assert backend is not None
                if failed:
                    upstream.failed(backend, Failure.REFUSED)
                else:
                    upstream.ended(backend, answered=False, reset=True)
        self.assertEqual(table.row(0)["state"], "ejected")

    def test_ejection_by_resets(self) -> None:
        """Early resets eject, too."""
        table = Table(
            "10.0.0.1:80",
            "10.0.0.2:80",
            rules=HealthRules(checked=False, eject_after=1),
        )
        backend = table.upstream.choose(b"")
        assert backend is not None
        table.upstream.ended(backend, answered=False, reset=True)
        self.assertEqual(table.row(0)["state"], "ejected")

    def test_deadline(self) -> None:
        """Who waits is told on time, one after the other."""
        table = Table("10.0.0.1:80,max=1", queue_timeout=2.0)
        upstream = table.upstream
        got: list[Any] = []
        upstream.choose(b"")
        upstream.wait(got.append, b"")
        table.clock.advance(1)
        upstream.wait(got.append, b"")
        table.clock.advance(1)
        self.assertEqual(len(got), 1)
        table.clock.advance(1)
        self.assertEqual(len(got), 2)
        upstream.wait(got.append, b"")
        upstream.stop()
        upstream.stop()
