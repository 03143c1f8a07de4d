"""Tests of L{netsvc.chat.accounts.passwords}."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.accounts.errors import PasswordError
from netsvc.chat.accounts.passwords import (
    MAX_PASSWORD,
    Passwords,
    hash_now,
    prepare,
)
from netsvc.chat.accounts.scram import derive
from netsvc.chat.accounts.vault import Hashes
from tests.chat.accounts.account_fakes import waiting

T = TypeVar("T")


async def here(work: Callable[[], T]) -> T:
    """Run a function where it is awaited."""
    return work()


class Runner:
    """Runs functions here, and counts them."""

    def __init__(self) -> None:
        """Start with none."""
        self.ran = 0

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]:
        """Run one."""
        self.ran += 1
        return here(work)


def passwords(run: Runner | None = None, **more: Any) -> Passwords:
    """Make the cheapest Argon2id there is."""
    costs = {"memory_cost": 8, "time_cost": 1, "parallelism": 1, **more}
    return Passwords(run or Runner(), **costs)


class PrepareTests(SynchronousTestCase):
    """Tests of L{prepare}: C{OpaqueString}, RFC 8265 section 4.2."""

    def test_examples(self) -> None:
        """The examples of RFC 8265 section 4.3 come out as it says."""
        for given_, wanted in (
            ("correct horse battery staple", "correct horse battery staple"),
            ("Correct Horse Battery Staple", "Correct Horse Battery Staple"),
            ("\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5"),
            ("Jack of \u2666s", "Jack of \u2666s"),
            ("foo\u1680bar", "foo bar"),
        ):
            self.assertEqual(prepare(given_), wanted)

    def test_hangul(self) -> None:
        """Hangul that a Mac has decomposed is the same password; jamo may be used."""
        self.assertEqual(prepare("\u1112\u1161\u11ab"), "한")
        self.assertEqual(prepare("ㅋㅋㅋ"), "ㅋㅋㅋ")

    def test_refused(self) -> None:
        """Empty ones, control characters and what is unassigned are refused."""
        for password in ("", "my cat is a \u0009by", "a\0b", "\ud800", "\U000fffff\n"):
            with self.assertRaises(PasswordError):
                prepare(password)

    def test_bounded(self) -> None:
        """A password has so many bytes of UTF-8 and no more."""
        self.assertEqual(prepare("x" * MAX_PASSWORD), "x" * MAX_PASSWORD)
        self.assertEqual(prepare("é" * 256), "é" * 256)
        for password in ("x" * (MAX_PASSWORD + 1), "é" * 257, "x" * 10**6):
            with self.assertRaises(PasswordError):
                prepare(password)

    def test_error_has_no_password(self) -> None:
        """What is raised holds the password nowhere."""
        password = "sesame\a"
        try:
            prepare(password)
        except PasswordError as error:
            self.assertIsNone(error.__context__)
            shown = "".join(traceback.format_exception(error)) + repr(error.args)
            self.assertNotIn("sesame", shown)

    @given(st.text(max_size=30))
    def test_once(self, password: str) -> None:
        """What was prepared is prepared."""
        try:
            prepared = prepare(password)
        except PasswordError:
            return
        self.assertEqual(prepare(prepared), prepared)


class PasswordsTests(SynchronousTestCase):
    """Tests of L{Passwords}."""

    def test_hash(self) -> None:
        """A hash is Argon2id, of its own salt, and belongs to its password alone."""
        hashes: Hashes = passwords()
        first = self.successResultOf(waiting(hashes.hash("sesame")))
        second = self.successResultOf(waiting(hashes.hash("sesame")))
        self.assertTrue(first.startswith("$argon2id$v=19$m=8,t=1,p=1$"))
        self.assertNotEqual(first, second)
        for password, right in (("sesame", True), ("Sesame", False), ("", False)):
            verdict = self.successResultOf(waiting(hashes.verify(first, password)))
            self.assertIs(verdict, right)

    def test_prepared(self) -> None:
        """Two forms of one password are the same."""
        hashes = passwords()
        hashed = self.successResultOf(waiting(hashes.hash("한")))
        verdict = self.successResultOf(
            waiting(hashes.verify(hashed, "\u1112\u1161\u11ab"))
        )
        self.assertTrue(verdict)

    def test_no_hash(self) -> None:
        """No password belongs to what is no hash."""
        hashes = passwords()
        for text in ("", "x", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$AA$AA"):
            verdict = self.successResultOf(waiting(hashes.verify(text, "sesame")))
            self.assertFalse(verdict)
            self.assertTrue(hashes.needs_rehash("x"))

    def test_dummy(self) -> None:
        """The dummy is a hash like others, of these parameters, and nobody's."""
        run = Runner()
        hashes = passwords(run, random=bytes)
        self.assertFalse(hashes.needs_rehash(hashes.dummy))
        self.assertEqual(
            hashes.dummy,
            "$argon2id$v=19$m=8,t=1,p=1$" + "A" * 22 + "$" + "A" * 43,
        )
        verdict = self.successResultOf(waiting(hashes.verify(hashes.dummy, "sesame")))
        self.assertFalse(verdict)
        self.assertEqual(run.ran, 1)

    def test_needs_rehash(self) -> None:
        """A hash of other parameters is to be made anew; one of these is not."""
        old = self.successResultOf(waiting(passwords().hash("sesame")))
        self.assertFalse(passwords().needs_rehash(old))
        self.assertTrue(passwords(time_cost=2).needs_rehash(old))

    def test_derive(self) -> None:
        """SCRAM keys are those of the prepared password."""
        keys = self.successResultOf(
            waiting(passwords().derive("foo\u1680bar", bytes(16), 4096))
        )
        self.assertEqual(keys, derive("foo bar", bytes(16), 4096))

    def test_unfit(self) -> None:
        """Nothing is made of a password that nobody can have."""
        hashes = passwords()
        with self.assertRaises(PasswordError):
            hashes.hash("")
        with self.assertRaises(PasswordError):
            hashes.derive("", bytes(16), 4096)
        self.assertEqual(hashes.prepare("x"), "x")

    def test_no_password_shown(self) -> None:
        """Neither the hasher nor its work shows a password."""
        seen: list[str] = []

        def run(work: Callable[[], T]) -> Awaitable[T]:
            seen.append(str(work))
            return here(work)

        hashes = Passwords(run, memory_cost=8, time_cost=1)
        hashed = self.successResultOf(waiting(hashes.hash("sesame")))
        self.successResultOf(waiting(hashes.verify(hashed, "sesame")))
        self.successResultOf(waiting(hashes.derive("sesame", bytes(16), 4096)))
        self.assertEqual(len(seen), 3)
        self.assertNotIn("sesame", " ".join([*seen, repr(hashes)]))

    def test_hash_now(self) -> None:
        """The hash that a command line makes is one of today's parameters."""
        hashes = Passwords(Runner())
        hashed = hash_now("sesame")
        self.assertFalse(hashes.needs_rehash(hashed))
        self.assertTrue(self.successResultOf(waiting(hashes.verify(hashed, "sesame"))))
