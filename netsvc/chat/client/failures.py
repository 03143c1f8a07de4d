"""Why there is no connection, in a few words for the user."""

from __future__ import annotations

import os
from typing import Final

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.python.failure import Failure

from netsvc.daemon.escape import escape

MAX_DETAIL: Final = 200
"""The most characters of an unforeseen error that are shown."""

# What OpenSSL makes of an answer in another protocol.
_NOT_TLS = frozenset(
    {
        "packet length too long",
        "record layer failure",
        "unexpected message",
        "wrong version number",
    }
)


def describe(failure: Failure) -> str:
    """Say why a connection was not made, or is lost."""
    reason = failure.value
    if isinstance(reason, error.ConnectionDone):
        return "the server has closed the connection"
    if isinstance(reason, error.DNSLookupError):
        return "no such host"
    if isinstance(reason, VerificationError):
        return (
            "the certificate is not for this name "
            "(--server-name NAME gives another, --no-verify skips the check)"
        )
    if isinstance(reason, SSL.Error):
        return _describe_tls(reason)
    if isinstance(reason, error.TimeoutError):
        return "no answer"
    if isinstance(reason, error.ConnectError):
        number = reason.osError
        text = os.strerror(number) if isinstance(number, int) else str(reason)
        return escape(text)[:MAX_DETAIL].rstrip(".")
    if isinstance(reason, error.ConnectionLost):
        return "the connection was lost"
    return escape(str(reason) or type(reason).__name__)[:MAX_DETAIL]


def _describe_tls(reason: SSL.Error) -> str:
    texts = [str(entry[-1]) for entry in reason.args[0]] if reason.args else []
    text = texts[-1] if texts else "unexpected end"
    hint = ""
    if text == "certificate verify failed":
        hint = (
            ": the certificate is self-signed, expired or from an unknown issuer "
            "(--ca FILE names an issuer, --no-verify skips the check)"
        )
    elif text in _NOT_TLS:
        hint = ": perhaps the service does not speak TLS"
    return f"no TLS: {escape(text)[:MAX_DETAIL]}{hint}"
