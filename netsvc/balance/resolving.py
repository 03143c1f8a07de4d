"""
Backends by name: their addresses are looked up again when the old answer expires.

The DNS gives addresses with a time to live, and SRV records. Who asks it comes from
outside (L{Lookup}): services do not know each other, and the DNS client is another
one's. When a lookup fails the old addresses stay, and it is tried
again soon.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from twisted.internet import defer
from twisted.logger import Logger

from netsvc.balance.backends import (
    MAX_ADDRESSES,
    BackendKind,
    BackendSpec,
    Resolved,
    Service,
    scale_srv,
)
from netsvc.balance.pool_log import PoolLog
from netsvc.daemon.targets import is_address

#: The bounds of a time to live, in seconds, whatever the DNS says.
LEAST_TTL = 1.0
MOST_TTL = 3600.0

#: Seconds after which a lookup that failed is tried again.
RETRY = 2.0

#: Seconds that a whole lookup may take.
LOOKUP_TIMEOUT = 10.0


class Found(Protocol):
    """What counts of what a lookup has found."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Literal addresses, for a name."""

    @property
    def services(self) -> Sequence[Service]:
        """Records, for an SRV name."""

    @property
    def ttl(self) -> float:
        """Seconds for which it counts."""


class Lookup(Protocol):
    """What L{Resolving} asks of a resolver; what it raises is a failed lookup."""

    def addresses(self, name: str) -> Awaitable[Found]:
        """Look up the IPv4 or IPv6 addresses of a name."""

    def services(self, name: str) -> Awaitable[Found]:
        """Look up the SRV records of a name."""

    def close(self) -> None:
        """Ask no more."""


@dataclass(frozen=True)
class _Outcome:
    """
    What a look at one backend has given.

    @ivar resolved: All its addresses.
    @ivar ttl: Seconds for which they count.
    @ivar left_out: How many targets were not looked up, as there are too many.
    @ivar errors: Why some targets could not be.
    """

    resolved: list[Resolved]
    ttl: float
    left_out: int = 0
    errors: tuple[Exception, ...] = ()


def _rank(service: Service) -> tuple[int, int, str, int]:
    """Put those that are wanted most first."""
    return service.priority, -service.weight, service.target, service.port


def _targets_of(services: Sequence[Service]) -> list[str]:
    """Give each target once."""
    return list(dict.fromkeys(service.target for service in services))


class Resolving:
    """
    Keeps the addresses of one backend by name up to date.

    @ivar spec: The backend.
    """

    _log = Logger()

    def __init__(
        self,
        spec: BackendSpec,
        lookup: Lookup,
        found: Callable[[BackendSpec, list[Resolved], int], object],
        log: PoolLog,
        clock: Any,
    ) -> None:
        """
        @param spec: The backend, by name or SRV name.
        @param lookup: The resolver.
        @param found: Called with all its addresses, each time, and with how many
            targets were too many to be looked up.
        @param log: Tells operators.
        @param clock: The reactor (L{twisted.internet.interfaces.IReactorTime}).
        """
        self.spec = spec
        self._lookup = lookup
        self._found = found
        self._pool_log = log
        self._clock = clock
        self._call: Any = None
        self._running: defer.Deferred[Any] | None = None
        self._failing = ""
        self._known: dict[str, tuple[str, ...]] = {}

    def start(self) -> None:
        """Look up now, and again when what was found expires."""
        self._call = None
        running = defer.ensureDeferred(self._resolve())
        running.addTimeout(LOOKUP_TIMEOUT, self._clock)
        self._running = running
        running.addCallbacks(self._succeeded, self._failed)
        running.addErrback(self._mistaken)

    def stop(self) -> None:
        """Look up no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        running, self._running = self._running, None
        if running is not None:
            running.cancel()

    async def _resolve(self) -> _Outcome:
        """Find all addresses, and for how long they count."""
        spec = self.spec
        if spec.kind is BackendKind.NAME:
            answer = await self._lookup.addresses(spec.host)
            resolved = [Resolved(host, spec.port) for host in answer.addresses]
            return _Outcome(resolved, answer.ttl)
        answer = await self._lookup.services(spec.host)
        # In an order of our own: of too many the same ones are taken each time.
        services = sorted(answer.services, key=_rank)
        outcome = await self._targets(services[:MAX_ADDRESSES], answer.ttl)
        return replace(outcome, left_out=len(services[MAX_ADDRESSES:]))

    async def _targets(self, services: Sequence[Service], ttl: float) -> _Outcome:
        """
        Find the addresses of all targets, at once: one that is silent, or is none, is
        not to keep the others away.

        @raise Exception: No address of any of them is known.
        """
        names = [name for name in _targets_of(services) if not is_address(name)]
        found = await defer.gatherResults(
            [defer.ensureDeferred(self._target(name)) for name in names]
        )
        errors = [each for each in found if isinstance(each, Exception)]
        known = dict(self._known)
        for name, each in zip(names, found, strict=True):
            if not isinstance(each, Exception):
                known[name] = each.addresses
                ttl = min(ttl, each.ttl)
        self._known = {name: known[name] for name in names if name in known}
        resolved: dict[tuple[str, int], Resolved] = {}
        for record, weight, backup in scale_srv(services):
            literal = (record.target,) if is_address(record.target) else ()
            for host in literal or self._known.get(record.target, ()):
                # What is a backup, too, is none.
                resolved.setdefault(
                    (host, record.port), Resolved(host, record.port, weight, backup)
                )
        if errors and not resolved:
            raise errors[0]
        if errors:
            ttl = min(ttl, RETRY)
        return _Outcome(list(resolved.values()), ttl, errors=tuple(errors))

    async def _target(self, name: str) -> Found | Exception:
        """Look up a target; give the error if that fails, or takes too long."""
        try:
            return await self._lookup.addresses(name)
        except defer.CancelledError:
            return defer.TimeoutError(f"{name} has taken too long")
        except Exception as error:
            return error

    def _succeeded(self, outcome: _Outcome) -> None:
        if self._running is None:
            return
        self._running = None
        errors = outcome.errors
        if errors:
            self._fails(
                f"has targets that cannot be looked up ({len(errors)}), what is known"
                " of them stays",
                errors[0],
            )
        elif self._failing:
            self._failing = ""
            self._pool_log.found(self.spec.name)
        self._again(min(max(outcome.ttl, LEAST_TTL), MOST_TTL))
        self._found(self.spec, outcome.resolved, outcome.left_out)

    def _failed(self, failure: Any) -> None:
        if self._running is None:
            return  # it was stopped
        self._running = None
        self._fails("cannot be looked up, its addresses stay", failure.value)
        self._again(RETRY)

    def _fails(self, problem: str, error: BaseException) -> None:
        """Say what cannot be looked up, unless that has been said."""
        if problem != self._failing:
            self._failing = problem
            self._pool_log.lookup_failed(self.spec.name, problem, error)

    def _mistaken(self, failure: Any) -> None:
        """The mistake is ours: say so; the next lookup is planned already."""
        self._log.failure("in a lookup", failure, event="internal-error")

    def _again(self, seconds: float) -> None:
        self._call = self._clock.callLater(seconds, self.start)
