"""
The listening sockets of all workers: the parent binds them, and keeps them.

Of TCP and UNIX there is one socket, and the workers accept from it in turn; a worker
that dies takes no waiting connection with it. Of UDP each worker has its own
(SO_REUSEPORT): the kernel sends what comes from one address and port always to the
same. The parent's copies keep the ports while a worker is replaced.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from twisted.internet.endpoints import serverFromString
from twisted.python.lockfile import FilesystemLock

from netsvc.daemon.listen import BACKLOG, Listen

#: What another process has to ask its multiplexer for, to get a socket.
Key = tuple[str, str, int | str]

#: How often to look for a UDP port that the system chooses.
TRIES: Final = 10


def key_of(listen: Listen) -> Key:
    """
    Say how a worker's multiplexer will ask for the socket of a listen string.

    @raise ValueError: Sockets of this kind cannot be passed on.
    """
    named = listen.named
    if listen.kind in ("tcp", "ssl", "udp"):
        kind = "udp" if listen.kind == "udp" else "tcp"
        return kind, named.get("interface", ""), listen.port
    if listen.kind == "tcp6":
        return "tcp", named.get("interface", "::"), listen.port
    if listen.kind == "tls":
        port = _argument(listen, 1, "port", "443")
        return "tcp", _argument(listen, 3, "interface", "::"), int(port)
    if listen.kind == "mux":
        port = _argument(listen, 0, "port", "0")
        return "tcp", _argument(listen, 1, "interface", ""), int(port)
    if listen.kind == "unix":
        return "unix", "", _argument(listen, 0, "address", "")
    if listen.kind == "systemd":
        return "systemd", "", listen.text
    raise ValueError(f"workers cannot share a socket of '{listen.kind}:'")


def _argument(listen: Listen, position: int, name: str, default: str) -> str:
    """Give what a string says by position or by name."""
    if len(listen.arguments) > position:
        return listen.arguments[position]
    return listen.named.get(name, default)


class Shared:
    """
    The sockets of one listen string.

    @ivar key: How a worker asks for its one.
    """

    def __init__(self, key: Key, undo: Callable[[], None] | None = None) -> None:
        """
        @param key: How a worker asks for its one.
        @param undo: What to do when they have been closed.
        """
        self.key = key
        self._undo = undo
        self._sockets: dict[int, socket.socket] = {}

    def add(self, worker: int, skt: socket.socket) -> None:
        """Hold a socket for a worker; C{-1} is for all."""
        self._sockets[worker] = skt

    def fileno(self, worker: int) -> int:
        """Give the descriptor of a worker's socket."""
        return (self._sockets.get(worker) or self._sockets[-1]).fileno()

    @property
    def own(self) -> set[int]:
        """The workers that have a socket of their own."""
        return {worker for worker in self._sockets if worker >= 0}

    def first(self) -> socket.socket:
        """Give one of them."""
        return next(iter(self._sockets.values()))

    def drop(self, workers: Iterable[int]) -> None:
        """Close the sockets of some workers."""
        for worker in list(workers):
            self._sockets.pop(worker).close()

    def close(self) -> None:
        """Close them all."""
        self.drop(list(self._sockets))
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()


def bind(listen: Listen, workers: Iterable[int]) -> Shared:
    """
    Bind a listen string.

    @param listen: It.
    @param workers: Who serves it.
    @raise OSError: It cannot be bound.
    @raise ValueError: Sockets of its kind cannot be passed on.
    @raise LookupError: systemd has passed no such socket.
    """
    key = key_of(listen)
    if key[0] == "udp":
        shared = Shared(key)
        address = _udp_address(key[1], int(key[2]))
        extend(shared, workers, address)
        return shared
    if key[0] == "unix":
        return _bind_unix(key, listen)
    shared = Shared(key)
    if key[0] == "systemd":
        shared.add(-1, _passed(listen))
    else:
        backlog = int(listen.named.get("backlog", BACKLOG))
        shared.add(-1, _bind_tcp(key[1], int(key[2]), backlog))
    return shared


