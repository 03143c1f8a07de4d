"""What services have in common to tell."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon import collecting, logs
from netsvc.daemon.collecting import Collector, local_source, open_descriptors
from netsvc.daemon.lag import ReactorLag
from netsvc.daemon.limits import ConnectionLimits
from netsvc.daemon.listen import parse_listen
from netsvc.daemon.report import MAX_CONNECTIONS, Sample, ServiceReport
from netsvc.daemon.reporting import (
    Reporting,
    Traffic,
    address_text,
    connection_counters,
    log_stopped,
    transport_of,
)
from tests.daemon.connections_case import ConnectionsCase


class Port:
    """A bound port."""

    type = "TCP"

    def __init__(self, address: Any) -> None:
        self.address = address

    def getHost(self) -> Any:
        """Give its address."""
        return self.address


class FakeService:
    """A service that has counted something."""

    service = "netsvc-x"

    def __init__(self, counted: dict[str, int]) -> None:
        self._counted = counted

    def counters(self) -> dict[str, int]:
        """Give it."""
        return self._counted


class Listening:
    """What holds ports."""

    turned_away = 2

    def __init__(self, *pairs: tuple[str, Any]) -> None:
        self.listens = [parse_listen(text) for text, _ in pairs]
        self.ports = [Port(address) for _, address in pairs]


class CountersTests(ConnectionsCase):
    """What is counted of connections."""

    def test_counted(self) -> None:
        """Connections, refusals and ends are counted by reason, for all ports."""
        self.watch(ConnectionLimits(1))
        self.connect().end()
        self.connect()
        self.assertIsNone(self.ask())
        self.patch(logs, "write_errors", 3)
        listeners: Any = [Listening(), Listening()]
        self.assertEqual(
            connection_counters(self.connections, listeners),
            {
                "connections": 2,
                "refused-max-connections": 1,
                "refused-descriptors": 4,
                "log-write-errors": 3,
            },
        )

    def test_stopped(self) -> None:
        """A service's last line says what it has counted, or that it was nothing."""
        for counted, text in (({"a": 1, "b-c": 2}, "a=1, b-c=2"), ({}, "nothing")):
            service: Any = FakeService(counted)
            with capturedLogs() as events:
                log_stopped(service)
            self.assertEqual(formatEvent(events[-1]), f"netsvc-x has stopped: {text}")
            self.assertEqual(events[-1]["event"], "stopped")
            self.assertEqual(events[-1]["counters"], counted)


