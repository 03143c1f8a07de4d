"""
The history as frontends see it: events, targets and read markers, from a store.

It is L{netsvc.chat.network.History} over L{netsvc.chat.store}; whatever a store
raises, frontends are told as one of that interface's two refusals.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from netsvc.chat import records
from netsvc.chat.events import Event, Said
from netsvc.chat.network import HistoryBusy, NoSuchMessage, Point
from netsvc.chat.records import Record
from netsvc.chat.store.archive import Archive
from netsvc.chat.store.errors import StoreError, UnknownMessageError
from netsvc.chat.store.history import History, Ref
from netsvc.chat.store.markers import Markers

T = TypeVar("T")


def _ref(point: Point) -> Ref:
    """Give a point as the store knows it."""
    if point.msgid is not None:
        return point.msgid
    assert point.time is not None
    return point.time


async def _asked(answer: Awaitable[T]) -> T:
    """
    Wait for the store.

    @raise NoSuchMessage: It has no such message.
    @raise HistoryBusy: It cannot answer.
    """
    try:
        return await answer
    except UnknownMessageError as error:
        raise NoSuchMessage(error.msgid) from None
    except StoreError as error:
        raise HistoryBusy(str(error)) from None


def _events(kept: Iterable[Record]) -> list[Event]:
    """Make events of records; what this release cannot read is passed over."""
    made = (_event(each) for each in kept)
    return [each for each in made if each is not None]


def _event(kept: Record) -> Event | None:
    """Make an event of a record; C{None} if this release cannot read it."""
    try:
        return records.event(kept)
    except ValueError:
        return None


class Chronicle:
    """
    What was said.

    @ivar days: For how many days it is kept; 0 is for ever.
    @ivar messages: How many messages of a room are kept; 0 is all.
    """

    def __init__(
        self,
        history: History,
        archive: Archive,
        markers: Markers,
        *,
        days: float,
        messages: int,
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        """
        Read from a store.

        @param history: Its history.
        @param archive: Under which names that is kept.
        @param markers: Its read markers.
        @param days: See there.
        @param messages: See there.
        @param settled: Waits until all that was said before is stored: who asks for
            the history is shown what they have just said.
        """
        self._settled = settled
        self._history = history
        self._archive = archive
        self._markers = markers
        self.days = days
        self.messages = messages

    def room_target(self, room: str) -> str:
        """Give the history's name for a room, by its key."""
        return self._archive.room_target(room)

    def direct_target(self, first: str, second: str) -> str:
        """Give the history's name for what two accounts (folded) say."""
        return self._archive.direct_target(first, second)

    async def _page(self, ask: Callable[[], Awaitable[list[Record]]]) -> list[Event]:
        await _asked(self._settled())
        return _events(await _asked(ask()))

    def latest(
        self, target: str, after: Point | None, limit: int, *, playback: bool = False
    ) -> Awaitable[list[Event]]:
        """Give the last ones, none of them at or before a point."""
        ref = None if after is None else _ref(after)
        return self._page(
            lambda: self._history.latest(target, limit, ref, messages_only=not playback)
        )

    def before(
        self, target: str, point: Point, limit: int, *, playback: bool = False
    ) -> Awaitable[list[Event]]:
        """Give the last ones before a point."""
        return self._page(
            lambda: self._history.before(
                target, _ref(point), limit, messages_only=not playback
            )
        )

    def after(
        self, target: str, point: Point, limit: int, *, playback: bool = False
    ) -> Awaitable[list[Event]]:
        """Give the first ones after a point."""
        return self._page(
            lambda: self._history.after(
                target, _ref(point), limit, messages_only=not playback
            )
        )

    def around(
        self, target: str, point: Point, limit: int, *, playback: bool = False
    ) -> Awaitable[list[Event]]:
        """Give those around a point, with it."""
        return self._page(
            lambda: self._history.around(
                target, _ref(point), limit, messages_only=not playback
            )
        )

    def between(
        self,
        target: str,
        first: Point,
        second: Point,
        limit: int,
        *,
        playback: bool = False,
    ) -> Awaitable[list[Event]]:
        """Give those between two points, from the first one on: it may be later."""
        return self._page(
            lambda: self._history.between(
                target,
                _ref(first),
                _ref(second),
                limit,
                messages_only=not playback,
            )
        )

    async def conversations(
        self,
        account: str | None,
        rooms: Sequence[str],
        start: int,
        end: int,
        limit: int,
    ) -> list[tuple[str, int]]:
        """
        Give who or what was last heard of between two times.

        @param account: Whose private conversations to look at, folded; or C{None}.
        @param rooms: Keys of rooms.
        @return: Room keys or folded accounts, with the time of the last message.
        """
        await _asked(self._settled())
        names = {self._archive.room_target(room): room for room in rooms}
        found = await _asked(
            self._history.targets(list(names), start, end, limit, account=account)
        )
        return [
            (names.get(target) or _other(target, account), time)
            for target, time in found
        ]

    def search(self, target: str, words: str, limit: int) -> Awaitable[list[Event]]:
        """Give the last messages that have all of some words."""
        return self._page(lambda: self._history.search([target], words, limit))

    def redact(self, target: str, msgid: str) -> Awaitable[bool]:
        """Take a message out; say whether it was there."""
        return _asked(self._history.redact(target, msgid))

    async def find(self, target: str, msgid: str) -> Said | None:
        """Give a message, or C{None}."""
        kept = await _asked(self._history.find(target, msgid))
        event = None if kept is None else _event(kept)
        return event if isinstance(event, Said) else None

    def marker(self, account: str, target: str) -> Awaitable[int | None]:
        """Give how far an account has read a target (a key), in ms."""
        return _asked(self._markers.get(account, target))

    def set_marker(self, account: str, target: str, time: int) -> Awaitable[int]:
        """Move a read marker forwards; give where it is then."""
        return _asked(self._markers.move(account, target, time))


def _other(target: str, account: str | None) -> str:
    """Give with whom an account has a private conversation."""
    first, _, second = target.partition(" ")
    return second if first == account else first
