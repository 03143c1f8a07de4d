"""Tests of L{netsvc.chat.chronicle}."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netsvc.chat.chronicle import Chronicle
from netsvc.chat.events import Event, Kind, Said, Source
from netsvc.chat.network import HistoryBusy, NoSuchMessage, Point
from netsvc.chat.records import record
from netsvc.chat.store.accounts import Account, Accounts
from netsvc.chat.store.archive import Archive
from netsvc.chat.store.errors import StoreBusyError
from netsvc.chat.store.history import History
from netsvc.chat.store.markers import Markers
from tests.chat.store.kit import ALICE, NOW, StoreCase, joined, said

ROOM = "#room 0"


class ChronicleCase(StoreCase):
    """A chronicle over a store."""

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        self.store = self.started()
        self.archive = Archive(self.store)
        self.settled = 0
        self.chronicle = self.make_chronicle(History(self.store))

    def make_chronicle(self, history: Any) -> Chronicle:
        """Make one."""
        return Chronicle(
            history,
            self.archive,
            Markers(self.store),
            days=30,
            messages=100,
            settled=self.settle,
        )

    async def settle(self) -> None:
        """Count how often it is waited for."""
        self.settled += 1

    def ids(self, waiting: Any) -> list[str]:
        """Give the msgids of a page."""
        found: list[Event] = self.result(waiting)
        return [event.msgid for event in found]


class PageTests(ChronicleCase):
    """Pages of a room with the messages m0 to m9, and a join at m5."""

    def setUp(self) -> None:
        """Fill the room."""
        super().setUp()
        self.fill(self.store, *(joined(n) if n == 5 else said(n) for n in range(10)))

    def test_events(self) -> None:
        """A page is of events, as they were."""
        (event,) = self.result(self.chronicle.latest(ROOM, None, 1))
        self.assertEqual(
            event, Said(NOW + 9, "m9", ALICE, "#room", Kind.MESSAGE, "hello")
        )
        self.assertEqual(self.settled, 1)

    def test_pages(self) -> None:
        """Each sort of page is what it says, by msgid and by time, oldest first."""
        page, last = self.chronicle, Point(time=NOW + 7)
        four, six = Point(msgid="m4"), Point(time=NOW + 6)
        self.assertEqual(self.ids(page.latest(ROOM, None, 2)), ["m8", "m9"])
        self.assertEqual(self.ids(page.latest(ROOM, last, 9)), ["m8", "m9"])
        self.assertEqual(self.ids(page.before(ROOM, four, 2)), ["m2", "m3"])
        self.assertEqual(self.ids(page.after(ROOM, four, 2)), ["m6", "m7"])
        self.assertEqual(self.ids(page.around(ROOM, four, 3)), ["m3", "m4", "m6"])
        self.assertEqual(self.ids(page.between(ROOM, four, last, 9)), ["m6"])
        self.assertEqual(self.ids(page.between(ROOM, last, four, 1)), ["m6"])
        self.assertEqual(self.ids(page.before(ROOM, six, 1)), ["m4"])

    def test_playback(self) -> None:
        """More than messages is there for who asks for it."""
        page, four, six = self.chronicle, Point(msgid="m4"), Point(msgid="m6")
        for waiting in (
            page.latest(ROOM, four, 9, playback=True),
            page.before(ROOM, six, 9, playback=True),
            page.after(ROOM, four, 9, playback=True),
            page.around(ROOM, six, 9, playback=True),
            page.between(ROOM, four, six, 9, playback=True),
        ):
            self.assertIn("m5", self.ids(waiting))

    def test_no_such_message(self) -> None:
        """A message that is not there is said to be so."""
        waiting = self.chronicle.before(ROOM, Point(msgid="m99"), 1)
        self.failed(waiting, NoSuchMessage)

    def test_other_release(self) -> None:
        """What this release cannot read is passed over."""
        self.fill(
            self.store,
            replace(said(11), kind="sung"),
            replace(said(12), body="{}"),
            said(13),
        )
        page = self.chronicle.latest(ROOM, Point(msgid="m9"), 9, playback=True)
        self.assertEqual(self.ids(page), ["m13"])
        self.assertIsNone(self.result(self.chronicle.find(ROOM, "m12")))

    def test_search(self) -> None:
        """A search gives messages with all of some words."""
        self.fill(self.store, said(20, "green tea"), said(21, "black tea"))
        self.assertEqual(self.ids(self.chronicle.search(ROOM, "tea green", 9)), ["m20"])

    def test_find_and_redact(self) -> None:
        """A message is found, and taken out once; a join is no message."""
        found = self.result(self.chronicle.find(ROOM, "m3"))
        self.assertEqual(found.msgid, "m3")
        self.assertIsNone(self.result(self.chronicle.find(ROOM, "m5")))
        self.assertTrue(self.result(self.chronicle.redact(ROOM, "m3")))
        self.assertFalse(self.result(self.chronicle.redact(ROOM, "m3")))
        self.assertIsNone(self.result(self.chronicle.find(ROOM, "m3")))


class ConversationTests(ChronicleCase):
    """Who or what was last heard of."""

    def ask(self, account: str | None, rooms: list[str]) -> list[tuple[str, int]]:
        """Ask for all times."""
        found: list[tuple[str, int]] = self.result(
            self.chronicle.conversations(account, rooms, 0, NOW + 1000, 9)
        )
        return found

    def test_conversations(self) -> None:
        """Rooms and people are given with the last time, and only one's own."""
        bob = Source("Bob", "b", "h", "Bob")
        direct = self.chronicle.direct_target
        self.fill(
            self.store,
            said(1),
            said(2, room=self.chronicle.room_target("#other")),
            record(
                Said(NOW + 3, "d1", ALICE, "Bob", Kind.MESSAGE, "x", to=bob),
                direct("alice", "bob"),
            ),
            record(
                Said(NOW + 4, "d2", ALICE, "Aaron", Kind.MESSAGE, "x", to=bob),
                direct("alice", "aaron"),
            ),
            record(
                Said(NOW + 5, "d3", bob, "Cyd", Kind.MESSAGE, "x", to=bob),
                direct("bob", "cyd"),
            ),
        )
        self.assertEqual(
            sorted(self.ask("alice", ["#room"])),
            [("#room", NOW + 1), ("aaron", NOW + 4), ("bob", NOW + 3)],
        )
        self.assertEqual(self.ask(None, ["#other"]), [("#other", NOW + 2)])
        self.assertEqual(self.settled, 2)


class MarkerTests(ChronicleCase):
    """Read markers."""

    def test_marker(self) -> None:
        """A marker only moves forwards."""
        chronicle = self.chronicle
        account = Account("alice", "Alice", NOW)
        self.result(Accounts(self.store).create(account))
        self.assertIsNone(self.result(chronicle.marker("alice", "#room")))
        self.assertEqual(self.result(chronicle.set_marker("alice", "#room", NOW)), NOW)
        self.assertEqual(self.result(chronicle.set_marker("alice", "#room", 5)), NOW)
        self.assertEqual(self.result(chronicle.marker("alice", "#room")), NOW)


class BusyTests(ChronicleCase):
    """A store that cannot answer."""

    def test_busy(self) -> None:
        """Whatever the store raises, who asks is told that it is busy."""

        class Busy:
            async def latest(self, *args: object, **kwargs: object) -> None:
                raise StoreBusyError("too many questions")

            find = redact = latest

        chronicle = self.make_chronicle(Busy())
        for waiting in (
            chronicle.latest(ROOM, None, 1),
            chronicle.find(ROOM, "m1"),
            chronicle.redact(ROOM, "m1"),
        ):
            error = self.failed(waiting, HistoryBusy)
            self.assertEqual(str(error), "too many questions")
