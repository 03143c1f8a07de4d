"""Tests of L{netsvc.chat.klines}."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.klines import KLines
from netsvc.chat.network import Ban
from netsvc.chat.store import bans
from netsvc.chat.store.errors import StoreBusyError
from netsvc.chat.store.seam import Work

T = TypeVar("T")


class Forgetful:
    """A store that is told everything and keeps nothing."""

    def __init__(self) -> None:
        """Start with nothing told."""
        self.posted = 0

    def append(self, record: object) -> int:
        """Take a record."""
        return 0

    def post(self, work: Work[object]) -> None:
        """Take work."""
        self.posted += 1

    async def submit(self, work: Work[T]) -> T:
        """Take work whose result is wanted."""
        raise AssertionError("nobody asks for that")

    read = submit


def done(work: Coroutine[Any, Any, T]) -> T:
    """Give what comes at once."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise AssertionError("it waits for something")


class KLinesTests(SynchronousTestCase):
    """Tests of L{KLines}."""

    def setUp(self) -> None:
        """Nobody is banned."""
        self.now = 1_000
        self.store = Forgetful()
        self.klines = KLines(bans.Bans(self.store, most=2), lambda: self.now)

    def ban(self, mask: str, expires: int | None = None) -> Ban:
        """Ban somebody."""
        ban = Ban(mask, "spam", "root", self.now, expires)
        done(self.klines.add(ban))
        return ban

    def test_nobody(self) -> None:
        """Without bans nobody is banned."""
        self.assertIsNone(self.klines.find("ann", ["192.0.2.1"]))
        self.assertEqual(list(self.klines.all()), [])

    def test_found(self) -> None:
        """A ban names people by user and any of their hosts, in any case."""
        ban = self.ban("eve@*.Example")
        self.assertEqual(self.klines.find("EVE", ["192.0.2.1", "a.example"]), ban)
        self.assertIsNone(self.klines.find("ann", ["a.example"]))
        self.assertIsNone(self.klines.find("eve", ["192.0.2.1"]))

    def test_host_alone(self) -> None:
        """A ban without a user is of everybody there."""
        ban = self.ban("192.0.2.*")
        self.assertEqual(self.klines.find("ann", ["192.0.2.1"]), ban)

    def test_expires(self) -> None:
        """A ban ends at its time."""
        self.ban("*@192.0.2.1", expires=2_000)
        self.assertIsNotNone(self.klines.find("ann", ["192.0.2.1"]))
        self.now = 2_000
        self.assertIsNone(self.klines.find("ann", ["192.0.2.1"]))
        self.assertEqual(list(self.klines.all()), [])

    def test_remove(self) -> None:
        """A ban is lifted by its mask, in any case."""
        self.ban("*@Bad.example")
        self.assertFalse(done(self.klines.remove("*@other.example")))
        self.assertTrue(done(self.klines.remove("*@bad.EXAMPLE")))
        self.assertIsNone(self.klines.find("ann", ["bad.example"]))
        self.assertEqual(self.store.posted, 2)

    def test_bounded(self) -> None:
        """There are no more than the limit; those that have ended do not count."""
        self.ban("*@a.example", expires=2_000)
        self.ban("*@b.example")
        self.assertRaises(StoreBusyError, self.ban, "*@c.example")
        self.now = 2_000
        self.ban("*@c.example")
        self.assertEqual(len(self.klines.all()), 2)
