"""Tests of L{netsvc.balance.deadlines} and L{netsvc.balance.routes}."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.deadlines import Deadlines
from netsvc.balance.routes import Routes


class DeadlinesTests(SynchronousTestCase):
    """Equal deadlines share one delayed call."""

    def setUp(self) -> None:
        """Begin with none."""
        self.clock = Clock()
        self.expired: list[str] = []
        self.deadlines: Deadlines[str] = Deadlines(5, self.expired.append, self.clock)

    def test_expire(self) -> None:
        """Each expires at its own time."""
        self.deadlines.set("a")
        self.clock.advance(2)
        self.deadlines.set("b")
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertEqual((len(self.deadlines), "a" in self.deadlines), (2, True))
        self.clock.advance(3)
        self.assertEqual(self.expired, ["a"])
        self.clock.advance(2)
        self.assertEqual(self.expired, ["a", "b"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_clear(self) -> None:
        """What is cleared does not expire."""
        self.deadlines.set("a")
        self.deadlines.clear("a")
        self.deadlines.clear("b")
        self.clock.advance(9)
        self.assertEqual(self.expired, [])

    def test_change(self) -> None:
        """A shorter time holds for what is set already, too; a longer one does not."""
        self.deadlines.set("a")
        self.deadlines.change(2)
        self.deadlines.set("b")
        self.clock.advance(2)
        self.assertEqual(self.expired, ["a", "b"])
        self.deadlines.set("c")
        self.deadlines.change(5)
        self.deadlines.set("d")
        self.clock.advance(2)
        self.assertEqual(self.expired, ["a", "b", "c"])
        self.clock.advance(3)
        self.assertEqual(self.expired, ["a", "b", "c", "d"])
        self.deadlines.change(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_set_again(self) -> None:
        """What is set again has its time from then on."""
        self.deadlines.set("a")
        self.clock.advance(4)
        self.deadlines.set("a")
        self.clock.advance(4)
        self.assertEqual(self.expired, [])
        self.clock.advance(1)
        self.assertEqual(self.expired, ["a"])

    def test_from_expiry(self) -> None:
        """What expires may clear another and set a new one."""

        def expired(what: str) -> None:
            self.expired.append(what)
            self.deadlines.clear("b")
            if len(self.expired) == 1:
                self.deadlines.set("c")

        self.deadlines = Deadlines(5, expired, self.clock)
        self.deadlines.set("a")
        self.deadlines.set("b")
        self.clock.advance(5)
        self.assertEqual(self.expired, ["a"])
        self.clock.advance(5)
        self.assertEqual(self.expired, ["a", "c"])

    def test_stop(self) -> None:
        """After a stop nothing is left."""
        self.deadlines.set("a")
        self.deadlines.stop()
        self.deadlines.stop()
        self.assertEqual((list(self.deadlines), self.clock.getDelayedCalls()), ([], []))


class RoutesTests(SynchronousTestCase):
    """Which pool serves whom."""

    def test_order(self) -> None:
        """Names come before protocols, what is exact before what is not."""
        routes = Routes(
            {
                ("a.test", "h2"): 1,
                ("a.test", ""): 2,
                ("*.a.test", ""): 3,
                ("", "h2"): 4,
                ("", ""): 5,
            }
        )
        for name, protocols, pool in (
            ("a.test", ("http/1.1", "h2"), 1),
            ("A.TEST.", (), 2),
            ("www.a.test", ("h2",), 3),
            ("x.www.a.test", (), 5),
            ("b.test", ("h2",), 4),
            (None, (), 5),
            ("", ("smtp",), 5),
        ):
            self.assertEqual(routes.find(name, protocols), pool, (name, protocols))
        self.assertEqual((routes.default, routes.need_hello), (5, True))
        self.assertEqual(routes.pools, [1, 2, 3, 4, 5])

    def test_none(self) -> None:
        """Who asks for what nobody has gets none."""
        routes = Routes({("a.test", ""): 1})
        self.assertIsNone(routes.find("b.test"))
        self.assertIsNone(routes.default)

    def test_default_only(self) -> None:
        """One pool for all needs no ClientHello."""
        self.assertFalse(Routes({("", ""): 1}).need_hello)
