"""Tests of L{netsvc.chat.store.history}: pages, places and targets."""

from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from netsvc.chat.records import Record
from netsvc.chat.store import history as module
from netsvc.chat.store.errors import UnknownMessageError
from netsvc.chat.store.history import MAX_PAGE, History
from tests.chat.store.kit import NOW, StoreCase, ids, joined, said

ROOM = "#room 0"


class HistoryCase(StoreCase):
    """A store with a history."""

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        self.store = self.started()
        self.history = History(self.store)

    def page(self, waiting: Any) -> list[str]:
        """Give the msgids of a page."""
        return ids(self.result(waiting))


class PageTests(HistoryCase):
    """Pages of a room with the messages m0 to m9, and a join at m5."""

    def setUp(self) -> None:
        """Fill the room."""
        super().setUp()
        self.fill(
            self.store,
            *(joined(n) if n == 5 else said(n) for n in range(10)),
            said(3, room="#other 0"),
        )

    def test_latest(self) -> None:
        """The newest, oldest first; also only those after a place."""
        history = self.history
        self.assertEqual(self.page(history.latest(ROOM, 2)), ["m8", "m9"])
        self.assertEqual(self.page(history.latest(ROOM, 9, "m7")), ["m8", "m9"])
        self.assertEqual(self.page(history.latest(ROOM, 1, NOW + 7)), ["m9"])
        self.assertEqual(self.page(history.latest(ROOM, 9, "m9")), [])
        self.assertEqual(self.page(history.last(ROOM, 1)), ["m9"])

    def test_before(self) -> None:
        """What is at the place is not before it."""
        self.assertEqual(self.page(self.history.before(ROOM, "m3", 2)), ["m1", "m2"])
        self.assertEqual(
            self.page(self.history.before(ROOM, NOW + 3, 9)), ["m0", "m1", "m2"]
        )
        self.assertEqual(self.page(self.history.before(ROOM, NOW, 9)), [])

    def test_after(self) -> None:
        """What is at the place is not after it."""
        self.assertEqual(self.page(self.history.after(ROOM, "m3", 2)), ["m4", "m6"])
        self.assertEqual(self.page(self.history.after(ROOM, NOW + 7, 9)), ["m8", "m9"])

    def test_between(self) -> None:
        """Between two places, nearest to the first."""
        between = partial(self.history.between, ROOM)
        self.assertEqual(self.page(between("m1", "m4", 9)), ["m2", "m3"])
        self.assertEqual(self.page(between("m4", "m1", 9)), ["m2", "m3"])
        self.assertEqual(self.page(between("m0", NOW + 9, 2)), ["m1", "m2"])
        self.assertEqual(self.page(between(NOW + 9, "m0", 2)), ["m7", "m8"])
        self.assertEqual(self.page(between("m1", "m1", 9)), [])

    def test_around(self) -> None:
        """Half before a place, then it, then what follows."""
        around = partial(self.history.around, ROOM)
        self.assertEqual(self.page(around("m3", 4)), ["m1", "m2", "m3", "m4"])
        self.assertEqual(self.page(around("m3", 3)), ["m2", "m3", "m4"])
        self.assertEqual(self.page(around(NOW + 3, 1)), ["m3"])
        self.assertEqual(self.page(around("m0", 4)), ["m0", "m1"])
        self.assertEqual(self.page(around(NOW + 5, 2)), ["m4", "m6"])

    def test_all_kinds(self) -> None:
        """All that happened in a room is given to who asks for it."""
        history = self.history
        got = self.result(history.latest(ROOM, 5, messages_only=False))
        self.assertEqual(got, [joined(5), *map(said, range(6, 10))])
        for waiting, expected in (
            (history.before(ROOM, "m6", 1, messages_only=False), ["m5"]),
            (history.after(ROOM, "m4", 1, messages_only=False), ["m5"]),
            (history.between(ROOM, "m4", "m6", 9, messages_only=False), ["m5"]),
            (history.around(ROOM, "m5", 1, messages_only=False), ["m5"]),
        ):
            self.assertEqual(self.page(waiting), expected)

    def test_unknown(self) -> None:
        """A msgid of another room, or of nothing, is no place here."""
        self.fill(self.store, said(99, room="#other 0"))
        for waiting in (
            self.history.before(ROOM, "m99", 9),
            self.history.latest("#absent 0", 9, "m1"),
            self.history.between(ROOM, "m1", "nothing", 9),
        ):
            error = self.failed(waiting, UnknownMessageError)
        assert isinstance(error, UnknownMessageError)
        self.assertEqual(error.msgid, "nothing")

    def test_limits(self) -> None:
        """No page is longer than the longest; none is shorter than empty."""
        self.patch(module, "MAX_PAGE", 3)
        self.assertEqual(MAX_PAGE, 1_000)
        self.assertEqual(len(self.page(self.history.latest(ROOM, 10**9))), 3)
        self.assertEqual(self.page(self.history.latest(ROOM, -1)), [])
        self.assertEqual(self.page(self.history.after(ROOM, -(10**30), 1)), ["m0"])
        self.assertEqual(self.page(self.history.before(ROOM, 10**30, 1)), ["m9"])

    def test_find(self) -> None:
        """One record is found by its msgid, in its room alone."""
        self.assertEqual(self.result(self.history.find(ROOM, "m4")), said(4))
        self.assertIsNone(self.result(self.history.find("#other 0", "m4")))

    def test_redact(self) -> None:
        """A deleted record is gone, in its room alone."""
        self.assertTrue(self.result(self.history.redact(ROOM, "m3")))
        self.assertFalse(self.result(self.history.redact(ROOM, "m3")))
        self.assertIsNone(self.result(self.history.find(ROOM, "m3")))
        self.assertEqual(self.page(self.history.latest("#other 0", 9)), ["m3"])


