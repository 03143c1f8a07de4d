"""Accounts whose hashes cost nothing and are counted, and a client of SCRAM."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from netsvc.chat.accounts.errors import AccountError, BusyError, PasswordError, Refusal
from netsvc.chat.accounts.registry import Accounts
from netsvc.chat.accounts.rows import AccountRow, MemoryRows, NameRow
from netsvc.chat.accounts.rules import AccountRules
from netsvc.chat.accounts.scram import ScramKeys, derive
from netsvc.chat.store.errors import StoreError

T = TypeVar("T")


def now(work: Coroutine[Any, Any, T]) -> T:
    """Give what a coroutine gives that waits for nothing."""
    done: list[T] = []
    failed: list[BaseException] = []

    async def follow() -> None:
        try:
            done.append(await work)
        except BaseException as error:
            failed.append(error)

    try:
        follow().send(None)
    except StopIteration:
        if failed:
            raise failed[0] from None
        return done[0]
    raise AssertionError("it waits for something")


def refusal(work: Coroutine[Any, Any, object]) -> Refusal:
    """Give why something is refused."""
    try:
        now(work)
    except AccountError as error:
        return error.code
    raise AssertionError("it was not refused")


class FakeHashes:
    """
    Hashes that are the password in clear, after a version.

    @ivar verified: The hashes that were verified against, in order.
    @ivar hashed: How many were made.
    @ivar derived: How many SCRAM keys were made.
    @ivar version: Of the parameters of today.
    @ivar busy: Whether too much waits.
    @ivar wait: Given before the next hash is made, if there is one.
    """

    dummy = "1:\0nobody's"

    def __init__(self) -> None:
        """Start with nothing computed."""
        self.verified: list[str] = []
        self.hashed = 0
        self.derived = 0
        self.version = 1
        self.busy = False
        self.wait: Deferred[None] | None = None

    def prepare(self, password: str) -> str:
        """Refuse the empty one and bells."""
        if not password or "\a" in password:
            raise PasswordError
        return password

    async def hash(self, password: str) -> str:
        """Hash."""
        self._work()
        self.hashed += 1
        wait, self.wait = self.wait, None
        if wait is not None:
            await wait
        return f"{self.version}:{password}"

    async def verify(self, hashed: str, password: str) -> bool:
        """Compare."""
        self._work()
        self.verified.append(hashed)
        return hashed.partition(":")[2] == password

    def needs_rehash(self, hashed: str) -> bool:
        """Compare the versions."""
        return hashed.partition(":")[0] != str(self.version)

    async def derive(self, password: str, salt: bytes, iterations: int) -> ScramKeys:
        """Make real keys."""
        self._work()
        self.derived += 1
        return derive(password, salt, iterations)

    def _work(self) -> None:
        if self.busy:
            raise BusyError


class FakeRows(MemoryRows):
    """
    Rows in memory that can fail.

    @ivar broken: Whether they do.
    @ivar puts: How many rows were written.
    """

    def __init__(self) -> None:
        """Start in order."""
        super().__init__()
        self.broken = False
        self.puts = 0

    def _ask(self) -> None:
        if self.broken:
            raise StoreError("no disk")

    async def names(self) -> Sequence[NameRow]:
        """Fail, or do it."""
        self._ask()
        return await super().names()

    # No coroutine: a store may fail before there is anything to await.
    def get(self, key: str) -> Any:
        """Fail, or do it."""
        self._ask()
        return super().get(key)

    async def put(self, row: AccountRow) -> None:
        """Fail, or do it."""
        self._ask()
        self.puts += 1
        await super().put(row)

    async def by_fingerprint(self, sha256: str) -> AccountRow | None:
        """Fail, or do it."""
        self._ask()
        return await super().by_fingerprint(sha256)

    async def fingerprints(self, key: str) -> Sequence[str]:
        """Fail, or do it."""
        self._ask()
        return await super().fingerprints(key)


class Clock:
    """
    A clock that is moved by hand.

    @ivar seconds: The time.
    """

    def __init__(self) -> None:
        """Start at some time."""
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.seconds


def counted_random() -> Callable[[int], bytes]:
    """Give random bytes that are not: each time the next number."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


#: Fewer iterations than are the default, for tests that make keys.
RULES = AccountRules(scram_iterations=4096)


class Chat:
    """
    Accounts, with all that they stand on.

    @ivar accounts: The accounts.
    """

    def __init__(
        self,
        rules: AccountRules = RULES,
        rows: FakeRows | None = None,
        **more: Any,
    ) -> None:
        """Make accounts, and load them."""
        self.rows = rows or FakeRows()
        self.hashes = FakeHashes()
        self.clock = Clock()
        self.accounts = Accounts(
            self.rows,
            self.hashes,
            rules,
            seconds=self.clock,
            milliseconds=lambda: 1_700_000_000_000,
            random=counted_random(),
            **more,
        )
        now(self.accounts.load())

    def row(self, key: str) -> AccountRow:
        """Give what is kept of an account."""
        row: AccountRow | None = now(self.rows.get(key))
        assert row is not None, key
        return row


class ScramClient:
    """
    A client of SCRAM-SHA-256, written from the RFC alone.

    @ivar verifier: What the server must send at the end.
    """

    def __init__(self, name: str, password: str, nonce: str, gs2: str = "n,,") -> None:
        """Take what the client knows."""
        self.gs2 = gs2
        self.nonce = nonce
        self.password = password
        self.bare = f"n={name},r={nonce}"
        self.verifier = b""

    def first(self) -> bytes:
        """The first message."""
        return (self.gs2 + self.bare).encode()

    def final(self, challenge: bytes) -> bytes:
        """The answer to the server's first message."""
        text = challenge.decode()
        fields = dict(each.split("=", 1) for each in text.split(","))
        assert fields["r"].startswith(self.nonce)
        salted = hashlib.pbkdf2_hmac(
            "sha256",
            self.password.encode(),
            base64.b64decode(fields["s"]),
            int(fields["i"]),
        )
        binding = base64.b64encode(self.gs2.encode()).decode()
        without = f"c={binding},r={fields['r']}"
        signed = f"{self.bare},{text},{without}".encode()
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self.verifier = b"v=" + base64.b64encode(
            hmac.digest(server_key, signed, "sha256")
        )
        return f"{without},p={base64.b64encode(proof).decode()}".encode()


def waiting(work: Awaitable[T]) -> Deferred[T]:
    """Start a coroutine that may have to wait."""

    async def follow() -> T:
        return await work

    return Deferred.fromCoroutine(follow())
