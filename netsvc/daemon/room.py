"""How many connections a service takes: what its settings say, if there is room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from netsvc.daemon.descriptors import Want, descriptors_of
from netsvc.daemon.limits import ConnectionLimits
from netsvc.daemon.service_settings import ServiceSettings
from netsvc.daemon.settings import settings_of


def want(settings: ServiceSettings, key: str, each: int = 1) -> Want:
    """
    Say how many descriptors a setting is good for.

    @param key: The setting, a number of something.
    @param each: How many descriptors one takes.
    """
    declared = {one.key: one for one in settings_of(type(settings))}
    number = getattr(settings, key)
    return Want(number, each, given=number != declared[key].default)


class Room:
    """
    The room of one service: it gets less of what it wants if descriptors are short.

    @ivar granted: How many there is room for, of connections first.
    """

    _log = Logger()

    def __init__(
        self,
        limits: ConnectionLimits,
        reactor: Any,
        changed: Callable[[], object] = lambda: None,
    ) -> None:
        """
        @param limits: Those of the connections.
        @param reactor: The reactor.
        @param changed: Called when there is more or less room than before.
        """
        self._limits = limits
        self._changed = changed
        self._share = descriptors_of(reactor).share(self._divided)
        self._settings: Any = None
        self._wants: dict[str, Want] = {}
        self._told: dict[str, tuple[int, int]] = {}

    def use(
        self,
        settings: ServiceSettings,
        each: int = 1,
        others: int = 0,
        pipes: int = 0,
        **more: int,
    ) -> None:
        """
        Go by the limits of some settings.

        @param each: How many descriptors a connection takes.
        @param others: How many are needed besides.
        @param pipes: How many of pipes; see L{netsvc.daemon.descriptors.Share.ask}.
        @param more: Other settings that are limits, and what one of those takes.
        """
        self._settings = settings
        taken = {"max_connections": each, **more}
        self._wants = {key: want(settings, key, n) for key, n in taken.items()}
        self._share.ask(*self._wants.values(), others=others, pipes=pipes)
        self._limit()

    @property
    def granted(self) -> tuple[int, ...]:
        """How many there is room for of each."""
        return self._share.granted

    def _divided(self) -> None:
        """Others want more or less than before."""
        self._limit()
        self._changed()

    def _limit(self) -> None:
        settings = self._settings
        self._limits.change(
            self._share.granted[0],
            settings.max_connections_per_source,
            settings.connection_rate,
        )

    def tell(self, service: str) -> None:
        """
        Say if there is less room than somebody has asked for: not if it is less than a
        default, and not twice.

        @param service: What the service is called in the log.
        """
        told, self._told = self._told, {}
        for (key, want), limit in zip(self._wants.items(), self.granted, strict=True):
            if not want.given or limit >= want.number:
                continue
            self._told[key] = (want.number, limit)
            if told.get(key) != self._told[key]:
                self._log.warn(
                    "{service} takes {limit}, and not {setting} = {wanted}: the"
                    " system allows no more open files (ulimit -Hn)",
                    service=service,
                    setting=key,
                    wanted=want.number,
                    limit=limit,
                    event="limit-lowered",
                )

    def release(self) -> None:
        """Leave the room to the other services of the process."""
        self._share.release()
