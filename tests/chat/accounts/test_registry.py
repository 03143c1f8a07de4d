"""Tests of L{netsvc.chat.accounts.registry}: registering, changing, deleting."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.accounts.checks import Account
from netsvc.chat.accounts.errors import AccountError, Refusal
from netsvc.chat.accounts.fingerprints import fingerprint, parse_fingerprint
from netsvc.chat.accounts.rules import AccountRules
from netsvc.chat.accounts.scram import ScramKeys, matches
from netsvc.chat.store.errors import StoreError
from netsvc.daemon.limits import Rate
from tests.chat.accounts.account_fakes import RULES, Chat, now, refusal, waiting

HOME = "192.0.2.1"
PRINT = "ab" * 32


class RegisterTests(SynchronousTestCase):
    """Tests of registering, and of the names that are then taken."""

    def test_register(self) -> None:
        """An account has its name, its time, a hash and SCRAM keys of its password."""
        chat = Chat()
        account = now(chat.accounts.register("Alice", "sesame", source=HOME))
        self.assertEqual(account, Account("Alice", 1_700_000_000_000))
        row = chat.row("alice")
        self.assertEqual((row.name, row.created), ("Alice", 1_700_000_000_000))
        self.assertEqual(row.password, "1:sesame")
        self.assertTrue(matches(ScramKeys.from_json(row.scram or ""), "sesame"))
        self.assertEqual(chat.accounts.counters, {"registered": 1})
        self.assertEqual(len(chat.accounts), 1)

    def test_no_password_shown(self) -> None:
        """A row shows neither hash nor keys."""
        chat = Chat()
        now(chat.accounts.register("Alice", "sesame", source=HOME))
        self.assertEqual(
            repr(chat.row("alice")),
            "AccountRow(key='alice', name='Alice', created=1700000000000, flags=0)",
        )

    def test_names(self) -> None:
        """A nick that folds to an account's name is that account's."""
        chat = Chat()
        now(chat.accounts.register("Alice[a]", "sesame", source=HOME))
        self.assertEqual(chat.accounts.reserved("ALICE[A]"), "Alice[a]")
        self.assertTrue(chat.accounts.exists("alice[a]"))
        self.assertIsNone(chat.accounts.reserved("alice{a}"))
        self.assertFalse(chat.accounts.exists("bob"))

    def test_taken(self) -> None:
        """A name is registered once, whatever its case."""
        chat = Chat()
        now(chat.accounts.register("Alice", "sesame", source=HOME))
        work = chat.accounts.register("ALICE", "other", source=HOME)
        self.assertEqual(refusal(work), Refusal.ALREADY_REGISTERED)
        self.assertEqual(chat.row("alice").password, "1:sesame")

    def test_taken_meanwhile(self) -> None:
        """Of two who ask for a name at once, the first gets it."""
        chat = Chat()
        chat.hashes.wait = hold = Deferred[None]()
        first = waiting(chat.accounts.register("Alice", "one", source=HOME))
        work = chat.accounts.register("alice", "two", source=HOME)
        self.assertEqual(refusal(work), Refusal.ALREADY_REGISTERED)
        hold.callback(None)
        self.assertEqual(self.successResultOf(first).name, "Alice")
        self.assertEqual(chat.row("alice").password, "1:one")

    def test_given_up(self) -> None:
        """The name of somebody who goes away while it is registered is free again."""
        chat = Chat()
        chat.hashes.wait = Deferred()
        first = waiting(chat.accounts.register("Alice", "one", source=HOME))
        self.assertTrue(chat.accounts.exists("alice"))
        first.cancel()
        self.failureResultOf(first)
        self.assertFalse(chat.accounts.exists("alice"))
        now(chat.accounts.register("alice", "two", source=HOME))

    def test_bad_name(self) -> None:
        """What is no valid name, or is kept for something else, is refused."""
        chat = Chat(forbidden=lambda name: name.startswith("guest"))
        for name in ("", "*", "1a", "a b", "#room", "a.b", "x" * 33, "guest7"):
            work = chat.accounts.register(name, "sesame", source=HOME)
            self.assertEqual(refusal(work), Refusal.BAD_NAME)

    def test_confusable(self) -> None:
        """A name that looks like an account's cannot be registered, and is found."""
        chat = Chat(skeleton=lambda name: name.lower().replace("1", "l"))
        now(chat.accounts.register("Alice", "sesame", source=HOME))
        work = chat.accounts.register("A1ice", "sesame", source=HOME)
        self.assertEqual(refusal(work), Refusal.CONFUSABLE)
        self.assertEqual(chat.accounts.looks_like("a1ice"), "Alice")
        self.assertIsNone(chat.accounts.reserved("a1ice"))
        self.assertIsNone(chat.accounts.looks_like("bob"))

    def test_weak(self) -> None:
        """A password must be fit, and as long as the rules say."""
        chat = Chat(replace(RULES, min_password=6))
        for password in ("", "12345", "bell\a!"):
            work = chat.accounts.register("Alice", password, source=HOME)
            self.assertEqual(refusal(work), Refusal.WEAK_PASSWORD)
        now(chat.accounts.register("Alice", "123456", source=HOME))

    def test_full(self) -> None:
        """There are so many accounts and no more; deleted ones count."""
        chat = Chat(replace(RULES, max_accounts=2))
        now(chat.accounts.register("a", "x", source=HOME))
        now(chat.accounts.register("b", "x", source=HOME))
        now(chat.accounts.delete("b", "x", source=HOME))
        work = chat.accounts.register("c", "x", source=HOME)
        self.assertEqual(refusal(work), Refusal.FULL)
        self.assertEqual(chat.accounts.counters["accounts-full"], 1)

    def test_throttled(self) -> None:
        """A source registers so many accounts; another one is not held up."""
        chat = Chat(replace(RULES, registration_rate=Rate(0.1, 2)))
        for name in "ab":
            now(chat.accounts.register(name, "x", source="2001:db8::1"))
        work = chat.accounts.register("c", "x", source="2001:db8::2")
        self.assertEqual(refusal(work), Refusal.THROTTLED)
        self.assertEqual(chat.accounts.counters["registration-source"], 1)
        now(chat.accounts.register("c", "x", source=HOME))
        chat.clock.seconds += 10
        now(chat.accounts.register("d", "x", source="2001:db8::3"))

    def test_off(self) -> None:
        """Registration can be switched off, and on again, by other rules."""
        chat = Chat()
        for rules in (
            replace(RULES, registration=False),
            replace(RULES, enabled=False),
        ):
            chat.accounts.configure(rules)
            work = chat.accounts.register("Alice", "x", source=HOME)
            self.assertEqual(refusal(work), Refusal.OFF)
        chat.accounts.configure(RULES)
        now(chat.accounts.register("Alice", "x", source=HOME))

    def test_unlimited(self) -> None:
        """Without a rate a source registers as many as it likes."""
        chat = Chat(replace(RULES, registration_rate=None, scram_iterations=0))
        for number in range(50):
            now(chat.accounts.register(f"a{number}", "x", source=HOME))
        chat.hashes.busy = True
        work = chat.accounts.register("b", "x", source=HOME)
        self.assertEqual(refusal(work), Refusal.BUSY)

    def test_configure(self) -> None:
        """Other rules leave the budgets as they are, unless it is their rates."""
        rules = replace(RULES, registration_rate=Rate(0.1, 1))
        chat = Chat(rules)
        now(chat.accounts.register("a", "x", source=HOME))
        chat.accounts.configure(replace(rules, min_password=2))
        work = chat.accounts.register("b", "xx", source=HOME)
        self.assertEqual(refusal(work), Refusal.THROTTLED)
        chat.accounts.configure(replace(rules, registration_rate=Rate(0.1, 2)))
        now(chat.accounts.register("b", "xx", source=HOME))

    def test_failure_costs_nothing(self) -> None:
        """When it cannot be done the name stays free, and the source has its try."""
        chat = Chat(replace(RULES, registration_rate=Rate(0.1, 1)))
        chat.hashes.busy = True
        work = chat.accounts.register("a", "x", source=HOME)
        self.assertEqual(refusal(work), Refusal.BUSY)
        chat.hashes.busy = False
        chat.rows.broken = True
        work = chat.accounts.register("a", "x", source=HOME)
        self.assertEqual(refusal(work), Refusal.UNAVAILABLE)
        chat.rows.broken = False
        self.assertEqual(chat.accounts.counters, {"busy": 1, "unavailable": 1})
        now(chat.accounts.register("a", "x", source=HOME))

    def test_no_scram(self) -> None:
        """Without SCRAM no keys are kept."""
        chat = Chat(AccountRules(scram_iterations=0))
        now(chat.accounts.register("a", "x", source=HOME))
        self.assertIsNone(chat.row("a").scram)
        self.assertEqual(chat.hashes.derived, 0)


