"""Why there is no connection, in a few words for the user."""

from __future__ import annotations

import os
from typing import Final

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.python.failure import Failure

from netsvc.daemon.client_tls import describe_tls
from netsvc.daemon.escape import escape

MAX_DETAIL: Final = 200
"""The most characters of an unforeseen error that are shown."""


def describe(failure: Failure) -> str:
    """Say why a connection was not made, or is lost."""
    reason = failure.value
    if isinstance(reason, error.ConnectionDone):
        return "the server has closed the connection"
    if isinstance(reason, error.DNSLookupError):
        return "no such host"
    if isinstance(reason, (SSL.Error, VerificationError)):
        return describe_tls(reason, "--no-verify")
    if isinstance(reason, error.TimeoutError):
        return "no answer"
    if isinstance(reason, error.ConnectError):
        number = reason.osError
        text = os.strerror(number) if isinstance(number, int) else str(reason)
        return escape(text)[:MAX_DETAIL].rstrip(".")
    if isinstance(reason, error.ConnectionLost):
        return "the connection was lost"
    return escape(str(reason) or type(reason).__name__)[:MAX_DETAIL]
