"""Options and service of C{twistd netsvc-balance}."""

from __future__ import annotations

from typing import Any

from netsvc.balance.settings import BalanceSettings
from netsvc.daemon.lifecycle import Daemon, service_reactor
from netsvc.daemon.options import SettingsOptions


class Options(SettingsOptions[BalanceSettings]):
    """Command line of C{netsvc-balance}."""

    settings_class = BalanceSettings
    service = "netsvc-balance"
    longdesc = (
        "One entrance for several computers: spreads TCP connections, TLS or not,"
        " and UDP sessions over backends, and leaves out those that fail."
    )


def makeService(options: Options, reactor: Any = None) -> Daemon:
    """
    Make the service that C{options} ask for.

    @param options: The parsed command line.
    @param reactor: The reactor; by default the global one.
    """
    reactor = service_reactor(reactor)
    from netsvc.balance.service import BalanceService

    settings = options.settings
    return Daemon([BalanceService(settings, reactor)], settings.drain_timeout, reactor)
