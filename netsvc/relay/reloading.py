"""Other settings for a relay that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netsvc.chat.reloading import prepare_host
from netsvc.daemon.changes import Changes, ReloadError
from netsvc.relay.settings import RelaySettings
from netsvc.relay.stun_server import Credential, read_credential

if TYPE_CHECKING:
    from netsvc.relay.service import RelayService

#: What says how peers that are there already are talked to.
_FIXED: Final = ("raw", "admission")


def prepare(service: RelayService, settings: RelaySettings) -> Changes:
    """
    Prepare other settings.

    @raise CombinedReloadError: They cannot be used.
    """
    credential: Credential | None = None
    with Changes() as changes:
        changes.refuse_changed(service.settings, settings, _FIXED)
        # What is new is admitted by the last one given: there is one for all, or
        # their number, which may not change, is that of the listeners.
        service.admissions = [settings.admission[-1]] * len(settings.listen)
        alternate = () if settings.alternate is None else (settings.alternate,)
        for listeners, listens, key in zip(
            service.listeners,
            (settings.listen, alternate),
            ("listen", "alternate"),
            strict=True,
        ):
            with changes.part():
                changes.add(listeners.prepare(listens, key))
        with changes.part():
            try:
                credential = read_credential(settings.stun_user, settings.stun_password)
            except ValueError as error:
                raise ReloadError("stun_password", str(error)) from None
        if service.owns_host:
            with changes.part():
                changes.add(prepare_host(service.host, settings, settings.max_peers))
        changes.on_abandon(service.join_ports)
        changes.on_commit(lambda: _use(service, settings, credential))
    return changes


def _use(
    service: RelayService, settings: RelaySettings, credential: Credential | None
) -> None:
    """Go by other settings, as far as nothing had to be prepared."""
    service.settings = settings
    service.stun.credential = credential
    service.relay.reload(settings)
    service.relay.frontend.reload(service.relay.line_options)
    for port in service.ports:
        if port.frames is not None:
            port.frames.frontend.reload(service.relay.line_options)
    service.join_ports()
