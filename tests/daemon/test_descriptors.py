"""Tests of L{netsvc.daemon.descriptors}."""

from __future__ import annotations

import gc
import resource
from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.descriptors import (
    DEFAULT_SHARE,
    PIPE_SHARE,
    RESERVED_DESCRIPTORS,
    Descriptors,
    Want,
    descriptors_of,
    pipe_limit,
    system_limit,
)


class LimitCase(SynchronousTestCase):
    """A test with the system's answers played."""

    def setUp(self) -> None:
        """Have limits of the test's own."""
        self.limit = (1024, 1024)
        self.refusal: Exception | None = None
        self.patch(resource, "getrlimit", lambda which: self.limit)
        self.patch(resource, "setrlimit", self.set)

    def set(self, which: int, limit: tuple[int, int]) -> None:
        """Set the limit, as far as it may be."""
        self.assertEqual(which, resource.RLIMIT_NOFILE)
        if self.refusal is not None:
            raise self.refusal
        self.limit = limit

    def alone(self, wanted: int, each: int = 1, others: int = 0) -> int:
        """Give what one service is granted that is alone."""
        share = Descriptors().share()
        share.ask(Want(wanted, each), others=others)
        (granted,) = share.granted
        return granted


class LimitTests(LimitCase):
    """Tests of what one service gets."""

    def test_enough(self) -> None:
        """Where there is room the limit stays as it is."""
        self.assertEqual(self.alone(1024 - RESERVED_DESCRIPTORS), 960)
        self.assertEqual(self.limit, (1024, 1024))

    def test_unlimited(self) -> None:
        """Where there is no limit none is set."""
        self.limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self.assertEqual(self.alone(1_000_000), 1_000_000)
        self.assertEqual(self.limit[0], resource.RLIM_INFINITY)

    def test_raised(self) -> None:
        """The soft limit is raised to what is needed, and no further."""
        for hard in (65536, resource.RLIM_INFINITY):
            self.limit = (1024, hard)
            self.assertEqual(self.alone(10_000), 10_000)
            self.assertEqual(self.limit, (10_000 + RESERVED_DESCRIPTORS, hard))

    def test_less(self) -> None:
        """Below the hard limit there is room for fewer connections."""
        self.limit = (1024, 4096)
        self.assertEqual(self.alone(10_000), 4096 - RESERVED_DESCRIPTORS)
        self.assertEqual(self.limit, (4096, 4096))

    def test_refused(self) -> None:
        """Where it may not be raised, what there is has to do."""
        for self.refusal in (ValueError("not allowed"), PermissionError(1, "no")):
            self.limit = (1024, 4096)
            self.assertEqual(self.alone(10_000), 1024 - RESERVED_DESCRIPTORS)

    def test_at_least_one(self) -> None:
        """However few descriptors there are, one connection is tried."""
        self.limit = (32, 32)
        self.assertEqual(self.alone(10_000), 1)

    def test_others(self) -> None:
        """What is wanted for something else is no room for connections."""
        self.limit = (1024, 4096)
        room = (4096 - RESERVED_DESCRIPTORS - 128) // 2
        self.assertEqual(self.alone(10_000, 2, 128), room)
        self.limit = (1024, 65536)
        self.assertEqual(self.alone(10_000, 2, 128), 10_000)
        self.assertEqual(self.limit[0], 20_000 + RESERVED_DESCRIPTORS + 128)

    @given(
        st.integers(1, 10**6),
        st.integers(8, 10**6),
        st.integers(0, 10**6),
        st.integers(1, 3),
        st.integers(0, 1000),
    )
    def test_room(
        self, wanted: int, soft: int, more: int, each: int, others: int
    ) -> None:
        """There are descriptors for each connection and for the rest."""
        self.limit = (soft, soft + more)
        limit = self.alone(wanted, each, others)
        self.assertTrue(1 <= limit <= wanted)
        needed = limit * each + others + RESERVED_DESCRIPTORS
        self.assertTrue(limit == 1 or needed <= self.limit[0])
        self.assertTrue(soft <= self.limit[0] <= soft + more)

    @given(st.integers(1, 1000), st.integers(8, 10**6))
    def test_pipes(self, wanted: int, hard: int) -> None:
        """Pipes take no more than their share of the descriptors."""
        self.limit = (8, hard)
        limit = pipe_limit(wanted)
        self.assertTrue(0 <= limit <= wanted)
        self.assertLessEqual(2 * limit, hard / PIPE_SHARE)
        self.assertTrue(limit == wanted or 2 * (limit + 1) > hard / PIPE_SHARE)

    def test_few(self) -> None:
        """With few descriptors there is room for some pipes, and for connections
        beside them."""
        self.limit = (200, 200)
        number = pipe_limit(64)
        self.assertEqual(number, 12)
        share = Descriptors().share()
        share.ask(Want(10_000), pipes=2 * number)
        self.assertEqual(share.granted, (112,))

    def test_unlimited_pipes(self) -> None:
        """Where there is no limit there is room for all pipes."""
        self.limit = (1024, resource.RLIM_INFINITY)
        self.assertEqual(pipe_limit(64), 64)
        self.assertEqual(system_limit(5000), 5000)


