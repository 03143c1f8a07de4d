"""Tests of L{netsvc.daemon.listeners}."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from io import StringIO
from pathlib import Path
from typing import Any

from twisted.internet import endpoints
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.logger import capturedLogs, formatEvent
from twisted.python.systemd import ListenFDs
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon import binding
from netsvc.daemon import listeners as module
from netsvc.daemon.listen import BACKLOG, parse_listen
from netsvc.daemon.listeners import Listeners, bind_all
from netsvc.multiplex.datagram import MAX_DATAGRAM
from tests.daemon.pem_samples import write_pem
from tests.daemon.service_fakes import FakeMultiplexer, server_tls


class NamedFactory(Factory):
    """A stream's factory that knows its transport."""

    def __init__(self, transport: str) -> None:
        """Remember the transport."""
        self.transport = transport


class QuietDatagrams(DatagramProtocol):
    """A datagram protocol that does not log its start."""

    noisy = False


class ListenersCase(SynchronousTestCase):
    """Listeners on a multiplexer that binds nothing."""

    def setUp(self) -> None:
        """Put the fake in the multiplexer's place, and listen to the log."""
        self.mux = FakeMultiplexer()
        self.patch(module, "multiplexed", lambda reactor: self.mux)
        self.stderr = StringIO()
        self.patch(sys, "stderr", self.stderr)
        self.patch(sys, "__stderr__", self.stderr)
        self.events = self.enterContext(capturedLogs())

    def make(self, *texts: str) -> Listeners:
        """Make the listeners of some listen strings."""
        return Listeners(
            "netsvc-sample",
            [parse_listen(text) for text in texts],
            NamedFactory,
            QuietDatagrams,
        )

    def refused(self, *texts: str) -> str:
        """Bind what cannot be bound; give the line without its beginning."""
        listeners = self.make(*texts)
        line = str(self.assertRaises(SystemExit, listeners.startService).code)
        self.assertEqual(listeners.ports, [])
        self.assertTrue(all(port.closed for port in self.mux.ports))
        start = f"netsvc-sample: cannot listen on {texts[-1]}: "
        self.assertEqual(line[: len(start)], start)
        self.assertEqual(line.count("\n"), 0)
        return line[len(start) :]


class BindTests(ListenersCase):
    """Tests of what is bound and when."""

    def test_kinds(self) -> None:
        """Each kind is bound by its own method, in the order of the strings."""
        listeners = self.make(
            "tcp:7007:interface=127.0.0.1",
            r"tcp:7008:interface=\:\:1:backlog=5",
            "udp:7007",
            "udp:7008:interface=127.0.0.1",
            "unix:/run/echo.sock",
        )
        listeners.privilegedStartService()
        self.assertEqual(
            self.mux.bound,
            [
                ("tcp", 7007, "127.0.0.1", BACKLOG),
                ("tcp", 7008, "::1", 5),
                ("udp", 7007, "", MAX_DATAGRAM),
                ("udp", 7008, "127.0.0.1", MAX_DATAGRAM),
                ("unix", "/run/echo.sock", 0o666, BACKLOG),
            ],
        )
        self.assertEqual(listeners.ports, self.mux.ports)
        served = [port.served for port in self.mux.ports]
        self.assertEqual([served[0].transport, served[4].transport], ["tcp", "unix"])
        self.assertIsInstance(served[2], DatagramProtocol)

    def test_once(self) -> None:
        """The start binds what the privileged start has not bound already."""
        listeners = self.make("tcp:7007")
        listeners.privilegedStartService()
        listeners.startService()
        self.assertEqual(len(self.mux.bound), 1)
        self.assertTrue(listeners.running)

    def test_without_privileged_start(self) -> None:
        """A runner without a privileged phase gets everything bound, too."""
        self.make("tcp:7007", "udp:7007").startService()
        self.assertEqual(len(self.mux.bound), 2)

    def test_tls(self) -> None:
        """A port of TLS has TLS between itself and the service's factory."""
        listen = parse_listen("ssl:7443:privateKey=key.pem:certKey=key.pem")
        endpoint = endpoints.SSL4ServerEndpoint(self.mux, 7443, server_tls())
        asked: list[str] = []

        def from_string(reactor: Any, text: str) -> Any:
            asked.append(text)
            return endpoint

        self.patch(binding, "serverFromString", from_string)
        listeners = Listeners("s", [listen], NamedFactory, QuietDatagrams)
        listeners.startService()
        self.assertEqual(asked, [listen.endpoint])
        self.assertEqual(self.mux.ports[0].served.wrappedFactory.transport, "tls")

    def test_certificates(self) -> None:
        """A directory with a certificate is served on all addresses."""
        folder = Path(self.mktemp())
        folder.mkdir()
        write_pem(folder / "a.pem", "a.example")
        self.make(f"tls:{folder}:port=7443").startService()
        self.flushWarnings()  # Twisted uses what pyOpenSSL has deprecated
        self.assertEqual(self.mux.bound, [("tcp", 7443, "::", BACKLOG)])
        served = self.mux.ports[0].served
        self.assertEqual(served.wrappedFactory.transport, "tls")

    def test_log(self) -> None:
        """The start says of each string what it is bound to."""
        self.make(
            r"tcp:7007:interface=\:\:1", "udp:7007", "unix:/run/echo.sock"
        ).startService()
        self.assertEqual(
            [formatEvent(event) for event in self.events],
            [
                r"netsvc-sample listens on tcp:7007:interface=\:\:1 ([::1]:7007)",
                "netsvc-sample listens on udp:7007 (0.0.0.0:7007)",
                "netsvc-sample listens on unix:/run/echo.sock (/run/echo.sock)",
            ],
        )
        self.assertEqual({event["event"] for event in self.events}, {"listening"})


