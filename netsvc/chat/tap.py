"""Options and service of C{twistd netsvc-chat}."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netsvc.chat.settings import OFF, ChatSettings
from netsvc.daemon.lifecycle import Daemon, service_reactor
from netsvc.daemon.listen import Listen
from netsvc.daemon.options import SettingsOptions
from netsvc.daemon.settings import Parsed, setting
from netsvc.relay.settings import RelaySettings, parse_datagrams


def parse_udp(text: str) -> Listen | None:
    """
    Read a listen string for datagrams, or C{off}.

    @raise ValueError: If it is neither.
    """
    return None if text == OFF else parse_datagrams(text)


@dataclass(frozen=True, kw_only=True)
class CommandSettings(ChatSettings):
    """What the command line says: a configuration file has a table for the relay."""

    udp: tuple[Listen | None, ...] = setting(
        Parsed("udp:PORT[:interface=ADDRESS]", parse_udp, lambda udp: str(udp or OFF)),
        default=(OFF,),
        repeat=True,
        short="u",
        help="Where to listen for datagrams, as netsvc-relay does: the same rooms.",
    )


class Options(SettingsOptions[CommandSettings]):
    """Command line of C{netsvc-chat}."""

    settings_class = CommandSettings
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
    chat = ChatService(settings, reactor)
    services: list[Any] = [chat]
    udp = tuple(each for each in settings.udp if each is not None)
    if udp:
        from netsvc.relay.service import RelayService

        relay = RelaySettings(
            listen=udp,
            lobby=settings.lobby,
            line_limit=settings.line_limit,
            replay=settings.replay,
            login_rate=settings.login_rate,
        )
        services.append(RelayService(relay, reactor, chat.host))
    return Daemon(services, settings.drain_timeout, reactor)