class ReportingTests(ConnectionsCase):
    """L{Reporting}."""

    def make(self, *listening: Any) -> Reporting:
        """Make it for the connections of this test."""
        return Reporting("netsvc-sample", self.connections, lambda: listening)

    def test_connections(self) -> None:
        """The newest connection comes first, with what it did and since when."""
        old, new = self.connect(), self.connect("192.0.2.9", "tls")
        self.wait(3)
        old.protocol.dataReceived(b"12345")
        old.fill(b"123")
        self.wait(1)
        report = self.make().report({}, Traffic())
        first, last = report.connections
        self.assertEqual((first.state, last.state), ("handshake", "open"))
        self.assertAlmostEqual(last.age, 4.0)
        self.assertEqual((last.received, last.queued), (5, 3))
        self.assertEqual((last.transport, last.what), ("tcp", ""))
        new.protocol.close()
        self.assertEqual(
            self.make().report({}, Traffic()).connections[0].state, "closing"
        )

    def test_quiet(self) -> None:
        """A connection is quiet since it was seen to move last: this look counts."""
        wire = self.connect()
        reporting = self.make()
        quiet = []
        for data in (b"", b"1", b"", b"2"):
            self.wait(0.3)
            if data:
                wire.protocol.dataReceived(data)
            (shown,) = reporting.report({}, Traffic()).connections
            quiet.append(round(shown.quiet, 1))
        self.assertEqual(quiet, [0.3, 0.0, 0.3, 0.0])

    def test_bounded(self) -> None:
        """No more connections are listed than may be; all are counted."""
        self.watch(ConnectionLimits(0))
        for _ in range(MAX_CONNECTIONS + 5):
            self.connect()
        report = self.make().report({}, Traffic())
        self.assertEqual(len(report.connections), MAX_CONNECTIONS)
        self.assertEqual(report.live, MAX_CONNECTIONS + 5)

    def test_many_are_settled(self) -> None:
        """Many connections are described again after a while, few each time."""
        self.watch(ConnectionLimits(0))
        reporting = self.make()

        def listed() -> int:
            return len(reporting.report({}, Traffic()).connections)

        for number in range(199, 201):
            while len(self.connections.live) < number:
                self.connect()
            self.assertEqual(listed(), number)
        for _ in range(2):
            self.connect()
        self.assertEqual(listed(), 200)
        self.wait(5.1)
        self.assertEqual(listed(), 202)

    def test_families(self) -> None:
        """Limits that may bite stand there with a zero, those that bit with more."""
        self.watch(ConnectionLimits(1))
        wire = self.connect()
        wire.fill(b"1234567")
        self.assertFalse(self.connections.admit("192.0.2.2"))
        listening = Listening(("tcp:1", IPv4Address("TCP", "0.0.0.0", 1)))
        report = self.make(listening).report(
            {}, Traffic(received=8, rejected={"acl": 3}, dropped={"loop": 1})
        )
        found = {
            (family.name, *sample.labels.values()): sample.value
            for family in report.families
            for sample in family.samples
        }
        for name, value in (
            (("connections", "accepted"), 1),
            (("connections", "rejected"), 6),
            (("rejected", "max-connections"), 1),
            (("rejected", "connection-rate"), 0),
            (("rejected", "acl"), 3),
            (("rejected", "descriptors"), 2),
            (("bytes", "in"), 8),
            (("datagrams_dropped", "loop"), 1),
            (("send_queue_bytes",), 7),
        ):
            self.assertEqual(found.get(name), value, name)
        self.assertNotIn(("bytes", "out"), found)

    def test_queue_is_settled(self) -> None:
        """The queues are counted again after a while, and not earlier."""
        reporting = self.make()

        def queued() -> Any:
            return reporting.report({}, Traffic()).families[-1].samples

        self.assertEqual(queued(), (Sample(0),))
        self.connect().fill(b"1234")
        self.assertEqual(queued(), (Sample(0),))
        self.wait(5.1)
        self.assertEqual(queued(), (Sample(4),))

    def test_counters(self) -> None:
        """Gauges, and what is the process's, are no counters of the service."""
        counters = {"a": 1, "cached": 5, "log-write-errors": 3}
        report = self.make().report(
            counters, Traffic(), gauges=frozenset({"cached"}), name="web"
        )
        self.assertEqual((report.counters, report.name), ({"a": 1}, "web"))

    def test_listening(self) -> None:
        """Each port is named with its listen string, address and transport."""
        unit = Port(IPv4Address("UDP", "127.0.0.1", 8))
        unit.address = IPv4Address("UDP", "127.0.0.1", 8)
        listening = Listening(
            ("tcp:7", IPv6Address("TCP", "::", 7)),
            ("systemd:domain=INET:name=echo", unit.address),
            ("unix:/x/y", UNIXAddress(b"/x/y")),
        )
        report = self.make(listening).report({}, Traffic())
        self.assertEqual(
            [(each.address, each.transport) for each in report.listening],
            [("[::]:7", "tcp"), ("127.0.0.1:8", "udp"), ("/x/y", "unix")],
        )

    def test_addresses(self) -> None:
        """A peer on a UNIX socket has no name, and bad bytes do no harm."""
        self.assertEqual(address_text(UNIXAddress(None)), "unix")
        self.assertEqual(address_text(UNIXAddress(b"/a\xff")), "/a\ufffd")

    def test_transports(self) -> None:
        """A stream is TLS if it has started it, UNIX by its address, else TCP."""
        wire: Any = self.connect()
        self.assertEqual(transport_of(wire, wire.getHost()), "tcp")
        wire.TLS = True
        self.assertEqual(transport_of(wire, wire.getHost()), "tls")
        wire.TLS = False
        wire.hostAddr = UNIXAddress(b"/x")
        self.assertEqual(transport_of(wire, wire.getHost()), "unix")

    def test_received(self) -> None:
        """What came over connections that have ended is still counted."""
        wire = self.connect()
        wire.protocol.dataReceived(b"123")
        self.connect().protocol.dataReceived(b"4567")
        wire.end()
        self.assertEqual(self.connections.all_received(), 7)


class FakeDaemon(list[Any]):
    """A daemon with children."""

    state = "ready"
    reloads: dict[str, int]

    def reload(self) -> Any:
        """Find nothing wrong."""
        return succeed([])


class CollectingTests(SynchronousTestCase):
    """L{Collector} and L{local_source}."""

    def test_snapshot(self) -> None:
        """A process tells of itself, and its children that report of theirs."""

        class Reports:
            name: str | None = None

            def report(self) -> Any:
                return ServiceReport("netsvc-sample")

        named, unnamed = Reports(), Reports()
        named.name = "sample.web"

        daemon = FakeDaemon([unnamed, object(), named])
        daemon.reloads = {"ok": 3}
        source = local_source(daemon, ReactorLag(Clock()), worker=2)
        (found,) = source.snapshots()
        self.assertEqual([each.name for each in found.services], ["", "web"])
        self.assertEqual(
            (found.worker, found.state, found.reloads), (2, "ready", {"ok": 3})
        )
        self.assertGreater(found.cpu, 0)
        self.assertGreater(found.resident, found.memory)
        self.assertGreater(found.descriptors, 2)
        self.assertGreaterEqual(found.max_descriptors, found.descriptors)
        self.assertTrue(source.ready)
        daemon.state = "draining"
        self.assertFalse(source.ready)
        self.assertEqual(self.successResultOf(source.reload()), [])

    def test_older_linux(self) -> None:
        """Where the system does not count descriptors they are listed."""
        before = open_descriptors()
        self.patch(os, "stat", lambda path: os.stat_result([0] * 10))
        self.assertEqual(open_descriptors(), before)

    def test_no_proc(self) -> None:
        """Where the system tells nothing the rest is told all the same."""

        def nothing(*arguments: Any, **others: Any) -> Any:
            raise OSError("there is no such file")

        self.patch(os, "listdir", nothing)
        self.patch(os, "stat", nothing)
        collecting.open = nothing  # type: ignore[attr-defined]
        self.addCleanup(delattr, collecting, "open")
        collector = Collector(
            list, ReactorLag(Clock()), state=lambda: "ready", reloads=dict
        )
        found = collector.snapshot()
        self.assertEqual((found.memory, found.descriptors), (0, 0))
        self.assertGreater(found.resident, 0)
