"""
SASL as IRC carries it: PLAIN, EXTERNAL and SCRAM-SHA-256 (RFC 4422, 4616, 5802, 7677).

An L{Exchange} is what one connection has for all its tries. It takes the parameters of
C{AUTHENTICATE} and answers with an L{Outcome}; it asks nobody. Where something has to
be looked up it says so (L{NeedCheck}), and L{advance} asks the accounts in its place::

    outcome = await advance(exchange, parameter, accounts, source=host)

While that is pending, the connection's input must rest. One outcome follows on each
parameter:

==============================  ====================================================
L{Continue}                     C{AUTHENTICATE} with each of its pieces; none when
                                the client has more to send
L{Success}                      900 and 903
L{Failure}: UNKNOWN_MECHANISM   908 and 904
L{Failure}: TOO_LONG            905
L{Failure}: ABORTED             906
L{Failure}: any other           904
==============================  ====================================================

Nothing here keeps a try alive for ever: L{Exchange.active} says that the client owes
data, for a deadline and for C{CAP END}, which ends it by L{Exchange.abort}. How many
tries a connection may make is for its frontend; L{Exchange.failures} counts them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection
from dataclasses import dataclass

from netsvc.chat.accounts import pieces
from netsvc.chat.accounts.checks import (
    Account,
    Answer,
    CertificateCheck,
    Check,
    Checker,
    PlainCheck,
    ScramCheck,
    ScramProved,
)
from netsvc.chat.accounts.errors import AccountError, Refusal
from netsvc.chat.accounts.mechanisms import (
    EXTERNAL,
    MECHANISMS,
    PLAIN,
    BadMessageError,
    Steps,
    external,
    plain,
    scram,
)
from netsvc.chat.accounts.scram import ScramError


class FailureReason(enum.Enum):
    """Why a try ended without success."""

    UNKNOWN_MECHANISM = "there is no such mechanism"
    TOO_LONG = "that was too long"
    ABORTED = "the client gave up"
    MALFORMED = "that is no message of the mechanism"
    REFUSED = "the accounts refused it"


@dataclass(frozen=True, slots=True)
class Continue:
    """
    The try goes on.

    @ivar pieces: What to send, each as one C{AUTHENTICATE}.
    """

    pieces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NeedCheck:
    """
    The try waits for an answer, which L{Exchange.checked} takes.

    @ivar check: What is asked.
    """

    check: Check


@dataclass(frozen=True, slots=True)
class Success:
    """
    The client is logged in.

    @ivar account: As whom.
    """

    account: Account


@dataclass(frozen=True, slots=True)
class Failure:
    """
    The try is over.

    @ivar reason: Why.
    @ivar refusal: What the accounts said, for L{FailureReason.REFUSED}. It is the same
        for an unknown account and for a wrong password.
    @ivar detail: What SCRAM calls it (RFC 5802 section 7), or empty. IRC clients
        expect the numeric at once, so it is not sent.
    """

    reason: FailureReason
    refusal: Refusal | None = None
    detail: str = ""

    @property
    def text(self) -> str:
        """What to tell the client."""
        return str((self.refusal or self.reason).value)


Outcome = Continue | NeedCheck | Success | Failure


class Exchange:
    """
    The tries of one connection, one after the other.

    @ivar mechanisms: Which are allowed, for the tries that begin from now on.
    @ivar fingerprint: The SHA-256 of the client's certificate, in hex, if it has one.
    @ivar failures: How many tries have failed.
    """

    def __init__(
        self,
        nonce: Callable[[], str],
        *,
        mechanisms: Collection[str] = MECHANISMS,
        fingerprint: str | None = None,
        max_message: int = pieces.MAX_MESSAGE,
    ) -> None:
        """
        @param nonce: Gives a random text of printable ASCII without a comma, as
            C{secrets.token_urlsafe} does.
        @param mechanisms: See the class.
        @param fingerprint: See the class.
        @param max_message: Bytes of Base64 in one message.
        """
        self.mechanisms = mechanisms
        self.fingerprint = fingerprint
        self.failures = 0
        self._nonce = nonce
        self._pieces = pieces.Pieces(max_message)
        self._steps: Steps | None = None
        self._need: NeedCheck | None = None

    @property
    def active(self) -> bool:
        """Whether a try is under way."""
        return self._steps is not None

    def command(self, parameter: str) -> Outcome:
        """Take a parameter of C{AUTHENTICATE}: L{start} or L{feed}, as is due."""
        return self.feed(parameter) if self.active else self.start(parameter)

    def start(self, mechanism: str) -> Outcome:
        """Begin a try by a mechanism; the case of its name does not count."""
        self._end()
        if mechanism == "*":
            return self._fail(FailureReason.ABORTED)
        name = mechanism.upper() if mechanism.isascii() else mechanism
        if name not in self.mechanisms or name not in MECHANISMS:
            return self._fail(FailureReason.UNKNOWN_MECHANISM)
        if name == PLAIN:
            self._steps = plain()
        elif name == EXTERNAL:
            self._steps = external(self.fingerprint)
        else:
            self._steps = scram(self._nonce())
        next(self._steps)
        return Continue((pieces.EMPTY,))

    def feed(self, parameter: str) -> Outcome:
        """Take data of the client, C{*} (it gives up), or C{+} (empty)."""
        if parameter == "*":
            return self.abort()
        if self._need is not None:
            return self._fail(FailureReason.MALFORMED)
        try:
            message = self._pieces.feed(parameter)
        except pieces.TooLongError:
            return self._fail(FailureReason.TOO_LONG)
        except ValueError:
            return self._fail(FailureReason.MALFORMED)
        return Continue() if message is None else self._step(message)

    def checked(self, need: NeedCheck, answer: Answer) -> Outcome:
        """
        Take the answer to a L{NeedCheck}.

        @param answer: As the check says, or the refusal.
        """
        if self._need is not need:  # the try has ended in the meantime
            return Failure(FailureReason.ABORTED)
        self._need = None
        return self._step(answer)

    def abort(self) -> Outcome:
        """End the try that is under way, if there is one."""
        return self._fail(FailureReason.ABORTED)

    def _step(self, value: bytes | Answer) -> Outcome:
        """Let the mechanism go on."""
        assert self._steps is not None, "no mechanism was started"
        try:
            wanted = self._steps.send(value)
        except StopIteration as done:
            self._end()
            account: Account = done.value
            return Success(account)
        except BadMessageError:
            return self._fail(FailureReason.MALFORMED)
        except ScramError as error:
            reason, refusal = FailureReason.MALFORMED, None
            if error.value == "invalid-proof":
                reason, refusal = FailureReason.REFUSED, Refusal.WRONG
            return self._fail(reason, refusal, error.value)
        except AccountError as error:
            return self._fail(FailureReason.REFUSED, error.code)
        if isinstance(wanted, bytes):
            return Continue(pieces.split(wanted))
        assert wanted is not None, "only the start gives nothing"
        self._need = NeedCheck(wanted)
        return self._need

    def _fail(
        self, reason: FailureReason, refusal: Refusal | None = None, detail: str = ""
    ) -> Failure:
        self._end()
        self.failures += 1
        return Failure(reason, refusal, detail)

    def _end(self) -> None:
        """Forget the try, and what was sent for it."""
        self._steps = None
        self._need = None
        self._pieces.clear()


async def _ask(check: Check, accounts: Checker, source: str | bytes | None) -> Answer:
    try:
        match check:
            case PlainCheck(name, password):
                return await accounts.login(name, password, source=source)
            case CertificateCheck(fingerprint, name):
                return await accounts.login_certificate(
                    fingerprint, source=source, name=name
                )
            case ScramCheck(name):
                return await accounts.scram_start(name, source=source)
            case ScramProved(login):
                return await accounts.scram_finish(login)
    except AccountError as error:
        return error


async def advance(
    exchange: Exchange,
    parameter: str,
    accounts: Checker,
    *,
    source: str | bytes | None,
) -> Continue | Success | Failure:
    """
    Take the parameter of an C{AUTHENTICATE}, and ask the accounts what has to be asked.

    @param source: The client's address, for the throttles.
    """
    outcome = exchange.command(parameter)
    while isinstance(outcome, NeedCheck):
        outcome = exchange.checked(outcome, await _ask(outcome.check, accounts, source))
    return outcome