class LoadTests(SynchronousTestCase):
    """Tests of what another process finds."""

    def test_load(self) -> None:
        """Names, deleted names and the made-up salts are those of before."""
        old = Chat()
        for name in ("Alice", "Bob"):
            now(old.accounts.register(name, "x", source=HOME))
        now(old.accounts.delete("Bob", "x", source=HOME))
        keys = now(old.accounts.scram_start("nobody", source=HOME)).keys
        new = Chat(rows=old.rows)
        self.assertEqual(new.accounts.reserved("alice"), "Alice")
        self.assertIsNone(new.accounts.reserved("bob"))
        work = new.accounts.register("bob", "x", source=HOME)
        self.assertEqual(refusal(work), Refusal.ALREADY_REGISTERED)
        self.assertEqual(
            now(new.accounts.login("alice", "x", source=HOME)).name, "Alice"
        )
        again = now(new.accounts.scram_start("nobody", source=HOME)).keys
        self.assertEqual(again, keys)
        self.assertEqual(len(new.accounts), 1)

    def test_broken(self) -> None:
        """A store that cannot be read is the operator's trouble."""
        chat = Chat()
        chat.rows.broken = True
        with self.assertRaises(StoreError):
            now(chat.accounts.load())


class ChangePasswordTests(SynchronousTestCase):
    """Tests of changing a password."""

    def setUp(self) -> None:
        """Register an account."""
        self.chat = Chat()
        self.accounts = self.chat.accounts
        now(self.accounts.register("Alice", "old", source=HOME))

    def test_change(self) -> None:
        """The new password gets in, by PLAIN and by SCRAM; the old one does not."""
        now(self.accounts.change_password("alice", "old", "new", source=HOME))
        row = self.chat.row("alice")
        self.assertEqual(row.password, "1:new")
        self.assertTrue(matches(ScramKeys.from_json(row.scram or ""), "new"))
        work = self.accounts.login("alice", "old", source=HOME)
        self.assertEqual(refusal(work), Refusal.WRONG)
        now(self.accounts.login("alice", "new", source=HOME))

    def test_refused(self) -> None:
        """It takes a login, the old password, and a fit new one."""
        change = self.accounts.change_password
        self.assertEqual(
            refusal(change(None, "old", "new", source=HOME)), Refusal.NOT_LOGGED_IN
        )
        self.assertEqual(
            refusal(change("bob", "old", "new", source=HOME)), Refusal.NOT_LOGGED_IN
        )
        self.assertEqual(
            refusal(change("alice", "odl", "new", source=HOME)), Refusal.WRONG
        )
        self.assertEqual(
            refusal(change("alice", "old", "", source=HOME)), Refusal.WEAK_PASSWORD
        )
        self.assertEqual(self.chat.row("alice").password, "1:old")

    def test_throttled(self) -> None:
        """Who took over a connection cannot guess on it."""
        self.accounts.configure(replace(RULES, source_rate=Rate(0.1, 2)))
        codes = [
            refusal(self.accounts.change_password("alice", "x", "new", source=HOME))
            for _ in range(3)
        ]
        self.assertEqual(codes, [Refusal.WRONG, Refusal.WRONG, Refusal.THROTTLED])

    def test_one_at_a_time(self) -> None:
        """While a password is changed nothing else changes the account."""
        self.chat.hashes.wait = hold = Deferred[None]()
        change = waiting(
            self.accounts.change_password("alice", "old", "new", source=HOME)
        )
        self.chat.hashes.version = 2
        for work in (
            self.accounts.change_password("alice", "old", "other", source=HOME),
            self.accounts.delete("alice", "old", source=HOME),
        ):
            self.assertEqual(refusal(work), Refusal.BUSY)
        # Nor does the rehash of a login with the old password undo the change.
        now(self.accounts.login("alice", "old", source=HOME))
        hold.callback(None)
        self.successResultOf(change)
        self.assertEqual(self.chat.row("alice").password, "2:new")

    def test_changed_meanwhile(self) -> None:
        """A password that was right, but is no longer, changes nothing."""
        row = self.chat.row("alice")
        verify = self.chat.hashes.verify

        async def slow(hashed: str, password: str) -> bool:
            await self.chat.rows.put(replace(row, password="1:newer"))
            return await verify(hashed, password)

        self.patch(self.chat.hashes, "verify", slow)
        work = self.accounts.change_password("alice", "old", "new", source=HOME)
        self.assertEqual(refusal(work), Refusal.BUSY)
        self.assertEqual(self.chat.row("alice").password, "1:newer")

    def test_thief(self) -> None:
        """A change of the password is one of which sources are known, too."""
        self.accounts.configure(
            replace(RULES, source_rate=None, account_rate=Rate(0.001, 2))
        )
        for source in (HOME, "198.51.100.1"):
            now(self.accounts.login("alice", "old", source=source))
        now(self.accounts.change_password("alice", "old", "new", source=HOME))
        codes = [
            refusal(self.accounts.login("alice", "x", source="198.51.100.1"))
            for _ in range(3)
        ]
        self.assertEqual(codes, [Refusal.WRONG, Refusal.WRONG, Refusal.THROTTLED])
        now(self.accounts.login("alice", "new", source=HOME))


