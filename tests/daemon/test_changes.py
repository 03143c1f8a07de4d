"""Tests of L{netsvc.daemon.changes}."""

from __future__ import annotations

from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.changes import Changes, CombinedReloadError, ReloadError


class ChangesTests(SynchronousTestCase):
    """Steps that are prepared together."""

    def setUp(self) -> None:
        """Begin with nothing done."""
        self.done: list[str] = []
        self.changes = Changes()

    def step(self, name: str) -> None:
        """Add a step."""
        self.changes.on_commit(lambda: self.done.append(f"{name} committed"))
        self.changes.on_abandon(lambda: self.done.append(f"{name} abandoned"))

    def test_commit(self) -> None:
        """Steps are committed in the order in which they were added."""
        with self.changes:
            self.step("one")
            self.step("two")
        self.assertEqual(self.done, [])
        self.changes.commit()
        self.assertEqual(self.done, ["one committed", "two committed"])

    def test_abandon(self) -> None:
        """What was taken is given back, the last first."""
        self.step("one")
        self.step("two")
        self.changes.abandon()
        self.assertEqual(self.done, ["two abandoned", "one abandoned"])

    def test_nested(self) -> None:
        """A change can be a step of another one."""
        self.step("inner")
        for method, end in (("commit", "committed"), ("abandon", "abandoned")):
            outer = Changes()
            outer.add(self.changes)
            getattr(outer, method)()
            self.assertEqual(self.done.pop(), f"inner {end}")

    def test_failing_preparation(self) -> None:
        """What raises on the way gives back what was prepared before it."""
        with self.assertRaises(ZeroDivisionError), self.changes:
            self.step("one")
            raise ZeroDivisionError
        self.assertEqual(self.done, ["one abandoned"])

    def test_parts(self) -> None:
        """Every part is prepared, and every reason told."""
        with self.assertRaises(CombinedReloadError) as caught, self.changes:
            with self.changes.part():
                raise ReloadError("motd", "no such file")
            with self.changes.part():
                self.step("one")
            with self.changes.part():
                raise CombinedReloadError([ReloadError("", "a"), ReloadError("b", "c")])
        keys = [error.key for error in caught.exception.errors]
        self.assertEqual(keys, ["motd", "", "b"])
        self.assertEqual(str(caught.exception), "motd: no such file; a; b: c")
        self.assertEqual(self.done, ["one abandoned"])

    def test_other_errors_of_a_part(self) -> None:
        """A part keeps no error that is a mistake of ours."""
        with self.assertRaises(ZeroDivisionError), self.changes, self.changes.part():
            raise ZeroDivisionError

    def test_fixed_settings(self) -> None:
        """Settings that cannot change are refused if they do."""
        old = SimpleNamespace(store="a", name="b")
        new = SimpleNamespace(store="c", name="b")
        with self.assertRaises(CombinedReloadError) as caught, self.changes:
            self.changes.refuse_changed(old, new, ("store", "name"))
        (error,) = caught.exception.errors
        self.assertEqual(error.key, "store")
        self.assertIn("restart", error.problem)

    def test_failing_step(self) -> None:
        """A step that fails does not keep the others, and is told at the end."""
        self.step("one")
        self.changes.on_commit(lambda: 1 // 0)
        self.step("two")
        self.assertRaises(ZeroDivisionError, self.changes.commit)
        self.assertEqual(self.done, ["one committed", "two committed"])
