"""Tests of L{netsvc.chat.accounts.logins} and L{netsvc.chat.accounts.vault}."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.accounts.errors import BusyError, Refusal
from netsvc.chat.accounts.scram import ScramKeys
from netsvc.daemon.limits import Rate
from tests.chat.accounts.account_fakes import (
    RULES,
    Chat,
    FakeHashes,
    now,
    refusal,
    waiting,
)

HOME = "192.0.2.1"
AWAY = "198.51.100.1"
PRINT = "ab" * 32


class PasswordTests(SynchronousTestCase):
    """Tests of logging in by a password."""

    def setUp(self) -> None:
        """Register an account."""
        self.chat = Chat()
        self.accounts = self.chat.accounts
        now(self.accounts.register("Alice", "sesame", source=HOME))

    def test_login(self) -> None:
        """The password gets in, in any case of the name, any number of times."""
        for name in ("Alice", "alice", "ALICE"):
            account = now(self.accounts.login(name, "sesame", source=AWAY))
            self.assertEqual(account.name, "Alice")
        self.assertEqual(self.accounts.counters["login"], 3)

    def test_equal_work(self) -> None:
        """A wrong password costs one hash; so does an account that is none."""
        now(self.accounts.register("Gone", "sesame", source=HOME))
        now(self.accounts.delete("Gone", "sesame", source=HOME))
        texts = set()
        for name in ("alice", "nobody", "not a name", "gone", "x" * 1000):
            self.chat.hashes.verified = []
            work = self.accounts.login(name, "wrong", source=name)
            code = refusal(work)
            texts.add(code)
            self.assertEqual(len(self.chat.hashes.verified), 1)
        self.assertEqual(texts, {Refusal.WRONG})
        self.assertEqual(self.accounts.counters["login-wrong"], 5)

    def test_dummy(self) -> None:
        """Nobody gets in by the password of the hash that stands for none."""
        password = FakeHashes.dummy.partition(":")[2]
        work = self.accounts.login("nobody", password, source=HOME)
        self.assertEqual(refusal(work), Refusal.WRONG)

    def test_unfit(self) -> None:
        """A password that nobody can have is wrong, and costs nobody a hash."""
        self.chat.hashes.verified = []
        for name in ("alice", "nobody"):
            work = self.accounts.login(name, "bell\a", source=HOME)
            self.assertEqual(refusal(work), Refusal.WRONG)
        self.assertEqual(self.chat.hashes.verified, [])

    def test_throttled(self) -> None:
        """A source that fails is stopped before a hash is computed."""
        self.accounts.configure(replace(RULES, source_rate=Rate(0.1, 2)))
        for _ in range(2):
            refusal(self.accounts.login("alice", "x", source=AWAY))
        self.chat.hashes.verified = []
        work = self.accounts.login("alice", "sesame", source=AWAY)
        self.assertEqual(refusal(work), Refusal.THROTTLED)
        self.assertEqual(self.chat.hashes.verified, [])
        self.assertEqual(self.accounts.counters["login-source"], 1)
        chat = self.chat
        chat.clock.seconds += 10
        now(self.accounts.login("alice", "sesame", source=AWAY))

    def test_botnet(self) -> None:
        """Many sources do not guess faster; the owner gets in from a known one."""
        self.accounts.configure(replace(RULES, account_rate=Rate(0.001, 3)))
        now(self.accounts.login("alice", "sesame", source=HOME))
        codes = [
            refusal(self.accounts.login("alice", "x", source=f"203.0.113.{number}"))
            for number in range(9)
        ]
        self.assertEqual(codes.count(Refusal.WRONG), 3)
        self.assertEqual(codes.count(Refusal.THROTTLED), 6)
        self.assertEqual(self.accounts.counters["login-account"], 6)
        now(self.accounts.login("alice", "sesame", source=HOME))

    def test_botnet_unknown(self) -> None:
        """An account that does not exist is held up in the same way."""
        self.accounts.configure(replace(RULES, account_rate=Rate(0.001, 3)))
        codes = [
            refusal(self.accounts.login("nobody", "x", source=f"203.0.113.{number}"))
            for number in range(9)
        ]
        self.assertEqual(codes.count(Refusal.THROTTLED), 6)

    def test_not_made(self) -> None:
        """A try that cannot be made is free, and is told as such."""
        self.accounts.configure(replace(RULES, source_rate=Rate(0.1, 1)))
        self.chat.hashes.busy = True
        work = self.accounts.login("alice", "sesame", source=HOME)
        self.assertEqual(refusal(work), Refusal.BUSY)
        self.chat.hashes.busy = False
        self.chat.rows.broken = True
        work = self.accounts.login("alice", "sesame", source=HOME)
        self.assertEqual(refusal(work), Refusal.UNAVAILABLE)
        self.chat.rows.broken = False
        now(self.accounts.login("alice", "sesame", source=HOME))

    def test_off(self) -> None:
        """Without accounts nobody logs in."""
        self.accounts.configure(replace(RULES, enabled=False))
        for work in (
            self.accounts.login("alice", "sesame", source=HOME),
            self.accounts.login_certificate(PRINT, source=HOME),
            self.accounts.scram_start("alice", source=HOME),
        ):
            self.assertEqual(refusal(work), Refusal.OFF)

    def test_deleted_meanwhile(self) -> None:
        """A password that was right does not get in once the account is deleted."""
        verify = self.chat.hashes.verify

        async def slow(hashed: str, password: str) -> bool:
            await self.accounts.erase("alice")
            return await verify(hashed, password)

        self.patch(self.chat.hashes, "verify", slow)
        work = self.accounts.login("alice", "sesame", source=HOME)
        self.assertEqual(refusal(work), Refusal.WRONG)


class RehashTests(SynchronousTestCase):
    """Tests of renewing what was made with other parameters."""

    def setUp(self) -> None:
        """Register an account, and go by other parameters."""
        self.chat = Chat()
        self.accounts = self.chat.accounts
        now(self.accounts.register("Alice", "sesame", source=HOME))
        self.before = self.chat.row("alice")

    def login(self) -> None:
        """Log in."""
        now(self.accounts.login("alice", "sesame", source=HOME))

    def test_nothing_to_do(self) -> None:
        """What is of today stays, and nothing is written."""
        puts = self.chat.rows.puts
        self.login()
        self.assertEqual(self.chat.row("alice"), self.before)
        self.assertEqual(self.chat.rows.puts, puts)

    def test_hash(self) -> None:
        """A hash of old parameters is made anew at the next login; the keys stay."""
        self.chat.hashes.version = 2
        self.login()
        self.assertEqual(
            self.chat.row("alice"), replace(self.before, password="2:sesame")
        )
        self.assertEqual(self.accounts.counters["rehashed"], 1)
        self.login()
        self.assertEqual(self.accounts.counters["rehashed"], 1)

    def test_scram(self) -> None:
        """Keys of another number of iterations are made anew; the hash stays."""
        self.accounts.configure(replace(RULES, scram_iterations=4097))
        self.login()
        row = self.chat.row("alice")
        self.assertEqual(ScramKeys.from_json(row.scram or "").iterations, 4097)
        self.assertEqual(row.password, self.before.password)

    def test_scram_off(self) -> None:
        """Keys that are not wanted any more are dropped."""
        self.accounts.configure(replace(RULES, scram_iterations=0))
        self.login()
        self.assertIsNone(self.chat.row("alice").scram)

    def test_not_now(self) -> None:
        """A login succeeds also when the renewal cannot be done."""
        self.chat.hashes.version = 2

        async def busy(password: str) -> str:
            raise BusyError

        self.patch(self.chat.hashes, "hash", busy)
        self.login()
        self.assertEqual(self.chat.row("alice"), self.before)
        self.assertEqual(self.accounts.counters["busy"], 1)

    def test_changed_meanwhile(self) -> None:
        """A renewal never undoes what was written while it was computed."""
        self.chat.hashes.version = 2
        self.chat.hashes.wait = hold = Deferred[None]()
        login = waiting(self.accounts.login("alice", "sesame", source=HOME))
        other = replace(self.before, password="1:other")
        now(self.chat.rows.put(other))
        hold.callback(None)
        self.successResultOf(login)
        self.assertEqual(self.chat.row("alice"), other)

    def test_bad_keys(self) -> None:
        """Keys that cannot be read are none: counted, and made anew."""
        now(self.chat.rows.put(replace(self.before, scram="nonsense")))
        login = now(self.accounts.scram_start("alice", source=HOME))
        self.assertIsNone(login.row)
        self.assertEqual(self.accounts.counters["bad-keys"], 1)
        self.login()
        self.assertNotEqual(self.chat.row("alice").scram, "nonsense")


class CertificateTests(SynchronousTestCase):
    """Tests of logging in by a certificate."""

    def setUp(self) -> None:
        """Register an account with a certificate."""
        self.chat = Chat(replace(RULES, source_rate=Rate(0.1, 2)))
        self.accounts = self.chat.accounts
        now(self.accounts.register("Alice", "sesame", source=HOME))
        now(self.accounts.add_fingerprint("alice", PRINT))

    def test_login(self) -> None:
        """The certificate gets in, with the account's name or without."""
        for name in (None, "ALICE"):
            account = now(
                self.accounts.login_certificate(PRINT, source=HOME, name=name)
            )
            self.assertEqual(account.name, "Alice")

    def test_wrong(self) -> None:
        """Another account's name and another certificate do not; each is a try."""
        login = self.accounts.login_certificate
        self.assertEqual(refusal(login(PRINT, source=AWAY, name="bob")), Refusal.WRONG)
        self.assertEqual(refusal(login("00" * 32, source=AWAY)), Refusal.WRONG)
        self.assertEqual(refusal(login(PRINT, source=AWAY)), Refusal.THROTTLED)

    def test_while_under_attack(self) -> None:
        """The account's budget does not hold a certificate up, and makes it known."""
        self.accounts.configure(
            replace(RULES, source_rate=None, account_rate=Rate(0.001, 1))
        )
        for _ in range(3):
            refusal(self.accounts.login("alice", "x", source="203.0.113.1"))
        work = self.accounts.login("alice", "sesame", source=AWAY)
        self.assertEqual(refusal(work), Refusal.THROTTLED)
        now(self.accounts.login_certificate(PRINT, source=AWAY))
        now(self.accounts.login("alice", "sesame", source=AWAY))

    def test_broken(self) -> None:
        """A store that fails is told as such."""
        self.chat.rows.broken = True
        work = self.accounts.login_certificate(PRINT, source=HOME)
        self.assertEqual(refusal(work), Refusal.UNAVAILABLE)


