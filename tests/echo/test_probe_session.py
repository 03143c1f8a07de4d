"""A whole run against a network that is not there."""

from __future__ import annotations

import errno
import socket
import threading
from dataclasses import replace
from typing import Any

from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.targets import TLSSettings
from netsvc.echo.probe import session
from netsvc.echo.probe.errors import ProbeError
from netsvc.echo.probe.events import PacketEvent, Status
from netsvc.echo.probe.session import CONNECT_TIMEOUT, REFRESH_INTERVAL, Session
from netsvc.echo.probe.target import Address, ProbeSettings, Transport
from netsvc.echo.probe.thresholds import Level
from tests.echo.probe_fakes import (
    MILLISECOND,
    SECOND,
    FakeReactor,
    FakeReporter,
    FakeSocket,
)

V4, V6 = socket.AF_INET, socket.AF_INET6
SETTINGS = ProbeSettings(
    "echo.example", interval=100 * MILLISECOND, timeout=SECOND, count=2
)


class StuckThread:
    """A thread of a resolver that gives no answer."""

    def __init__(self, target: Any, daemon: bool) -> None:
        self.target = target

    def start(self) -> None:
        """Never run."""


class PromptThread(StuckThread):
    """A thread that is done before anybody looks."""

    def start(self) -> None:
        """Run at once."""
        self.target()


class StreamReactor(MemoryReactorClock):
    """A reactor that makes connections in memory and takes calls from threads."""

    def callFromThread(self, call: Any, *args: Any) -> None:
        call(*args)


class Bench(SynchronousTestCase):
    """A session with a resolver and sockets of the test."""

    def setUp(self) -> None:
        """Let a name have an IPv6 and an IPv4 address."""
        self.reactor: Any = FakeReactor()
        self.reporter = FakeReporter()
        self.addresses = [(V6, ("::1", 7007, 0, 0)), (V4, ("127.0.0.1", 7007))]
        self.sockets: list[FakeSocket] = []
        self.unusable: dict[int, ProbeError] = {}
        self.patch(session, "connect_udp", self.connect_udp)
        self.patch(threading, "Thread", PromptThread)

    def connect_udp(self, address: Address, source: str | None) -> FakeSocket:
        if address.family in self.unusable:
            raise self.unusable[address.family]
        self.sockets.append(FakeSocket())
        return self.sockets[-1]

    def getaddrinfo(self, *question: Any) -> list[Any]:
        return [(family, 2, 17, "", address) for family, address in self.addresses]

    def begin(self, **changes: Any) -> Deferred[None]:
        self.session = Session(
            replace(SETTINGS, **changes),
            self.reactor,
            self.reporter,
            lambda: round(self.reactor.seconds() * SECOND),
            self.getaddrinfo,
            lambda bits: 1,
        )
        return self.session.start()

    def tearDown(self) -> None:
        """Nothing is left behind."""
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertTrue(all(used.closed for used in self.sockets))


