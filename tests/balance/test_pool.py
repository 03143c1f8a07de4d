"""Tests of L{netsvc.balance.pool}."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backend import AdminState, Backend, Failure, HealthRules, State
from netsvc.balance.backends import Resolved, parse_backend
from netsvc.balance.policy import POLICIES, make_policy
from netsvc.balance.pool import Pool, Refusal, Waiting

Outcome = Backend | Refusal


def make(*texts: str, policy: str = "roundrobin", **arguments: Any) -> Pool:
    """A pool without checks, started at time 0."""
    arguments.setdefault("rules", HealthRules(checked=False))
    specs = [parse_backend(text) for text in texts]
    return Pool("web", make_policy(policy, Random(1).random), specs, **arguments)


def two(options: str = "", **arguments: Any) -> Pool:
    """A pool of the backends a and b with these options."""
    return make(
        f"10.0.0.1:80,name=a{options}", f"10.0.0.2:80,name=b{options}", **arguments
    )


class SessionTests(SynchronousTestCase):
    """Tests of sessions."""

    def take(self, pool: Pool, now: float = 0.0) -> Backend:
        """Choose a backend and begin a session."""
        backend = pool.choose(b"", now)
        assert backend is not None
        pool.begin(backend, now)
        return backend

    def test_policy(self) -> None:
        """The policy chooses among the backends."""
        pool = two()
        self.assertEqual([self.take(pool).name for _ in range(4)], ["a", "b", "a", "b"])
        self.assertEqual((pool.sessions, pool.sessions_total), (4, 4))
        self.assertEqual([b.sessions for b in pool.backends], [2, 2])

    def test_exclude(self) -> None:
        """A backend that has failed this client is not chosen again."""
        pool = two()
        a, b = pool.backends
        self.assertIs(pool.choose(b"", 0.0, {a}), b)
        self.assertIs(pool.choose(b"", 0.0, {a, b}), None)

    def test_full(self) -> None:
        """A full backend is passed over, and when all are full there is none."""
        pool = two(",max=1", policy="first")
        self.assertEqual([self.take(pool).name for _ in range(2)], ["a", "b"])
        self.assertIs(pool.choose(b"", 0.0), None)
        pool.ended(pool.backends[0], 1.0, answered=True)
        self.assertEqual(self.take(pool).name, "a")

    def test_full_no_backup(self) -> None:
        """Backups are for backends that are down, not for those that are full."""
        pool = make("10.0.0.1:80,max=1", "10.0.0.2:80,backup")
        self.take(pool)
        self.assertIs(pool.choose(b"", 0.0), None)

    def test_failed(self) -> None:
        """A failed connection gives the slot back and is counted."""
        pool = two()
        backend = self.take(pool)
        self.assertFalse(pool.failed(backend, 1.0, Failure.TIMEOUT))
        self.assertEqual((pool.sessions, backend.sessions), (0, 0))
        self.assertEqual(backend.errors, {Failure.TIMEOUT: 1})

    def test_ejected(self) -> None:
        """A backend that fails again and again is ejected, once."""
        pool = two(rules=HealthRules(checked=False, eject_after=3), policy="first")
        a, b = pool.backends
        ejected = []
        for _ in range(5):
            pool.begin(a, 1.0)
            ejected.append(pool.failed(a, 1.0, Failure.REFUSED))
        self.assertEqual(ejected, [False, False, True, False, False])
        self.assertEqual(a.state(1.0), State.EJECTED)
        self.assertIs(pool.choose(b"", 1.0), b)
        self.assertIs(pool.choose(b"", 31.0), a)

    def test_last_not_ejected(self) -> None:
        """The last backend is not ejected, and the cap is counted."""
        pool = make("10.0.0.1:80", rules=HealthRules(checked=False, eject_after=1))
        backend = self.take(pool)
        self.assertFalse(pool.failed(backend, 1.0, Failure.REFUSED))
        self.assertEqual(pool.status(1.0)["ejections_refused"], 1)

    def session(self, pool: Pool, backend: Backend, **how: bool) -> bool:
        pool.begin(backend, 1.0)
        pool.connected(backend, 1.0)
        return pool.ended(backend, 1.0, **how)

    def test_early_reset(self) -> None:
        """Resets before any answer count against a backend, though it connects."""
        pool = two(rules=HealthRules(checked=False, eject_after=2))
        a, _ = pool.backends
        self.assertFalse(self.session(pool, a, answered=False, reset=True))
        self.assertFalse(self.session(pool, a, answered=False))  # the client's doing
        self.assertTrue(self.session(pool, a, answered=False, reset=True))
        self.assertEqual(a.errors, {Failure.EARLY_RESET: 2})

    def test_late_reset(self) -> None:
        """Resets after an answer are counted, and not held against a backend."""
        pool = two(rules=HealthRules(checked=False, eject_after=1))
        a, _ = pool.backends
        self.assertFalse(self.session(pool, a, answered=True, reset=True))
        self.assertEqual(a.errors, {Failure.RESET: 1})

    def test_connected(self) -> None:
        """A connection that is made ends a row of connect errors."""
        pool = two(rules=HealthRules(checked=False, eject_after=2))
        a, _ = pool.backends
        pool.begin(a, 1.0)
        pool.failed(a, 1.0, Failure.REFUSED)
        self.session(pool, a, answered=False)
        pool.begin(a, 1.0)
        self.assertFalse(pool.failed(a, 1.0, Failure.REFUSED))

    def test_answered(self) -> None:
        """An answer ends a row of early resets, told at once or at the end."""
        pool = two(rules=HealthRules(checked=False, eject_after=2))
        a, _ = pool.backends
        self.session(pool, a, answered=False, reset=True)
        self.session(pool, a, answered=True)
        self.assertFalse(self.session(pool, a, answered=False, reset=True))
        pool.answered(a, 1.0)
        self.assertFalse(self.session(pool, a, answered=False, reset=True))

    def test_bytes(self) -> None:
        """Bytes are counted for the backend and for the pool."""
        pool = two()
        for backend in pool.backends:
            pool.count(backend, 10, 300)
            pool.count(backend, 1, 0)
        self.assertEqual((pool.bytes_in, pool.bytes_out), (22, 600))
        backend = pool.backends[0]
        self.assertEqual((backend.bytes_in, backend.bytes_out), (11, 300))

    def test_removed(self) -> None:
        """A session of a backend that has left the DNS goes on to its end."""
        pool = make("web:80")
        (spec,) = pool.unresolved
        (backend,) = pool.update(spec, [Resolved("10.0.0.1", 80)], 0.0).added
        pool.begin(self.take(pool), 1.0)
        pool.update(spec, [Resolved("10.0.0.2", 80)], 2.0)
        self.assertEqual([row["state"] for row in pool.table(2.0)], ["up", "leaving"])
        pool.ended(backend, 3.0, answered=True)
        self.assertEqual(len(pool.table(3.0)), 2)
        pool.failed(backend, 3.0, Failure.REFUSED)
        self.assertEqual(len(pool.table(3.0)), 1)
        self.assertEqual(pool.sessions, 0)

    def test_commands(self) -> None:
        """The operator's words reach the backends."""
        pool = two()
        self.assertEqual(pool.find("a"), [pool.backends[0]])
        pool.set_admin("a", AdminState.DRAIN, 1.0)
        pool.set_weight("b", 7, 1.0)
        self.assertEqual(pool.backends[0].state(1.0), State.DRAIN)
        self.assertEqual(pool.backends[1].weight, 7)

    def test_status(self) -> None:
        """The status shows the pool and its backends, in values that JSON has."""
        pool = two(",max=1", max_waiting=1)
        pool.begin(pool.backends[0], 1.0)
        pool.begin(pool.backends[1], 1.0)
        for _ in range(2):
            pool.enqueue(lambda outcome: None, b"", 1.0)
        status = pool.status(1.0)
        self.assertEqual(json.loads(json.dumps(status)), status)
        backends = status.pop("backends")
        self.assertEqual(backends, pool.table(1.0))
        self.assertEqual(
            status,
            {
                "name": "web",
                "policy": "roundrobin",
                "available": 2,
                "sessions": 2,
                "sessions_total": 2,
                "rate": 2,
                "bytes_in": 0,
                "bytes_out": 0,
                "waiting": 1,
                "max_waiting": 1,
                "queued_total": 1,
                "refused": {"queue-full": 1},
                "ejections_refused": 0,
                "addresses_left_out": 0,
            },
        )


