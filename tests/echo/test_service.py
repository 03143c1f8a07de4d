"""Tests of L{netsvc.echo.service}."""

from __future__ import annotations

import sys
from io import StringIO
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon import descriptors, logs
from netsvc.daemon import listeners as listeners_module
from netsvc.echo import service as module
from netsvc.echo.service import EchoService
from netsvc.echo.settings import EchoSettings
from netsvc.multiplex.flow import PIPES, pipes
from tests.daemon.service_fakes import FakeMultiplexer, Wire
from tests.echo.journal_fakes import FakeReactor

CLIENT = ("192.0.2.1", 5000)


class ServiceCase(SynchronousTestCase):
    """An echo service whose ports, time and journal writer the test plays."""

    def setUp(self) -> None:
        """Put the fakes in place."""
        self.reactor = FakeReactor()
        self.mux = FakeMultiplexer()
        self.patch(listeners_module, "multiplexed", lambda reactor: self.mux)
        self.patch(descriptors, "system_limit", self.room)
        self.patch(module, "pipe_limit", lambda wanted: wanted)
        self.patch(pipes, "limit", PIPES)
        self.patch(sys, "stderr", StringIO())
        self.patch(sys, "__stderr__", sys.stderr)
        self.addCleanup(self.clean)
        self.events = self.enterContext(capturedLogs())

    def room(self, needed: int) -> int:
        """Have room for all that is needed; leave this process's limits as they are."""
        self.needed = needed
        return needed

    def clean(self) -> None:
        """Close the journal's pipes."""
        for writer in self.reactor.writers:
            writer.close()
            writer.protocol.close()

    def make(self, **settings: Any) -> EchoService:
        """Make a service."""
        return EchoService(EchoSettings(**settings), self.reactor)

    def started(self, **settings: Any) -> EchoService:
        """Make a service and start it."""
        service = self.make(**settings)
        service.privilegedStartService()
        service.startService()
        return service

    def with_journal(self, **settings: Any) -> EchoService:
        """Start a service with a small journal, whose writer is ready."""
        service = self.started(
            journal=f"{self.mktemp()}.jsonl", journal_buffer="64K", **settings
        )
        self.writer.say(b"ready 0\n")
        return service

    @property
    def writer(self) -> Any:
        """The journal's writer."""
        return self.reactor.writers[-1]

    def connect(self, port: int = 0, host: str = "192.0.2.1") -> Wire:
        """Make a connection to one of the bound ports."""
        address = IPv4Address("TCP", host, 5000)
        wire = Wire(self.reactor, address)
        wire.serve(self.mux.ports[port].served.buildProtocol(address))
        return wire

    def messages(self) -> list[str]:
        """Give what the service has logged at its end."""
        return [
            formatEvent(event)
            for event in self.events
            if event.get("event") == "stopped"
        ]


