"""Tests of L{netsvc.relay.service}, and of what it tells and how it reloads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from twisted.logger import capturedLogs

from netsvc.daemon import binding as binding_module
from netsvc.daemon import listeners as listeners_module
from netsvc.daemon import logs
from netsvc.daemon.changes import CombinedReloadError, ReloadError
from netsvc.multiplex.batch import Batch
from netsvc.relay.demux import FRAME
from netsvc.relay.service import RelayService
from netsvc.relay.settings import RelaySettings
from netsvc.relay.stun_server import Credential
from tests.relay.relay_case import ANN, BOB, EVE, FakePort, RelayCase
from tests.relay.test_fan_out import FakeBatch


def make_settings(**values: Any) -> RelaySettings:
    """Make settings of text."""
    return RelaySettings(**{"listen": ("udp:7075",), **values})


class BoundPort(FakePort):
    """A transport that can be stopped."""

    def __init__(self, protocol: Any, host: str, port: int) -> None:
        super().__init__(host or "0.0.0.0", port)
        self.protocol = protocol
        self.stopped = False
        self.reading = True
        protocol.makeConnection(self)

    def stopListening(self) -> None:
        """Stop."""
        self.stopped = True

    def stopReading(self) -> None:
        """Hand nothing out."""
        self.reading = False

    def startReading(self) -> None:
        """Hand out what comes."""
        self.reading = True


class Network:
    """A multiplexer whose ports the test plays."""

    def __init__(self) -> None:
        self.taken: set[int] = set()

    def listenUDP(
        self, port: int, protocol: Any, interface: str = "", size: int = 0
    ) -> BoundPort:
        """Listen."""
        if port in self.taken:
            raise OSError(98, "Address already in use")
        return BoundPort(protocol, interface, port)


class ServiceCase(RelayCase):
    """A service that is started."""

    def make(self, **settings: Any) -> None:
        """Make it."""
        self.network = Network()
        for module in (listeners_module, binding_module):
            if hasattr(module, "multiplexed"):
                self.patch(module, "multiplexed", lambda reactor: self.network)
        self.settings_now = make_settings(**settings)
        self.service = RelayService(self.settings_now, self.clock)
        self.patch(self.service.host, "open", lambda: self.calls.append("open"))
        self.patch(self.service.host, "start", lambda: self.calls.append("start"))
        self.patch(self.service.host, "stop", lambda: self.calls.append("stop"))
        self.calls: list[str] = []
        self.relay = self.service.relay
        self.service.privilegedStartService()
        self.service.startService()
        self.addCleanup(self.service.stopService)
        self.port = self.service.ports[0]

    def reloaded(self, **settings: Any) -> None:
        """Go by other settings."""
        change = self.service.prepare(make_settings(**settings))
        change.commit()


class LifeTests(ServiceCase):
    """Starting and stopping."""

    def test_own_host(self) -> None:
        """A hub of its own is opened, started and stopped with the service."""
        self.assertEqual(self.calls, ["open", "start"])
        self.enter(ANN)
        self.successResultOf(self.service.stopService())
        self.assertEqual(self.calls[-1], "stop")
        self.assertEqual(self.relay.network.hub.state.members, {})

    def test_other_host(self) -> None:
        """A chat's is left to the chat."""
        host = self.service.host
        service = RelayService(make_settings(listen=("udp:7099",)), self.clock, host)
        self.calls.clear()
        service.startService()
        self.assertIs(service.relay.network, self.relay.network)
        self.successResultOf(service.stopService())
        self.assertEqual(self.calls, [])

    def test_called(self) -> None:
        """It is called by its name in the log, as in the metrics."""
        service = RelayService(make_settings(listen=("udp:7099",)), self.clock)
        for each in ("open", "start", "stop"):
            self.patch(service.host, each, lambda: None)
        service.setName("relay.office")
        with capturedLogs() as logged:
            service.startService()
            self.successResultOf(service.stopService())
        called = [each["service"] for each in logged if "service" in each]
        self.assertEqual(called, ["netsvc-relay/office"] * 2)
        self.assertEqual(service.host.label, "netsvc-relay/office")

    def test_port_taken(self) -> None:
        """A port that cannot be bound ends the process; the others are closed."""
        self.network.taken.add(7078)
        service = RelayService(
            make_settings(listen=("udp:7077",), alternate="udp:7078"), self.clock
        )
        error = self.assertRaises(SystemExit, service.privilegedStartService)
        self.assertIn("cannot listen on udp:7078", str(error))
        self.assertEqual(service.listeners[0].ports, [])

    def test_silent(self) -> None:
        """Every second it is looked who is silent."""
        self.enter(ANN)
        for _ in range(302):
            self.clock.advance(1)
        self.assertEqual(len(self.relay.peers), 0)

    def test_drain(self) -> None:
        """A drain ends when nobody is left, or when its time is up."""
        self.enter(ANN)
        self.successResultOf(self.service.drain(5.0))
        self.assertEqual(len(self.relay.peers), 0)
        self.enter(BOB)
        peer = self.relay.peers.get((1, BOB))
        assert peer is not None
        self.patch(type(peer.session), "close", lambda session, reason: None)
        drained = self.service.drain(0.2)
        self.assertNoResult(drained)
        for _ in range(5):
            self.clock.advance(0.05)
        self.successResultOf(drained)

    def test_frames(self) -> None:
        """Frames are handed on, but not in raw mode."""
        found: list[bytes] = []
        frames = self.port.frames
        assert frames is not None
        self.patch(
            type(frames), "datagram", lambda self, data, addr, now: found.append(data)
        )
        self.say(ANN, bytes([FRAME, 1]))
        self.assertEqual(found, [bytes([FRAME, 1])])
        self.make(raw=True, listen=("udp:7100",))
        self.assertIsNone(self.port.frames)


