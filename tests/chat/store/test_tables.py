"""Tests of the small tables: accounts, bans, read markers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netsvc.chat.store import accounts as module
from netsvc.chat.store.accounts import Account, AccountExistsError, Accounts
from netsvc.chat.store.bans import Ban, Bans
from netsvc.chat.store.errors import StoreBusyError, StoreError
from netsvc.chat.store.markers import Markers
from tests.chat.store.kit import NOW, StoreCase, said

ALICE = Account("alice", "Alice", NOW, "$argon2id$x", '{"i": 4096}', 1)
BOB = Account("bob", "Bob", NOW)


class AccountTests(StoreCase):
    """Accounts, their certificates and nicks."""

    def setUp(self) -> None:
        """Start a store with two accounts."""
        super().setUp()
        self.store = self.started()
        self.accounts = Accounts(self.store)
        self.result(self.accounts.create(ALICE))
        self.result(self.accounts.create(BOB))

    def test_get(self) -> None:
        """An account comes out as it went in; what is secret is not shown."""
        self.assertEqual(self.result(self.accounts.get("alice")), ALICE)
        self.assertIsNone(self.result(self.accounts.get("Alice")))
        self.assertNotIn("argon", repr(ALICE))
        self.assertNotIn("4096", repr(ALICE))

    def test_page(self) -> None:
        """Accounts are listed by their keys, a page at a time."""
        self.assertEqual(self.result(self.accounts.page()), [ALICE, BOB])
        self.assertEqual(self.result(self.accounts.page(limit=1)), [ALICE])
        self.assertEqual(self.result(self.accounts.page("alice")), [BOB])
        self.assertEqual(self.result(self.store.read(module.count)), 2)

    def test_create_twice(self) -> None:
        """A name is given once."""
        error = self.failed(self.accounts.create(ALICE), AccountExistsError)
        self.assertEqual(str(error), "there is an account Alice")

    def test_put(self) -> None:
        """An account is changed where it is there."""
        changed = replace(ALICE, password="other", flags=3)
        self.assertTrue(self.result(self.accounts.put(changed)))
        self.assertEqual(self.result(self.accounts.get("alice")), changed)
        self.assertFalse(self.result(self.accounts.put(replace(ALICE, key="x"))))

    def test_delete(self) -> None:
        """With an account go its certificates, nicks and markers."""
        self.result(self.accounts.add_fingerprint("alice", "aa"))
        self.result(self.accounts.reserve("ali", "Ali", "alice"))
        self.result(Markers(self.store).move("alice", "#a", 5))
        self.assertTrue(self.result(self.accounts.delete("alice")))
        self.assertFalse(self.result(self.accounts.delete("alice")))
        self.assertIsNone(self.result(self.accounts.by_fingerprint("aa")))
        for table in ("fingerprint", "marker"):
            self.assertEqual(self.rows(f"select * from {table}"), [], table)
        self.assertEqual(self.rows("select key from nick"), [("bob",)])

    def test_fingerprints(self) -> None:
        """A certificate stands for one account."""
        accounts = self.accounts
        for sha256 in ("bb", "aa", "aa"):
            self.result(accounts.add_fingerprint("alice", sha256))
        self.assertEqual(self.result(accounts.fingerprints("alice")), ["aa", "bb"])
        self.assertEqual(self.result(accounts.by_fingerprint("bb")), ALICE)
        self.failed(accounts.add_fingerprint("bob", "aa"), AccountExistsError)
        self.failed(accounts.add_fingerprint("nobody", "cc"), StoreError)
        self.assertFalse(self.result(accounts.remove_fingerprint("bob", "aa")))
        self.assertTrue(self.result(accounts.remove_fingerprint("alice", "aa")))
        self.assertEqual(self.result(accounts.fingerprints("alice")), ["bb"])

    def test_nicks(self) -> None:
        """An account's name is its first nick; a nick has one account."""
        accounts = self.accounts
        self.result(accounts.reserve("ali", "Ali", "alice"))
        self.result(accounts.reserve("ali", "ALI", "alice"))
        error = self.failed(accounts.reserve("ali", "Ali", "bob"), AccountExistsError)
        self.assertEqual(str(error), "Ali is reserved for another account")
        carol = Account("ali", "Ali", NOW)
        self.failed(accounts.create(carol), AccountExistsError)
        self.assertIsNone(self.result(accounts.get("ali")))
        self.assertEqual(
            self.result(self.store.read(module.reserved)),
            {
                "alice": ("Alice", "alice"),
                "ali": ("ALI", "alice"),
                "bob": ("Bob", "bob"),
            },
        )
        self.assertFalse(self.result(accounts.release("ali", "bob")))
        self.assertTrue(self.result(accounts.release("ali", "alice")))

    def test_bounded(self) -> None:
        """An account has so many certificates, and so many nicks."""
        self.patch(module, "MAX_FINGERPRINTS", 1)
        self.patch(module, "MAX_NICKS", 1)
        self.result(self.accounts.add_fingerprint("alice", "aa"))
        error = self.failed(self.accounts.add_fingerprint("alice", "bb"), StoreError)
        self.assertEqual(str(error), "an account has at most 1 certificates")
        error = self.failed(self.accounts.reserve("x", "x", "alice"), StoreError)
        self.assertEqual(str(error), "an account has at most 1 nicks")


