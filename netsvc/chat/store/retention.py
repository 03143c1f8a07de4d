"""Deletes what is too old, or too much, while chat goes on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from netsvc.chat.names import fold
from netsvc.chat.store.errors import StoreError
from netsvc.chat.store.prune import anonymise, leave, prune
from netsvc.chat.store.seam import Keeper, Work

INTERVAL: Final = 600.0
"""Seconds between two rounds."""

PAUSE: Final = 0.02
"""Seconds between two steps of a round, for the messages that wait."""


class Retention:
    """
    Keeps the history within bounds.

    @ivar keep_time: Seconds that records are kept; C{None} for ever. May be changed
        at any time.
    @ivar keep_rows: Records of one target that are kept; C{None} for all. May be
        changed at any time.
    """

    _log = Logger()

    def __init__(
        self,
        keeper: Keeper,
        reactor: Any,
        wall_clock: Callable[[], float],
        *,
        keep_time: float | None,
        keep_rows: int | None,
        interval: float = INTERVAL,
    ) -> None:
        """
        Set up without deleting anything.

        @param keeper: The store.
        @param reactor: Provides C{IReactorTime}.
        @param wall_clock: Seconds since the epoch.
        @param interval: Seconds between two rounds.
        """
        self.keep_time = keep_time
        self.keep_rows = keep_rows
        self._keeper = keeper
        self._reactor = reactor
        self._wall_clock = wall_clock
        self._interval = interval
        self._round: Deferred[None] | None = None

    def start(self) -> None:
        """Begin: the first round is after a while, the next ones regularly."""
        self._round = ensureDeferred(self._rounds())
        self._round.addErrback(self._ended)

    def stop(self) -> None:
        """End, between two steps."""
        if self._round is not None:
            ending, self._round = self._round, None
            ending.cancel()

    def forget(self, account: str, name: str | None) -> Deferred[None]:
        """
        Take an account out of the history.

        Its conversations with others are deleted in any case, at the next round; from
        now on nobody can read them.

        @param account: The account, as the records have it.
        @param name: Whom its records in rooms are said by from then on; C{None}
            deletes them.
        @return: Fires when that is done; or a L{StoreError}.
        """
        return ensureDeferred(self._forget(account, name))

    async def _forget(self, account: str, name: str | None) -> None:
        await self._keeper.submit(partial(leave, fold(account)))
        await self._steps(lambda after: partial(anonymise, account, name, after))

    async def _rounds(self) -> None:
        while True:
            await deferLater(self._reactor, self._interval)
            try:
                await self._steps(self._prune)
            except StoreError:
                # The disk fails, which is told elsewhere: the next round will do it.
                continue

    def _prune(self, after: int) -> Work[int | None]:
        cutoff = None
        if self.keep_time is not None:
            cutoff = int((self._wall_clock() - self.keep_time) * 1000)
        return partial(prune, cutoff, self.keep_rows, after)

    async def _steps(self, step: Callable[[int], Work[int | None]]) -> None:
        """Do all steps, one after the other."""
        after = await self._keeper.submit(step(0))
        while after is not None:
            await deferLater(self._reactor, PAUSE)
            after = await self._keeper.submit(step(after))

    def _ended(self, failure: Failure) -> None:
        """Log what is a mistake of ours; a stop is none."""
        if self._round is not None:
            self._log.failure("retention ended", failure, event="internal-error")
