"""Why something about an account is refused."""

from __future__ import annotations

import enum


class Refusal(enum.Enum):
    """The reasons, in English."""

    OFF = "that is switched off here"
    ALREADY_REGISTERED = "that name is registered already"
    BAD_NAME = "that is no valid name of an account"
    CONFUSABLE = "that name looks like another account's"
    WEAK_PASSWORD = "that password is too short, too long or of odd characters"
    #: For an unknown account, a wrong password and a wrong proof alike.
    WRONG = "the account or the password is wrong"
    THROTTLED = "that was tried too often; try again later"
    BUSY = "too much is being checked right now; try again"
    FULL = "there is no room for more accounts"
    NOT_LOGGED_IN = "you are not logged in"
    BAD_FINGERPRINT = "that is no SHA-256 fingerprint of a certificate"
    FINGERPRINT_TAKEN = "that certificate belongs to an account already"
    TOO_MANY_FINGERPRINTS = "the account has as many certificates as it may have"
    UNAVAILABLE = "the accounts cannot be read or written right now"


class AccountError(Exception):
    """
    A request about an account is refused.

    @ivar code: Why.
    """

    def __init__(self, code: Refusal) -> None:
        """Refuse for a reason."""
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        """Say it in English."""
        return self.code.value


class PasswordError(Exception):
    """A password is empty, too long, or has characters that none may have."""


class BusyError(Exception):
    """So many passwords wait to be checked that no more are taken."""