class QueueTests(SynchronousTestCase):
    """Tests of waiting for a slot."""

    def setUp(self) -> None:
        """Make a pool of one backend with one slot, which is taken."""
        self.pool = make("10.0.0.1:80,max=1", max_waiting=3, queue_timeout=5.0)
        (self.backend,) = self.pool.backends
        self.pool.begin(self.backend, 0.0)
        self.outcomes: list[tuple[str, Outcome]] = []

    def wait(
        self, name: str, now: float = 0.0, exclude: tuple[Backend, ...] = ()
    ) -> Waiting:
        def done(outcome: Outcome) -> None:
            self.outcomes.append((name, outcome))

        waiting = self.pool.enqueue(done, b"", now, exclude)
        assert isinstance(waiting, Waiting)
        return waiting

    def test_first_come(self) -> None:
        """Who came first gets the slot that is free, and it is taken for it."""
        self.wait("x")
        self.wait("y")
        self.assertEqual(self.pool.release(1.0), 0)
        self.pool.ended(self.backend, 1.0, answered=True)
        self.assertEqual(self.pool.release(1.0), 1)
        self.assertEqual(self.outcomes, [("x", self.backend)])
        self.assertEqual((self.backend.sessions, self.pool.waiting), (1, 1))
        self.assertEqual(self.pool.release(1.0), 0)

    def test_all_at_once(self) -> None:
        """One release serves as many as there are slots."""
        for name in "xyz":
            self.wait(name)
        self.backend.max_connections = 0
        self.assertEqual(self.pool.release(1.0), 3)
        self.assertEqual([name for name, _ in self.outcomes], ["x", "y", "z"])

    def test_deadline(self) -> None:
        """Nobody waits longer than the time allowed."""
        self.assertIs(self.pool.next_deadline, None)
        self.wait("x", 0.0)
        self.wait("y", 1.0)
        self.assertEqual(self.pool.next_deadline, 5.0)
        self.assertEqual(self.pool.release(4.9), 0)
        self.assertEqual(self.pool.release(5.0), 1)
        self.assertEqual(self.outcomes, [("x", Refusal.QUEUE_TIMEOUT)])
        self.assertEqual(self.pool.next_deadline, 6.0)
        self.assertEqual(self.pool.refused, {Refusal.QUEUE_TIMEOUT: 1})

    def test_bound(self) -> None:
        """The queue has a greatest length."""
        for name in "xyz":
            self.wait(name)
        refusal = self.pool.enqueue(self.fail, b"", 0.0)
        self.assertIs(refusal, Refusal.QUEUE_FULL)
        self.assertEqual(self.pool.refused, {Refusal.QUEUE_FULL: 1})
        self.assertEqual((self.pool.waiting, self.pool.queued_total), (3, 3))

    def test_no_backend(self) -> None:
        """There is nothing to wait for when nobody could ever take the client."""
        refusal = self.pool.enqueue(self.fail, b"", 0.0, [self.backend])
        self.assertIs(refusal, Refusal.NO_BACKEND)
        self.pool.set_admin(self.backend.name, AdminState.DRAIN, 1.0)
        self.assertIs(self.pool.enqueue(self.fail, b"", 1.0), Refusal.NO_BACKEND)
        self.assertEqual(self.pool.refused, {Refusal.NO_BACKEND: 2})

    def test_first_check(self) -> None:
        """While the first check of a backend goes on its outcome is waited for."""
        self.pool = make("10.0.0.1:80", rules=HealthRules())
        (backend,) = self.pool.backends
        self.wait("x")
        self.assertEqual(self.pool.release(1.0), 0)
        backend.check_failed(1.5)
        self.assertEqual(self.pool.release(1.5), 1)
        self.assertEqual(self.outcomes, [("x", Refusal.NO_BACKEND)])

    def test_all_down(self) -> None:
        """When the last backend goes, all who wait are told at once."""
        self.wait("x")
        self.wait("y")
        self.pool.set_admin(self.backend.name, AdminState.MAINT, 1.0)
        self.assertEqual(self.pool.release(1.0), 2)
        self.assertEqual(
            self.outcomes, [("x", Refusal.NO_BACKEND), ("y", Refusal.NO_BACKEND)]
        )

    def test_cancel(self) -> None:
        """Who goes away no longer waits, and may go away twice."""
        waiting = self.wait("x")
        self.wait("y")
        self.pool.cancel(waiting)
        self.pool.cancel(waiting)
        self.pool.ended(self.backend, 1.0, answered=True)
        self.pool.release(1.0)
        self.assertEqual(self.outcomes, [("y", self.backend)])

    def test_again(self) -> None:
        """Who waits again while the queue is served has its turn another time."""

        def done(outcome: Outcome) -> None:
            self.outcomes.append(("again", outcome))
            self.pool.enqueue(done, b"", 9.0)

        self.pool.enqueue(done, b"", 0.0)
        self.assertEqual(self.pool.release(9.0), 1)
        self.assertEqual((len(self.outcomes), self.pool.waiting), (1, 1))

    def test_nested(self) -> None:
        """A release within a release serves each once."""

        def done(outcome: Outcome) -> None:
            self.outcomes.append(("x", outcome))
            self.pool.release(9.0)

        self.pool.enqueue(done, b"", 0.0)
        self.wait("y")
        self.assertEqual(self.pool.release(9.0), 1)
        self.assertEqual([name for name, _ in self.outcomes], ["x", "y"])


