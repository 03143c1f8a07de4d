"""The backends of a pool: who is in it, who can be asked, who may be ejected.

Backends come from specifications. An address is there from the start; a name has
as many backends as it has addresses now, which change while the pool is in use.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from netsvc.balance.backend import (
    AdminState,
    Backend,
    HealthRules,
    weight_and_backup,
)
from netsvc.balance.backends import (
    MAX_ADDRESSES,
    MAX_BACKENDS,
    MAX_WEIGHT,
    BackendKind,
    BackendSpec,
    Resolved,
)
from netsvc.daemon.kinds import found

MAX_EJECTED: Final = 0.5
"""The share of a pool's backends that may be ejected at once."""


@dataclass(frozen=True)
class Update:
    """What L{Members.update} has changed.

    @ivar added: backends to begin checks of.
    @ivar removed: backends to end checks of.
    @ivar left_out: how many addresses were too many.
    """

    added: tuple[Backend, ...]
    removed: tuple[Backend, ...]
    left_out: int


class Members:
    """The backends of one pool.

    @ivar backends: all but those that are leaving, in the order given.
    @ivar ejections_refused: ejections that the cap has prevented.
    """

    def __init__(
        self,
        specs: Sequence[BackendSpec],
        rules: HealthRules | None,
        max_ejected: float,
        now: float,
        forget: Callable[[Backend], None],
    ) -> None:
        """Start with the backends that are given by address.

        @param specs: the backends, checked by L{backends.check_backends}.
        @param rules: when a backend counts as well.
        @param max_ejected: see L{eject}; 0 to 1.
        @param now: the time in seconds.
        @param forget: told of each backend that has left.
        """
        self.ejections_refused = 0
        self._rules = rules
        self._max_ejected = max_ejected
        self._forget = forget
        self._of: dict[BackendSpec, list[Backend]] = {spec: [] for spec in specs}
        self._leaving: dict[Backend, None] = {}
        self._left_out: dict[BackendSpec, int] = {}
        self._admin: dict[str, AdminState] = {}
        self._weights: dict[str, int] = {}
        for spec in specs:
            if spec.kind is BackendKind.ADDRESS:
                self._of[spec] = [Backend(spec, None, rules, now)]
        self._arrange()

    @property
    def leaving(self) -> tuple[Backend, ...]:
        """Those that are no longer wanted and still have sessions."""
        return tuple(self._leaving)

    @property
    def unresolved(self) -> list[BackendSpec]:
        """The specifications whose addresses come through L{update}."""
        return [spec for spec in self._of if spec.kind is not BackendKind.ADDRESS]

    @property
    def addresses_left_out(self) -> int:
        """How many addresses were too many, at the last update of each name."""
        return sum(self._left_out.values())

    def usable(self, now: float, exclude: Collection[Backend] = ()) -> list[Backend]:
        """Give the backends that may be asked, the room they have aside.

        These are the primary ones that are available; if there is none, the
        backups; if there is none, those that are ejected, for an ejection is a
        guess, and better than nothing.

        @param exclude: backends that are not wanted.
        """
        for group in (self._primaries, self._backups):
            usable = [
                backend
                for backend in group
                if backend.available(now) and backend not in exclude
            ]
            if usable:
                return usable
        return [
            backend
            for backend in self.backends
            if backend.in_service and backend not in exclude
        ]

    @property
    def awaited(self) -> bool:
        """Whether the first check of some backend goes on, which may be usable then."""
        return any(
            backend.unchecked and backend.admin is AdminState.READY
            for backend in self.backends
        )

    def eject(self, backend: Backend, now: float) -> bool:
        """Eject a backend, if the cap allows it.

        The cap is a share of all backends, in a pool of two or more at least one
        unless it is 0. The last one that is available is never ejected.

        @return: whether it is ejected by this.
        """
        if not backend.available(now):
            return False
        ejected = sum(other.health.is_ejected(now) for other in self.backends)
        cap = self._max_ejected * len(self.backends)
        available = sum(other.available(now) for other in self.backends)
        if cap == 0 or ejected >= max(1, int(cap)) or available < 2:
            self.ejections_refused += 1
            return False
        backend.health.eject(now)
        return True

    def drop(self, backend: Backend) -> None:
        """Drop a backend that is leaving, if its sessions have ended."""
        if backend.leaving and backend.sessions == 0:
            self._leaving.pop(backend, None)

    def update(
        self,
        spec: BackendSpec,
        resolved: Sequence[Resolved],
        now: float,
        left_out: int = 0,
    ) -> Update:
        """Take the addresses that a name has now.

        A backend whose address is still there stays as it is, but for its weight
        and whether it is a backup. One that is gone keeps its sessions. There
        are at most L{MAX_ADDRESSES} of a name and L{MAX_BACKENDS} in all; what
        was there before goes first.

        @param spec: one of L{unresolved}.
        @param resolved: all its addresses; none at all removes all.
        @param left_out: how many more there are.
        """
        wanted = {(address.host, address.port): address for address in resolved}
        before = self._of[spec]
        kept: list[Backend] = []
        removed: list[Backend] = []
        for backend in before:
            address = wanted.pop((backend.host, backend.port), None)
            if address is None:
                removed.append(backend)
            else:
                self._adjust(backend, address)
                kept.append(backend)
        others = len(self.backends) - len(before)
        room = max(0, min(MAX_ADDRESSES, MAX_BACKENDS - others) - len(kept))
        new = list(wanted.values())
        added = [self._add(spec, address, now) for address in new[:room]]
        for backend in removed:
            self._remove(backend, now)
        self._of[spec] = kept + added
        self._left_out[spec] = len(new[room:]) + left_out
        self._arrange()
        return Update(tuple(added), tuple(removed), self._left_out[spec])

    def change(
        self,
        specs: Sequence[BackendSpec],
        rules: HealthRules,
        max_ejected: float,
        now: float,
    ) -> Update:
        """Take other specifications; sessions stay where they are.

        A backend that is only described otherwise (L{BackendSpec.alike}) stays, with
        what is known of it and what the operator wants of it, but for a weight if
        its description has changed. One that is gone keeps its sessions.

        @param specs: the backends, checked by L{backends.check_backends}.
        @param rules: as for new members; so is C{max_ejected}.
        """
        self._rules, self._max_ejected = rules, max_ejected
        before = {spec.alike: (spec, backends) for spec, backends in self._of.items()}
        after: dict[BackendSpec, list[Backend]] = {}
        left_out: dict[BackendSpec, int] = {}
        added: list[Backend] = []
        for spec in specs:
            old, backends = before.pop(spec.alike, (None, []))
            if old is not None:
                if old in self._left_out:
                    left_out[spec] = self._left_out[old]
                if old == spec:
                    spec = old
                else:
                    self._describe(old, spec, backends)
            elif spec.kind is BackendKind.ADDRESS:
                backends = [self._new(spec, now)]
                added += backends
            after[spec] = backends
        removed = [each for _, backends in before.values() for each in backends]
        for backend in removed:
            self._remove(backend, now)
        for old, _ in before.values():
            self._admin.pop(old.name, None)
            self._weights.pop(old.name, None)
        self._of, self._left_out = after, left_out
        self._arrange()
        for backend in (*self.backends, *self._leaving):
            backend.health.change(rules)
        return Update(tuple(added), tuple(removed), 0)

    def _describe(
        self, old: BackendSpec, spec: BackendSpec, backends: Sequence[Backend]
    ) -> None:
        """Take another description of the same backends."""
        for backend in backends:
            self._weights.pop(backend.name, None)
            backend.respecify(spec)
        self._weights.pop(old.name, None)
        if old.name in self._admin:
            self._admin[spec.name] = self._admin.pop(old.name)

    def _new(self, spec: BackendSpec, now: float) -> Backend:
        """Add the backend of a specification that has an address."""
        backend = self._returning(spec, spec.host, spec.port, now)
        if backend is None:
            backend = Backend(spec, None, self._rules, now)
            if self.backends:
                backend.health.start_slowly()
        return backend

    def _returning(
        self, spec: BackendSpec, host: str, port: int, now: float
    ) -> Backend | None:
        """Take back a backend that was leaving, if it is the same one."""
        for backend in self._leaving:
            place = (backend.host, backend.port)
            if place == (host, port) and backend.spec.alike == spec.alike:
                del self._leaving[backend]
                backend.respecify(spec)
                backend.come_back(now)
                return backend
        return None

    def find(self, name: str) -> list[Backend]:
        """Give the backends of a name, be it theirs or their specification's."""
        return [
            backend
            for backend in self.backends
            if name in (backend.name, backend.spec.name)
        ]

    def set_admin(self, name: str, admin: AdminState, now: float) -> list[Backend]:
        """Take what the operator wants of the backends of a name.

        It holds for addresses that the name gets later, too.

        @raise ValueError: if there is no such name.
        """
        backends = self._named(name)
        for backend in backends:
            backend.set_admin(admin, now)
        if self._is_spec(name):
            self._admin[name] = admin
        return backends

    def set_weight(self, name: str, weight: int) -> list[Backend]:
        """Take another weight for the backends of a name; see L{set_admin}.

        It takes precedence over what the DNS says.

        @raise ValueError: if there is no such name, or the weight is not within
            0 and L{MAX_WEIGHT}.
        """
        backends = self._named(name)
        if not 0 <= weight <= MAX_WEIGHT:
            raise ValueError(f"weight {weight} is out of range: 0 to {MAX_WEIGHT}")
        for backend in backends:
            backend.weight = self._weights[backend.name] = weight
        if self._is_spec(name):
            self._weights[name] = weight
        return backends

    def _named(self, name: str) -> list[Backend]:
        backends = self.find(name)
        if not backends and not self._is_spec(name):
            raise ValueError(f"there is no backend {found(name)}")
        return backends

    def _is_spec(self, name: str) -> bool:
        return any(spec.name == name for spec in self._of)

    def _adjust(self, backend: Backend, address: Resolved) -> None:
        """Take what an address says of itself, unless the operator has spoken."""
        spec = backend.spec
        weight, backend.backup = weight_and_backup(spec, address)
        weight = self._weights.get(spec.name, weight)
        backend.weight = self._weights.get(backend.name, weight)

    def _add(self, spec: BackendSpec, address: Resolved, now: float) -> Backend:
        backend = self._returning(spec, address.host, address.port, now)
        if backend is None:
            backend = Backend(spec, address, self._rules, now)
            if spec in self._left_out:
                # Not the first addresses of this name: the others are running.
                backend.health.start_slowly()
        backend.set_admin(self._admin.get(spec.name, backend.admin), now)
        self._adjust(backend, address)
        return backend

    def _remove(self, backend: Backend, now: float) -> None:
        backend.leave(now)
        self._weights.pop(backend.name, None)
        self._forget(backend)
        if backend.sessions:
            self._leaving[backend] = None

    def _arrange(self) -> None:
        self.backends = tuple(
            backend for backends in self._of.values() for backend in backends
        )
        self._primaries = [b for b in self.backends if not b.backup]
        self._backups = [b for b in self.backends if b.backup]
