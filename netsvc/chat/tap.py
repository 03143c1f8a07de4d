"""Options and service of C{twistd netsvc-chat}."""

from __future__ import annotations

from typing import Any

from netsvc.chat.settings import ChatSettings
from netsvc.daemon.lifecycle import Daemon, service_reactor
from netsvc.daemon.options import SettingsOptions


class Options(SettingsOptions[ChatSettings]):
    """Command line of C{netsvc-chat}."""

    settings_class = ChatSettings
    service = "netsvc-chat"
    longdesc = "Rooms for telnet, nc, IRC clients and people's own programs."


def makeService(options: Options, reactor: Any = None) -> Daemon:
    """
    Make the service that C{options} ask for.

    @param options: The parsed command line.
    @param reactor: The reactor; by default the global one.
    """
    reactor = service_reactor(reactor)
    from netsvc.chat.service import ChatService

    settings = options.settings
    return Daemon([ChatService(settings, reactor)], settings.drain_timeout, reactor)