class ExcludeQueueTests(SynchronousTestCase):
    """Tests of waiting clients that some backend has failed."""

    def setUp(self) -> None:
        """Make a pool of two backends with one slot each, which are taken."""
        self.pool = two(",max=1")
        self.a, self.b = self.pool.backends
        for backend in self.pool.backends:
            self.pool.begin(backend, 0.0)
        self.outcomes: list[tuple[str, Outcome]] = []

    def noting(self, name: str) -> Callable[[Outcome], None]:
        return lambda outcome: self.outcomes.append((name, outcome))

    def test_passed_over(self) -> None:
        """A client does not block those behind it that can take what is free."""
        self.pool.enqueue(self.noting("x"), b"", 0.0, [self.a])
        self.pool.enqueue(self.noting("y"), b"", 0.0, [self.a])
        self.pool.enqueue(self.noting("z"), b"", 0.0)
        self.pool.enqueue(self.noting("w"), b"", 0.0)
        self.pool.ended(self.a, 1.0, answered=True)
        self.assertEqual(self.pool.release(1.0), 1)
        self.assertEqual(self.outcomes, [("z", self.a)])
        self.pool.ended(self.b, 2.0, answered=True)
        self.assertEqual(self.pool.release(2.0), 1)
        self.assertEqual(self.outcomes[1:], [("x", self.b)])
        self.assertEqual(self.pool.waiting, 2)

    def test_all_passed_over(self) -> None:
        """Nobody is served who cannot take what is free."""
        for name in "xy":
            self.pool.enqueue(self.noting(name), b"", 0.0, [self.a])
        self.pool.ended(self.a, 1.0, answered=True)
        self.assertEqual(self.pool.release(1.0), 0)

    def test_cancelled_meanwhile(self) -> None:
        """Who is cancelled while others are served is not served."""
        cancelled: list[Waiting] = []

        def done(outcome: Outcome) -> None:
            self.outcomes.append(("y", outcome))
            self.pool.cancel(cancelled[0])

        self.a.max_connections = 9
        self.pool.enqueue(self.noting("x"), b"", 0.0, [self.a])
        self.pool.enqueue(done, b"", 0.0)
        waiting = self.pool.enqueue(self.noting("z"), b"", 0.0)
        assert isinstance(waiting, Waiting)
        cancelled.append(waiting)
        self.assertEqual(self.pool.release(1.0), 1)
        self.assertEqual(self.outcomes, [("y", self.a)])
        self.assertEqual(self.pool.waiting, 1)


