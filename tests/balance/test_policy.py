"""Tests of L{netsvc.balance.policy}."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backend import Backend, HealthRules
from netsvc.balance.backends import parse_backend
from netsvc.balance.policy import (
    POLICIES,
    BoundedHash,
    Policy,
    make_policy,
)

weight_lists = st.lists(st.integers(1, 20), min_size=1, max_size=8)
keys = st.binary(max_size=16)


def make(weights: Sequence[int], sessions: Sequence[int] = ()) -> list[Backend]:
    """Backends a, b, c... with these weights, and with these sessions."""
    backends = []
    for i, weight in enumerate(weights):
        text = f"10.0.0.{i + 1}:80,name={chr(97 + i)},weight={weight}"
        backends.append(Backend(parse_backend(text), None, HealthRules(checked=False)))
    for backend, number in zip(backends, sessions, strict=False):
        backend.sessions = number
    return backends


def names(policy: Policy, backends: list[Backend], number: int) -> str:
    """The names of the backends that get so many sessions, one after another."""
    return "".join(policy.choose(backends, b"", 0.0).name for _ in range(number))


class MakeTests(SynchronousTestCase):
    """Tests of L{make_policy} and of what holds for every policy."""

    def test_names(self) -> None:
        """Each name makes a policy that has it."""
        for name in POLICIES:
            self.assertEqual(make_policy(name, Random(1).random).name, name)

    def test_unknown(self) -> None:
        """Another name is refused, with those there are."""
        with self.assertRaises(ValueError) as caught:
            make_policy("rr", Random(1).random)
        self.assertEqual(
            str(caught.exception),
            "'rr' is not one of roundrobin, leastconn, p2c, source, consistent, first",
        )

    def test_balance_factor(self) -> None:
        """A balance factor below 1 could not be kept, and is refused."""
        for factor in (0.99, float("nan")):
            with self.assertRaises(ValueError):
                make_policy("consistent", Random(1).random, factor)

    @given(
        st.sampled_from(POLICIES),
        st.lists(
            st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=6
        ),
        st.lists(st.tuples(st.sets(st.integers(0, 5), min_size=1), keys), max_size=20),
        st.integers(0, 99),
    )
    def test_member(
        self,
        name: str,
        loads: list[tuple[int, int]],
        steps: list[tuple[set[int], bytes]],
        seed: int,
    ) -> None:
        """What is chosen is one of those asked, whoever comes and goes."""
        policy = make_policy(name, Random(seed).random)
        backends = make(*zip(*loads, strict=True))
        for indexes, key in steps:
            asked = [backend for i, backend in enumerate(backends) if i in indexes]
            if asked:
                chosen = policy.choose(asked, key, 0.0)
                self.assertIn(chosen, asked)
                chosen.sessions += 1
        for backend in backends:
            policy.forget(backend)
            policy.forget(backend)  # what is forgotten may be forgotten again


class RoundRobinTests(SynchronousTestCase):
    """Tests of C{roundrobin}."""

    def test_smooth(self) -> None:
        """Turns are interleaved, as in nginx's example."""
        policy = make_policy("roundrobin", Random(1).random)
        self.assertEqual(names(policy, make([5, 1, 1]), 7), "aabacaa")

    def test_plain(self) -> None:
        """Equal backends take turns."""
        policy = make_policy("roundrobin", Random(1).random)
        self.assertEqual(names(policy, make([1, 1, 1]), 7), "abcabca")

    @settings(deadline=None)
    @given(weight_lists, st.integers(0, 200))
    def test_weights(self, weights: list[int], number: int) -> None:
        """At any time each has had its share, to within one round's error.

        After a whole number of rounds, exactly.
        """
        policy = make_policy("roundrobin", Random(1).random)
        backends = make(weights)
        total = sum(weights)
        number -= number % total
        had = Counter(names(policy, backends, number))
        for backend in backends:
            self.assertEqual(had[backend.name], number * backend.weight // total)
        # Within a round: nobody is more than its neighbours' turns ahead.
        for step in range(1, total + 1):
            had[policy.choose(backends, b"", 0.0).name] += 1
            for backend in backends:
                share = Fraction((number + step) * backend.weight, total)
                self.assertLess(abs(had[backend.name] - share), len(backends))

    @settings(deadline=None)
    @given(weight_lists, st.integers(1, 50))
    def test_absent(self, weights: list[int], rounds: int) -> None:
        """One that was away does not make up for what it has missed."""
        policy = make_policy("roundrobin", Random(1).random)
        backends = make([1, *weights])
        for _ in range(rounds):
            policy.choose(backends[1:], b"", 0.0)
        total = sum(backend.weight for backend in backends)
        had = Counter(names(policy, backends, 2 * total))
        self.assertLessEqual(had["a"], 4)

    def test_forget(self) -> None:
        """One that has gone leaves nothing behind."""
        policy = make_policy("roundrobin", Random(1).random)
        backends = make([1, 1])
        self.assertEqual(names(policy, backends, 1), "a")
        policy.forget(backends[0])
        policy.forget(backends[1])
        self.assertEqual(names(policy, backends, 1), "a")


class LeastConnectionsTests(SynchronousTestCase):
    """Tests of C{leastconn}."""

    def test_idle(self) -> None:
        """Where none has a session, it is by weight in turn."""
        policy = make_policy("leastconn", Random(1).random)
        self.assertEqual(names(policy, make([2, 1]), 6), "abaaba")

    @given(
        st.lists(
            st.tuples(st.integers(1, 9), st.integers(0, 50)), min_size=1, max_size=8
        )
    )
    def test_least(self, loads: list[tuple[int, int]]) -> None:
        """Nobody has fewer sessions for its weight than the one chosen."""
        policy = make_policy("leastconn", Random(1).random)
        backends = make(*zip(*loads, strict=True))
        chosen = policy.choose(backends, b"", 0.0)
        for backend in backends:
            self.assertLessEqual(
                chosen.sessions * backend.weight, backend.sessions * chosen.weight
            )

    @settings(deadline=None)
    @given(weight_lists, st.integers(0, 300))
    def test_weights(self, weights: list[int], number: int) -> None:
        """Sessions that stay are spread by weight, to within one each."""
        policy = make_policy("leastconn", Random(1).random)
        backends = make(weights)
        for _ in range(number):
            policy.choose(backends, b"", 0.0).sessions += 1
        most = max((b.sessions - 1) / b.weight for b in backends)
        least = min(b.sessions / b.weight for b in backends)
        self.assertLessEqual(most, least + 1e-9)


class TwoChoicesTests(SynchronousTestCase):
    """Tests of C{p2c}."""

    def test_better(self) -> None:
        """Of two backends, the one with fewer sessions for its weight is chosen."""
        policy = make_policy("p2c", Random(1).random)
        self.assertEqual(set(names(policy, make([1, 1], [5, 4]), 50)), {"b"})
        self.assertEqual(set(names(policy, make([4, 1], [7, 2]), 50)), {"a"})

    def test_worst(self) -> None:
        """The most loaded of several is never chosen."""
        policy = make_policy("p2c", Random(1).random)
        self.assertEqual(set(names(policy, make([1, 1, 1], [9, 1, 1]), 99)), {"b", "c"})

    def test_weights(self) -> None:
        """Where none has a session, it is by weight."""
        policy = make_policy("p2c", Random(1).random)
        had = Counter(names(policy, make([3, 1]), 4000))
        self.assertApproximates(had["a"], 3000, 150)

    @given(weight_lists, st.floats(0, 1, exclude_max=True), st.integers(0, 9))
    def test_any_random(self, weights: list[int], drawn: float, number: int) -> None:
        """Whatever number is drawn, a backend is found."""
        policy = make_policy("p2c", lambda: drawn)
        backends = make(weights, [number] * len(weights))
        self.assertIn(policy.choose(backends, b"", 0.0), backends)

    def test_rounding(self) -> None:
        """A number that rounding has made too large draws the last one."""
        policy = make_policy("p2c", lambda: 1.0)
        self.assertEqual(names(policy, make([1, 1], [0, 1]), 1), "a")

    def test_spread(self) -> None:
        """Sessions that stay are spread more evenly than by one draw."""
        policy = make_policy("p2c", Random(1).random)
        backends = make([1] * 10)
        for _ in range(1000):
            policy.choose(backends, b"", 0.0).sessions += 1
        self.assertLess(max(b.sessions for b in backends), 110)


class SourceTests(SynchronousTestCase):
    """Tests of C{source}."""

    @given(weight_lists, keys)
    def test_same(self, weights: list[int], key: bytes) -> None:
        """A key has one backend, in any order and after a restart."""
        policy = make_policy("source", Random(1).random)
        chosen = policy.choose(make(weights), key, 0.0).name
        self.assertEqual(policy.choose(make(weights), key, 0.0).name, chosen)
        other = make_policy("source", Random(2).random)
        self.assertEqual(other.choose(make(weights)[::-1], key, 0.0).name, chosen)

    @settings(deadline=None)
    @given(weight_lists, st.integers(0, 7), st.lists(keys, max_size=30))
    def test_minimal_movement(
        self, weights: list[int], index: int, clients: list[bytes]
    ) -> None:
        """When a backend leaves, only its own clients move; the same ones return."""
        policy = make_policy("source", Random(1).random)
        backends = make([*weights, 1])
        gone = backends[index % len(backends)]
        rest = [backend for backend in backends if backend is not gone]
        for key in clients:
            before = policy.choose(backends, key, 0.0)
            after = policy.choose(rest, key, 0.0)
            if before is not gone:
                self.assertIs(after, before)

    @settings(deadline=None)
    @given(weight_lists, st.integers(0, 7), st.lists(keys, max_size=30))
    def test_more_weight(
        self, weights: list[int], index: int, clients: list[bytes]
    ) -> None:
        """When a backend gets more weight, clients move to it and nowhere else."""
        policy = make_policy("source", Random(1).random)
        backends = make(weights)
        heavier = backends[index % len(backends)]
        before = [policy.choose(backends, key, 0.0) for key in clients]
        heavier.weight += 5
        for key, chosen in zip(clients, before, strict=True):
            self.assertIn(policy.choose(backends, key, 0.0), (chosen, heavier))

    def test_weights(self) -> None:
        """Many clients are spread by weight."""
        policy = make_policy("source", Random(1).random)
        backends = make([1, 2, 5])
        had = Counter(policy.choose(backends, b"%d" % i, 0.0).name for i in range(8000))
        self.assertApproximates(had["a"], 1000, 150)
        self.assertApproximates(had["b"], 2000, 200)
        self.assertApproximates(had["c"], 5000, 250)


class BoundedTests(SynchronousTestCase):
    """Tests of C{consistent}."""

    def test_unloaded(self) -> None:
        """Within the bound, it chooses as C{source} does."""
        policy = make_policy("consistent", Random(1).random)
        source = make_policy("source", Random(1).random)
        backends = make([1, 2, 3], [10, 20, 30])
        for i in range(50):
            key = b"%d" % i
            self.assertIs(
                policy.choose(backends, key, 0.0), source.choose(backends, key, 0.0)
            )

    @settings(max_examples=50, deadline=None)
    @given(
        weight_lists,
        st.floats(1, 3),
        st.lists(st.one_of(keys, st.just(b"hot")), max_size=60),
    )
    def test_bound(
        self, weights: list[int], factor: float, clients: list[bytes]
    ) -> None:
        """Nobody ever has more than its bounded share, be all clients one."""
        policy = BoundedHash(factor)
        backends = make(weights)
        total = sum(weights)
        for number, key in enumerate(clients, 1):
            chosen = policy.choose(backends, key, 0.0)
            chosen.sessions += 1
            bound = Fraction(factor) * number * chosen.weight / total
            self.assertLessEqual(chosen.sessions, ceil(bound + Fraction(1, 10**9)))

    @given(weight_lists, st.lists(st.integers(0, 20), min_size=8, max_size=8))
    def test_factor_one(self, weights: list[int], sessions: list[int]) -> None:
        """Even a factor of 1 leaves somebody within the bound."""
        policy = BoundedHash(1.0)
        backends = make(weights, sessions)
        self.assertIn(policy.choose(backends, b"key", 0.0), backends)

    def test_spill(self) -> None:
        """A client whose backend is full by the bound always gets the same other."""
        policy = make_policy("consistent", Random(1).random)
        backends = make([1, 1, 1])
        first = policy.choose(backends, b"key", 0.0)
        first.sessions = 10
        spilled = policy.choose(backends, b"key", 0.0)
        self.assertIsNot(spilled, first)
        self.assertIs(policy.choose(backends, b"key", 0.0), spilled)


class FirstTests(SynchronousTestCase):
    """Tests of C{first}."""

    def test_first(self) -> None:
        """The first of those asked is chosen, loaded or not."""
        policy = make_policy("first", Random(1).random)
        backends = make([1, 9], [9, 0])
        self.assertIs(policy.choose(backends, b"", 0.0), backends[0])
        self.assertIs(policy.choose(backends[1:], b"", 0.0), backends[1])


class SlowStartTests(SynchronousTestCase):
    """Tests of policies while a backend starts slowly."""

    def test_grows(self) -> None:
        """A backend that has come back gets a growing share."""
        rules = HealthRules(rise=1, fall=1, slow_start=10)
        backends = [
            Backend(parse_backend(f"10.0.0.{i}:80,name={i}"), None, rules)
            for i in (1, 2)
        ]
        for backend in backends:
            backend.check_passed(0.0)
        backends[0].check_failed(1.0)
        backends[0].check_passed(2.0)
        shares = []
        for now in (2.0, 7.0, 12.0):
            policy = make_policy("roundrobin", Random(1).random)
            had = Counter(policy.choose(backends, b"", now).name for _ in range(330))
            shares.append(had["1"])
        self.assertEqual(shares, [30, 110, 165])
