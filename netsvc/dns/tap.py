"""Options and service of C{twistd netsvc-dns}."""

from __future__ import annotations

from typing import Any

from netsvc.daemon.lifecycle import Daemon, service_reactor
from netsvc.daemon.options import SettingsOptions
from netsvc.dns.settings import DNSSettings


class Options(SettingsOptions[DNSSettings]):
    """Command line of C{netsvc-dns}."""

    settings_class = DNSSettings
    service = "netsvc-dns"
    longdesc = (
        "Looks names up, for people who type them and, with a cache, for programs that"
        " speak DNS."
    )


def makeService(options: Options, reactor: Any = None) -> Daemon:
    """
    Make the service that C{options} ask for.

    @param options: The parsed command line.
    @param reactor: The reactor; by default the global one.
    """
    reactor = service_reactor(reactor)
    from netsvc.dns.service import DNSService

    settings = options.settings
    return Daemon([DNSService(settings, reactor)], settings.drain_timeout, reactor)