class PoolMachine(RuleBasedStateMachine):
    """Does to a pool what a data path, checks and operators do, in any order."""

    pool: Pool

    @initialize(policy=st.sampled_from(POLICIES), max_ejected=st.floats(0, 1))
    def start(self, policy: str, max_ejected: float) -> None:
        """Make a pool of all sorts of backends."""
        self.now = 0.0
        self.max_ejected = max_ejected
        self.live: list[Backend] = []
        self.queued: dict[int, Waiting] = {}
        self.done: list[int] = []
        self.number = 0
        self.pool = make(
            *("10.0.0.1:80,max=2", "10.0.0.2:80,weight=3,max=3", "10.0.0.3:80,max=1"),
            *("10.0.0.4:80,max=1,backup", "web:80,max=1"),
            policy=policy,
            rules=HealthRules(slow_start=3, eject_after=2, ejection_time=4),
            max_ejected=max_ejected,
            max_waiting=3,
            queue_timeout=4.0,
        )

    @rule(seconds=st.sampled_from([0.25, 1.0, 5.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(key=st.binary(max_size=2), failed=st.booleans())
    def come(self, key: bytes, failed: bool) -> None:
        """A client comes; one backend has failed it, perhaps."""
        exclude = set(self.pool.backends[:1]) if failed else set()
        backend = self.pool.choose(key, self.now, exclude)
        if backend is not None:
            assert backend not in exclude
            assert backend.in_service and backend.has_room(self.now)
            self.pool.begin(backend, self.now)
            self.live.append(backend)
            return
        number = self.number = self.number + 1

        def done(outcome: Outcome) -> None:
            assert self.queued.pop(number)
            if isinstance(outcome, Backend):
                self.live.append(outcome)

        waiting = self.pool.enqueue(done, key, self.now, exclude)
        if isinstance(waiting, Waiting):
            self.queued[number] = waiting

    @precondition(lambda self: bool(getattr(self, "live", ())))
    @rule(data=st.data(), how=st.sampled_from([*Failure, "well", "reset", "silent"]))
    def go(self, data: st.DataObject, how: str) -> None:
        """A session ends, well or not."""
        backend = self.live.pop(data.draw(st.integers(0, len(self.live) - 1)))
        if isinstance(how, Failure):
            self.pool.failed(backend, self.now, how)
        else:
            self.pool.ended(
                backend, self.now, answered=how == "well", reset=how == "reset"
            )

    @precondition(lambda self: bool(getattr(self, "queued", ())))
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """A waiting client goes away."""
        number = data.draw(st.sampled_from(sorted(self.queued)))
        self.pool.cancel(self.queued.pop(number))

    @rule(index=st.integers(0, 5), passed=st.booleans())
    def check(self, index: int, passed: bool) -> None:
        """A check ends."""
        backends = self.pool.backends
        backend = backends[index % len(backends)]
        check = backend.check_passed if passed else backend.check_failed
        check(self.now)

    @rule(hosts=st.sets(st.integers(5, 8)))
    def resolve(self, hosts: set[int]) -> None:
        """The name has other addresses."""
        (spec,) = self.pool.unresolved
        addresses = [Resolved(f"10.0.0.{host}", 80) for host in sorted(hosts)]
        self.pool.update(spec, addresses, self.now)

    @rule(
        name=st.sampled_from(["10.0.0.1:80", "10.0.0.2:80", "web:80"]),
        admin=st.sampled_from(AdminState),
    )
    def command(self, name: str, admin: AdminState) -> None:
        """The operator says something."""
        self.pool.set_admin(name, admin, self.now)

    @rule()
    def release(self) -> None:
        """The queue is served, and then holds only who can really not be served."""
        self.pool.release(self.now)
        deadline = self.pool.next_deadline
        assert deadline is None or deadline > self.now
        assert not self.pool.waiting or any(
            b.in_service or b.unchecked for b in self.pool.backends
        )

    @invariant()
    def holds(self) -> None:
        """Sessions add up, and every bound is kept."""
        if not hasattr(self, "pool"):
            return
        pool = self.pool
        assert pool.sessions == len(self.live)
        assert pool.waiting == len(self.queued) <= 3
        assert pool.sessions_total >= pool.sessions
        for backend in pool.backends:
            assert backend.sessions == self.live.count(backend)
            limit = backend.max_connections
            assert backend.sessions <= limit
        shown = pool.table(self.now)
        assert sum(int(str(row["sessions"])) for row in shown) == len(self.live)
        json.dumps(pool.status(self.now))
        ejected = sum(b.health.is_ejected(self.now) for b in pool.backends)
        assert ejected <= len(pool.backends)
        assert ejected == 0 or self.max_ejected > 0


class MachineTests(SynchronousTestCase):
    """Tests of a pool under whatever happens to it."""

    def test_machine(self) -> None:
        """Whatever happens in whatever order, slots and bounds are kept."""
        run_state_machine_as_test(
            PoolMachine,
            settings=settings(max_examples=60, stateful_step_count=40, deadline=None),
        )
