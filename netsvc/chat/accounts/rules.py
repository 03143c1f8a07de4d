"""What is allowed with accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netsvc.chat.accounts.scram import ITERATIONS
from netsvc.daemon.limits import Rate

#: Failed logins of one source, and those under way: a class comes back at once.
SOURCE_RATE: Final = Rate(30 / 60, 120)

#: Failed logins of one account.
ACCOUNT_RATE: Final = Rate(12 / 60, 12)

#: Registrations of one source.
REGISTRATION_RATE: Final = Rate(10 / 3600, 5)


@dataclass(frozen=True, kw_only=True)
class AccountRules:
    """
    What is allowed.

    @ivar enabled: Whether there are accounts at all.
    @ivar registration: Whether new ones may be registered.
    @ivar max_accounts: How many there may be, deleted ones too.
    @ivar max_fingerprints: How many certificates one may have.
    @ivar min_password: Code points in a password, at least; never fewer than 1.
    @ivar scram_iterations: See L{netsvc.chat.accounts.scram}; 0 keeps no keys, and
        then SCRAM-SHA-256 is nothing to be listed. Keys make a stolen store cheaper
        to guess from than the Argon2id hash alone.
    @ivar source_rate: Failed logins of one source, or C{None}.
    @ivar account_rate: Failed logins of one account, or C{None}: see
        L{netsvc.chat.accounts.throttle}.
    @ivar registration_rate: Registrations of one source, or C{None}.
    """

    enabled: bool = True
    registration: bool = True
    max_accounts: int = 100_000
    max_fingerprints: int = 8
    min_password: int = 1
    scram_iterations: int = ITERATIONS
    source_rate: Rate | None = SOURCE_RATE
    account_rate: Rate | None = ACCOUNT_RATE
    registration_rate: Rate | None = REGISTRATION_RATE
