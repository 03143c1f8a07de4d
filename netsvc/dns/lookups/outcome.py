"""What became of one question: an answer or an error, and the exit status of all."""

from __future__ import annotations

from typing import NamedTuple

from netsvc.dns.codes import rcode_name
from netsvc.dns.errors import (
    BadAliases,
    BadReply,
    Bogus,
    ConnectionClosed,
    DeadlineExceeded,
    DNSError,
    HTTPFailed,
    LookupFailed,
    ServerError,
    ServerTimeout,
    TLSFailed,
    Truncated,
    Unreachable,
    Unvalidated,
)
from netsvc.dns.result import ExtendedError, Message, Question, Result

#: The exit status when every question was answered. "No such name" and "no such data"
#: are answers: a server has said so.
ANSWERED = 0

#: The exit status of a command line that is wrong, as dig's.
USAGE = 1

#: The exit status when some questions were answered and others not.
PARTIAL = 2

#: The exit status when no question was answered.
FAILED = 9


class Interrupted(LookupFailed):
    """Whoever has asked does not wait any longer."""


_WORDS: dict[type[DNSError], str] = {
    ServerTimeout: "TIMEOUT",
    DeadlineExceeded: "TIMEOUT",
    Unreachable: "UNREACHABLE",
    ConnectionClosed: "CLOSED",
    BadReply: "BADREPLY",
    Truncated: "TRUNCATED",
    BadAliases: "BADALIASES",
    TLSFailed: "TLS",
    HTTPFailed: "HTTP",
    Bogus: "BOGUS",
    Unvalidated: "INDETERMINATE",
    Interrupted: "INTERRUPTED",
}


class Outcome(NamedTuple):
    """
    What became of one question.

    @ivar name: The name or address as it was written.
    @ivar question: What was asked.
    @ivar result: The answer, if there is one.
    @ivar error: Why there is none.
    """

    name: str
    question: Question
    result: Result | None = None
    error: DNSError | None = None

    @property
    def status(self) -> str:
        """The response code, or what went wrong, in a word."""
        if self.result is not None:
            return rcode_name(self.result.rcode)
        return error_word(self.error)

    @property
    def errors(self) -> tuple[ServerError, ...]:
        """What servers have done instead of answering."""
        if self.result is not None:
            return self.result.errors
        return self.error.errors if isinstance(self.error, LookupFailed) else ()


def error_word(error: DNSError | None) -> str:
    """Name an error in a word: its response code if it has one."""
    code = error.rcode if isinstance(error, LookupFailed) else None
    if code is not None:
        return rcode_name(code)
    return _WORDS.get(type(error), "FAILED") if error is not None else "FAILED"


def reply_of(error: DNSError | None) -> Message | None:
    """Give the reply with which a server has refused, where the error keeps it."""
    reply = getattr(error, "reply", None)
    return reply if isinstance(reply, Message) else None


def extended_errors(error: DNSError | None) -> tuple[ExtendedError, ...]:
    """Give the extended errors of a reply with which a server has refused."""
    reply = reply_of(error)
    if reply is None:
        return ()
    return Result(Question(b"\0", 1), 0, edns=reply.edns).extended_errors


def exit_status(answered: int, failed: int) -> int:
    """Give the exit status for so many questions that were answered or failed."""
    if not failed:
        return ANSWERED
    return PARTIAL if answered else FAILED
