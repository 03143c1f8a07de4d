"""Other settings for an echo service that runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netsvc.daemon.changes import Changes, ReloadError
from netsvc.daemon.limits import changed_table
from netsvc.echo.guard import Guard
from netsvc.echo.journal import Journal, JournalError
from netsvc.echo.settings import EchoSettings

if TYPE_CHECKING:
    from netsvc.echo.service import EchoService

#: What the process that writes the journal is told when it starts.
_OF_THE_WRITER = ("journal_max_size", "journal_keep")


def prepare(service: EchoService, settings: EchoSettings) -> Changes:
    """
    Prepare other settings.

    A new journal records connections that are made from then on, and all datagrams.

    @raise CombinedReloadError: They cannot be used.
    """
    with Changes() as changes:
        with changes.part():
            changes.add(service.listeners.prepare(settings.listen))
        with changes.part():
            _journal(service, settings, changes)
        changes.on_abandon(service.forget_closed)
        changes.on_commit(lambda: _use(service, settings))
    return changes


def _use(service: EchoService, settings: EchoSettings) -> None:
    """Go by other settings, as far as nothing had to be prepared."""
    old, service.settings = service.settings, settings
    service.use_limits()
    rates = changed_table(service.guard.rates, settings.udp_rate)
    if (
        rates is not service.guard.rates
        or settings.answer_privileged_ports != old.answer_privileged_ports
        or settings.listen != old.listen
    ):
        service.guard = Guard(
            rates, answer_privileged_ports=settings.answer_privileged_ports
        )
    service.forget_closed()
    service.know_own_ports()
    for port in service.datagrams:
        port.guard = service.guard
        port.journal = service.journal
    for factory in service.streams:
        factory.greeting = service.greeting
        factory.journal = service.journal


def _journal(service: EchoService, settings: EchoSettings, changes: Changes) -> None:
    """
    Prepare another journal, or other limits of the same one.

    @raise ReloadError: It cannot be written.
    """
    old = service.journal
    if settings.journal == service.settings.journal:
        if old is not None:
            changes.refuse_changed(service.settings, settings, _OF_THE_WRITER)
            block = settings.journal_when_full == "block"
            size = settings.journal_buffer
            changes.on_commit(lambda: old.change(block=block, max_bytes=size))
        return
    new = service.make_journal(settings)
    if new is not None:
        _start(service, new)
        changes.on_abandon(new.stop)
    changes.on_commit(_exchange(service, new))


def _start(service: EchoService, journal: Journal) -> None:
    """
    Start a journal.

    @raise ReloadError: It cannot be written.
    """
    try:
        if any(journal.path == each.path for each in service.ending):
            raise JournalError("what was recorded there before is not written yet")
        journal.check()
        journal.start()
    except JournalError as error:
        raise ReloadError("journal", str(error)) from None


def _exchange(service: EchoService, new: Journal | None) -> Callable[[], None]:
    def exchange() -> None:
        old, service.journal = service.journal, new
        if old is not None:
            service.end_journal(old)

    return exchange