class ScramTests(SynchronousTestCase):
    """Tests of logging in by SCRAM; the proofs are those of L{test_sasl}."""

    def setUp(self) -> None:
        """Register an account."""
        self.chat = Chat(replace(RULES, source_rate=Rate(0.1, 2)))
        self.accounts = self.chat.accounts
        now(self.accounts.register("Alice", "sesame", source=HOME))

    def test_login(self) -> None:
        """A proof gets in, and its try is free."""
        for _ in range(5):
            login = now(self.accounts.scram_start("ALICE", source=HOME))
            account = now(self.accounts.scram_finish(login))
            self.assertEqual(account.name, "Alice")

    def test_throttled(self) -> None:
        """A try that proves nothing counts."""
        for _ in range(2):
            now(self.accounts.scram_start("alice", source=HOME))
        work = self.accounts.scram_start("alice", source=HOME)
        self.assertEqual(refusal(work), Refusal.THROTTLED)

    def test_unknown(self) -> None:
        """An unknown account has keys of as many iterations, and never gets in."""
        login = now(self.accounts.scram_start("nobody", source=HOME))
        self.assertEqual(login.keys.iterations, 4096)
        self.assertEqual(refusal(self.accounts.scram_finish(login)), Refusal.WRONG)
        odd = now(self.accounts.scram_start("no name, that", source=HOME))
        self.assertIsNone(odd.row)

    def test_changed_meanwhile(self) -> None:
        """A proof by an old password does not get in once it was changed."""
        login = now(self.accounts.scram_start("alice", source=HOME))
        now(self.accounts.change_password("alice", "sesame", "new", source=HOME))
        self.assertEqual(refusal(self.accounts.scram_finish(login)), Refusal.WRONG)

    def test_broken(self) -> None:
        """A store that fails is told as such, and the try is free."""
        self.chat.rows.broken = True
        for _ in range(5):
            work = self.accounts.scram_start("alice", source=HOME)
            self.assertEqual(refusal(work), Refusal.UNAVAILABLE)
