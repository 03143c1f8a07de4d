"""Tests of L{netsvc.chat.store.archive}: eras of rooms."""

from __future__ import annotations

from netsvc.chat.store.archive import Archive, dm_target, room_target
from netsvc.chat.store.history import History
from netsvc.chat.store.prune import prune
from netsvc.chat.store.store import Store
from tests.chat.store.kit import StoreCase, said


class ArchiveTests(StoreCase):
    """What is sealed, and when."""

    def archive(self, most: int = 100) -> tuple[Store, Archive]:
        """Start a store with its eras."""
        store = self.make()
        archive = Archive(store, most)
        store.start(self._keep, archive.load)
        self.addCleanup(self.stop, store)
        return store, archive

    def test_names(self) -> None:
        """The names of histories are told apart, and a pair has one name."""
        _, archive = self.archive()
        self.assertEqual(archive.room_target("#a"), room_target("#a", 0))
        self.assertEqual(archive.direct_target("bob", "alice"), "alice bob")
        self.assertEqual(dm_target("alice", "bob"), "alice bob")

    def test_public(self) -> None:
        """A room that is public when it ends goes on where it was."""
        _, archive = self.archive()
        archive.ended("#a")
        archive.private("#a", False)
        archive.private("#a", True)
        archive.private("#a", False)
        archive.ended("#a")
        self.assertEqual(archive.era("#a"), 0)
        self.assertEqual(archive.room_target("#a"), "#a 0")

    def test_private(self) -> None:
        """A room that is private when it ends is sealed, each time."""
        _, archive = self.archive()
        for era in (1, 2):
            archive.private("#a", True)
            archive.private("#a", True)
            archive.ended("#a")
            archive.ended("#a")
            self.assertEqual(archive.era("#a"), era)
            self.assertEqual(archive.room_target("#a"), room_target("#a", era))

    def test_restart(self) -> None:
        """What was sealed stays so, and what was private at the end is sealed."""
        store, archive = self.archive()
        archive.private("#a", True)
        archive.ended("#a")
        archive.private("#b", True)
        archive.private("#c", True)
        archive.private("#c", False)
        self.stop(store)
        for _ in range(2):
            store, archive = self.archive()
            self.assertEqual(
                [archive.era(room) for room in ("#a", "#b", "#c")], [1, 1, 0]
            )
            self.stop(store)

    def test_bounded(self) -> None:
        """Beyond the limit the room that changed longest ago is forgotten, with all
        that was said there."""
        store, archive = self.archive(most=2)
        history = History(store)
        self.fill(
            store, said(1, room="#a 0"), said(2, room="#a 1"), said(3, room="#ab 0")
        )
        for room in ("#a", "#b", "#a", "#b", "#c"):
            archive.private(room, archive.era(room) == 0)
            archive.ended(room)
        self.turn()
        self.assertEqual((archive.era("#a"), archive.forgotten), (0, 1))
        for target, left in (("#a 0", 0), ("#a 1", 0), ("#ab 0", 1)):
            self.assertEqual(len(self.result(history.latest(target, 9))), left, target)
        self.result(store.submit(lambda connection: prune(None, None, 0, connection)))
        self.assertEqual(self.rows("select msgid from message"), [("m3",)])
        self.assertEqual(self.rows("select name from target"), [("#ab 0",)])
        self.assertEqual(self.rows("select room from era"), [("#b",), ("#c",)])

    def test_alive(self) -> None:
        """A room in which somebody is is not forgotten, however many others come."""
        _, archive = self.archive(most=2)
        rooms = {"#a", "#b"}
        archive.alive = rooms.__contains__
        archive.private("#a", True)
        for number in range(5):
            archive.private(f"#x{number}", True)
            archive.ended(f"#x{number}")
        self.assertEqual(archive.forgotten, 4)
        rooms.discard("#a")
        archive.ended("#a")
        self.assertEqual(archive.era("#a"), 1)
        rooms.add("#a")
        archive.private("#b", True)
        rooms.add("#c")
        archive.private("#c", True)
        self.assertEqual([archive.era(room) for room in ("#a", "#x4")], [1, 0])
        archive.ended("#c")
        self.assertEqual(archive.era("#c"), 1)

    def test_resave(self) -> None:
        """What a failing disk did not take is written when it works again."""
        store, archive = self.archive()
        store.on_recovered = archive.resave
        lock = self.lock()
        self.fill(store, said(1))
        archive.private("#a", True)
        lock.close()
        self.assertEqual(store.counters.failed_writes, 1)
        self.reactor.advance(store.limits.retry_first)
        self.turn()
        self.assertEqual(self.rows("select * from era"), [("#a", 0, 1)])
