"""Tests of L{netsvc.daemon.descriptors}."""

from __future__ import annotations

import resource

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.descriptors import (
    PIPE_SHARE,
    RESERVED_DESCRIPTORS,
    connection_limit,
    pipe_limit,
)


class LimitTests(SynchronousTestCase):
    """Tests of L{connection_limit}, with the system's answers played."""

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

    def test_enough(self) -> None:
        """Where there is room the limit stays as it is."""
        self.assertEqual(connection_limit(1024 - RESERVED_DESCRIPTORS), 960)
        self.assertEqual(self.limit, (1024, 1024))

    def test_unlimited(self) -> None:
        """Where there is no limit none is set."""
        self.limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self.assertEqual(connection_limit(1_000_000), 1_000_000)
        self.assertEqual(self.limit[0], resource.RLIM_INFINITY)

    def test_raised(self) -> None:
        """The soft limit is raised to what is needed, and no further."""
        for hard in (65536, resource.RLIM_INFINITY):
            self.limit = (1024, hard)
            self.assertEqual(connection_limit(10_000), 10_000)
            self.assertEqual(self.limit, (10_000 + RESERVED_DESCRIPTORS, hard))

    def test_less(self) -> None:
        """Below the hard limit there is room for fewer connections."""
        self.limit = (1024, 4096)
        self.assertEqual(connection_limit(10_000), 4096 - RESERVED_DESCRIPTORS)
        self.assertEqual(self.limit, (4096, 4096))

    def test_refused(self) -> None:
        """Where it may not be raised, what there is has to do."""
        for self.refusal in (ValueError("not allowed"), PermissionError(1, "no")):
            self.limit = (1024, 4096)
            self.assertEqual(connection_limit(10_000), 1024 - RESERVED_DESCRIPTORS)

    def test_at_least_one(self) -> None:
        """However few descriptors there are, one connection is tried."""
        self.limit = (32, 32)
        self.assertEqual(connection_limit(10_000), 1)

    def test_others(self) -> None:
        """What is wanted for something else is no room for connections."""
        self.limit = (1024, 4096)
        room = (4096 - RESERVED_DESCRIPTORS - 128) // 2
        self.assertEqual(connection_limit(10_000, 2, 128), room)
        self.limit = (1024, 65536)
        self.assertEqual(connection_limit(10_000, 2, 128), 10_000)
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
        limit = connection_limit(wanted, each, others)
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
        pipes = pipe_limit(64)
        self.assertEqual(pipes, 12)
        self.assertEqual(connection_limit(10_000, others=2 * pipes), 112)

    def test_unlimited_pipes(self) -> None:
        """Where there is no limit there is room for all pipes."""
        self.limit = (1024, resource.RLIM_INFINITY)
        self.assertEqual(pipe_limit(64), 64)
