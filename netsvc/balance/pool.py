"""The backends behind one entrance: who gets a session, who waits, who is out.

A session takes a slot of a backend with L{Pool.begin} and gives it back with
exactly one L{Pool.failed} or L{Pool.ended}. When all backends that could take a
client are full it waits (L{Pool.enqueue}) in a queue of bounded length, with a
deadline, until L{Pool.release} finds it a slot. There is no timer in here: whoever
changes something that may free a slot calls C{release}, and so does whoever sees
L{Pool.next_deadline} pass. Times are in seconds of a clock that counts forwards.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from typing import Final

from netsvc.balance.backend import AdminState, Backend, Failure, HealthRules
from netsvc.balance.backends import BackendSpec, Resolved
from netsvc.balance.members import MAX_EJECTED, Members, Update
from netsvc.balance.policy import Policy
from netsvc.balance.rate import SessionRate

__all__ = (
    "MAX_EJECTED",
    "MAX_WAITING",
    "QUEUE_TIMEOUT",
    "Pool",
    "Refusal",
    "Update",
    "Waiting",
)

MAX_WAITING: Final = 1024
"""How many clients may wait for a slot."""

QUEUE_TIMEOUT: Final = 5.0
"""How many seconds a client may wait for a slot."""


class Refusal(StrEnum):
    """Why a client gets no backend; the labels of the pool's counters."""

    QUEUE_FULL = "queue-full"
    QUEUE_TIMEOUT = "queue-timeout"
    NO_BACKEND = "no-backend"


class Waiting:
    """A client's place in the queue, to L{Pool.cancel} it by."""

    __slots__ = ("_deadline", "_done", "_exclude", "_key")

    def __init__(
        self,
        done: Callable[[Backend | Refusal], None],
        key: bytes,
        exclude: frozenset[Backend],
        deadline: float,
    ) -> None:
        """Only a pool makes these; see L{Pool.enqueue}."""
        self._done = done
        self._key = key
        self._exclude = exclude
        self._deadline = deadline


