"""Tests of L{netsvc.balance.service}, on ports that are played."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance import service as service_module
from netsvc.balance.entrance import Entrance
from netsvc.balance.service import FIRST_CHECKS, BalanceService
from netsvc.balance.settings import BalanceSettings
from netsvc.balance.udp import UDPEntrance
from netsvc.daemon import descriptors
from netsvc.daemon.descriptors import RESERVED_DESCRIPTORS
from netsvc.multiplex.flow import PIPES, pipes
from tests.balance.session_fakes import CLIENT, Network, Wire
from tests.balance.test_resolving import FakeLookup
from tests.daemon.service_fakes import FakeMultiplexer

ONE = "10.0.0.1:80,name=one"

_LOWERED = "limit-lowered"


class ServiceCase(SynchronousTestCase):
    """
    A balancer whose ports and backends the test plays.

    @ivar descriptors: How many there are.
    """

    descriptors = 60_000

    def make(self, *backends: str, **values: Any) -> None:
        """Make a service."""
        self.mux = FakeMultiplexer()
        self.network = Network()
        self.patch(service_module, "multiplexed", lambda reactor: reactor)
        self.patch(pipes, "limit", PIPES)
        self.patch(service_module, "pipe_limit", lambda wanted: wanted)
        kept = RESERVED_DESCRIPTORS + 2 * PIPES
        self.patch(
            descriptors,
            "system_limit",
            lambda needed: min(needed, self.descriptors + kept),
        )
        import netsvc.daemon.listeners as listeners

        self.patch(listeners, "multiplexed", lambda reactor: reactor)
        values.setdefault("check", "none")
        values["backend"] = backends or (ONE,)
        settings = BalanceSettings(**values)
        self.service = BalanceService(settings, self.mux, FakeLookup())
        self.service.door.dialer._connect = self.network

    def start(self) -> None:
        """Start it."""
        self.service.privilegedStartService()
        self.service.startService()

    def stop(self) -> None:
        """Stop it; nothing is left."""
        self.successResultOf(self.service.stopService())
        self.assertEqual(self.mux.getDelayedCalls(), [])

    def session(self) -> tuple[Wire, Wire]:
        """Let a client come, and give both ends."""
        near = Wire(self.mux.ports[0].served.buildProtocol(CLIENT))
        return near, self.network.attempts[-1].succeed()


class ServiceTests(ServiceCase):
    """The whole, from start to stop."""

    def test_serve(self) -> None:
        """Clients are served, and what was is counted."""
        self.make()
        self.start()
        self.assertTrue(self.mux.ports[0].reading)
        near, far = self.session()
        near.protocol.dataReceived(b"123")
        far.protocol.dataReceived(b"12")
        self.service.door.refused["denied"] += 1
        counted = self.service.counters()
        self.assertEqual((counted["bytes-in"], counted["bytes-out"]), (3, 2))
        self.assertEqual((counted["connections"], counted["sessions"]), (1, 1))
        self.assertEqual(counted["refused-denied"], 1)
        near.reset()
        far.end()
        self.stop()

    def test_few_descriptors(self) -> None:
        """Who cannot have what was set is told so, and UDP does not take them all."""
        self.descriptors = 3000
        self.make(
            listen=("tcp:8000", "udp:53"), max_connections=9000, udp_sessions=9000
        )
        with capturedLogs() as logged:
            self.start()
        self.assertEqual(self.service.door.sessions.limits.max_connections, 1000)
        self.assertEqual(self.service.datagrams[0]._max_sessions, 1000)
        told = [
            formatEvent(each) or "" for each in logged if each.get("event") == _LOWERED
        ]
        self.assertEqual(
            [text.partition(":")[0] for text in told],
            [
                "netsvc-balance takes 1000, and not max_connections = 9000",
                "netsvc-balance takes 1000, and not udp_sessions = 9000",
            ],
        )
        self.stop()

    def test_called(self) -> None:
        """One of several is called by its name in the log, as in the metrics."""
        self.descriptors = 3000
        self.make(listen=("tcp:8000", "udp:53"))
        self.service.setName("balance.web")
        with capturedLogs() as logged:
            self.start()
            self.stop()
        called = [each["service"] for each in logged if "service" in each]
        self.assertEqual(called, ["netsvc-balance/web"] * len(called))
        self.assertIn("netsvc-balance/web has stopped: ", str(formatEvent(logged[-1])))
        self.assertEqual(self.service.door.sessions.service, "netsvc-balance/web")

    def test_held_until_checked(self) -> None:
        """Clients wait in the kernel for the first checks, but not for long."""
        self.make("a.test:80")
        self.start()
        self.assertFalse(self.mux.ports[0].reading)
        self.mux.advance(FIRST_CHECKS)
        self.assertTrue(self.mux.ports[0].reading)
        self.stop()

    def test_drain(self) -> None:
        """A drain closes the stream ports, and ends with the last session."""
        self.make(listen=("tcp:8000", "udp:53"))
        self.start()
        near, far = self.session()
        done = self.service.drain(30)
        self.assertEqual([port.closed for port in self.mux.ports], [True, False])
        self.assertNoResult(done)
        near.reset()
        far.end()
        self.successResultOf(done)
        self.stop()
        self.assertTrue(self.mux.ports[1].closed)

    def test_udp(self) -> None:
        """A UDP port has its entrance, which is swept."""
        self.make(listen=("udp:53",), udp_rate="1/s")
        self.start()
        (entrance,) = self.service.datagrams
        self.assertIsInstance(self.mux.ports[0].served, UDPEntrance)
        entrance.dropped["rate"] += 2
        self.assertEqual(self.service.counters()["dropped-rate"], 2)
        self.mux.advance(1)
        self.service._went_down(self.service.watches[0].upstream.pool.backends[0])
        self.stop()

    def test_udp_needs_default(self) -> None:
        """A UDP port needs backends for clients that ask for no name."""
        self.make(f"{ONE},sni=a.test", listen=("udp:53",))
        error = self.assertRaises(SystemExit, self.start)
        self.assertIn("udp:53", str(error))

    def test_routes(self) -> None:
        """Each name has its pool."""
        self.make(ONE, "10.0.0.2:80,sni=a.test,alpn=h2")
        names = [watch.upstream.pool.name for watch in self.service.watches]
        self.assertEqual(names, ["default", "a.test+h2"])

    def test_rates(self) -> None:
        """New connections in all are limited."""
        self.make(total_connection_rate="1/s:1")
        self.start()
        self.session()
        self.assertIsNone(self.mux.ports[0].served.buildProtocol(CLIENT))
        self.service.stopService()

    def test_bad_tls(self) -> None:
        """Certificates that cannot be read end the process, with one line."""
        error = self.assertRaises(
            SystemExit, self.make, backend_ca="nowhere.pem", backend_tls=True
        )
        self.assertIn("--backend-ca: nowhere.pem: No such file", str(error))
        error = self.assertRaises(SystemExit, self.make, backend_ca="/dev/null")
        self.assertIn("Neither a file nor a pipe", str(error))
        error = self.assertRaises(SystemExit, self.make, "a_b.test:443,tls")
        self.assertEqual(
            str(error),
            "netsvc-balance: --backend: 'a_b.test:443,tls': no certificate can have the"
            " name 'a_b.test'; give another one, tls-name=NAME",
        )
        self.make(listen=("ssl:443:privateKey=nowhere.pem",))
        error = self.assertRaises(SystemExit, self.start)
        self.assertIn("nowhere.pem", str(error))

    def test_control(self) -> None:
        """The control socket comes and goes with it."""
        self.make(control="balance.sock")
        self.start()
        self.assertEqual(self.mux.ports[-1].address.name, b"balance.sock")
        self.stop()
        self.assertTrue(self.mux.ports[-1].closed)

    def test_checked(self) -> None:
        """Each kind of check can be asked for."""
        for kind in ("tcp", "http", "tls", "udp-echo", "send-expect"):
            self.make(
                ONE, "10.0.0.2:80,sni=*.a.test", check=kind, check_expect="x",
                check_interval=5, check_timeout=1,
            )  # fmt: skip
            checks = [watch._check for watch in self.service.watches]
            self.assertNotIn(None, checks)

    def test_entrance(self) -> None:
        """Stream ports have entrances."""
        self.make()
        self.start()
        self.assertIsInstance(self.mux.ports[0].served, Entrance)
        address = IPv4Address("TCP", "192.0.2.5", 1)
        self.assertIsNotNone(self.mux.ports[0].served.buildProtocol(address))
        self.service.stopService()
