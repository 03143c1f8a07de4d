"""Options and service of C{twistd netsvc-echo}."""

from __future__ import annotations

from typing import Any

from netsvc.daemon.lifecycle import Daemon, service_reactor
from netsvc.daemon.options import SettingsOptions
from netsvc.echo.settings import EchoSettings


class Options(SettingsOptions[EchoSettings]):
    """Command line of C{netsvc-echo}."""

    settings_class = EchoSettings
    service = "netsvc-echo"
    longdesc = "Sends back what it receives, over TCP, UDP and TLS (RFC 862)."


def makeService(options: Options, reactor: Any = None) -> Daemon:
    """
    Make the service that C{options} ask for.

    @param options: The parsed command line.
    @param reactor: The reactor; by default the global one.
    """
    reactor = service_reactor(reactor)
    from netsvc.echo.service import EchoService

    settings = options.settings
    return Daemon([EchoService(settings, reactor)], settings.drain_timeout, reactor)