class StartTests(ServiceCase):
    """Tests of the start."""

    def test_name(self) -> None:
        """One of several is called by its name in the log, as in the metrics."""
        service = self.make()
        service.setName("echo.second")
        service.startService()
        self.successResultOf(service.stopService())
        called = {each["service"] for each in self.events if "service" in each}
        self.assertEqual(called, {"netsvc-echo/second"})
        self.assertEqual(service.connections.service, "netsvc-echo/second")

    def test_privileged(self) -> None:
        """The ports are bound while the process may, and only once."""
        service = self.make()
        service.privilegedStartService()
        self.assertEqual(
            [call[:2] for call in self.mux.bound], [("tcp", 7007), ("udp", 7007)]
        )
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        service.startService()
        self.assertEqual(len(self.mux.bound), 2)
        self.assertTrue(service.running and service.listeners.running)
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)

    def test_port_in_use(self) -> None:
        """Ports in use end the process with a line for each, and start nothing."""
        self.mux.in_use = {7007}
        service = self.make(journal=f"{self.mktemp()}.jsonl")
        error = self.assertRaises(SystemExit, service.privilegedStartService)
        self.assertEqual(
            str(error.code).splitlines(),
            [
                f"netsvc-echo: cannot listen on {listen}: Address already in use"
                for listen in ("tcp:7007", "udp:7007")
            ],
        )
        self.assertEqual(self.reactor.writers, [])

    def test_no_journal(self) -> None:
        """A journal that cannot be written ends the process with one line."""
        service = self.make(journal="no/such/folder/journal")
        service.privilegedStartService()
        error = self.assertRaises(SystemExit, service.startService)
        line = str(error.code)
        self.assertTrue(line.startswith("netsvc-echo: --journal: cannot append to "))
        self.assertTrue(line.endswith("journal: No such file or directory"))
        self.assertEqual(self.reactor.writers, [])

    def test_no_writer(self) -> None:
        """A writer that cannot be started ends the process with one line."""
        self.reactor.refusal = OSError(11, "Resource temporarily unavailable")
        service = self.make(journal=f"{self.mktemp()}.jsonl")
        error = self.assertRaises(SystemExit, service.startService)
        self.assertEqual(
            error.code,
            "netsvc-echo: --journal: cannot start the journal writer:"
            " Resource temporarily unavailable",
        )

    def test_echo(self) -> None:
        """What comes over each transport is sent back."""
        self.started(greeting="Hello.")
        wire = self.connect()
        wire.protocol.dataReceived(b"abc")
        self.assertEqual(wire.value(), b"Hello.\r\nabc")
        port = self.mux.ports[1]
        port.served.datagramReceived(b"abc", CLIENT)
        self.assertEqual(port.written, [(b"abc", CLIENT)])

    def test_own_ports(self) -> None:
        """No UDP port answers one of the service's own."""
        service = self.started(
            listen=["udp:7007", "udp:7008"], answer_privileged_ports=True
        )
        for port in (7007, 7008, 7):
            self.mux.ports[0].served.datagramReceived(b"x", ("192.0.2.1", port))
        self.assertEqual(len(self.mux.ports[0].written), 1)
        self.assertEqual(service.counters()["unanswered-loop"], 2)

    def test_one_rate(self) -> None:
        """A source's rate is one for all ports; C{off} is none."""
        for rate, answered in (("1/s:2", 2), ("off", 6)):
            self.mux.ports.clear()
            self.started(listen=["udp:7007", "udp:7008"], udp_rate=rate)
            for port in self.mux.ports * 3:
                port.served.datagramReceived(b"x", CLIENT)
            self.assertEqual(
                sum(len(port.written) for port in self.mux.ports), answered
            )

    def test_limits(self) -> None:
        """The limits of the settings hold over all ports together."""
        service = self.started(
            listen=["tcp:7007", "unix:/x"],
            max_connections=3,
            max_connections_per_source=2,
        )
        factory = self.mux.ports[0].served
        self.connect()
        self.connect()
        self.assertIsNone(factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1)))
        self.connect(1, "192.0.2.2")
        self.assertIsNone(factory.buildProtocol(IPv4Address("TCP", "192.0.2.3", 1)))
        counters = service.counters()
        self.assertEqual(counters["refused-max-connections"], 1)
        self.assertEqual(counters["refused-max-connections-per-source"], 1)

    def test_descriptors(self) -> None:
        """Pipes have their own descriptors, as many as there is room for: they take
        none from the connections."""
        self.patch(module, "pipe_limit", lambda wanted: 12)
        self.make()
        self.assertEqual((pipes.limit, self.needed), (12, 10_000 + 64 + 24))

    def test_timeouts(self) -> None:
        """The timeouts of the settings hold."""
        service = self.started(idle_timeout=5, close_timeout=2)
        wire = self.connect()
        wire.fill(b"x")
        for _ in range(20):
            self.reactor.advance(0.5)
        self.assertFalse(wire.connected)
        counters = service.counters()
        self.assertEqual(counters["ended-idle-timeout"], 1)
        self.assertEqual(counters["ended-close-timeout"], 1)


