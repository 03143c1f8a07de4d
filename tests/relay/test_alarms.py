"""When to look at what."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.alarms import GRAIN, Alarms

NEVER = float("inf")


class AlarmTests(SynchronousTestCase):
    """Alarms."""

    def test_order(self) -> None:
        """Things come up when their time has come, and not before."""
        alarms: Alarms[str] = Alarms()
        alarms.set("b", 2.0)
        alarms.set("a", 1.0)
        self.assertEqual(alarms.due(0.9), [])
        self.assertEqual(alarms.due(1.0 + GRAIN), ["a"])
        self.assertEqual(alarms.due(5.0), ["b"])
        self.assertEqual((alarms.next(), len(alarms)), (NEVER, 0))

    def test_changed(self) -> None:
        """The last time that was set is the one."""
        alarms: Alarms[str] = Alarms()
        alarms.set("a", 1.0)
        alarms.set("a", 1.0)
        alarms.set("a", 9.0)
        self.assertEqual(alarms.due(5.0), [])
        alarms.discard("a")
        alarms.discard("a")
        self.assertEqual(alarms.next(), NEVER)
        self.assertEqual(alarms.due(99.0), [])

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 100)), max_size=60))
    def test_model(self, changes: list[tuple[int, float]]) -> None:
        """It behaves as a table of times does, within its grain."""
        alarms: Alarms[int] = Alarms()
        model: dict[int, float] = {}
        for thing, when in changes:
            alarms.set(thing, when)
            model[thing] = when
        self.assertEqual(len(alarms), len(model))
        first = min(model.values(), default=NEVER)
        self.assertTrue(
            alarms.next() == first or 0 <= alarms.next() - first <= 2 * GRAIN
        )
        for now in (25.0, 50.0, 200.0):
            for thing in alarms.due(now):
                self.assertLessEqual(model.pop(thing), now)
            self.assertTrue(all(when > now - 2 * GRAIN for when in model.values()))
