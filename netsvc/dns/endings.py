"""Why a connection has ended, or could not be made: as an error of a server."""

from __future__ import annotations

from twisted.internet.error import (
    ConnectError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
)

from netsvc.dns.errors import ConnectionClosed, ServerError, TLSFailed, Unreachable


def why(error: BaseException) -> tuple[type[ServerError], str]:
    """Say why a connection has ended, or could not be made."""
    if isinstance(error, (ConnectError, OSError)):
        return Unreachable, _first_line(error)
    if isinstance(error, (ConnectionDone, ConnectionLost, ConnectionAborted)):
        return ConnectionClosed, ""
    # OpenSSL's errors, and service_identity's.
    found = error.args[0] if error.args else ""
    if isinstance(found, list) and found and isinstance(found[0], tuple):
        return TLSFailed, "; ".join(str(each[-1]) for each in found if each)
    if type(error).__name__ == "VerificationError":
        return TLSFailed, "the certificate is for another name"
    return TLSFailed, _first_line(error)


def _first_line(error: BaseException) -> str:
    """Give what an error says, on one line."""
    return " ".join(str(error).split()).rstrip(".")
