"""Tests of L{netsvc.balance.pool_log}: lines say whose backend they are about."""

from __future__ import annotations

from typing import Any

from twisted.logger import LogEvent, capturedLogs, formatEvent

from netsvc.balance.backend import Failure
from netsvc.balance.pool_log import NO_POOL
from netsvc.balance.session import Session
from netsvc.balance.system_lookup import Answer
from netsvc.daemon.log_events import EVENTS
from tests.balance.session_fakes import Wire
from tests.balance.test_service import ServiceCase
from tests.balance.test_watch import WatchCase

WEB = "netsvc-balance/web"

#: Of one event, what tells backends apart.
WHOSE = ("service", "pool", "backend")


def whose(event: LogEvent) -> tuple[Any, ...]:
    """Give the event's kind, and whose it is."""
    return (event["event"], *(event.get(key) for key in WHOSE))


class BackendTests(WatchCase):
    """What becomes of backends."""

    def make(self, *backends: str, checked: bool = True) -> None:
        """Make a pool of a balancer with a name."""
        super().make(*backends, checked=checked)
        self.table.name = WEB

    def test_checks(self) -> None:
        """That a backend is up, or down, is told with its balancer and pool."""
        self.make("10.0.0.1:80,name=one,sni=a.test", "10.0.0.1:80,name=one")
        with capturedLogs() as logged:
            self.probes["one"].done(True, "fine")
            self.table.clock.advance(3)
            self.probes["one"].done(False, "refused")
        self.assertEqual(
            [whose(each) for each in logged],
            [
                ("backend-up", WEB, "+", "one"),
                ("backend-down", WEB, "+", "one"),
            ],
        )
        self.assertEqual(
            formatEvent(logged[0]), f"{WEB}: backend one (pool +) is up: fine"
        )

    def test_ejected(self) -> None:
        """That a backend is ejected is told with its balancer and pool."""
        self.make("10.0.0.1:80", checked=False)
        with capturedLogs() as logged:
            self.table.upstream.log.ejected(
                self.table.pool.backends[0], Failure.REFUSED
            )
        self.assertEqual(
            [whose(each) for each in logged],
            [("backend-ejected", WEB, "+", "10.0.0.1:80")],
        )

    def test_names(self) -> None:
        """What becomes of a backend's name is told with its balancer and pool."""
        self.make("a.test:80", checked=False)
        answers = iter(range(9))

        def answer(result: Any) -> None:
            self.lookup.asked[next(answers)][1].callback(result)
            self.table.clock.advance(2)

        with capturedLogs() as logged:
            answer(OSError("no such name"))
            answer(Answer(("10.0.0.1",), ttl=1))
        # As text of strangers, an error is cut and escaped; one without is named.
        with capturedLogs() as more:
            self.table.upstream.log.lookup_failed("a.test:80", "fails", OSError())
            self.table.upstream.log.lookup_failed(
                "a.test:80", "fails", OSError("\x1b" + "x" * 500)
            )
        self.assertEqual(
            [whose(each) for each in logged],
            [
                ("backend-lookup-failed", WEB, "+", "a.test:80"),
                ("backend-found", WEB, "+", "a.test:80"),
                ("backend-addresses", WEB, "+", "a.test:80"),
            ],
        )
        self.assertEqual(more[0]["error"], "OSError")
        self.assertNotIn("\x1b", more[1]["error"])
        self.assertLess(len(more[1]["error"]), 250)
        self.watch.stop()


class UnservedTests(ServiceCase):
    """Clients that get no backend."""

    def test_pools(self) -> None:
        """It is told once a second for each pool, and who has none has its own line."""
        self.make("10.0.0.1:80,sni=a.test", "10.0.0.2:80,sni=b.test", queue=0)
        self.service.setName("balance.web")
        door = self.service.door
        with capturedLogs() as logged:
            for name in ("a.test", "b.test", "a.test", "c.test"):
                upstream = door.routes.find(name)
                door.dialer.refuse("connect-failed", upstream)
        self.assertEqual(
            [(each["service"], each["pool"], each["suppressed"]) for each in logged],
            [(WEB, "a.test", 0), (WEB, "b.test", 0), (WEB, NO_POOL, 0)],
        )
        self.assertEqual(door.dialer.refused["connect-failed"], 4)

    def test_session(self) -> None:
        """A session tells which pool had nothing for its client."""
        self.make("10.0.0.1:80,sni=a.test")
        self.service.setName("balance.web")
        door = self.service.door
        door.dialer.tries = 1
        with capturedLogs() as logged:
            session = Session(door.dialer, door.routes, door.routes.find("a.test"))
            session.connections, session.host = door.sessions, "192.0.2.1"
            Wire(session)
            self.network.attempts[-1].failed(OSError("refused"))
        unserved = [each for each in logged if each["event"] == "no-backend"]
        self.assertEqual([each["pool"] for each in unserved], ["a.test"])
        self.assertEqual(
            formatEvent(unserved[0]),
            f"{WEB}: a client got no backend (pool a.test): connect-failed"
            " (0 more since the last such line)",
        )
        door.sessions.stop()


class ListTests(WatchCase):
    """The list of events."""

    def test_backends(self) -> None:
        """Every event about a backend says whose it is, and is counted by that."""
        for name, event in EVENTS.items():
            if name.startswith("backend-"):
                self.assertLessEqual(set(WHOSE), set(event.fields), name)
                self.assertEqual(event.by, WHOSE, name)
