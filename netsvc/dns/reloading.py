"""Other settings for a DNS service that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.threads import deferToThreadPool

from netsvc.daemon.changes import Changes
from netsvc.daemon.listen import Listen
from netsvc.dns.settings import DNSSettings
from netsvc.dns.upstream import (
    Sources,
    Upstream,
    check_others,
    find_sources,
    has_names,
    make_upstream,
)

if TYPE_CHECKING:
    from netsvc.dns.service import DNSService

#: The settings that say where to listen, in the order of the service's listeners.
LISTENS = ("dns", "doh", "line")


def given(settings: DNSSettings, key: str) -> list[Listen]:
    """Give what one of L{LISTENS} says, without C{off}."""
    return [each for each in getattr(settings, key) if each is not None]


async def prepare(service: DNSService, settings: DNSSettings, reactor: Any) -> Changes:
    """
    Prepare other settings.

    Servers by name are looked up in a thread, so that nobody waits for that.

    @raise CombinedReloadError: They cannot be used.
    """
    with Changes() as changes:
        own: list[Any] = []
        for listeners, key in zip(service.listeners, LISTENS, strict=True):
            with changes.part():
                change = listeners.prepare(given(settings, key), key)
                changes.add(change)
                own += [each.port.getHost() for each in change.bound]
        with changes.part():
            if has_names(settings):
                pool = reactor.getThreadPool()
                sources = await deferToThreadPool(reactor, pool, find_sources, settings)
            else:
                sources = find_sources(settings)
            check_others(sources, own)
            _upstream(service, sources, settings, changes, reactor)
        changes.on_abandon(service.forget_closed)
        changes.on_commit(lambda: service.use(settings))
    return changes


def _upstream(
    service: DNSService,
    sources: Sources,
    settings: DNSSettings,
    changes: Changes,
    reactor: Any,
) -> None:
    """Prepare to ask others; those who are asked already keep what is known of them."""
    old = service.upstream
    if old is not None and sources == old.sources:
        return
    new = make_upstream(sources, settings, reactor)
    changes.on_abandon(new.resolver.close)
    changes.on_commit(lambda: _exchange(service, new))


def _exchange(service: DNSService, new: Upstream) -> None:
    """Ask others from now on; let the questions that are under way be answered."""
    old = service.upstream
    service.ask(new)
    if old is not None:
        service.retire(old)
        if not new.sources.same_answers(old.sources):
            service.cache.clear()
