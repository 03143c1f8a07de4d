"""Tests of L{netsvc.chat.store.retention} and L{netsvc.chat.store.prune}."""

from __future__ import annotations

from typing import Any

from netsvc.chat.events import Kind, Said, Source
from netsvc.chat.records import event, record
from netsvc.chat.store import prune as steps
from netsvc.chat.store.errors import StoreError
from netsvc.chat.store.history import History
from netsvc.chat.store.retention import INTERVAL, PAUSE, Retention
from netsvc.chat.store.store import Store
from tests.chat.store.kit import NOW, StoreCase, ids, joined, said

BOB = Source("Bob", "bob", "b.example", "Bob")


class RetentionCase(StoreCase):
    """A store that forgets."""

    def setUp(self) -> None:
        """Start it; steps are small."""
        super().setUp()
        self.patch(steps, "STEP_ROWS", 3)
        self.patch(steps, "STEP_TARGETS", 2)
        self.patch(steps, "STEP_SCAN", 5)
        self.store = self.started()
        self.history = History(self.store)

    def retention(self, **options: Any) -> Retention:
        """Start it, and stop it in the end."""
        keep = {"keep_time": None, "keep_rows": None, **options}
        retention = Retention(
            self.store,
            self.reactor,
            lambda: NOW / 1000 + self.reactor.seconds(),
            **keep,
        )
        self.addCleanup(retention.stop)
        return retention

    def steps(self, wait: float = INTERVAL) -> int:
        """Let a round go to its end; give the number of its steps."""
        self.reactor.advance(wait)
        count = 0
        while True:
            before = self.store.counters.commits
            self.turn()
            if self.store.counters.commits == before:
                return count
            count += 1
            self.reactor.advance(PAUSE)

    def left(self, target: str = "#room 0") -> list[str]:
        """Give what is left of a target."""
        return ids(self.result(self.history.latest(target, 99, messages_only=False)))


class PruneTests(RetentionCase):
    """What is too old, and what is too much."""

    def test_time(self) -> None:
        """What is older than the limit is deleted, and only that."""
        retention = self.retention(keep_time=INTERVAL - 3.5)
        self.fill(self.store, *(said(1000 * n) for n in range(6)), joined(2000, "#b 0"))
        retention.start()
        self.assertGreater(self.steps(), 1)
        self.assertEqual(self.left(), ["m4000", "m5000"])
        self.assertEqual(self.rows("select name from target"), [("#room 0",)])

    def test_rows(self) -> None:
        """Of each target the newest are kept."""
        retention = self.retention(keep_rows=2)
        records = [said(n, room=f"#{room} 0") for n in range(5) for room in "abc"]
        self.fill(self.store, *records)
        retention.start()
        self.assertGreater(self.steps(), 2)
        for room in "abc":
            self.assertEqual(self.left(f"#{room} 0"), ["m3", "m4"])
        # A target that was empty is made again.
        retention.keep_time = 0.0
        self.steps()
        self.assertEqual(self.rows("select count(*) from target"), [(0,)])
        self.fill(self.store, said(9, room="#a 0"))
        self.assertEqual(self.left("#a 0"), ["m9"])

    def test_nothing(self) -> None:
        """Without limits all is kept."""
        self.retention().start()
        self.fill(self.store, *map(said, range(6)))
        self.steps()
        self.assertEqual(len(self.left()), 6)

    def test_disk_fails(self) -> None:
        """A round that the disk does not take is made up for by the next one."""
        self.retention(keep_rows=1).start()
        self.fill(self.store, said(1), said(2))
        lock = self.lock()
        self.steps()
        lock.close()
        self.assertEqual(self.left(), ["m1", "m2"])
        self.reactor.advance(1)
        self.turn()
        self.steps()
        self.assertEqual(self.left(), ["m2"])

    def test_mistake(self) -> None:
        """A mistake of ours is logged; a stop is none."""
        retention = self.retention(keep_time=float("nan"))
        retention.start()
        self.reactor.advance(INTERVAL)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        retention.stop()
        retention.stop()

    def test_stop(self) -> None:
        """Nothing is deleted after the stop."""
        retention = self.retention(keep_rows=1)
        retention.start()
        self.fill(self.store, said(1), said(2))
        retention.stop()
        self.steps()
        self.assertEqual(len(self.left()), 2)


class ForgetTests(RetentionCase):
    """What becomes of the history of an account that is deleted."""

    def setUp(self) -> None:
        """Let two people talk, in a room and with each other."""
        super().setUp()
        records = []
        for number in range(0, 12, 2):
            records += [said(number), said(number + 1, source=BOB)]
        self.fill(
            self.store,
            *records,
            said(20, room="alice bob"),
            said(21, room="bob carol", source=BOB),
        )

    def forget(self, account: str, name: str | None) -> None:
        """Forget an account."""
        waiting = self.retention().forget(account, name)
        self.steps(0)
        self.successResultOf(waiting)

    def test_delete(self) -> None:
        """All that they said is deleted, and the others' stays."""
        self.forget("Alice", None)
        self.assertEqual(self.left(), ["m1", "m3", "m5", "m7", "m9", "m11"])

    def test_rename(self) -> None:
        """What they said is somebody's without a name, and can be found still."""
        self.forget("Alice", "deleted")
        self.assertEqual(len(self.left()), 12)
        (first, second) = self.result(self.history.search(["#room 0"], "hello", 99))[:2]
        said_by = event(first).source
        self.assertEqual(said_by, Source("deleted", "deleted", "deleted"))
        self.assertEqual((first.account, first.text), (None, "hello"))
        self.assertEqual(event(second).source, BOB)

    def test_conversations(self) -> None:
        """Nobody reads their conversations, whoever has the name next."""
        self.forget("Alice", "deleted")
        self.assertEqual(self.left("alice bob"), [])
        self.assertEqual(self.left("bob carol"), ["m21"])
        targets = self.history.targets([], 0, NOW * 2, 9, account="bob")
        self.assertEqual([name for name, _ in self.result(targets)], ["bob carol"])
        retention = self.retention()
        retention.start()
        self.steps()
        self.assertEqual(
            self.rows("select count(*) from message where msgid = 'm20'"), [(0,)]
        )

    def test_long_scan(self) -> None:
        """An account that said little is found wherever it did."""
        zoe = Source("Zoe", "zoe", "z.example", "Zoe")
        event = Said(NOW + 50, "m50", zoe, "#room", Kind.MESSAGE, "x")
        self.fill(self.store, record(event, "#room 0"))
        self.forget("Zoe", None)
        self.assertNotIn("m50", self.left())
        self.assertEqual(len(self.left()), 12)

    def test_nothing_there(self) -> None:
        """An empty store has nothing to forget."""
        self.stop(self.store)
        self.store = self.started(path=":memory:")
        self.forget("Alice", None)

    def test_disk_fails(self) -> None:
        """Who asked hears that it could not be done."""
        lock = self.lock()
        waiting = self.retention().forget("Alice", None)
        self.turn()
        lock.close()
        self.failureResultOf(waiting, StoreError)


class StoreTypeTests(StoreCase):
    """The seam."""

    def test_store_is_a_keeper(self) -> None:
        """A store can be given wherever a keeper is asked for."""
        store: Store = self.make()
        History(store)