class DeleteTests(SynchronousTestCase):
    """Tests of deleting and erasing."""

    def setUp(self) -> None:
        """Register an account with a certificate."""
        self.chat = Chat()
        self.accounts = self.chat.accounts
        now(self.accounts.register("Alice", "sesame", source=HOME))
        now(self.accounts.add_fingerprint("alice", PRINT))

    def test_delete(self) -> None:
        """A deleted account lets nobody in, reserves no nick, and keeps its name."""
        gone = now(self.accounts.delete("alice", "sesame", source=HOME))
        self.assertEqual(gone.name, "Alice")
        for work in (
            self.accounts.login("alice", "sesame", source=HOME),
            self.accounts.login_certificate(PRINT, source=HOME),
        ):
            self.assertEqual(refusal(work), Refusal.WRONG)
        self.assertIsNone(self.accounts.reserved("alice"))
        self.assertIsNone(self.accounts.looks_like("alice"))
        self.assertTrue(self.accounts.was_deleted("ALICE"))
        self.assertFalse(self.accounts.was_deleted("bob"))
        work = self.accounts.register("alice", "mine", source=HOME)
        self.assertEqual(refusal(work), Refusal.ALREADY_REGISTERED)
        row = self.chat.row("alice")
        self.assertTrue(row.deleted)
        self.assertEqual((row.password, row.scram), (None, None))
        self.assertEqual(now(self.chat.rows.fingerprints("alice")), [])

    def test_refused(self) -> None:
        """It takes a login and the password."""
        delete = self.accounts.delete
        self.assertEqual(
            refusal(delete(None, "sesame", source=HOME)), Refusal.NOT_LOGGED_IN
        )
        self.assertEqual(refusal(delete("alice", "x", source=HOME)), Refusal.WRONG)
        self.assertTrue(self.accounts.exists("alice"))

    def test_erase(self) -> None:
        """An erased account, deleted or not, leaves nothing; its name is free."""
        self.assertTrue(now(self.accounts.erase("ALICE")))
        self.assertFalse(now(self.accounts.erase("alice")))
        now(self.accounts.register("alice", "mine", source=HOME))
        now(self.accounts.delete("alice", "mine", source=HOME))
        self.assertTrue(now(self.accounts.erase("alice")))
        now(self.accounts.register("alice", "again", source=HOME))
        self.assertEqual(now(self.accounts.fingerprints("alice")), [])


