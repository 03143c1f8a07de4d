"""Why a run could not be, in a line for the operator."""

from __future__ import annotations

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.python.failure import Failure

from netsvc.daemon.escape import escape
from netsvc.echo.probe.rejection import describe_errno
from netsvc.echo.probe.thresholds import Level

__all__ = ["ProbeError", "describe_failure"]

#: The most characters of an unforeseen error that are shown.
MAX_DETAIL = 200
#: What OpenSSL makes of an answer in another protocol.
_NOT_TLS = (
    "wrong version number",
    "packet length too long",
    "record layer failure",
    "unexpected message",
)


class ProbeError(Exception):
    """The run ends without a result.

    @ivar level: L{Level.CRITICAL} if the target just did not answer, else
        L{Level.UNKNOWN}.
    """

    def __init__(self, message: str, level: Level = Level.UNKNOWN) -> None:
        super().__init__(message)
        self.level = level


def describe_failure(failure: Failure) -> str:
    """Say why a connection was not made or is lost."""
    reason = failure.value
    if isinstance(reason, error.ConnectionDone):
        return "closed by the other side"
    if isinstance(reason, VerificationError):
        return (
            "the certificate is not for this name "
            "(--server-name NAME gives another, --insecure skips the check)"
        )
    if isinstance(reason, SSL.Error):
        return _describe_tls(reason)
    if isinstance(reason, error.ConnectBindError):
        return f"cannot use the source address: {_system(reason)}"
    if isinstance(reason, error.TimeoutError):
        return "no answer to the connection attempt"
    if isinstance(reason, error.ConnectError):
        return _system(reason)
    if isinstance(reason, error.ConnectionLost):
        return "connection lost"
    return escape(str(reason) or type(reason).__name__)[:MAX_DETAIL]


def _system(reason: error.ConnectError) -> str:
    number = reason.osError
    if isinstance(number, int):
        return describe_errno(number)
    return escape(str(reason)).rstrip(".")[:MAX_DETAIL]


def _describe_tls(reason: SSL.Error) -> str:
    texts = [str(entry[-1]) for entry in reason.args[0]] if reason.args else []
    text = texts[-1] if texts else "unexpected end"
    hint = ""
    if text == "certificate verify failed":
        hint = (
            ": the certificate is self-signed, expired or from an unknown issuer "
            "(--ca FILE names an issuer, --insecure skips the check)"
        )
    elif text in _NOT_TLS:
        hint = ": perhaps the service does not speak TLS"
    return f"TLS handshake failed: {escape(text)[:MAX_DETAIL]}{hint}"
