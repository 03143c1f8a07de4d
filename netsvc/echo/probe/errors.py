"""Why a run could not be, in a line for the operator."""

from __future__ import annotations

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.python.failure import Failure

from netsvc.daemon.client_tls import describe_tls
from netsvc.daemon.escape import escape
from netsvc.echo.probe.rejection import describe_errno
from netsvc.echo.probe.thresholds import Level

__all__ = ["ProbeError", "describe_failure"]

#: The most characters of an unforeseen error that are shown.
MAX_DETAIL = 200


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
    if isinstance(reason, (SSL.Error, VerificationError)):
        return describe_tls(reason, "--insecure")
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
