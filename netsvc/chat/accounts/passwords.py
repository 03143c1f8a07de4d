"""
Passwords: prepared as RFC 8265 says, hashed by Argon2id (RFC 9106), in a thread.

No password is kept here, shown or put into an exception: what is run in a thread is a
lambda and no C{partial}, for that one shows its arguments.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from precis_i18n import get_profile

from netsvc.chat.accounts import scram
from netsvc.chat.accounts.errors import PasswordError
from netsvc.chat.accounts.scram import ScramKeys

#: Bytes of UTF-8 in a password, before and after it is prepared.
MAX_PASSWORD: Final = 512

#: Argon2id's memory (KiB), passes and lanes: what OWASP gives as a minimum. Two threads
#: hash at a time, beside a server that must answer meanwhile.
MEMORY_COST: Final = 19_456
TIME_COST: Final = 2
PARALLELISM: Final = 1

_T = TypeVar("_T")


class Run(Protocol):
    """Runs a function in a thread: L{netsvc.chat.accounts.workers.Workers.run}."""

    def __call__(self, work: Callable[[], _T]) -> Awaitable[_T]:
        """
        Run it.

        @raise BusyError: If too much waits; at once, or when it is awaited.
        """


def prepare(password: str) -> str:
    """
    Bring a password into its one form: C{OpaqueString} of RFC 8265 section 4.2.

    Spaces of all sorts become U+0020 and letters are composed (NFC); nothing else
    changes. Control characters and unassigned code points are refused.

    @raise PasswordError: If it is empty or longer than L{MAX_PASSWORD}, or has what
        none may have. It does not hold the password.
    """
    prepared = _enforced(password)
    if prepared is None or len(prepared.encode()) > MAX_PASSWORD:
        raise PasswordError
    return prepared


def _enforced(password: str) -> str | None:
    """Apply the profile; C{None} when it refuses."""
    if len(password) > MAX_PASSWORD:  # before any work is done for it
        return None
    try:
        return get_profile("OpaqueString").enforce(password)
    except UnicodeError:  # it holds the password: it must not become a context
        return None


class Passwords:
    """
    Hashes passwords, and checks them: a L{netsvc.chat.accounts.vault.Hashes}.

    @ivar dummy: See there.
    """

    def __init__(
        self,
        run: Run,
        *,
        memory_cost: int = MEMORY_COST,
        time_cost: int = TIME_COST,
        parallelism: int = PARALLELISM,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """
        @param run: Runs a function in a thread.
        @param memory_cost: KiB, at least 8 for each lane.
        @param time_cost: Passes.
        @param parallelism: Lanes.
        @param random: Gives so many random bytes.
        """
        self._run = run
        self._hasher = PasswordHasher(time_cost, memory_cost, parallelism)
        salt, tag = (
            base64.b64encode(random(size)).decode("ascii").rstrip("=")
            for size in (self._hasher.salt_len, self._hasher.hash_len)
        )
        costs = f"m={memory_cost},t={time_cost},p={parallelism}"
        self.dummy = f"$argon2id$v=19${costs}${salt}${tag}"

    def prepare(self, password: str) -> str:
        """See L{prepare}."""
        return prepare(password)

    def hash(self, password: str) -> Awaitable[str]:
        """
        Hash a password with a new salt.

        @raise PasswordError: If no password may be so.
        """
        prepared = prepare(password)
        return self._run(lambda: self._hasher.hash(prepared))

    def verify(self, hashed: str, password: str) -> Awaitable[bool]:
        """
        Say whether a password belongs to a hash.

        No password belongs to what is no hash, and none that is unfit to any.
        """
        return self._run(lambda: self._matches(hashed, password))

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, prepare(password))
        except (InvalidHashError, VerificationError, PasswordError):
            return False

    def needs_rehash(self, hashed: str) -> bool:
        """Say whether a hash was made with other parameters than those of today."""
        try:
            return self._hasher.check_needs_rehash(hashed)
        except InvalidHashError:
            return True

    def derive(
        self, password: str, salt: bytes, iterations: int
    ) -> Awaitable[ScramKeys]:
        """
        Make the SCRAM keys of a password: see L{scram.derive}.

        @raise PasswordError: If no password may be so.
        """
        prepared = prepare(password)
        return self._run(lambda: scram.derive(prepared, salt, iterations))


def hash_now(password: str) -> str:
    """
    Hash a password at once, for a command line: it takes some tens of ms.

    @raise PasswordError: If no password may be so.
    """
    return PasswordHasher(TIME_COST, MEMORY_COST, PARALLELISM).hash(prepare(password))