class JournalTests(ServiceCase):
    """Tests of how the journal and the peers are joined."""

    def test_recorded(self) -> None:
        """What comes over each transport is in the journal, with its peer."""
        self.with_journal()
        self.connect().protocol.dataReceived(b"stream")
        self.mux.ports[1].served.datagramReceived(b"datagram", CLIENT)
        records = [(one.peer, one.transport, one.data) for one in self.writer.read()]
        self.assertEqual(
            records,
            [
                ("192.0.2.1:5000", "tcp", b"stream"),
                ("192.0.2.1:5000", "udp", b"datagram"),
            ],
        )

    def test_hold(self) -> None:
        """While the disk does not keep up, no peer is read from: not those who
        are there, not those who come, nor the UDP ports."""
        self.with_journal()
        first, port = self.connect(), self.mux.ports[1]
        first.protocol.dataReceived(bytes(65536))
        self.assertEqual(first.value(), bytes(65536))
        second = self.connect()
        for wire in (first, second):
            self.assertEqual(wire.producerState, "paused")
        self.assertFalse(port.reading)
        self.writer.say(b"stored 100\n")
        for wire in (first, second, self.connect()):
            self.assertEqual(wire.producerState, "producing")
        self.assertTrue(port.reading)

    def test_held_drain(self) -> None:
        """A connection that waits for the disk is neither idle nor drained; when the
        disk has caught up it has a second, and its idle time, from then on."""
        service = self.with_journal(idle_timeout=5)
        wire = self.connect()
        wire.protocol.dataReceived(bytes(65536))
        for _ in range(40):
            self.reactor.advance(0.5)
        drained = service.drain(30)
        for _ in range(200):
            self.reactor.advance(0.1)
        self.assertFalse(wire.disconnecting)
        self.writer.say(b"stored 100\n")
        wire.protocol.dataReceived(b"was unread")
        self.assertTrue(wire.value().endswith(b"was unread"))
        self.assertFalse(wire.disconnecting)
        for _ in range(15):
            self.reactor.advance(0.1)
        self.successResultOf(drained)
        self.assertEqual((wire.aborted, service.connections.ended), (0, {}))

    def test_drop(self) -> None:
        """A journal that drops holds nobody, and counts."""
        service = self.with_journal(journal_when_full="drop")
        wire = self.connect()
        for _ in range(3):
            wire.protocol.dataReceived(bytes(40_000))
        other = self.connect()
        self.assertEqual(len(wire.value()), 120_000)
        for one in (wire, other):
            self.assertEqual(one.producerState, "producing")
        self.assertTrue(self.mux.ports[1].reading)
        self.assertEqual(service.counters()["journal-dropped"], 2)

    def test_counters(self) -> None:
        """The journal's counters are among the service's."""
        service = self.with_journal()
        self.connect().protocol.dataReceived(b"x")
        counters = service.counters()
        self.assertEqual(counters["journal-records"], 1)
        self.assertEqual(counters["journal-write-errors"], 0)