class BanTests(StoreCase):
    """Bans from the network."""

    def bans(self, most: int = 100) -> tuple[Any, Bans]:
        """Start a store with its bans."""
        store = self.make()
        bans = Bans(store, most)
        store.start(bans.load)
        self.addCleanup(self.stop, store)
        return store, bans

    def ban(self, mask: str, created: int = 0, expires: int | None = None) -> Ban:
        """Make a ban."""
        return Ban(mask, "spam", "root", NOW + created, expires)

    def test_restart(self) -> None:
        """Bans are there after a restart, in the order in which they were made."""
        store, bans = self.bans()
        for ban in (self.ban("x@y", 2), self.ban("z", 1), self.ban("gone")):
            bans.add(ban)
        again = self.ban("z", 3, NOW + 9)
        bans.add(again)
        self.assertTrue(bans.remove("gone"))
        self.assertFalse(bans.remove("gone"))
        self.assertEqual(list(bans), [self.ban("x@y", 2), again])
        self.stop(store)
        store, bans = self.bans()
        self.assertEqual(list(bans), [self.ban("x@y", 2), again])
        self.assertEqual(bans.get("z"), again)
        self.assertEqual(len(bans), 2)

    def test_expire(self) -> None:
        """A ban with a duration ends."""
        _, bans = self.bans()
        short, long = self.ban("a", expires=NOW + 5), self.ban("b", expires=NOW + 9)
        for ban in (short, long, self.ban("c")):
            bans.add(ban)
        self.assertEqual(bans.expire(NOW + 4), [])
        self.assertEqual(bans.expire(NOW + 5), [short])
        self.turn()
        self.assertEqual(self.rows("select mask from ban"), [("b",), ("c",)])

    def test_bounded(self) -> None:
        """There are so many bans, of which each can be replaced."""
        _, bans = self.bans(most=1)
        bans.add(self.ban("a"))
        error = self.assertRaises(StoreBusyError, bans.add, self.ban("b"))
        self.assertEqual(str(error), "there are 1 bans already")
        bans.add(self.ban("a", 7))
        self.assertEqual(list(bans), [self.ban("a", 7)])

    def test_resave(self) -> None:
        """What a failing disk did not take is written when it works again."""
        store, bans = self.bans()
        bans.add(self.ban("a"))
        self.turn()
        store.on_recovered = bans.resave
        lock = self.lock()
        self.fill(store, said(1))
        bans.remove("a")
        bans.add(self.ban("b"))
        lock.close()
        self.reactor.advance(store.limits.retry_first)
        self.turn()
        self.assertEqual(self.rows("select mask from ban"), [("b",)])


class MarkerTests(StoreCase):
    """Read markers."""

    def setUp(self) -> None:
        """Start a store with an account."""
        super().setUp()
        self.store = self.started()
        self.result(Accounts(self.store).create(ALICE))
        self.markers = Markers(self.store, 2)

    def test_grows(self) -> None:
        """A marker only grows; who moves it back hears where it is."""
        for time, now in ((5, 5), (3, 3 + 2), (5, 5), (9, 9)):
            moved = self.result(self.markers.move("alice", "#a", time))
            self.assertEqual(moved, now)
        self.assertEqual(self.result(self.markers.get("alice", "#a")), 9)
        self.assertIsNone(self.result(self.markers.get("alice", "#b")))

    def test_bounded(self) -> None:
        """Beyond the limit the marker that was moved longest ago is dropped."""
        for target, time in (("#a", 90), ("#b", 1), ("#a", 91), ("#c", 2)):
            self.result(self.markers.move("alice", target, time))
        self.assertEqual(self.result(self.markers.all("alice")), {"#a": 91, "#c": 2})

    def test_no_account(self) -> None:
        """Only accounts have markers."""
        self.failed(self.markers.move("nobody", "#a", 1), StoreError)
