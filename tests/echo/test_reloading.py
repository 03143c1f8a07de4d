"""Tests of L{netsvc.echo.reloading}."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from netsvc.daemon.changes import CombinedReloadError
from netsvc.echo.guard import LOOP, RATE
from netsvc.echo.service import EchoService
from netsvc.echo.settings import EchoSettings
from tests.echo.test_service import ServiceCase


class ReloadCase(ServiceCase):
    """An echo service that goes on to other settings."""

    def reload(self, service: EchoService, **settings: Any) -> None:
        """Use other settings."""
        service.prepare(EchoSettings(**settings)).commit()

    def refused(self, service: EchoService, **settings: Any) -> Sequence[str]:
        """Give what is wrong with other settings; nothing may have changed."""
        before = service.settings
        prepare = service.prepare
        error = self.assertRaises(
            CombinedReloadError, prepare, EchoSettings(**settings)
        )
        self.assertIs(service.settings, before)
        return [each.key for each in error.errors]


class SettingsTests(ReloadCase):
    """Tests of settings that hold from the commit on."""

    def test_greeting(self) -> None:
        """New connections are greeted otherwise, at ports that were there before."""
        service = self.started(greeting="old")
        change = service.prepare(EchoSettings(greeting="new"))
        self.assertEqual(self.connect().value(), b"old\r\n")
        change.commit()
        self.assertEqual(self.connect().value(), b"new\r\n")
        self.reload(service)
        self.assertEqual(self.connect().value(), b"")
        self.assertEqual(len(self.mux.ports), 2)

    def test_limits(self) -> None:
        """Limits hold for who comes after, timeouts for who is there."""
        service = self.started()
        wire = self.connect()
        self.reload(service, max_connections=1, idle_timeout=2)
        address = wire.getPeer()
        self.assertIsNone(self.mux.ports[0].served.buildProtocol(address))
        self.assertTrue(wire.connected)
        for _ in range(8):
            self.reactor.advance(0.5)
        self.assertFalse(wire.connected)
        self.assertEqual(service.counters()["ended-idle-timeout"], 1)

    def test_rate(self) -> None:
        """A rate for datagrams comes, changes and goes; own ports stay refused."""
        service = self.started(udp_rate="off")
        (port,) = service.datagrams

        def refusal() -> str | None:
            return port.guard.refusal("192.0.2.1", 5000, 0.0)

        self.reload(service, udp_rate="1/s:1")
        self.assertEqual([refusal(), refusal()], [None, RATE])
        rates = service.guard.rates
        self.reload(service, udp_rate="1/h:2")
        self.assertIs(service.guard.rates, rates)
        self.reload(service, udp_rate="off")
        self.assertEqual([refusal(), refusal()], [None, None])
        self.assertEqual(port.guard.refusal("192.0.2.1", 7007, 0.0), LOOP)

    def test_privileged_ports(self) -> None:
        """Whether reflectors are answered can be changed."""
        service = self.started()
        (port,) = service.datagrams
        self.assertIsNotNone(port.guard.refusal("192.0.2.1", 53, 0.0))
        self.reload(service, answer_privileged_ports=True)
        self.assertIsNone(port.guard.refusal("192.0.2.1", 53, 0.0))


class ListenersTests(ReloadCase):
    """Tests of listeners that come and go."""

    def test_counted(self) -> None:
        """What was counted at ports that are closed stays counted, and nothing else of
        them stays."""
        service = self.started(listen=["tcp:7", "udp:7", "udp:8"])
        first = self.connect()
        first.protocol.dataReceived(b"abc")
        service.datagrams[1].received = 4
        service.datagrams[1].refused["loop"] = 2
        self.reload(service, listen=["tcp:9", "udp:7"])
        self.assertEqual(len(service.datagrams), 1)
        self.assertEqual(len(service.streams), 2)  # one has a connection
        second = self.connect(3)
        second.protocol.dataReceived(b"de")
        counted = service.counters()
        self.assertEqual((counted["datagrams"], counted["bytes"]), (4, 5))
        self.assertEqual(counted["unanswered-loop"], 2)
        first.end()
        self.reload(service, listen=["tcp:9", "udp:7"])
        self.assertEqual(len(service.streams), 1)
        self.assertEqual(service.counters()["bytes"], 5)

    def test_new_udp_port(self) -> None:
        """A new UDP port goes by the same rules, and is known as an own one."""
        service = self.started(listen=["tcp:7"])
        self.reload(service, listen=["tcp:7", "udp:7777"])
        (port,) = service.datagrams
        self.assertIs(port.guard, service.guard)
        self.assertEqual(port.guard.refusal("192.0.2.1", 7777, 0.0), LOOP)

    def test_refused(self) -> None:
        """A port in use is told; nothing of the attempt stays."""
        service = self.started(listen=["tcp:7"])
        self.mux.in_use = {9}
        self.assertEqual(self.refused(service, listen=["udp:8", "tcp:9"]), ["listen"])
        self.assertEqual((len(service.streams), service.datagrams), (1, []))
        self.assertEqual([port.closed for port in self.mux.ports], [False, True])


class JournalTests(ReloadCase):
    """Tests of journals that come, go and change."""

    def test_begun(self) -> None:
        """A new journal records what comes after."""
        service = self.started()
        path = f"{self.mktemp()}.jsonl"
        self.reload(service, journal=path)
        assert service.journal is not None
        self.writer.say(b"ready 0\n")
        self.connect().protocol.dataReceived(b"hello")
        self.assertEqual(service.journal.counters.records, 1)
        self.assertIs(service.datagrams[0].journal, service.journal)

    def test_exchanged(self) -> None:
        """Another file is a new journal; the old one is finished, and stays counted."""
        service = self.with_journal()
        self.connect().protocol.dataReceived(b"hello")
        old = service.journal
        assert old is not None
        self.reload(service, journal=f"{self.mktemp()}.jsonl")
        new = service.journal
        self.assertIsNot(new, old)
        self.assertEqual(service.ending, [old])
        self.assertEqual(self.refused(service, journal=old.path), ["journal"])
        self.connect().protocol.dataReceived(b"there")
        self.assertEqual(service.counters()["journal-records"], 2)
        self.reactor.writers[0].say(b"stored 1\n")
        self.reactor.writers[0].end()
        self.assertEqual(service.ending, [])
        self.assertEqual(service.counters()["journal-records"], 2)

    def test_ended(self) -> None:
        """A journal can be given up; who was held back by it is read again."""
        service = self.with_journal()
        wire = self.connect()
        service._hold()
        self.assertEqual(wire.producerState, "paused")
        self.reload(service)
        self.assertIsNone(service.journal)
        self.assertEqual(wire.producerState, "producing")

    def test_limits(self) -> None:
        """How much may wait can be changed; what the writer was told cannot."""
        service = self.with_journal()
        journal = service.journal
        assert journal is not None
        given: dict[str, Any] = {"journal": journal.path}
        service.settings = EchoSettings(**given, journal_buffer=65536)
        given["journal_when_full"] = "drop"
        self.reload(service, **given, journal_buffer="128K")
        self.assertIs(service.journal, journal)
        self.assertEqual((journal._block, journal._max_bytes), (False, 131072))
        self.assertEqual(
            self.refused(service, **given, journal_keep=7), ["journal_keep"]
        )

    def test_not_writable(self) -> None:
        """A file that cannot be written is told, and the old journal goes on."""
        service = self.with_journal()
        journal = service.journal
        self.assertEqual(self.refused(service, journal="/proc/no/such"), ["journal"])
        self.assertIs(service.journal, journal)

    def test_abandoned(self) -> None:
        """A journal that was begun for nothing is ended again."""
        service = self.started()
        path = Path(f"{self.mktemp()}.jsonl")
        change: Any = service.prepare(EchoSettings(journal=path))
        self.assertEqual(len(self.reactor.writers), 1)
        change.abandon()
        self.assertIsNone(service.journal)
        self.assertEqual(service.ending, [])
