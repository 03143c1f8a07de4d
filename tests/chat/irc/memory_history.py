"""A history in memory, and something to wait for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netsvc.chat.courier import Courier
from netsvc.chat.events import Event, Said
from netsvc.chat.network import HistoryBusy, NoSuchMessage, Point
from netsvc.chat.records import Record, event


class Pending:
    """Something to await that a test completes."""

    def __init__(self) -> None:
        """Start without a result."""
        self.result: Any = None
        self.done = False

    def __await__(self) -> Any:
        """Wait until the test has completed it."""
        while not self.done:
            yield self
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def complete(self, result: Any = None) -> None:
        """Have a result, or an exception."""
        self.result, self.done = result, True


class MemoryHistory:
    """
    A history in memory: what keeps, names and gives what was said.

    @ivar records: What is kept, by target.
    @ivar holding: Whether commits wait for L{commit}.
    @ivar busy: Whether questions are refused.
    @ivar markers: Read markers.
    @ivar waits: What the next questions wait for.
    """

    days = 30.0
    messages = 1000

    def __init__(self) -> None:
        """Start with nothing."""
        self.records: dict[str, list[Event]] = {}
        self.holding = self.busy = False
        self.markers: dict[tuple[str, str], int] = {}
        self.waits: list[Pending] = []
        self.courier: Courier | None = None
        self._ticket = 0

    def append(self, record: Record) -> int:
        """Keep a record."""
        self.records.setdefault(record.target, []).append(event(record))
        if not self.holding:
            return 0
        self._ticket += 1
        return self._ticket

    def commit(self) -> None:
        """All that was appended is safe."""
        assert self.courier is not None
        self.courier.committed(self._ticket)

    def room_target(self, room: str) -> str:
        """Name a room."""
        return room

    def direct_target(self, first: str, second: str) -> str:
        """Name a conversation."""
        return "=".join(sorted((first, second)))

    def private(self, room: str, private: bool) -> None:
        """Take notice of nothing."""

    def ended(self, room: str) -> None:
        """Take notice of nothing."""

    async def _ask(self) -> None:
        if self.waits:
            await self.waits.pop(0)
        if self.busy:
            raise HistoryBusy

    async def _page(
        self, target: str, playback: bool, low: Point | None, high: Point | None
    ) -> list[Event]:
        await self._ask()
        events = self.records.get(target, [])
        first = -1 if low is None else _index(events, low, late=True)
        last = len(events) if high is None else _index(events, high, late=False)
        return [e for e in events[first + 1 : last] if playback or _spoken(e)]

    async def latest(
        self, target: str, after: Point | None, limit: int, *, playback: bool = False
    ) -> list[Event]:
        """Give the last ones."""
        return (await self._page(target, playback, after, None))[-limit:]

    async def before(
        self, target: str, point: Point, limit: int, *, playback: bool = False
    ) -> list[Event]:
        """Give the last ones before a point."""
        return (await self._page(target, playback, None, point))[-limit:]

    async def after(
        self, target: str, point: Point, limit: int, *, playback: bool = False
    ) -> list[Event]:
        """Give the first ones after a point."""
        return (await self._page(target, playback, point, None))[:limit]

    async def around(
        self, target: str, point: Point, limit: int, *, playback: bool = False
    ) -> list[Event]:
        """Give those around a point."""
        before = await self._page(target, playback, None, point)
        half = before[len(before) - limit // 2 :]
        every = await self._page(target, playback, None, None)
        return half + every[len(before) :][: limit - len(half)]

    async def between(
        self,
        target: str,
        first: Point,
        second: Point,
        limit: int,
        *,
        playback: bool = False,
    ) -> list[Event]:
        """Give those between two points."""
        page = await self._page(target, playback, first, second)
        if page:
            return page[:limit]
        return (await self._page(target, playback, second, first))[-limit:]

    async def conversations(
        self,
        account: str | None,
        rooms: Sequence[str],
        start: int,
        end: int,
        limit: int,
    ) -> list[tuple[str, int]]:
        """Give who was last heard of."""
        await self._ask()
        found = []
        for target, events in self.records.items():
            sides = target.split("=")
            key = target
            if len(sides) == 2 and account in sides:
                key = sides[1] if sides[0] == account else sides[0]
            elif target not in rooms:
                continue
            last = max(e.time for e in events if _spoken(e))
            if start < last < end:
                found.append((key, last))
        return sorted(found, key=lambda each: each[1])[:limit]

    async def search(self, target: str, words: str, limit: int) -> list[Event]:
        """Find nothing."""
        return []

    async def marker(self, account: str, target: str) -> int | None:
        """Give how far an account has read."""
        await self._ask()
        return self.markers.get((account, target))

    async def set_marker(self, account: str, target: str, time: int) -> int:
        """Move a marker forwards."""
        await self._ask()
        key = (account, target)
        self.markers[key] = max(time, self.markers.get(key, time))
        return self.markers[key]


def _spoken(each: Event) -> bool:
    """Say whether an event is a message with a text."""
    return isinstance(each, Said) and bool(each.text)


def _index(events: list[Event], point: Point, *, late: bool) -> int:
    """Give where a point is, or after which one it is."""
    if point.msgid is not None:
        for index, each in enumerate(events):
            if each.msgid == point.msgid:
                return index
        raise NoSuchMessage
    assert point.time is not None
    before = [
        e for e in events if e.time < point.time or (late and e.time == point.time)
    ]
    return len(before) - 1 if late else len(before)