def _family(interface: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in interface else socket.AF_INET


def _resolved(interface: str, port: int, kind: socket.SocketKind) -> Any:
    """Give an address as bind wants it: of IPv6, with the scope as a number."""
    if ":" not in interface:
        return interface, port
    flags = socket.AI_NUMERICHOST
    found = socket.getaddrinfo(interface, port, socket.AF_INET6, kind, 0, flags)
    return found[0][4]


def _bind_tcp(interface: str, port: int, backlog: int) -> socket.socket:
    """Bind a TCP port, in the same way as Twisted."""
    skt = socket.socket(_family(interface), socket.SOCK_STREAM)
    try:
        skt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        skt.bind(_resolved(interface, port, socket.SOCK_STREAM))
        skt.listen(backlog)
        skt.setblocking(False)
    except OSError:
        skt.close()
        raise
    return skt


def _udp_address(interface: str, port: int) -> Any:
    """
    Find out that a UDP port is free, or which one is.

    Sockets that share a port could join those of a second netsvc of the same user
    without noticing: so the port is first bound by one that shares it with nobody.

    @raise OSError: It is in use.
    """
    for last in range(TRIES, 0, -1):
        with socket.socket(_family(interface), socket.SOCK_DGRAM) as alone:
            alone.bind(_resolved(interface, port, socket.SOCK_DGRAM))
            address = alone.getsockname()
        try:
            _udp(address).close()
        except OSError:
            if port or last == 1:
                raise
        else:
            break
    return address


def _udp(address: Any) -> socket.socket:
    """Bind a UDP port that is shared with others."""
    skt = socket.socket(_family(address[0]), socket.SOCK_DGRAM)
    try:
        skt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        skt.bind(address)
        skt.setblocking(False)
    except OSError:
        skt.close()
        raise
    return skt


def extend(shared: Shared, workers: Iterable[int], address: Any = None) -> set[int]:
    """
    Bind a UDP port for further workers.

    @param workers: Who shall have a socket of it.
    @param address: Where; by default where those are that there are.
    @return: Who got one now.
    @raise OSError: It cannot be bound for all; nothing has changed.
    """
    if address is None:
        address = shared.first().getsockname()
    new: dict[int, socket.socket] = {}
    try:
        for worker in sorted(set(workers) - shared.own):
            new[worker] = _udp(address)
    except OSError:
        for skt in new.values():
            skt.close()
        raise
    for worker, skt in new.items():
        shared.add(worker, skt)
    return set(new)


def _bind_unix(key: Key, listen: Listen) -> Shared:
    """
    Bind a UNIX socket, in the same way as Twisted: with a lock beside it, so that
    one that is left over can be told from one in use.
    """
    path = str(key[2])
    mode = int(_argument(listen, 1, "mode", "666"), 8)
    backlog = int(_argument(listen, 2, "backlog", str(BACKLOG)))
    lock: FilesystemLock | None = None
    if bool(int(_argument(listen, 3, "lockfile", "1"))):
        lock = FilesystemLock(path + ".lock")
        if not lock.lock():
            raise OSError(None, "Cannot acquire lock")
    skt = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def undo() -> None:
        _remove_socket(path)
        if lock is not None:
            # Not if the right to do so was given up (--uid): the next start sees
            # that the lock's owner is gone.
            with suppress(OSError):
                lock.unlock()

    try:
        if lock is not None and not lock.clean:
            _remove_socket(path)
        skt.bind(path)
        os.chmod(path, mode)
        skt.listen(backlog)
        skt.setblocking(False)
    except OSError:
        skt.close()
        if lock is not None:
            lock.unlock()
        raise
    shared = Shared(key, undo)
    shared.add(-1, skt)
    return shared


def _remove_socket(path: str) -> None:
    """Remove a socket's path, if it is one."""
    with suppress(OSError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)


class _Recorder:
    """Stands in for the reactor under a C{systemd:} endpoint, and copies the socket."""

    copy = -1

    def adoptStreamPort(self, fd: int, family: int, factory: Any) -> None:
        """Copy the socket; the endpoint closes its own."""
        self.copy = os.dup(fd)


def _passed(listen: Listen) -> socket.socket:
    """Give the socket that systemd has passed."""
    recorder: Any = _Recorder()
    failures: list[Any] = []
    endpoint = serverFromString(recorder, listen.endpoint)
    listening: Any = endpoint.listen(None)
    listening.addErrback(failures.append)
    if failures:
        failures[0].raiseException()
    return socket.socket(fileno=recorder.copy)