class DatagramTests(Bench):
    """Runs over UDP."""

    def echo(self) -> None:
        """Answer what was sent on the newest socket."""
        used = self.sockets[-1]
        used.incoming.extend(used.sent)
        used.sent.clear()
        self.reactor.readers[0].doRead()

    def test_run(self) -> None:
        """A run ends with the last answer and leaves its result."""
        self.addresses = self.addresses[1:]
        done = self.begin()
        self.assertEqual(self.reporter.starts[0].text, "127.0.0.1")
        self.echo()
        self.reactor.advance(0.1)
        self.echo()
        self.successResultOf(done)
        result = self.session.result
        assert result is not None
        self.assertEqual(result.statistics.received, 2)
        self.assertEqual(self.session.where, "127.0.0.1 port 7007/udp")

    def test_refresh(self) -> None:
        """The report is brought up to date several times a second."""
        self.addresses = self.addresses[1:]
        done = self.begin()
        for _ in range(4):
            self.reactor.advance(REFRESH_INTERVAL)
        self.assertEqual(self.reporter.refreshes, 4)
        self.session.stop()
        self.successResultOf(done)

    def test_next_address(self) -> None:
        """A refusal before any answer moves on to the next address, and says so."""
        done = self.begin()
        self.sockets[0].refuse(self.sockets[0].sent[0])
        self.reactor.readers[0].doRead()
        self.assertEqual(
            [start.text for start in self.reporter.starts], ["::1", "127.0.0.1"]
        )
        self.assertEqual(
            self.reporter.notices,
            ["::1 port 7007/udp: connection refused; trying the next address"],
        )
        self.echo()
        self.reactor.advance(0.1)
        self.echo()
        self.successResultOf(done)
        result = self.session.result
        assert result is not None
        self.assertEqual((result.statistics.sent, result.statistics.refused), (2, 0))

    def test_last_address_refuses(self) -> None:
        """A refusal by the last address is part of the result."""
        self.addresses = self.addresses[1:]
        done = self.begin(count=1)
        self.sockets[0].refuse(self.sockets[0].sent[0])
        self.reactor.readers[0].doRead()
        self.successResultOf(done)
        (event,) = self.reporter.events
        assert isinstance(event, PacketEvent)
        self.assertEqual(event.status, Status.REFUSED)

    def test_unusable_address(self) -> None:
        """An address that cannot be used is passed over."""
        self.unusable[V6] = ProbeError("::1: network is unreachable")
        done = self.begin()
        self.assertIn("::1: network is unreachable; trying", self.reporter.notices[0])
        self.session.stop()
        self.successResultOf(done)

    def test_no_usable_address(self) -> None:
        """If none can be used, the last reason is the result."""
        self.unusable = {V6: ProbeError("six"), V4: ProbeError("four")}
        failure = self.failureResultOf(self.begin(), ProbeError)
        self.assertEqual(str(failure.value), "four")
        self.assertIsNone(self.session.result)

    def test_unresolvable(self) -> None:
        """A name without an address is an error."""
        self.addresses = []
        failure = self.failureResultOf(self.begin(), ProbeError)
        self.assertIn("cannot resolve host echo.example", str(failure.value))

    def test_stopped_while_resolving(self) -> None:
        """Stopping does not wait for the resolver."""
        self.patch(threading, "Thread", StuckThread)
        done = self.begin()
        self.reactor.advance(REFRESH_INTERVAL)
        self.session.stop()
        self.failureResultOf(done, CancelledError)

    def test_stopped_before_start(self) -> None:
        """A session that was not started can be stopped."""
        Session(SETTINGS, self.reactor, self.reporter).stop()


class StreamTests(Bench):
    """Runs over TCP."""

    def setUp(self) -> None:
        """Take a reactor that makes connections in memory."""
        super().setUp()
        self.reactor = StreamReactor()
        self.addresses = self.addresses[1:]

    def fail_connection(self, reason: Exception) -> None:
        """Let the newest attempt to connect fail."""
        factory = self.reactor.tcpClients[-1][2]
        factory.clientConnectionFailed(self.reactor.connectors[-1], Failure(reason))

    def test_connects(self) -> None:
        """The attempt has a deadline and the source address asked for."""
        done = self.begin(transport=Transport.TCP, source="127.0.0.9")
        host, port, _, timeout, bind = self.reactor.tcpClients[0]
        self.assertEqual((host, port), ("127.0.0.1", 7007))
        self.assertEqual((timeout, bind), (CONNECT_TIMEOUT, ("127.0.0.9", 0)))
        self.reactor.advance(REFRESH_INTERVAL)
        self.assertEqual(self.reporter.refreshes, 0)
        self.session.stop()
        self.failureResultOf(done, CancelledError)

    def test_refused(self) -> None:
        """A refusal names address and port; nothing is known of the service."""
        done = self.begin(transport=Transport.TCP)
        self.fail_connection(error.ConnectionRefusedError(errno.ECONNREFUSED))
        problem = self.failureResultOf(done, ProbeError).value
        self.assertEqual(str(problem), "127.0.0.1 port 7007/tcp: connection refused")
        self.assertIs(problem.level, Level.UNKNOWN)

    def test_silent(self) -> None:
        """A target that does not answer at all is critical."""
        done = self.begin(transport=Transport.TCP)
        self.fail_connection(error.TimeoutError())
        problem = self.failureResultOf(done, ProbeError).value
        self.assertIs(problem.level, Level.CRITICAL)

    def test_next_address(self) -> None:
        """An address that refuses is passed over, IPv6 included."""
        self.addresses = [(V6, ("::1", 7007, 0, 0)), *self.addresses]
        done = self.begin(transport=Transport.TCP)
        self.assertEqual(self.reactor.tcpClients[0][0], "::1")
        self.fail_connection(error.ConnectionRefusedError(errno.ECONNREFUSED))
        self.assertEqual(len(self.reporter.notices), 1)
        self.fail_connection(error.ConnectionRefusedError(errno.ECONNREFUSED))
        self.failureResultOf(done, ProbeError)

    def test_bad_tls(self) -> None:
        """TLS settings that cannot be used are told before anything is sent."""
        done = self.begin(
            transport=Transport.TLS, host="a" * 64, tls=TLSSettings(verify=False)
        )
        self.failureResultOf(done, ProbeError)
        self.assertEqual(self.reactor.tcpClients, [])