class FingerprintTests(SynchronousTestCase):
    """Tests of certificates."""

    def setUp(self) -> None:
        """Register two accounts."""
        self.chat = Chat(replace(RULES, max_fingerprints=2))
        self.accounts = self.chat.accounts
        for name in ("Alice", "Bob"):
            now(self.accounts.register(name, "sesame", source=HOME))

    def test_add(self) -> None:
        """A certificate that was added is listed, once, and gets in."""
        colons = ":".join(["AB"] * 32)
        for text in (colons, PRINT):
            now(self.accounts.add_fingerprint("alice", text))
        self.assertEqual(now(self.accounts.fingerprints("alice")), [PRINT])
        account = now(self.accounts.login_certificate(PRINT, source=HOME))
        self.assertEqual(account.name, "Alice")

    def test_one_account(self) -> None:
        """A certificate belongs to one account."""
        now(self.accounts.add_fingerprint("alice", PRINT))
        work = self.accounts.add_fingerprint("bob", PRINT)
        self.assertEqual(refusal(work), Refusal.FINGERPRINT_TAKEN)

    def test_bounded(self) -> None:
        """An account has so many certificates and no more."""
        for digit in "01":
            now(self.accounts.add_fingerprint("alice", digit * 64))
        work = self.accounts.add_fingerprint("alice", "2" * 64)
        self.assertEqual(refusal(work), Refusal.TOO_MANY_FINGERPRINTS)

    def test_remove(self) -> None:
        """A certificate that was removed does not get in; only its owner removes it."""
        now(self.accounts.add_fingerprint("alice", PRINT))
        self.assertFalse(now(self.accounts.remove_fingerprint("bob", PRINT)))
        self.assertTrue(now(self.accounts.remove_fingerprint("alice", PRINT)))
        work = self.accounts.login_certificate(PRINT, source=HOME)
        self.assertEqual(refusal(work), Refusal.WRONG)

    def test_refused(self) -> None:
        """It takes a login, and a fingerprint."""
        for work in (
            self.accounts.add_fingerprint(None, PRINT),
            self.accounts.remove_fingerprint("nobody", PRINT),
            self.accounts.fingerprints(None),
        ):
            self.assertEqual(refusal(work), Refusal.NOT_LOGGED_IN)
        for text in ("", "ab", "g" * 64, "ab" * 33, "ÄB" * 32):
            work = self.accounts.add_fingerprint("alice", text)
            self.assertEqual(refusal(work), Refusal.BAD_FINGERPRINT)

    def test_broken(self) -> None:
        """A store that fails is told as such."""
        self.chat.rows.broken = True
        for work in (
            self.accounts.add_fingerprint("alice", PRINT),
            self.accounts.fingerprints("alice"),
        ):
            self.assertEqual(refusal(work), Refusal.UNAVAILABLE)

    def test_of_certificate(self) -> None:
        """A certificate's fingerprint is the SHA-256 of its DER."""
        text = fingerprint(b"")
        self.assertTrue(text.startswith("e3b0c44298fc1c14"))
        self.assertEqual(parse_fingerprint(text), text)


class AccountErrorTests(SynchronousTestCase):
    """Tests of L{AccountError}."""

    def test_text(self) -> None:
        """It says what is refused, in English."""
        self.assertEqual(str(AccountError(Refusal.FULL)), Refusal.FULL.value)
