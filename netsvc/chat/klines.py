"""Who may not connect (K-lines): L{netsvc.chat.network.Bans} over the store's list."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netsvc.chat.ban_masks import means
from netsvc.chat.names import fold
from netsvc.chat.network import Ban
from netsvc.chat.store import bans


class KLines:
    """The bans that hold."""

    def __init__(self, kept: bans.Bans, milliseconds: Callable[[], int]) -> None:
        """
        @param kept: The store's list.
        @param milliseconds: The wall clock.
        """
        self._kept = kept
        self._now = milliseconds

    def find(self, user: str, hosts: Sequence[str]) -> Ban | None:
        """
        Give the ban that names somebody.

        @param user: The user name.
        @param hosts: The real address and what is shown for it.
        """
        if not len(self._kept):
            return None
        self._kept.expire(self._now())
        for each in self._kept:
            if means(each.mask, user, hosts):
                return _shown(each)
        return None

    async def add(self, ban: Ban) -> None:
        """
        Set a ban; it holds at once.

        @raise netsvc.chat.store.errors.StoreBusyError: There are too many.
        """
        self._kept.expire(self._now())
        self._kept.add(
            bans.Ban(ban.mask, ban.reason, ban.setter, ban.created, ban.expires)
        )

    async def remove(self, mask: str) -> bool:
        """Lift a ban; say whether there was one."""
        for ban in self._kept:
            if fold(ban.mask) == fold(mask):
                return self._kept.remove(ban.mask)
        return False

    def all(self) -> list[Ban]:
        """Give those that hold."""
        self._kept.expire(self._now())
        return [_shown(each) for each in self._kept]


def _shown(ban: bans.Ban) -> Ban:
    """Give a kept ban as frontends know it."""
    return Ban(ban.mask, ban.reason, ban.setter, ban.created, ban.expires)
