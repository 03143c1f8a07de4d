"""Options and service of C{twistd netsvc-relay}."""

from __future__ import annotations

from typing import Any

from netsvc.daemon.lifecycle import Daemon, service_reactor
from netsvc.daemon.options import SettingsOptions
from netsvc.relay.settings import RelaySettings


class Options(SettingsOptions[RelaySettings]):
    """Command line of C{netsvc-relay}."""

    settings_class = RelaySettings
    service = "netsvc-relay"
    longdesc = "Chat rooms over UDP for people's own programs, and STUN."


def makeService(options: Options, reactor: Any = None) -> Daemon:
    """
    Make the service that C{options} ask for.

    @param options: The parsed command line.
    @param reactor: The reactor; by default the global one.
    """
    reactor = service_reactor(reactor)
    from netsvc.relay.service import RelayService

    settings = options.settings
    return Daemon([RelayService(settings, reactor)], settings.drain_timeout, reactor)