class ReportTests(ServiceCase):
    """What it tells about itself."""

    def test_report(self) -> None:
        """Peers are connections; what was dropped is told by the reason."""
        self.enter(ANN)
        self.say(EVE, b"hello")
        self.say(ANN, b"\0\0")
        self.patch(logs, "write_errors", 3)
        self.port.transport.kernel_drops = 5
        report = self.service.report()
        self.assertEqual(report.service, "netsvc-relay")
        self.assertEqual([each.listen for each in report.listening], ["udp:7075"])
        self.assertEqual(report.live, 2)
        states = {each.peer: each.state for each in report.connections}
        self.assertEqual(
            states, {"192.168.0.2:40001": "open", "203.0.113.5:40003": "handshake"}
        )
        self.assertIn("ann", [each.what for each in report.connections])
        self.assertNotIn("log-write-errors", report.counters)
        dropped = {
            sample.labels["reason"]: sample.value
            for family in report.families
            if family.name == "datagrams_dropped"
            for sample in family.samples
        }
        self.assertEqual(dropped["junk"], 1)
        self.assertEqual(dropped["dropped-by-kernel"], 5)
        counters = self.service.counters()
        self.assertEqual(counters["log-write-errors"], 3)
        self.assertEqual(counters["datagrams"], 3)


class ReloadTests(ServiceCase):
    """Other settings."""

    def test_limits(self) -> None:
        """Limits and rates hold from then on; peers stay."""
        self.enter(ANN, BOB)
        self.reloaded(line_limit=600, peer_timeout=9, max_peers=7)
        self.say(ANN, b"x" * 700)
        self.assertEqual(self.got(BOB), [])
        self.assertEqual(self.relay.peer_timeout, 9)
        self.assertEqual(self.relay.peers.limit, 7)
        self.assertEqual(len(self.relay.peers), 2)

    def test_listen(self) -> None:
        """New ports are bound, others closed; what they have counted stays."""
        self.enter(ANN)
        before = self.service.counters()["datagrams"]
        old = self.port.transport
        change = self.service.prepare(
            make_settings(listen=("udp:7080",), alternate="udp:7081")
        )
        self.assertFalse(old.stopped)
        change.commit()
        self.assertTrue(old.stopped)
        self.assertEqual(len(self.service.ports), 2)
        self.assertEqual(self.relay.alternate_port, 7081)
        self.assertEqual(self.service.counters()["datagrams"], before)
        self.assertEqual(len(self.relay.peers), 0)

    def test_one_by_one(self) -> None:
        """After a reload, too, peers are sent to one by one who cannot be at once."""
        self.port.batch = cast(Batch, FakeBatch(self.skt))
        self.reloaded()
        self.assertFalse(self.relay.mixed)
        self.enter(ANN)
        peer = self.relay.peers.get((1, ANN))
        assert peer is not None
        peer.batch = None
        self.reloaded(line_limit=600)
        self.assertTrue(self.relay.mixed)
        peer.gone("Quit")
        self.reloaded(line_limit=700)
        self.assertFalse(self.relay.mixed)

    def test_channels(self) -> None:
        """How many sessions of frames there may be is changed, too."""
        self.assertIsNone(self.relay.admit(ANN[0], 1000.0))
        self.reloaded(max_peers_per_source=1)
        self.assertIsNotNone(self.relay.admit(ANN[0], 1000.0))
        self.reloaded(max_peers_per_source=2)
        self.assertIsNone(self.relay.admit(ANN[0], 1000.0))

    def test_abandoned(self) -> None:
        """What is not used after all is closed again."""
        change = self.service.prepare(make_settings(listen=("udp:7075", "udp:7080")))
        self.assertEqual(len(self.service.ports), 2)
        change.abandon()
        self.assertEqual(len(self.service.ports), 1)

    def test_credential(self) -> None:
        """The password is read again; a file that is gone refuses all of it."""
        path = Path(self.mktemp()).absolute()
        path.write_text("secret")
        settings: dict[str, Any] = {"stun_user": "ann", "stun_password": str(path)}
        self.reloaded(**settings)
        self.assertEqual(self.service.stun.credential, Credential(b"ann", b"secret"))
        path.unlink()
        error = self.assertRaises(
            (ReloadError, CombinedReloadError), self.reloaded, **settings
        )
        self.assertIn("stun_password", str(error))

    def test_fixed(self) -> None:
        """What peers were met with cannot be changed while they are there."""
        for settings in ({"raw": True}, {"admission": ("cookie",)}):
            error = self.assertRaises(
                (ReloadError, CombinedReloadError), self.reloaded, **settings
            )
            self.assertIn("restart", str(error))

    def test_other_host(self) -> None:
        """The hub of a chat goes by the chat's settings."""
        service = RelayService(
            make_settings(listen=("udp:7099",)), self.clock, self.service.host
        )
        service.startService()
        self.addCleanup(service.stopService)
        change = service.prepare(
            make_settings(listen=("udp:7099",), server_name="other.test")
        )
        change.commit()
        self.assertNotEqual(service.relay.network.name, "other.test")