class RefuseTests(ListenersCase):
    """Tests of what cannot be bound: one line, and nothing stays bound."""

    def test_in_use(self) -> None:
        """A port in use closes what was bound before it and ends the process."""
        self.mux.in_use = {7009}
        reason = self.refused("tcp:7007", "udp:7008", "tcp:7009")
        self.assertEqual(reason, "Address already in use")
        self.assertEqual([port.closed for port in self.mux.ports], [True, True])

    def test_udp_in_use(self) -> None:
        """A UDP port in use is refused in the same way."""
        self.mux.in_use = {7009}
        self.assertEqual(self.refused("udp:7009"), "Address already in use")

    def test_unknown_kind(self) -> None:
        """A kind that Twisted does not know is refused in its words."""
        self.assertEqual(self.refused("tpc:7"), "Unknown endpoint type: 'tpc'")

    def test_no_such_file(self) -> None:
        """The file that is missing is named, the one that was not given too."""
        for text, name in {
            "ssl:7443:privateKey=no.pem": "no.pem",
            "ssl:7443": "server.pem",
        }.items():
            path = os.path.abspath(name)
            self.assertEqual(self.refused(text), f"No such file or directory: {path}")

    def test_no_certificate(self) -> None:
        """A directory without a certificate is refused: every handshake would fail."""
        folder = self.mktemp()
        os.makedirs(folder)
        for text in (f"tls:{folder}:port=7443", f"tls:path={folder}", "tls:/no/such"):
            self.assertIn("there is no certificate, *.pem, in the", self.refused(text))

    def test_broken_certificate(self) -> None:
        """So is one of which a file cannot be used, and the file is named."""
        folder = Path(self.mktemp())
        folder.mkdir()
        write_pem(folder / "a.pem", "a.example")
        (folder / "b.pem").write_text("junk")
        reason = self.refused(f"tls:{folder}:port=7443")
        problem = "has neither a certificate nor a private key"
        self.assertEqual(reason, f"{folder / 'b.pem'} {problem}")

    def test_locked_socket(self) -> None:
        """A UNIX socket that another process serves is refused."""

        def locked(*arguments: Any, **named: Any) -> None:
            raise CannotListenError(None, "/run/x", "Cannot acquire lock")

        self.mux.listenUNIX = locked  # type: ignore[method-assign]
        self.assertEqual(self.refused("unix:/run/x"), "Cannot acquire lock")

    def test_no_folder(self) -> None:
        """A UNIX socket's missing folder is an error without the lock's details."""

        def no_folder(*arguments: Any, **named: Any) -> None:
            raise FileNotFoundError(2, "No such file or directory", "4711")

        self.mux.listenUNIX = no_folder  # type: ignore[method-assign]
        self.assertEqual(self.refused("unix:/run/x"), "No such file or directory")

    def test_not_at_once(self) -> None:
        """An endpoint that does not bind at once is refused: it may never do it."""
        endpoint = endpoints.TCP4ServerEndpoint(self.mux, 7)
        endpoint.listen = lambda factory: Deferred()  # type: ignore[method-assign]
        self.patch(binding, "serverFromString", lambda reactor, text: endpoint)
        self.assertEqual(self.refused("slow:7"), "it does not bind at once")

    def test_error_without_text(self) -> None:
        """An error that says nothing is named."""

        def fails(*arguments: Any) -> Any:
            raise ZeroDivisionError

        self.patch(self.mux, "listenUDP", fails)
        self.assertEqual(self.refused("udp:7"), "ZeroDivisionError")

    def test_several(self) -> None:
        """All that cannot be bound is told, a line each, and nothing stays bound."""
        self.mux.in_use = {7, 9}
        listeners = self.make("tcp:7", "tcp:8", "tcp:9")
        line = str(self.assertRaises(SystemExit, listeners.startService).code)
        start, end = "netsvc-sample: cannot listen on", "Address already in use"
        self.assertEqual(
            line.splitlines(), [f"{start} tcp:7: {end}", f"{start} tcp:9: {end}"]
        )
        self.assertEqual(listeners.ports, [])
        self.assertTrue(all(port.closed for port in self.mux.ports))

    def test_bind_all(self) -> None:
        """Several are bound together, or none, and all that is wrong is told."""
        bind_all([self.make("tcp:1", "udp:2"), self.make("tcp:3")])
        self.assertEqual([port.closed for port in self.mux.ports], [False] * 3)
        self.mux.in_use = {7, 9}
        several = [self.make("tcp:7"), self.make("tcp:8"), self.make("tcp:9")]
        error = self.assertRaises(SystemExit, bind_all, several)
        lines = str(error).splitlines()
        self.assertEqual([line.split()[4] for line in lines], ["tcp:7:", "tcp:9:"])
        self.assertTrue(all(port.closed for port in self.mux.ports[3:]))

    def test_bind_all_fails(self) -> None:
        """A mistake of ours leaves none of them bound, either."""
        several = [self.make("tcp:1"), self.make("tcp:2")]
        self.patch(several[1], "privilegedStartService", lambda: 1 // 0)
        self.assertRaises(ZeroDivisionError, bind_all, several)
        self.assertEqual([port.closed for port in self.mux.ports], [True])


class SystemdTests(ListenersCase):
    """Tests of sockets that systemd passes."""

    def setUp(self) -> None:
        """Pass two sockets, neither bound: nothing here uses a port."""
        super().setUp()
        self.descriptors = []
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET6, kind) as skt:
                self.descriptors.append(os.dup(skt.fileno()))
        self.addCleanup(self.close)
        passed = ListenFDs(self.descriptors, ("stream", "datagram"))
        self.patch(endpoints._SystemdParser, "_sddaemon", passed)

    def close(self) -> None:
        """Close what was not adopted."""
        for fd in self.descriptors:
            with contextlib.suppress(OSError):
                os.close(fd)

    def test_stream(self) -> None:
        """A stream socket is adopted with the family that it has."""
        self.make("systemd:domain=INET:name=stream").startService()
        self.assertEqual(self.mux.bound, [("adopt stream", socket.AF_INET6)])
        self.assertEqual(self.mux.ports[0].served.transport, "tcp")
        self.assertRaises(OSError, os.fstat, self.descriptors[0])

    def test_datagram(self) -> None:
        """A datagram socket is adopted as a UDP port, for whole datagrams."""
        self.make("systemd:domain=INET:index=1").startService()
        self.assertEqual(
            self.mux.bound, [("adopt datagram", socket.AF_INET6, MAX_DATAGRAM)]
        )
        self.assertIsInstance(self.mux.ports[0].served, DatagramProtocol)
        self.assertRaises(OSError, os.fstat, self.descriptors[1])

    def test_both(self) -> None:
        """One unit passes both, and the log names what they are bound to."""
        self.make(
            "systemd:domain=INET6:name=stream", "systemd:domain=INET6:name=datagram"
        ).startService()
        self.assertEqual(len(self.mux.ports), 2)
        self.assertEqual(
            formatEvent(self.events[1]),
            "netsvc-sample listens on systemd:domain=INET6:name=datagram"
            " (127.0.0.1:7007)",
        )

    def test_not_passed(self) -> None:
        """A socket that was not passed is refused, by name and by index."""
        for which in ("name=other", "index=2"):
            self.assertEqual(
                self.refused(f"systemd:domain=INET:{which}"),
                "systemd has passed no such socket",
            )


