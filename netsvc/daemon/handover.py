"""
Ports that go from one service to another in a reload: their sockets stay open.

Who has such a port lends a copy of its socket, and who will have it finds that copy
where it would bind (L{netsvc.multiplex.inherited}). It reads from the commit on, when
the other reads no more: nobody who connects is refused meanwhile, and nothing has
changed if the reload is refused.

A UNIX socket cannot go over like that: who has bound it removes its path.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from netsvc.daemon.listen import Listen
from netsvc.daemon.listeners import Bound, Listeners, listeners_of
from netsvc.daemon.workers.placement import added, wishes
from netsvc.daemon.workers.sockets import Key, key_of


class Handover:
    """The ports that change hands in one reload."""

    def __init__(
        self, services: Iterable[Any], before: Sequence[Any], after: Sequence[Any]
    ) -> None:
        """
        Lend the sockets of all that change hands.

        @param services: All services that there are, also those that drain.
        @param before: The entries that they go by.
        @param after: The entries that are wanted.
        """
        self._lent: list[tuple[Listeners, Bound]] = []
        wanted = _moving(before, after)
        if not wanted:
            return
        for service in services:
            for listeners in listeners_of(service):
                for bound in listeners.bound:
                    key = _key(bound.listen)
                    if key is None or key not in wanted:
                        continue
                    if listeners.lend(bound, key):
                        wanted.discard(key)
                        self._lent.append((listeners, bound))

    def __enter__(self) -> Handover:
        """Begin to bind."""
        return self

    def __exit__(self, *error: object) -> None:
        """Everything is bound, or not: take back what nobody has taken."""
        for listeners, _ in self._lent:
            listeners.take_back()

    def commit(self) -> None:
        """Who had them reads from them no more."""
        for listeners, bound in self._lent:
            listeners.leave(bound)


def _moving(before: Sequence[Any], after: Sequence[Any]) -> set[Key]:
    """Give what is to be bound, unless it is wanted twice: that cannot be had."""
    every = Counter(_key(each.listen) for entry in after for each in wishes(entry))
    new = {_key(each.listen) for each in added(before, after)}
    return {key for key in new if key is not None and every[key] == 1}


def _key(listen: Listen) -> Key | None:
    """Say what a port is known by; L{None} for one that cannot change hands."""
    try:
        key = key_of(listen)
    except ValueError:
        return None
    return None if key[0] == "unix" or key[2] == 0 else key
