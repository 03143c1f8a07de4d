"""Other settings for a balancer that runs; sessions stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from netsvc.balance.backend_tls import backend_layers
from netsvc.balance.backends import BackendSpec
from netsvc.balance.checking import make_check
from netsvc.balance.checks import Check
from netsvc.balance.counted import datagrams, moved
from netsvc.balance.pools import DEFAULT, change_pool, routed
from netsvc.balance.settings import BalanceSettings
from netsvc.balance.tls import LayerFactory
from netsvc.balance.upstream import Upstream
from netsvc.daemon.changes import Changes, ReloadError
from netsvc.daemon.client_tls import ServerNameError, TrustError

if TYPE_CHECKING:
    from netsvc.balance.service import BalanceService

_CHECKS = (
    "effective_check",
    "check_send",
    "check_expect",
    "check_status",
    "check_host",
    "check_path",
)


def prepare(service: BalanceService, settings: BalanceSettings) -> Changes:
    """
    Prepare other settings.

    @raise CombinedReloadError: They cannot be used.
    """
    with Changes() as changes:
        changes.refuse_changed(service.settings, settings, ("control", "resolver"))
        with changes.part():
            changes.add(service.listeners.prepare_settings(settings))
        with changes.part():
            if settings.listens_on_udp and DEFAULT not in routed(settings):
                raise ReloadError(
                    "backend", "every backend is for clients that ask for a name"
                )
            try:
                tls = backend_layers(
                    settings.specs, settings.backend_ca, service.reactor
                )
            except ServerNameError as error:
                raise ReloadError("backend", str(error)) from None
            except TrustError as error:
                raise ReloadError("backend_ca", str(error)) from None
            check = service.check
            if tls or service.door.dialer.tls or _differs(service, settings):
                check = make_check(settings, tls, service.reactor)
            changes.on_commit(lambda: _use(service, settings, tls, check))
        changes.on_abandon(lambda: forget_closed(service))
    return changes


def _differs(service: BalanceService, settings: BalanceSettings) -> bool:
    """Tell whether backends are to be checked otherwise."""
    before = service.settings
    if settings.effective_check == "tls" and settings.specs != before.specs:
        return True
    return any(getattr(before, key) != getattr(settings, key) for key in _CHECKS)


def _use(
    service: BalanceService,
    settings: BalanceSettings,
    tls: Mapping[BackendSpec, LayerFactory],
    check: Check | None,
) -> None:
    """
    Go by other settings.

    @param tls: The TLS configurations of those backends that have one.
    @param check: What is asked of backends.
    """
    service.settings, service.check = settings, check
    door = service.door
    service.use_limits(door)
    door.prefaces.live.change(settings.client_timeout)
    door.dialer.tls = tls
    door.dialer.tries = settings.retries + 1
    door.dialer.end_leaves = settings.queue_abort
    door.dialer.connecting.change(settings.connect_timeout)
    _change_pools(service, settings, check)
    service.use_datagram_limits()
    forget_closed(service)
    service.sweep_datagrams()


def forget_closed(service: BalanceService) -> None:
    """Forget what is closed or at its end, but not what it has counted."""
    serves = service.listeners.serves
    for entrance in [each for each in service.datagrams if not serves(each)]:
        entrance.stop()
        service.before.update(datagrams(entrance))
        service.datagrams.remove(entrance)
    for upstream in [each for each in service.retired if not each.pool.sessions]:
        upstream.stop()
        service.before.update(moved(upstream.pool))
        service.retired.remove(upstream)


def _change_pools(
    service: BalanceService, settings: BalanceSettings, check: Check | None
) -> None:
    """Let the pools go by other settings; begin those that are new, end the rest."""
    now = service.reactor.seconds()
    routes = service.door.routes
    before = routes.by_route
    watches = {watch.upstream: watch for watch in service.watches}
    after: dict[tuple[str, str], Upstream] = {}
    for route, specs in routed(settings).items():
        upstream = before.pop(route, None)
        if upstream is None:
            upstream = service.make_upstream(route, specs, settings)
            watches[upstream] = service.watch(upstream, settings, check)
            watches[upstream].start()
        else:
            update = change_pool(upstream.pool, specs, settings, now)
            watches[upstream].change(
                update,
                check=check,
                interval=settings.check_interval,
                timeout=settings.check_timeout or settings.check_interval,
            )
        after[route] = upstream
    routes.change(after)
    for gone in before.values():
        change_pool(gone.pool, [], settings, now)
        watches.pop(gone).stop()
        gone.release()
        service.retired.append(gone)
    # In place: the control socket has the list, too.
    service.watches[:] = [watches[upstream] for upstream in after.values()]