class ShareTests(LimitCase):
    """Tests of what several services get."""

    def setUp(self) -> None:
        """Have room for 20,000 connections."""
        super().setUp()
        self.limit = (1024, 20_000 + RESERVED_DESCRIPTORS)
        self.descriptors = Descriptors()
        self.told: list[str] = []
        self.one, self.two = (
            self.descriptors.share(partial(self.told.append, name))
            for name in ("one", "two")
        )

    def test_defaults(self) -> None:
        """Those with defaults have all less of it, and are told when others come, want
        other things, or go."""
        self.one.ask(Want(10_000))
        self.assertEqual(self.one.granted, (10_000,))
        self.two.ask(Want(10_000, 2), Want(10_000, 1))
        self.assertEqual(self.one.granted, (5000,))
        self.assertEqual(self.two.granted, (5000, 5000))
        self.assertEqual(self.told, ["one"])
        self.two.ask(Want(5000, 2))
        self.assertEqual((self.one.granted, self.told), ((10_000,), ["one"] * 2))
        self.two.ask(Want(10_000, 2))
        self.two.release()
        self.two.release()
        self.assertEqual((self.one.granted, self.told), ((10_000,), ["one"] * 4))

    def test_given_first(self) -> None:
        """What is set is granted first; defaults have the rest."""
        self.one.ask(Want(10_000))
        self.two.ask(Want(8000, 2, given=True))
        self.assertEqual((self.one.granted, self.two.granted), ((4000,), (8000,)))

    def test_defaults_stay(self) -> None:
        """Whatever is set, something is left for the others."""
        self.one.ask(Want(10_000))
        self.two.ask(Want(1_000_000, given=True))
        left = 20_000 // DEFAULT_SHARE
        self.assertEqual(self.one.granted, (left,))
        self.assertEqual(self.two.granted, (20_000 - left,))

    def test_pipes(self) -> None:
        """Pipes are counted once, as all have the same ones."""
        for share in (self.one, self.two):
            share.ask(Want(10_000), others=10, pipes=100)
        self.assertEqual(self.one.granted, (9940,))

    def test_nothing(self) -> None:
        """What takes none is granted as it is."""
        self.one.ask(Want(1_000_000, 0), Want(40_000))
        self.assertEqual(self.one.granted, (1_000_000, 20_000))

    def test_forgotten(self) -> None:
        """What could not be made has no share of its own for ever."""
        self.two.ask(Want(10_000, 2))
        del self.two
        gc.collect()
        self.one.ask(Want(20_000))
        self.assertEqual(self.one.granted, (20_000,))

    @given(
        st.lists(
            st.tuples(st.integers(1, 10**6), st.integers(0, 3), st.booleans()),
            min_size=1,
            max_size=5,
        ),
        st.integers(100, 10**6),
    )
    def test_any(self, wants: list[tuple[int, int, bool]], hard: int) -> None:
        """Nobody gets more than it wants, or nothing; all together have what there
        is, but for those that get one."""
        self.limit = (100, hard)
        pool = Descriptors()
        shares = [pool.share() for _ in wants]
        for share, want in zip(shares, wants, strict=True):
            share.ask(Want(*want))
        taken = 0
        for share, (number, each, _) in zip(shares, wants, strict=True):
            (granted,) = share.granted
            self.assertTrue(1 <= granted <= number)
            taken += granted * each if granted > 1 else 0
        self.assertLessEqual(taken + RESERVED_DESCRIPTORS, max(hard, 64))


class ReactorTests(SynchronousTestCase):
    """Tests of L{descriptors_of}."""

    def test_same(self) -> None:
        """A reactor and its multiplexer have the same ones; others have others."""

        class Reactor:
            """A reactor."""

        class Multiplexer:
            """A multiplexer of one."""

            def __init__(self, reactor: Reactor) -> None:
                self._reactor = reactor

            def __getattr__(self, name: str) -> object:
                return getattr(self._reactor, name)

        for first_is_mux in (True, False):
            reactor = Reactor()
            mux = Multiplexer(reactor)
            first, second = (mux, reactor) if first_is_mux else (reactor, mux)
            self.assertIs(descriptors_of(first), descriptors_of(second))
            self.assertIsNot(descriptors_of(Reactor()), descriptors_of(reactor))