class StopTests(ServiceCase):
    """Tests of the drain and the stop."""

    def test_drain(self) -> None:
        """A drain stops to listen at once, and ends with the last connection."""
        service = self.started()
        wire = self.connect()
        wire.fill(b"x")
        drained = service.drain(30)
        self.assertTrue(all(port.closed for port in self.mux.ports))
        self.reactor.advance(5)
        self.assertNoResult(drained)
        wire.end()
        self.successResultOf(drained)
        self.successResultOf(service.stopService())

    def test_stop(self) -> None:
        """A stop closes the ports, then cuts what is connected, then ends."""
        service = self.started()
        wire = self.connect()
        slow: Deferred[None] = Deferred()
        self.mux.ports[0].closing = slow
        stopped = service.stopService()
        self.assertTrue(all(port.closed for port in self.mux.ports))
        self.assertEqual(wire.aborted, 0)
        slow.callback(None)
        self.assertEqual(wire.aborted, 1)
        self.successResultOf(stopped)
        self.assertFalse(service.running)
        self.reactor.advance(0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_journal_is_last(self) -> None:
        """The journal is stopped after the connections, and is waited for: what
        they have sent is on disk then."""
        service = self.with_journal()
        wire = self.connect()
        wire.protocol.dataReceived(b"last words")
        stopped = service.stopService()
        self.assertEqual(wire.aborted, 1)
        self.reactor.advance(0)
        self.assertEqual([one.data for one in self.writer.read()], [b"last words"])
        self.assertNoResult(stopped)
        self.writer.say(b"stored 1\n")
        self.assertTrue(self.writer.at_end())
        self.assertNoResult(stopped)
        self.writer.end()
        self.successResultOf(stopped)
        self.assertEqual(service.counters()["journal-lost"], 0)

    def test_held_journal(self) -> None:
        """A stop while the peers are held stores what was taken from them."""
        service = self.with_journal()
        wire = self.connect()
        wire.protocol.dataReceived(bytes(65536))
        stopped = service.stopService()
        self.writer.say(b"stored 100\n")
        self.writer.end()
        self.successResultOf(stopped)
        self.assertEqual(service.counters()["journal-lost"], 0)

    def test_log(self) -> None:
        """The end is logged with all that was counted."""
        service = self.started()
        wire = self.connect()
        wire.protocol.dataReceived(b"12345")
        wire.end()
        self.mux.ports[1].served.datagramReceived(b"x", ("192.0.2.1", 53))
        self.successResultOf(service.stopService())
        self.assertEqual(
            self.messages(),
            [
                "netsvc-echo has stopped: connections=1, bytes=5, datagrams=1,"
                " unanswered-reflector=1"
            ],
        )
        (event,) = [one for one in self.events if one.get("event") == "stopped"]
        self.assertEqual(event["counters"], service.counters())

    def test_dropped_by_kernel(self) -> None:
        """What the kernel has counted until the ports close is in the last line,
        whether the ports close in a drain or in a stop."""
        for drains in (True, False):
            self.mux.ports.clear()
            service = self.started(listen=["udp:7007", "udp:7008"])
            for port, drops in zip(self.mux.ports, (3, 4), strict=True):
                counting: Any = port
                counting.kernel_drops = drops
            if drains:
                self.successResultOf(service.drain(30))
                for port in self.mux.ports:
                    port.served.transport = None
            self.successResultOf(service.stopService())
            self.assertEqual(service.counters()["dropped-by-kernel"], 7)
            self.assertIn("dropped-by-kernel=7", self.messages()[-1])


class CounterTests(ServiceCase):
    """Tests of L{EchoService.counters}."""

    def test_nothing(self) -> None:
        """A service that has done nothing says so."""
        self.assertEqual(
            self.make().counters(), {"connections": 0, "bytes": 0, "datagrams": 0}
        )

    def test_log_write_errors(self) -> None:
        """Log lines that could not be written are counted."""
        self.patch(logs, "write_errors", 0)
        service = self.make()
        self.assertNotIn("log-write-errors", service.counters())
        logs.write_errors = 3
        self.assertEqual(service.counters()["log-write-errors"], 3)

    def test_live_bytes(self) -> None:
        """The bytes of connections count while they live, and once when they have
        ended."""
        service = self.started()
        wires = [self.connect(), self.connect()]
        for wire in wires:
            wire.protocol.dataReceived(b"12345")
        self.assertEqual(service.counters()["bytes"], 10)
        wires[0].end()
        self.assertEqual(service.counters()["bytes"], 10)

    def test_reasons(self) -> None:
        """Refusals of several ports add up by reason."""
        service = self.started(listen=["udp:7007", "udp:7008"])
        for port in self.mux.ports:
            for source in (7, 53, 1000):
                port.served.datagramReceived(b"x", ("192.0.2.1", source))
        counters = service.counters()
        self.assertEqual(counters["datagrams"], 6)
        self.assertEqual(counters["unanswered-reflector"], 4)
        self.assertEqual(counters["unanswered-privileged-port"], 2)
