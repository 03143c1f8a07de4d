"""Options and service of C{twistd netsvc-balance}."""

from __future__ import annotations

from typing import Any

from netsvc.balance.settings import BalanceSettings
from netsvc.daemon.lifecycle import Daemon, service_reactor
from netsvc.daemon.options import SettingsOptions
from netsvc.daemon.refusing import refuse


class Options(SettingsOptions[BalanceSettings]):
    """Command line of C{netsvc-balance}."""

    settings_class = BalanceSettings
    service = "netsvc-balance"
    longdesc = (
        "One entrance for several computers: spreads TCP connections, TLS or not,"
        " and UDP sessions over backends, and leaves out those that fail."
    )


def make_lookup(settings: BalanceSettings, reactor: Any) -> Any:
    """
    Make what finds the backends that are given by name: our own DNS client.

    @return: A L{Lookup<netsvc.balance.resolving.Lookup>}; L{None} if there is no
        resolv.conf: then it is done the system's way.
    @raise SystemExit: C{--resolver} says whom nobody can ask.
    """
    from netsvc.dns.backend_lookup import make_lookup
    from netsvc.dns.errors import DNSError

    try:
        return make_lookup(settings.resolver, reactor)
    except (DNSError, OSError) as error:
        refuse(f"netsvc-balance: --resolver: {error}")


def makeService(options: Options, reactor: Any = None) -> Daemon:
    """
    Make the service that C{options} ask for.

    @param options: The parsed command line.
    @param reactor: The reactor; by default the global one.
    """
    reactor = service_reactor(reactor)
    from netsvc.balance.service import BalanceService

    settings = options.settings
    # A command line stays as it is: without names no DNS client is needed, ever.
    lookup = make_lookup(settings, reactor) if settings.looks_up else None
    service = BalanceService(settings, reactor, lookup)
    return Daemon([service], settings.drain_timeout, reactor)
