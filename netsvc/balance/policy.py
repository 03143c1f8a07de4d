"""Which backend gets the next session.

A policy is given backends that can take a session, and picks one. It looks at
their weights (L{Backend.effective_weight}, more than 0 and with the slow start
counted) and their sessions; the pool decides who is asked at all.

=============  ==============================================================
roundrobin     in turn, by weight, evenly interleaved (smooth weighted round
               robin, as in nginx)
leastconn      fewest sessions for its weight; in turn among equals
p2c            the better of two drawn at random by weight (power of two
               choices)
source         by the client's address: the same backend each time, and when
               one leaves only its own clients move (weighted rendezvous
               hashing)
consistent     the same, but nobody gets more than C{balance_factor} times
               its share of the sessions (consistent hashing with bounded
               loads)
first          the first in the list, until it is full
=============  ==============================================================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from hashlib import blake2b
from math import ceil, log
from typing import ClassVar, Final

from netsvc.balance.backend import Backend

BALANCE_FACTOR: Final = 1.25
"""How much more than its share a backend may get under C{consistent}."""


class Policy(ABC):
    """A rule for choosing; the base of all.

    @cvar name: what the settings call it.
    """

    name: ClassVar[str]

    @abstractmethod
    def choose(self, candidates: Sequence[Backend], key: bytes, now: float) -> Backend:
        """Choose a backend.

        @param candidates: those that can take a session, at least one, in the
            order of the configuration; each of a weight above 0.
        @param key: what clients are told apart by, the address for instance.
        @param now: the time in seconds.
        """

    def forget(self, backend: Backend) -> None:
        """Drop what is remembered of a backend that has gone."""
        del backend


class RoundRobin(Policy):
    """In turn, by weight, evenly interleaved.

    Each backend has a credit. For each choice all gain their weight, and the one
    with the most credit is chosen and pays what all have gained. So weights 5, 1,
    1 give a a b a c a a, and not a a a a a b c.
    """

    name = "roundrobin"

    def __init__(self) -> None:
        """Start with nobody in front."""
        self._credits: dict[Backend, float] = {}

    def choose(self, candidates: Sequence[Backend], key: bytes, now: float) -> Backend:
        """Choose whose turn it is."""
        credits = self._credits
        chosen = candidates[0]
        most = float("-inf")
        total = 0.0
        for backend in candidates:
            weight = float(backend.weight)
            if backend.health.slow_since is not None:
                weight = backend.effective_weight(now)
            total += weight
            credit = credits.get(backend, 0.0) + weight
            credits[backend] = credit
            if credit > most:
                chosen, most = backend, credit
        credits[chosen] = most - total
        return chosen

    def forget(self, backend: Backend) -> None:
        """Drop the credit of a backend."""
        self._credits.pop(backend, None)


class LeastConnections(Policy):
    """Fewest sessions for its weight; in turn among equals."""

    name = "leastconn"

    def __init__(self) -> None:
        """Start with nobody in front."""
        self._turns = RoundRobin()

    def choose(self, candidates: Sequence[Backend], key: bytes, now: float) -> Backend:
        """Choose the least loaded."""
        least = float("inf")
        equals: list[Backend] = []
        for backend in candidates:
            load = backend.sessions / backend.effective_weight(now)
            if load < least:
                least = load
                equals = [backend]
            elif load == least:
                equals.append(backend)
        return equals[0] if len(equals) == 1 else self._turns.choose(equals, key, now)

    def forget(self, backend: Backend) -> None:
        """Drop the turn of a backend."""
        self._turns.forget(backend)


class TwoChoices(Policy):
    """The less loaded of two backends that are drawn at random, by weight."""

    name = "p2c"

    def __init__(self, random: Callable[[], float]) -> None:
        """Take a source of numbers from 0 up to but not including 1."""
        self._random = random

    def choose(self, candidates: Sequence[Backend], key: bytes, now: float) -> Backend:
        """Draw two different ones and choose the better."""
        weights = [backend.effective_weight(now) for backend in candidates]
        i = self._draw(weights)
        if len(candidates) == 1:
            return candidates[i]
        one, weight = candidates[i], weights[i]
        weights[i] = 0.0
        j = self._draw(weights)
        other = candidates[j]
        return other if other.sessions / weights[j] < one.sessions / weight else one

    def _draw(self, weights: Sequence[float]) -> int:
        """Draw an index; those of weight 0 are never drawn."""
        left = self._random() * sum(weights)
        drawn = -1
        for i, weight in enumerate(weights):
            if weight > 0:
                drawn = i
                left -= weight
                if left < 0:
                    break
        return drawn


class SourceHash(Policy):
    """By the key: weighted rendezvous hashing (highest random weight).

    Each backend has a score for each key, from a hash of its name and the key;
    the highest wins. The name counts, not the address or the place in the list,
    so that two balancers and a restarted one choose alike.
    """

    name = "source"

    def __init__(self) -> None:
        """Start without prepared hashes."""
        self._hashes: dict[Backend, blake2b] = {}

    def choose(self, candidates: Sequence[Backend], key: bytes, now: float) -> Backend:
        """Choose the backend of the highest score."""
        if len(candidates) == 1:
            return candidates[0]
        return max(candidates, key=lambda backend: self._score(backend, key, now))

    def forget(self, backend: Backend) -> None:
        """Drop the prepared hash of a backend."""
        self._hashes.pop(backend, None)

    def _score(self, backend: Backend, key: bytes, now: float) -> float:
        prepared = self._hashes.get(backend)
        if prepared is None:
            prepared = blake2b(backend.name.encode() + b"\0", digest_size=8)
            self._hashes[backend] = prepared
        state = prepared.copy()
        state.update(key)
        # Between 0 and 1, never either; 53 bits are what a float holds.
        uniform = ((int.from_bytes(state.digest()) >> 12) + 0.5) / 2**52
        return -backend.effective_weight(now) / log(uniform)


class BoundedHash(SourceHash):
    """By the key, but within a bound on the load of each backend.

    With n sessions, the new one counted, a backend of share s gets at most
    ceil(balance_factor * n * s); a key whose backend is there goes to its next
    (Mirrokni, Thorup, Zadimoghaddam: Consistent Hashing with Bounded Loads).
    """

    name = "consistent"

    def __init__(self, balance_factor: float = BALANCE_FACTOR) -> None:
        """Take the bound.

        @param balance_factor: times the fair share, at least 1.
        @raise ValueError: if it is less.
        """
        super().__init__()
        if not balance_factor >= 1:
            raise ValueError("a balance factor must be at least 1")
        self._factor = balance_factor

    def choose(self, candidates: Sequence[Backend], key: bytes, now: float) -> Backend:
        """Choose the backend of the highest score among those within the bound."""
        sessions = 1 + sum(backend.sessions for backend in candidates)
        weight = sum(backend.effective_weight(now) for backend in candidates)
        each = self._factor * sessions / weight
        within = [
            backend
            for backend in candidates
            if backend.sessions < ceil(each * backend.effective_weight(now))
        ]
        # Never empty: the bounds add up to more than the sessions there are.
        return super().choose(within, key, now)


class FirstAvailable(Policy):
    """The first in the list: the next is used when those before it are full."""

    name = "first"

    def choose(self, candidates: Sequence[Backend], key: bytes, now: float) -> Backend:
        """Choose the first."""
        return candidates[0]


POLICIES: Final = ("roundrobin", "leastconn", "p2c", "source", "consistent", "first")
"""The names of all policies; the first is the usual one."""


def make_policy(
    name: str,
    random: Callable[[], float],
    balance_factor: float = BALANCE_FACTOR,
) -> Policy:
    """Make a policy, for one pool.

    @param name: one of L{POLICIES}.
    @param random: gives numbers from 0 up to but not including 1.
    @param balance_factor: see L{BoundedHash}.
    @raise ValueError: if there is no policy of that name.
    """
    makers: dict[str, Callable[[], Policy]] = {
        "roundrobin": RoundRobin,
        "leastconn": LeastConnections,
        "p2c": lambda: TwoChoices(random),
        "source": SourceHash,
        "consistent": lambda: BoundedHash(balance_factor),
        "first": FirstAvailable,
    }
    if name not in makers:
        raise ValueError(f"'{name}' is not one of {', '.join(POLICIES)}")
    return makers[name]()
