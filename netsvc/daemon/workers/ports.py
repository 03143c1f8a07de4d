"""The parent's listening sockets: bound, handed out, exchanged, closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from netsvc.daemon.binding import reason
from netsvc.daemon.changes import Changes
from netsvc.daemon.workers.placement import Entry, Wish, wishes
from netsvc.daemon.workers.sockets import Key, Shared, bind, extend, key_of


@dataclass(frozen=True)
class PortProblem:
    """
    A listen string that cannot be bound.

    @ivar wish: It.
    @ivar problem: Why, in one line.
    """

    wish: Wish
    problem: str


class PortsError(Exception):
    """
    Not everything can be bound; nothing has changed.

    @ivar problems: What cannot.
    """

    def __init__(self, problems: Sequence[PortProblem]) -> None:
        """@param problems: What cannot be bound."""
        super().__init__("; ".join(each.problem for each in problems))
        self.problems = tuple(problems)


def place_of(wish: Wish) -> tuple[Any, ...]:
    """
    Say what a socket is known by: what has the same place gets the same socket.

    It is the port, or whose it is, where the system chooses the port.

    @raise ValueError: Sockets of this kind cannot be passed on.
    """
    key = key_of(wish.listen)
    if key[2] == 0:
        entry = wish.entry
        return (*key, entry.table, entry.name, wish.listen.text, wish.number)
    return key


class Ports:
    """The sockets that are bound now."""

    def __init__(self, members: Callable[[Entry], Sequence[int]]) -> None:
        """@param members: Gives the workers that run an entry."""
        self._members = members
        self._bound: dict[tuple[Any, ...], Shared] = {}

    def prepare(self, entries: Sequence[Entry]) -> Prepared:
        """
        Bind what is not bound yet; the commit closes what is not wanted any more.

        @raise PortsError: Something cannot be bound.
        """
        changes = Prepared()
        after = changes.bound
        dropped: list[tuple[Shared, set[int]]] = []
        problems: list[PortProblem] = []
        for entry in entries:
            members = set(self._members(entry))
            for wish in wishes(entry):
                try:
                    self._prepare(wish, members, dropped, changes)
                except (OSError, ValueError, LookupError) as error:
                    why = reason(wish.listen, error)
                    problem = f"cannot listen on {wish.listen}: {why}"
                    problems.append(PortProblem(wish, problem))
        if problems:
            changes.abandon()
            raise PortsError(problems)
        changes.on_commit(lambda: self._use(after, dropped))
        return changes

    def _prepare(
        self,
        wish: Wish,
        members: set[int],
        dropped: list[tuple[Shared, set[int]]],
        changes: Prepared,
    ) -> None:
        """Find or bind the sockets of one listen string."""
        place = place_of(wish)
        if place in changes.bound:
            raise ValueError("something else of this configuration listens there")
        shared = self._bound.get(place)
        if shared is None:
            shared = bind(wish.listen, members)
            changes.on_abandon(shared.close)
        elif shared.own:
            new = extend(shared, members)
            changes.on_abandon(lambda: shared.drop(new))
            dropped.append((shared, shared.own - members))
        changes.bound[place] = shared

    def _use(
        self,
        after: dict[tuple[Any, ...], Shared],
        dropped: Sequence[tuple[Shared, set[int]]],
    ) -> None:
        """Keep what is wanted, and close the rest."""
        before, self._bound = self._bound, after
        for place, shared in before.items():
            if place not in after:
                shared.close()
        for shared, workers in dropped:
            shared.drop(workers)

    def sockets(
        self, worker: int, wished: Sequence[Wish]
    ) -> tuple[list[Key], list[int]]:
        """Give a worker's sockets of what is bound; see L{Prepared.sockets}."""
        return _sockets(self._bound, worker, wished)

    def close(self) -> None:
        """Close everything."""
        self._use({}, ())


class Prepared(Changes):
    """Sockets that are bound, for entries that are not run yet."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.bound: dict[tuple[Any, ...], Shared] = {}

    def sockets(
        self, worker: int, wished: Sequence[Wish]
    ) -> tuple[list[Key], list[int]]:
        """
        Give a worker's sockets.

        @param worker: Its number.
        @param wished: What for.
        @return: How it will ask for each, and the descriptors, which stay ours.
        """
        return _sockets(self.bound, worker, wished)


def _sockets(
    bound: dict[tuple[Any, ...], Shared], worker: int, wished: Sequence[Wish]
) -> tuple[list[Key], list[int]]:
    found = [bound[place_of(wish)] for wish in wished]
    return [one.key for one in found], [one.fileno(worker) for one in found]