class OrderTests(HistoryCase):
    """The order of a room is total."""

    @given(
        st.lists(st.integers(0, 3), min_size=1, max_size=12),
        st.data(),
    )
    def test_pages(self, times: list[int], data: st.DataObject) -> None:
        """Pages by msgid leave out nothing and repeat nothing, whatever the times."""
        records = [
            Record(ROOM, f"x{n}", time, "said", None, "text", "{}")
            for n, time in enumerate(times)
        ]
        connection = self.connection
        connection.execute("begin")
        try:
            connection.execute("insert into target (id, name) values (1, ?)", (ROOM,))
            for seq, each in enumerate(records, 1):
                connection.execute(
                    "insert into message values"
                    " (?, 1, ?, ?, 'said', null, 'text', '{}')",
                    (seq, each.time, each.msgid),
                )
            order = ids(sorted(records, key=lambda each: each.time))
            at = data.draw(st.integers(0, len(order) - 1))
            to = data.draw(st.integers(0, len(order) - 1))
            n = data.draw(st.integers(0, 5))
            newest = partial(module._newest, ROOM)
            before = newest(None, order[at], n, True, connection)
            self.assertEqual(ids(before), order[max(0, at - n) : at])
            after = module._oldest(ROOM, order[at], None, n, True, connection)
            self.assertEqual(ids(after), order[at + 1 : at + 1 + n])
            latest = newest(order[at], None, n, True, connection)
            rest = order[at + 1 :]
            self.assertEqual(ids(latest), rest[max(0, len(rest) - n) :])
            between = module._between(ROOM, order[at], order[to], n, True, connection)
            if at <= to:
                expected = order[at + 1 : to][:n]
            else:
                inner = order[to + 1 : at]
                expected = inner[max(0, len(inner) - n) :]
            self.assertEqual(ids(between), expected)
            around = module._around(ROOM, order[at], n, True, connection)
            half = n // 2
            self.assertEqual(
                ids(around), order[max(0, at - half) : at] + order[at : at + n - half]
            )
            time = data.draw(st.integers(-1, 4))
            early = [x for x in order if times[int(x[1:])] < time]
            late = [x for x in order if times[int(x[1:])] > time]
            self.assertEqual(ids(newest(None, time, 99, True, connection)), early)
            self.assertEqual(
                ids(module._oldest(ROOM, time, None, 99, True, connection)), late
            )
        finally:
            connection.execute("rollback")


class TargetTests(HistoryCase):
    """Where something was said lately."""

    def setUp(self) -> None:
        """Say something in some rooms, and to some people."""
        super().setUp()
        self.fill(
            self.store,
            said(1, room="#a 0"),
            said(9, room="#a 0"),
            said(3, room="#b 0"),
            joined(8, room="#b 0"),
            said(5, room="alice bob"),
            said(7, room="carol zoe"),
            said(6, room="aaron alice"),
        )

    def targets(self, *arguments: Any, **options: Any) -> Any:
        """Give what is found."""
        return self.result(self.history.targets(*arguments, **options))

    def test_window(self) -> None:
        """The last message counts, and the bounds do not."""
        rooms = ["#a 0", "#b 0", "#none 0"]
        both = [("#b 0", NOW + 3), ("#a 0", NOW + 9)]
        self.assertEqual(self.targets(rooms, NOW, NOW + 10, 9), both)
        self.assertEqual(self.targets(rooms, NOW + 10, NOW, 9), both)
        self.assertEqual(self.targets(rooms, NOW + 3, NOW + 9, 9), [])

    def test_limit(self) -> None:
        """Those nearest to the first bound are given."""
        rooms = ["#a 0", "#b 0"]
        self.assertEqual(self.targets(rooms, NOW, NOW + 10, 1), [("#b 0", NOW + 3)])
        self.assertEqual(self.targets(rooms, NOW + 10, NOW, 1), [("#a 0", NOW + 9)])

    def test_account(self) -> None:
        """An account's conversations are found from both sides, and no others."""
        self.assertEqual(
            self.targets([], 0, NOW + 99, 9, account="alice"),
            [("alice bob", NOW + 5), ("aaron alice", NOW + 6)],
        )
        self.assertEqual(
            self.targets(["#b 0"], 0, NOW + 99, 9, account="zoe"),
            [("#b 0", NOW + 3), ("carol zoe", NOW + 7)],
        )
