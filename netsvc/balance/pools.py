"""The pools of a balancer, as its settings describe them, and as they change."""

from __future__ import annotations

from random import random
from typing import Final

from netsvc.balance.backends import BackendSpec, by_route
from netsvc.balance.health import HealthRules
from netsvc.balance.members import Update
from netsvc.balance.policy import make_policy
from netsvc.balance.pool import Pool
from netsvc.balance.settings import BalanceSettings

#: What a pool is found by: server name and application protocol.
Route = tuple[str, str]


#: Who asks for nothing, or for what nobody else serves.
DEFAULT: Final[Route] = ("", "")


def pool_name(route: Route) -> str:
    """Name the pool of a server name and a protocol."""
    return "+".join(filter(None, route)) or "default"


def health_rules(settings: BalanceSettings) -> HealthRules:
    """Give when a backend counts as well."""
    return HealthRules(
        checked=settings.effective_check != "none",
        rise=settings.rise,
        fall=settings.fall,
        slow_start=settings.slow_start,
        eject_after=settings.eject_after,
        ejection_time=settings.ejection_time,
    )


def make_pool(
    route: Route, specs: list[BackendSpec], settings: BalanceSettings, now: float
) -> Pool:
    """Make a pool."""
    return Pool(
        pool_name(route),
        make_policy(settings.policy, random),
        specs,
        rules=health_rules(settings),
        max_ejected=settings.max_ejected / 100,
        max_waiting=settings.queue,
        queue_timeout=settings.queue_timeout,
        now=now,
    )


def change_pool(
    pool: Pool, specs: list[BackendSpec], settings: BalanceSettings, now: float
) -> Update:
    """
    Let a pool go by other settings; sessions stay where they are.

    @return: Which backends have come and gone.
    """
    if pool.policy.name != settings.policy:
        pool.policy = make_policy(settings.policy, random)
    return pool.change(
        specs,
        rules=health_rules(settings),
        max_ejected=settings.max_ejected / 100,
        max_waiting=settings.queue,
        queue_timeout=settings.queue_timeout,
        now=now,
    )


def routed(settings: BalanceSettings) -> dict[Route, list[BackendSpec]]:
    """Give the backends of each pool."""
    return by_route(settings.specs)
