"""Other settings for a chat that goes on; nobody in it notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netsvc.chat.hosting import DAY, HubHost
from netsvc.chat.hub_config import (
    account_rules,
    hub_limits,
    operators,
    read_motd,
    read_password,
)
from netsvc.chat.hub_settings import HubSettings
from netsvc.chat.settings import ChatSettings
from netsvc.daemon.changes import Changes, ReloadError

if TYPE_CHECKING:
    from netsvc.chat.service import ChatService

#: What members have been told already, or what the store was opened with.
_FIXED: Final = (
    "server_name",
    "store",
    "store_deadline",
    "history",
    "accounts",
    "cloak",
)


def prepare_host(host: HubHost, settings: HubSettings, members: int) -> Changes:
    """
    Prepare other settings of a hub.

    @param members: How many people there may be.
    @raise CombinedReloadError: They cannot be used.
    """
    motd: list[str] = []
    password: str | None = None
    with Changes() as changes:
        changes.refuse_changed(host.settings, settings, _FIXED)
        with changes.part():
            try:
                motd = read_motd(settings)
            except ValueError as error:
                raise ReloadError("motd", str(error)) from None
        with changes.part():
            try:
                password = read_password(settings)
            except ValueError as error:
                raise ReloadError("password", str(error)) from None
        changes.on_commit(lambda: _use(host, settings, members, motd, password))
    return changes


def _use(
    host: HubHost,
    settings: HubSettings,
    members: int,
    motd: list[str],
    password: str | None,
) -> None:
    """Go by other settings of a hub."""
    host.settings = settings
    network = host.network
    network.hub.change(hub_limits(settings, members))
    network.network = settings.network_name
    network.description = settings.server_description
    network.motd[:] = motd
    network.lobby = settings.lobby
    network.password = password
    network.operators = operators(settings)
    network.plain_login = settings.plain_login
    network.admin = (settings.admin, "", "")
    if network.history is not None:
        network.history.days = settings.history_days / DAY
        network.history.messages = settings.history_messages
    host.retention.keep_time = settings.history_days or None
    host.retention.keep_rows = settings.history_messages or None
    if host.accounts is not None:
        host.accounts.configure(account_rules(settings))


def prepare(service: ChatService, settings: ChatSettings) -> Changes:
    """
    Prepare other settings of a chat.

    @raise CombinedReloadError: They cannot be used.
    """
    # Here, because service.py imports this module.
    from netsvc.chat.service import line_options

    with Changes() as changes:
        for listeners, key in zip(service.listeners, ("line", "irc"), strict=True):
            with changes.part():
                listens = [each for each in getattr(settings, key) if each is not None]
                changes.add(listeners.prepare(listens, key))
        with changes.part():
            changes.add(prepare_host(service.host, settings, settings.max_connections))
        with changes.part():
            try:
                config = service.irc_config(settings)
            except (ValueError, OSError, SystemExit) as error:
                raise ReloadError("webirc", str(error)) from None
            changes.on_commit(lambda: _use_frontends(service, settings))
            changes.on_commit(lambda: service.irc.reload(config))
            changes.on_commit(lambda: service.line.reload(line_options(settings)))
    return changes


def _use_frontends(service: ChatService, settings: ChatSettings) -> None:
    service.settings = settings
    service.use_limits()
