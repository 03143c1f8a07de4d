"""
Where the admin pages are: of a daemon by default, and as a command is told.

Pure. A place is written as C{unix:PATH}, C{PATH} (with a slash), C{tcp:PORT},
C{HOST:PORT}, C{http://HOST:PORT} or as the daemon's listen string.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from netsvc.daemon.escape import escape
from netsvc.daemon.listen import Listen, parse_listen, show

#: The socket's name in its directory.
SOCKET: Final = "admin.sock"

#: Where a daemon of the system keeps it.
SYSTEM: Final = Path("/run/netsvc")


@dataclass(frozen=True)
class Place:
    """
    Where to connect to.

    @ivar path: A UNIX socket; or empty, and then
    @ivar host: an address or name, and
    @ivar port: a port of it.
    """

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        """Write it as it can be given again."""
        return f"unix:{self.path}" if self.path else show(self.host, self.port)


def runtime_directory(environment: Mapping[str, str], uid: int) -> Path:
    """
    Give the directory for the socket of a daemon that this user starts.

    That is systemd's C{RuntimeDirectory=} for a unit, a directory in C{/run} for
    root, and one in the session's directory for others.
    """
    of_unit = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if of_unit:
        return Path(of_unit)
    if uid == 0:
        return SYSTEM
    of_session = environment.get("XDG_RUNTIME_DIR")
    if of_session:
        return Path(of_session) / "netsvc"
    return Path(tempfile.gettempdir()) / f"netsvc-{uid}"


def default_path(
    environment: Mapping[str, str] | None = None, uid: int | None = None
) -> Path:
    """Give the path of the socket that a daemon has if it is not told otherwise."""
    uid = os.getuid() if uid is None else uid
    environment = os.environ if environment is None else environment
    return runtime_directory(environment, uid) / SOCKET


def default_listen() -> Listen:
    """Give the listen string of that socket."""
    path = str(default_path()).replace("\\", "\\\\").replace(":", "\\:")
    return parse_listen(f"unix:{path}")


def usual_places(environment: Mapping[str, str], uid: int) -> Iterator[Place]:
    """Give where a command looks for a daemon: the user's own, then the system's."""
    own = default_path(environment, uid)
    for path in dict.fromkeys((own, SYSTEM / SOCKET)):
        yield Place(path=str(path))


def parse_place(text: str) -> Place:
    """
    Read where to connect to.

    @raise ValueError: It is no place; the message is for operators.
    """
    shown = escape(text[:100])
    if text.startswith(("unix:", "tcp:", "tcp6:")):
        listen = parse_listen(text)
        if listen.kind == "unix":
            if not (listen.arguments and listen.arguments[0]):
                raise ValueError(f"'{shown}' names no socket")
            return Place(path=listen.arguments[0])
        host = listen.named.get("interface") or "127.0.0.1"
        # Where a daemon listens on all addresses it is here, too.
        here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return Place(host=here, port=listen.port)
    if "/" in text and "://" not in text:
        return Place(path=text)
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        host, port = "", 0
    if not host or not (port or "://" in text) or not _is_plain(text):
        raise ValueError(
            f"'{shown}' is no place such as unix:/run/netsvc/admin.sock or"
            " 127.0.0.1:9100"
        )
    return Place(host=host, port=port or 80)


def _is_plain(text: str) -> bool:
    """Tell whether a text has no scheme but that of plain HTTP."""
    scheme, separator, _ = text.partition("://")
    return not separator or scheme == "http"
