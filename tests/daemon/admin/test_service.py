"""The admin pages as a service."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.admin import service as service_module
from netsvc.daemon.admin.access import AdminSettings
from netsvc.daemon.admin.service import (
    DIRECTORY_MODE,
    MODE,
    AdminService,
    GivenDirectory,
)
from netsvc.daemon.listen import parse_listen
from netsvc.daemon.refusing import StartError
from tests.daemon.admin.test_site import Source

TOKEN = "0123456789abcdef"
LOOPBACK = "tcp:9100:interface=127.0.0.1"


class Port:
    """A UNIX port."""

    def __init__(self, error: OSError | None) -> None:
        self.error = error
        self.closed = 0
        self.socket = self

    def stopListening(self) -> None:
        """Close, or fail as Twisted does when the file is gone."""
        if self.error is not None:
            raise self.error
        self.closed += 1

    def close(self) -> None:
        """Close."""
        self.closed += 1


class UnixReactor(MemoryReactorClock):
    """A reactor that binds UNIX sockets as far as a test needs it."""

    error: Exception | None = None
    closing: OSError | None = None

    def __init__(self) -> None:
        super().__init__()
        self.bound: list[tuple[str, int]] = []
        self.port = Port(None)

    def listenUNIX(
        self, address: Any, factory: Any, backlog: int = 50, mode: int = 0o666, *_: Any
    ) -> Any:
        """Bind."""
        if self.error is not None:
            raise self.error
        self.bound.append((address, mode))
        self.port = Port(self.closing)
        return self.port


class ServiceTests(SynchronousTestCase):
    """L{AdminService}."""

    def setUp(self) -> None:
        """Have a reactor that binds nothing."""
        self.events = self.enterContext(capturedLogs())
        self.reactor = UnixReactor()
        self.patch(service_module, "multiplexed", lambda reactor: reactor)
        self.folder = Path(self.mktemp()).absolute()

    def make(self, *listens: str, token: str | None = None) -> AdminService:
        """Make it."""
        made = tuple(map(parse_listen, listens))
        source: Any = Source()
        return AdminService(made, source, AdminSettings(token=token), self.reactor)

    def refusal(self, call: Any, *arguments: Any, **others: Any) -> str:
        """Give the line with which the start is refused."""
        return str(self.assertRaises(StartError, call, *arguments, **others))

    def test_open_door(self) -> None:
        """Without a token it is where only this machine can connect."""
        for listen in (
            *("tcp:9100", "tcp:9100:interface=0.0.0.0", r"tcp:9100:interface=\:\:"),
            *("ssl:9100:privateKey=k:certKey=c", "systemd:domain=INET:name=admin"),
        ):
            self.assertIn("can be reached by others", self.refusal(self.make, listen))
            self.make(listen, token=TOKEN)
        for listen in (LOOPBACK, r"tcp:1:interface=\:\:1", "unix:/x"):
            self.make(listen)
        self.make("systemd:domain=UNIX:name=admin")

    def test_udp(self) -> None:
        """There are no admin pages on UDP."""
        self.assertIn("not on UDP", self.refusal(self.make, "udp:9100"))
        self.assertRaises(ValueError, service_module._no_datagrams)

    def test_unix(self) -> None:
        """Its socket, and the directory of it, are for its user only."""
        path = self.folder / "run" / "admin.sock"
        service = self.make(f"unix:{path}")
        service.startService()
        self.assertEqual(self.reactor.bound, [(str(path), MODE)])
        self.assertEqual(path.parent.stat().st_mode & 0o777, DIRECTORY_MODE)
        texts = [each.get("address") for each in self.events]
        self.assertIn(str(path), texts)
        self.successResultOf(service.stopService())
        self.assertEqual(self.reactor.port.closed, 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_given_directory(self) -> None:
        """Before root becomes another user it gives the directory to that user."""
        owners: list[tuple[Any, ...]] = []
        self.patch(os, "chown", lambda *given, **_: owners.append(given))
        path = self.folder / "run"
        service = self.make(f"unix:{path / 'admin.sock'}")
        service._given = GivenDirectory(path, 7, 8)
        service.privilegedStartService()
        self.assertEqual(owners, [(path, 7, 8)])
        self.assertEqual(path.stat().st_mode & 0o777, DIRECTORY_MODE)
        service.startService()
        self.assertEqual(len(owners), 1)
        self.successResultOf(service.stopService())
        path.chmod(0o777)
        service._given = GivenDirectory(path, 7, 8)
        problem = self.refusal(service.privilegedStartService)
        self.assertIn(f"everybody may write in {path}", problem)

    def test_drain(self) -> None:
        """A drain is none of its business: it goes on."""
        path = self.folder / "admin.sock"
        service = self.make(f"unix:{path}")
        service.startService()
        self.successResultOf(service.drain(5))
        self.assertEqual(self.reactor.port.closed, 0)
        self.successResultOf(service.stopService())

    def test_file_gone(self) -> None:
        """A socket whose file somebody has removed is closed all the same."""
        self.reactor.closing = FileNotFoundError()
        service = self.make(f"unix:{self.folder / 'admin.sock'}")
        service.startService()
        self.successResultOf(service.stopService())
        self.assertEqual(self.reactor.port.closed, 1)

    def test_connections_are_cut(self) -> None:
        """Whoever is connected at the end is cut."""

        class Channel:
            aborted = 0

            @property
            def transport(self) -> Channel:
                return self

            def abortConnection(self) -> None:
                self.aborted += 1

        service = self.make(f"unix:{self.folder / 'admin.sock'}")
        service.startService()
        channel = Channel()
        service._live[channel] = None
        self.successResultOf(service.stopService())
        self.assertEqual(channel.aborted, 1)

    def test_never_started(self) -> None:
        """One that was never started stops without a word."""
        self.successResultOf(self.make("unix:/x").stopService())

    def test_live_socket(self) -> None:
        """A socket at which somebody listens is left to them."""
        self.folder.mkdir()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, "/")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind("admin.sock")
            other.listen()
            service = self.make("unix:admin.sock")
            line = self.refusal(service.startService)
        self.assertEqual(
            line,
            "netsvc-admin: cannot listen on unix:admin.sock: Address already in use",
        )

    def test_cannot_bind(self) -> None:
        """What cannot be bound is said in one line."""
        self.reactor.error = PermissionError(13, "Permission denied")
        service = self.make(f"unix:{self.folder / 'a.sock'}")
        self.assertTrue(
            self.refusal(service.startService).endswith("Permission denied")
        )

    def test_directory(self) -> None:
        """A directory into which anybody may put a socket is none for it."""
        self.folder.mkdir()
        self.folder.chmod(0o777)
        service = self.make(f"unix:{self.folder / 'a.sock'}")
        self.assertIn("everybody may write", self.refusal(service.startService))
        self.folder.chmod(0o1777)
        self.make(f"unix:{self.folder / 'a.sock'}").startService()
        self.patch(os, "getuid", lambda: 4321)
        if os.stat(self.folder).st_uid:
            service = self.make(f"unix:{self.folder / 'b.sock'}")
            self.assertIn("another user", self.refusal(service.startService))

    def test_clock(self) -> None:
        """The site is made when it is started: twisted.web is not loaded before."""
        service = self.make("unix:/x")
        self.assertIsNone(service.site)
        self.assertIsInstance(self.reactor, Clock)
