"""
The admin pages as a service: started first, stopped last.

While the other services drain it goes on, so that C{/readyz} can say so.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet import defer
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from netsvc.daemon.admin.access import AdminSettings, Door
from netsvc.daemon.listen import Listen
from netsvc.daemon.listeners import Listeners
from netsvc.daemon.refusing import refuse
from netsvc.daemon.snapshots import SnapshotSource
from netsvc.daemon.targets import is_loopback
from netsvc.daemon.unix_sockets import remove_stale
from netsvc.multiplex import multiplexed

NAME: Final = "netsvc-admin"

#: Only the owner may connect, and see that there is something to connect to.
MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700


@dataclass(frozen=True)
class GivenDirectory:
    """
    A directory for the socket of a daemon that root starts and that becomes another
    user: only root can make it, and that user has to write there.

    @ivar path: The directory; nothing but netsvc may use it.
    @ivar uid: The user.
    @ivar gid: The user's group.
    """

    path: Path
    uid: int
    gid: int

    def make(self) -> None:
        """
        Make it, or hand over the one that is there.

        @raise OSError: That cannot be done, or it is somebody else's.
        """
        _make_directory(self.path, self.uid)
        os.chown(self.path, self.uid, self.gid, follow_symlinks=False)


class AdminService(Service):
    """
    Serves the admin pages.

    @ivar site: What they answer; L{None} before the start.
    """

    _log = Logger()

    def __init__(
        self,
        listens: Sequence[Listen],
        source: SnapshotSource,
        settings: AdminSettings,
        reactor: Any,
        given: GivenDirectory | None = None,
    ) -> None:
        """
        @param listens: Where they are.
        @param source: What they show.
        @param settings: Who may see them.
        @param reactor: The reactor.
        @param given: A directory that another user gets before this process becomes
            that user.
        @raise SystemExit: Others than this machine could connect without a token.
        """
        self._listens = tuple(listens)
        self._source = source
        self._settings = settings
        self._reactor = reactor
        self._given = given
        self._listeners: list[Listeners] = []
        self._sockets: list[Any] = []
        self._live: dict[Any, None] = {}
        self.site: Any = None
        for listen in self._listens:
            if listen.kind == "udp":
                refuse(f"{NAME}: {listen}: the admin pages are not on UDP")
            if settings.token is None and not _door(listen).is_loopback:
                refuse(
                    f"{NAME}: {listen} can be reached by others: give it an"
                    " admin_token, or interface=127.0.0.1"
                )

    # What it consists of.

    def _begin(self) -> None:
        """Make the site and what binds the addresses, once."""
        if self.site is not None:
            return
        # twisted.web is loaded by those who have admin pages.
        from netsvc.daemon.admin.http import AdminFactory
        from netsvc.daemon.admin.site import Site

        site = Site(self._source, self._settings, self._reactor)

        def factory(listen: Listen) -> AdminFactory:
            answer = partial(site.answer, _door(listen))
            return AdminFactory(answer, self._reactor, self._live, site.counts)

        self.site = site
        self._factories = {listen: factory(listen) for listen in self._listens}
        self._listeners = [
            Listeners(
                NAME,
                [listen],
                lambda transport, listen=listen: self._factories[listen],  # type: ignore[misc]
                _no_datagrams,
                self._reactor,
            )
            for listen in self._listens
            if listen.kind != "unix"
        ]

    # IService

    def privilegedStartService(self) -> None:
        """
        Bind the TCP ports.

        @raise SystemExit: If one cannot be bound.
        """
        super().privilegedStartService()
        if self._given is not None:
            given, self._given = self._given, None
            try:
                given.make()
            except OSError as error:
                refuse(f"{NAME}: {given.path}: {error.strerror}")
        self._begin()
        for listeners in self._listeners:
            listeners.privilegedStartService()

    def startService(self) -> None:
        """
        Start. UNIX sockets are bound here: they belong to the user who runs this.

        @raise SystemExit: If an address cannot be bound.
        """
        self._begin()
        super().startService()
        for listeners in self._listeners:
            listeners.startService()
        for listen in self._listens:
            if listen.kind == "unix":
                self._bind(listen)
        self.site.start()

    def _bind(self, listen: Listen) -> None:
        """Bind a UNIX socket; replace one that a process left when it was killed."""
        path = listen.arguments[0] if listen.arguments else listen.named["address"]
        mux = multiplexed(self._reactor)
        try:
            _make_directory(Path(path).parent)
            remove_stale(path)
            port = mux.listenUNIX(path, self._factories[listen], mode=MODE)
        except (CannotListenError, OSError, ValueError) as error:
            cause = getattr(error, "socketError", error)
            reason = getattr(cause, "strerror", None) or str(cause)
            refuse(listen.blame(NAME, f"cannot listen on {listen}: {reason}"))
        self._sockets.append(port)
        self._log.info(
            "{service} listens on {listen} ({address})",
            service=NAME,
            listen=str(listen),
            address=path,
            event="listening",
        )

    def drain(self, timeout: float) -> defer.Deferred[None]:
        """
        Go on: whoever asks is to be told that the others drain.

        @return: A Deferred that has fired.
        """
        del timeout
        return defer.succeed(None)

    @defer.inlineCallbacks
    def stopService(self) -> Any:
        """Close the addresses and cut the connections."""
        super().stopService()
        if self.site is not None:
            self.site.stop()
        for listeners in self._listeners:
            yield listeners.stopService()
        sockets, self._sockets = self._sockets, []
        for port in sockets:
            try:
                yield port.stopListening()
            except OSError:
                # Somebody has removed its file, and Twisted gave up there.
                port.socket.close()
        for channel in list(self._live):
            channel.transport.abortConnection()


def _door(listen: Listen) -> Door:
    """Say what an address is to those who come by it."""
    if listen.transport == "unix":
        return Door(is_unix=True, is_loopback=True)
    # A socket of the unit may be bound to anything: as if others could connect.
    own = listen.kind != "systemd" and is_loopback(listen.named.get("interface", ""))
    return Door(is_unix=False, is_loopback=own)


def _no_datagrams() -> Any:
    """Refuse a datagram socket that a unit has passed."""
    raise ValueError("the admin pages are not on UDP")


def _make_directory(path: Path, *others: int) -> None:
    """
    Make the directory of the socket, for its user only, where there is none.

    @param others: Users who may own it, beside root and this one.
    @raise OSError: It cannot be made, or is somebody else's, who could put another
        socket there.
    """
    path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    found = path.stat()
    if found.st_uid not in (0, os.geteuid(), *others):
        raise OSError(errno.EPERM, f"{path} belongs to another user")
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise OSError(errno.EPERM, f"everybody may write in {path}")
