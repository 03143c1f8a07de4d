"""
Sockets that this process was given, for ports that it is going to listen on.

Who binds may be another process: one with the right to ports below 1024, or one that
shares its ports with several. L{Inherited} holds what it has passed on until somebody
listens on the same port.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import tcp, unix
from twisted.python.log import msg as announce

#: Kind (C{tcp}, C{udp}, C{unix}, C{systemd}), interface, and port, path or text.
Key = tuple[str, str, int | str]


class Inherited:
    """Sockets by what they are bound to, the first one to be taken first."""

    def __init__(self) -> None:
        """Begin without any."""
        self._held: dict[Key, list[int]] = {}

    def give(self, kind: str, interface: str, where: int | str, fd: int) -> None:
        """
        Hold a socket.

        @param kind: C{tcp}, C{udp}, C{unix} or C{systemd}.
        @param interface: The address as it will be asked for; empty for none.
        @param where: The port as it will be asked for (0 although the socket has
            one), the path, or the listen string of a socket of systemd's.
        @param fd: Its descriptor, which is closed when it has been taken.
        """
        self._held.setdefault((kind, interface, where), []).append(fd)

    def take(self, kind: str, interface: str, where: Any) -> int | None:
        """Give a socket, which is the caller's to close, or L{None}."""
        if not self._held:
            return None
        if isinstance(where, bytes):
            where = os.fsdecode(where)
        fds = self._held.get((kind, interface or "", where))
        return fds.pop(0) if fds else None

    def close(self) -> None:
        """Close what nobody took."""
        held, self._held = self._held, {}
        for fds in held.values():
            for fd in fds:
                os.close(fd)


class UNIXPort(unix.Port):
    """
    A UNIX port that somebody else has bound, and will remove.

    Twisted's would remove the path when it is closed, and shut the socket down for
    everybody who has it.
    """

    # Twisted's name.
    _shouldShutdown = False  # noqa: N815
    socket: Any
    factory: Any

    def startListening(self) -> None:
        """Accept from now on."""
        tcp._reservedFD.reserve()
        prefix, path = self._getLogPrefix(self.factory), os.fsdecode(self._bindPath)
        announce(f"{prefix} starting on {path!r}")
        self.factory.doStart()
        # Twisted's way: a method that is exchanged for the socket's.
        port: Any = self
        port.socket, port._preexistingSocket = port._preexistingSocket, None
        port.fileno = port.socket.fileno
        self.connected = True
        self.numberAccepts = 100
        self.startReading()

    def connectionLost(self, reason: Any) -> None:
        """Close this process's copy of the socket."""
        tcp.Port.connectionLost(self, reason)