class StopTests(ListenersCase):
    """Tests of how listening ends."""

    def test_stop(self) -> None:
        """The stop closes all ports and waits for those that take a while."""
        listeners = self.make("tcp:7007", "udp:7007")
        listeners.startService()
        slow: Deferred[None] = Deferred()
        self.mux.ports[1].closing = slow
        stopped = listeners.stopService()
        self.assertEqual([port.closed for port in self.mux.ports], [True, True])
        self.assertFalse(listeners.running)
        self.assertNoResult(stopped)
        slow.callback(None)
        self.successResultOf(stopped)

    def test_stop_listening(self) -> None:
        """To stop listening, for a drain, leaves the service running."""
        listeners = self.make("tcp:7007")
        listeners.startService()
        self.successResultOf(listeners.stop_listening())
        self.assertTrue(listeners.running)
        self.assertEqual(listeners.ports, [])
        self.successResultOf(listeners.stopService())

    def test_failing_close(self) -> None:
        """A port that cannot be closed does not keep the others."""
        listeners = self.make("tcp:7007", "tcp:7008")
        listeners.startService()
        self.mux.ports[0].stopListening = (  # type: ignore[method-assign]
            lambda: 1 // 0  # type: ignore[assignment, return-value]
        )
        self.successResultOf(listeners.stopService())
        self.assertTrue(self.mux.ports[1].closed)

    def test_again(self) -> None:
        """After a stop it can be started again."""
        listeners = self.make("tcp:7007")
        listeners.startService()
        self.successResultOf(listeners.stopService())
        listeners.startService()
        self.assertEqual(len(self.mux.bound), 2)
