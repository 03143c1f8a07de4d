"""Asks a running daemon, for C{netsvc status} and C{netsvc reload}."""

from __future__ import annotations

import argparse
import http.client
import os
import socket
from pathlib import Path
from typing import Final

from netsvc.daemon.admin.access import read_token
from netsvc.daemon.admin.where import Place, parse_place, usual_places

__all__ = ["EXIT_FAILED", "AdminError", "add_place", "ask", "place_of"]

#: Exit status when the daemon does not answer, or not as it should.
EXIT_FAILED: Final = 1

#: Seconds for an answer, by default.
TIMEOUT: Final = 5.0

#: The most bytes of an answer.
MAX_ANSWER: Final = 64 * 1024 * 1024


class AdminError(Exception):
    """The daemon cannot be asked; the text is one line for operators."""


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the daemon is."""
    parser.add_argument(
        "--admin",
        metavar="WHERE",
        help="the daemon's admin pages: unix:PATH, or HOST:PORT (default: the socket"
        " of this user's daemon, else the system's)",
    )
    parser.add_argument(
        "--token", metavar="FILE", help="a file with the admin_token, if one is needed"
    )


def place_of(where: str | None) -> Place:
    """
    Find where to connect to.

    @param where: What was given; L{None} for the usual places.
    @raise AdminError: It is no place.
    """
    if where is not None:
        try:
            return parse_place(where)
        except ValueError as error:
            raise AdminError(f"--admin: {error}") from None
    places = list(usual_places(os.environ, os.getuid()))
    return next((each for each in places if os.path.exists(each.path)), places[0])


def token_of(path: str | None) -> str | None:
    """
    Read the token.

    @raise AdminError: It cannot be read.
    """
    if path is None:
        return None
    try:
        return read_token(Path(path))
    except ValueError as error:
        raise AdminError(f"--token: {error}") from None


class _Connection(http.client.HTTPConnection):
    """HTTP to a place."""

    def __init__(self, place: Place, timeout: float) -> None:
        super().__init__(place.host or "localhost", place.port or 80, timeout=timeout)
        self._place = place

    def connect(self) -> None:
        """Connect."""
        if not self._place.path:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._place.path)


def ask(
    place: Place,
    method: str,
    path: str,
    token: str | None = None,
    timeout: float = TIMEOUT,
) -> tuple[int, bytes]:
    """
    Send a request.

    @return: The status, and the answer's body.
    @raise AdminError: Nobody is there, or there is no whole answer.
    """
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    connection = _Connection(place, timeout)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = answer.read(MAX_ANSWER + 1)
    except FileNotFoundError:
        problem = "there is no such socket; is netsvc running, and is --admin right?"
    except ConnectionRefusedError:
        problem = "nobody listens there"
    except PermissionError:
        problem = "permission denied; only the user who runs netsvc may, and root"
    except TimeoutError:
        problem = f"no answer within {timeout:.0f} s"
    except (OSError, ValueError, http.client.HTTPException) as error:
        problem = getattr(error, "strerror", None) or str(error) or "no answer"
    else:
        if len(body) > MAX_ANSWER:
            raise AdminError(f"{place}: the answer is too long")
        if answer.length:
            raise AdminError(f"{place}: the connection was closed within the answer")
        if answer.status in (401, 403, 421):
            text = body[:200].decode("utf-8", "replace").strip()
            raise AdminError(f"{place}: {text}")
        return answer.status, body
    finally:
        connection.close()
    raise AdminError(f"{place}: {problem}")