class Pool:
    """Backends, a policy that chooses among them, and a queue.

    @ivar name: what people call it.
    @ivar policy: the policy.
    @ivar refused: clients that got no backend, by reason.
    @ivar queued_total: clients that have had to wait.
    @ivar sessions: the sessions now.
    @ivar sessions_total: all that were begun.
    @ivar bytes_in: from clients to backends.
    @ivar bytes_out: from backends to clients.
    """

    def __init__(
        self,
        name: str,
        policy: Policy,
        specs: Sequence[BackendSpec],
        *,
        rules: HealthRules | None = None,
        max_ejected: float = MAX_EJECTED,
        max_waiting: int = MAX_WAITING,
        queue_timeout: float = QUEUE_TIMEOUT,
        now: float = 0.0,
    ) -> None:
        """Start with the backends that are given by address.

        @param name: what people call it.
        @param policy: chooses; it belongs to this pool alone.
        @param specs: the backends, checked by L{backends.check_backends}.
        @param rules: when a backend counts as well.
        @param max_ejected: the share that may be ejected at once, 0 to 1; see
            L{Members.eject}.
        @param max_waiting: how many clients may wait; 0 means none.
        @param queue_timeout: how long each may wait.
        @param now: the time in seconds.
        """
        self.name = name
        self.policy = policy
        self.refused: Counter[Refusal] = Counter()
        self.queued_total = 0
        self.sessions = 0
        self.sessions_total = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self._max_waiting = max_waiting
        self._queue_timeout = queue_timeout
        self._waiting: OrderedDict[Waiting, None] = OrderedDict()
        self._rate = SessionRate()
        self._members = Members(specs, rules, max_ejected, now, self._forget)

    # One session

    def choose(
        self, key: bytes, now: float, exclude: Collection[Backend] = ()
    ) -> Backend | None:
        """Choose a backend for a session; L{begin} has to follow at once.

        It is one of L{Members.usable} that has room.

        @param key: what the client is told apart by, its address for instance.
        @param exclude: backends that have failed this client.
        @return: C{None} if there is none, or all of them are full.
        """
        return self._free_one(self._members.usable(now, exclude), key, now)

    def begin(self, backend: Backend, now: float) -> None:
        """Take a slot of a backend, before connecting to it."""
        backend.begin(now)
        self._rate.add(now)
        self.sessions += 1
        self.sessions_total += 1

    def connected(self, backend: Backend, now: float) -> None:
        """Take note that the connection was made."""
        del now
        backend.health.connected()

    def answered(self, backend: Backend, now: float) -> None:
        """Take note that bytes have come back, sooner than L{ended} tells it."""
        del now
        backend.health.answered()

    def failed(self, backend: Backend, now: float, failure: Failure) -> bool:
        """Give back the slot of a session that was never connected.

        @param failure: what went wrong.
        @return: whether the backend is ejected for it.
        """
        self._give_back(backend)
        return self._count_error(backend, now, failure)

    def ended(
        self, backend: Backend, now: float, *, answered: bool, reset: bool = False
    ) -> bool:
        """Give back the slot of a session that was connected.

        @param answered: whether a byte has come from the backend.
        @param reset: whether the backend's side ended by an error.
        @return: whether the backend is ejected for it.
        """
        self._give_back(backend)
        if answered:
            backend.health.answered()
        if not reset:
            return False
        failure = Failure.RESET if answered else Failure.EARLY_RESET
        return self._count_error(backend, now, failure)

    def count(self, backend: Backend, bytes_in: int, bytes_out: int) -> None:
        """Count bytes that have moved since they were counted last.

        @param bytes_in: from the client to the backend.
        @param bytes_out: from the backend to the client.
        """
        backend.bytes_in += bytes_in
        backend.bytes_out += bytes_out
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out

    # The queue

    @property
    def waiting(self) -> int:
        """How many clients wait."""
        return len(self._waiting)

    @property
    def next_deadline(self) -> float | None:
        """When the first wait ends at the latest; C{None} if nobody waits."""
        first = next(iter(self._waiting), None)
        return None if first is None else first._deadline

    def enqueue(
        self,
        done: Callable[[Backend | Refusal], None],
        key: bytes,
        now: float,
        exclude: Collection[Backend] = (),
    ) -> Waiting | Refusal:
        """Wait for a slot, after L{choose} found none.

        Where there is no backend to wait for, one whose first check goes on will do:
        after a name has got another address, for instance.

        @param done: called by L{release}, once, unless L{cancel} comes first:
            with a backend of which a slot has been taken already, or with the
            reason why there is none. It must not raise.
        @param key: see L{choose}; and so
        @param exclude: of this.
        @return: the place in the queue, or why there is none (and C{done} is not
            called).
        """
        if not (self._members.usable(now, exclude) or self._members.awaited):
            refusal = Refusal.NO_BACKEND
        elif len(self._waiting) >= self._max_waiting:
            refusal = Refusal.QUEUE_FULL
        else:
            deadline = now + self._queue_timeout
            waiting = Waiting(done, key, frozenset(exclude), deadline)
            self._waiting[waiting] = None
            self.queued_total += 1
            return waiting
        self.refused[refusal] += 1
        return refusal

    def cancel(self, waiting: Waiting) -> None:
        """Stop waiting; nothing happens if the wait is over."""
        self._waiting.pop(waiting, None)

    def release(self, now: float) -> int:
        """End every wait that can end, in the order in which they began.

        @return: how many have ended.
        """
        ended = 0
        # The number is fixed first: a C{done} may wait again.
        for _ in range(len(self._waiting)):
            first = next(iter(self._waiting), None)
            if first is None or not self._end_wait(first, now):
                break
            ended += 1
        else:
            return ended
        if first is None or not first._exclude:
            return ended
        # The first cannot take what is free, but those behind it may.
        for waiting in tuple(self._waiting):
            if waiting in self._waiting:
                if self._end_wait(waiting, now):
                    ended += 1
                elif not waiting._exclude:
                    break
        return ended

    def _end_wait(self, waiting: Waiting, now: float) -> bool:
        """End a wait, if there is an outcome for it."""
        outcome: Backend | Refusal | None
        if now >= waiting._deadline:
            outcome = Refusal.QUEUE_TIMEOUT
        elif usable := self._members.usable(now, waiting._exclude):
            outcome = self._free_one(usable, waiting._key, now)
        else:
            outcome = None if self._members.awaited else Refusal.NO_BACKEND
        if outcome is None:
            return False
        del self._waiting[waiting]
        if isinstance(outcome, Refusal):
            self.refused[outcome] += 1
        else:
            self.begin(outcome, now)
        waiting._done(outcome)
        return True

    def _free_one(
        self, usable: Sequence[Backend], key: bytes, now: float
    ) -> Backend | None:
        free = [
            backend
            for backend in usable
            if not backend.max_connections or backend.has_room(now)
        ]
        return self.policy.choose(free, key, now) if free else None

    def _forget(self, backend: Backend) -> None:
        """A backend has left."""
        self.policy.forget(backend)

    def _give_back(self, backend: Backend) -> None:
        backend.sessions -= 1
        self.sessions -= 1
        self._members.drop(backend)

    def _count_error(self, backend: Backend, now: float, failure: Failure) -> bool:
        due = backend.session_failed(failure, now)
        return due and self._members.eject(backend, now)

    # Changes

    @property
    def backends(self) -> tuple[Backend, ...]:
        """All backends but those that are leaving, in the order given."""
        return self._members.backends

    @property
    def unresolved(self) -> list[BackendSpec]:
        """The specifications whose addresses come through L{update}."""
        return self._members.unresolved

    def update(
        self,
        spec: BackendSpec,
        resolved: Sequence[Resolved],
        now: float,
        left_out: int = 0,
    ) -> Update:
        """Take the addresses that a name has now; see L{Members.update}."""
        return self._members.update(spec, resolved, now, left_out)

    def change(
        self,
        specs: Sequence[BackendSpec],
        *,
        rules: HealthRules,
        max_ejected: float,
        max_waiting: int,
        queue_timeout: float,
        now: float,
    ) -> Update:
        """Take other backends and limits; see L{Members.change}.

        Who waits already does so under the old ones.

        @param specs: the backends, checked by L{backends.check_backends}; none at all
            lets the pool come to its end.
        @param rules: as for a new pool; so are the others.
        """
        self._max_waiting = max_waiting
        self._queue_timeout = queue_timeout
        return self._members.change(specs, rules, max_ejected, now)

    def find(self, name: str) -> list[Backend]:
        """Give the backends of a name, be it theirs or their specification's."""
        return self._members.find(name)

    def set_admin(self, name: str, admin: AdminState, now: float) -> list[Backend]:
        """Take what the operator wants of a name; see L{Members.set_admin}.

        @raise ValueError: if there is no such name.
        """
        return self._members.set_admin(name, admin, now)

    def set_weight(self, name: str, weight: int, now: float) -> list[Backend]:
        """Take another weight for a name; see L{Members.set_weight}.

        @raise ValueError: if there is no such name, or the weight is out of range.
        """
        del now
        return self._members.set_weight(name, weight)

    # What is shown

    def table(self, now: float) -> list[dict[str, object]]:
        """Describe each backend, those that are leaving last; for JSON."""
        members = self._members
        return [backend.row(now) for backend in (*members.backends, *members.leaving)]

    def status(self, now: float) -> dict[str, object]:
        """Describe the pool and its backends, in values that JSON has."""
        return {
            "name": self.name,
            "policy": self.policy.name,
            "available": sum(backend.available(now) for backend in self.backends),
            "sessions": self.sessions,
            "sessions_total": self.sessions_total,
            "rate": round(self._rate.per_second(now), 1),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "waiting": self.waiting,
            "max_waiting": self._max_waiting,
            "queued_total": self.queued_total,
            "refused": {reason.value: n for reason, n in sorted(self.refused.items())},
            "ejections_refused": self._members.ejections_refused,
            "addresses_left_out": self._members.addresses_left_out,
            "backends": self.table(now),
        }
