"""Tests of L{netsvc.dns.service}, L{netsvc.dns.settings} and L{netsvc.dns.tap}."""

from __future__ import annotations

import socket
import sys
from io import StringIO
from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon import descriptors
from netsvc.daemon import listeners as listeners_module
from netsvc.daemon.settings import SettingsError
from netsvc.dns import resolv_conf, tap
from netsvc.dns.dnssec.anchors import ROOT_KEYS
from netsvc.dns.forwarder.https import HTTPFactory
from netsvc.dns.service import DNSService
from netsvc.dns.settings import DNSSettings
from netsvc.dns.udp import UDPCarrier
from tests.daemon.service_fakes import FakeMultiplexer


class ServiceCase(SynchronousTestCase):
    """A service whose ports and time the test plays."""

    def setUp(self) -> None:
        """Put the fakes in place."""
        self.reactor = MemoryReactorClock()
        self.mux = FakeMultiplexer()
        self.patch(listeners_module, "multiplexed", lambda reactor: self.mux)
        self.patch(descriptors, "system_limit", lambda needed: needed)
        # Nothing leaves the machine, and nobody answers.
        self.patch(UDPCarrier, "send", lambda carrier, asked: None)
        self.patch(sys, "stderr", StringIO())
        self.patch(sys, "__stderr__", sys.stderr)
        self.events = self.enterContext(capturedLogs())

    def make(self, **settings: Any) -> DNSService:
        """Make a service."""
        settings.setdefault("upstream", "192.0.2.53")
        return DNSService(DNSSettings(**settings), self.reactor)

    def started(self, **settings: Any) -> DNSService:
        """Make a service and start it."""
        service = self.make(**settings)
        service.privilegedStartService()
        service.startService()
        self.addCleanup(service.stopService)
        return service

    def refused(self, **settings: Any) -> str:
        """Give the line with which it does not start."""
        with self.assertRaises(SystemExit) as caught:
            service = self.make(**settings)
            self.addCleanup(service.stopService)
            service.startService()
        return str(caught.exception)

    def file(self, text: str) -> Path:
        """Write a file."""
        path = Path(self.mktemp())
        path.write_text(text)
        return path


class StartTests(ServiceCase):
    """From start to stop."""

    def test_default(self) -> None:
        """It listens on loopback, for DNS over UDP and TCP, and for people."""
        service = self.started()
        bound = [(call[0], call[1]) for call in self.mux.bound]
        self.assertEqual([number for _, number in bound], [7053, 7053, 7054])
        self.assertEqual({str(p.getHost().host) for p in self.mux.ports}, {"127.0.0.1"})
        self.assertEqual(len(service.datagrams), 1)
        texts = [formatEvent(event) for event in self.events]
        self.assertIn("netsvc-dns asks 192.0.2.53", texts)

    def test_called(self) -> None:
        """One of several is called by its name in the log, as in the metrics."""
        self.patch(descriptors, "system_limit", lambda needed: 0)
        service = self.make(max_connections=9)
        service.setName("dns.second")
        service.startService()
        self.successResultOf(service.stopService())
        called = [each["service"] for each in self.events if "service" in each]
        self.assertEqual(set(called), {"netsvc-dns/second"})
        self.assertEqual(service.connections.service, "netsvc-dns/second")
        texts = [formatEvent(event) for event in self.events]
        self.assertIn("netsvc-dns/second asks 192.0.2.53", texts)
        self.assertEqual(texts[-1], "netsvc-dns/second has stopped: nothing")

    def test_more(self) -> None:
        """It listens where it is told to."""
        service = self.started(dns=["off"], doh=["tcp:8443"], line=["off"])
        self.assertEqual([type(each) for each in service.streams], [HTTPFactory])
        self.assertEqual(service.datagrams, [])

    def test_drain(self) -> None:
        """It closes its ports at once, and ends when nothing is connected."""
        service = self.started()
        self.successResultOf(service.drain(1.0))
        self.assertTrue(all(port.closed for port in self.mux.ports))
        self.successResultOf(service.stopService())
        self.assertIn("has stopped", str(formatEvent(self.events[-1])))
        self.assertEqual(service.counters(), {})

    def test_counters(self) -> None:
        """What was counted is told by name."""
        service = self.started(dnssec=True)
        service.forwarder.counts["asked"] = 3
        service.lines[0].counts["lines"] = 2
        service.datagrams[0].received = 5
        service.asks.query("www.example.com").addErrback(lambda failure: None)
        counted = service.counters()
        self.assertEqual(counted["asked"], 3)
        self.assertEqual((counted["lines"], counted["datagrams"]), (2, 5))
        self.assertEqual(counted["upstream-lookups"], 1)

    def test_fewer_connections(self) -> None:
        """That there is room for less than asked is said."""
        self.patch(descriptors, "system_limit", lambda needed: 0)
        self.started(max_connections=9)
        self.assertIn(
            "takes 1, and not max_connections = 9", str(formatEvent(self.events[-1]))
        )


class UpstreamTests(ServiceCase):
    """Whom it asks."""

    def test_presets(self) -> None:
        """A preset is several servers."""
        service = self.started(upstream=["kt", "192.0.2.1"])
        assert service.resolver is not None
        hosts = [server.host for server in service.resolver.servers]
        self.assertEqual(hosts, ["168.126.63.1", "168.126.63.2", "192.0.2.1"])

    def test_system(self) -> None:
        """The system's servers are those of resolv.conf."""
        self.patch(resolv_conf, "PATH", self.file("nameserver 192.0.2.9\n"))
        self.patch(resolv_conf.load, "__defaults__", (resolv_conf.PATH, "", ""))
        service = self.started(upstream=["system"])
        assert service.resolver is not None
        self.assertEqual(service.resolver.servers[0].host, "192.0.2.9")

    def test_no_system(self) -> None:
        """Without that file it says what to do."""
        self.patch(resolv_conf, "PATH", Path("/nonexistent"))
        self.assertIn("name a server", self.refused(upstream=["system"]))

    def test_unreadable_system(self) -> None:
        """A file that cannot be read is an error."""
        self.patch(resolv_conf, "PATH", Path("/"))
        self.patch(resolv_conf.load, "__defaults__", (Path("/"), "", ""))
        self.assertIn("Is a directory", self.refused(upstream=["system"]))

    def test_name(self) -> None:
        """A server by name is looked up by the system, before the start."""
        found = [(2, 1, 6, "", ("192.0.2.7", 853))]
        self.patch(socket, "getaddrinfo", lambda *args, **more: found)
        service = self.started(upstream=["tls://dns.example"])
        assert service.resolver is not None
        server = service.resolver.servers[0]
        self.assertEqual((server.host, server.name), ("192.0.2.7", "dns.example"))

    def test_no_name(self) -> None:
        """One that has no address is an error."""

        def none(*args: Any, **more: Any) -> Any:
            raise socket.gaierror(-2, "Name or service not known")

        self.patch(socket, "getaddrinfo", none)
        self.assertIn("not known", self.refused(upstream=["tls://dns.example"]))

    def test_too_many(self) -> None:
        """So are too many servers."""
        many = [f"192.0.2.{number}" for number in range(100)]
        self.assertIn("more than", self.refused(upstream=many))

    def test_itself(self) -> None:
        """And the service itself."""
        text = self.refused(upstream=["127.0.0.1:7053"])
        self.assertIn("is this service itself", text)
        text = self.refused(upstream=["127.0.0.1:53"], dns=["udp:53"])
        self.assertIn("is this service itself", text)

    def test_authorities(self) -> None:
        """And certificates that cannot be read, though no server needs them."""
        path = Path("/nonexistent")
        for server in ("tls://192.0.2.1", "192.0.2.1"):
            text = self.refused(upstream=[server], upstream_ca=path)
            self.assertIn("--upstream-ca", text)

    def test_files(self) -> None:
        """Files that cannot be used are told before anything starts, in one line."""
        path = Path("/nonexistent")
        for key in ("upstream_ca", "trust_anchor"):
            with self.assertRaises(SystemExit) as caught:
                self.make(dnssec=True, **{key: path})
            option = key.replace("_", "-")
            self.assertEqual(
                str(caught.exception),
                f"netsvc-dns: --{option}: {path}: No such file or directory",
            )

    def test_certificate_name(self) -> None:
        """And a server with a name that no certificate can have."""
        text = self.refused(upstream=["tls://192.0.2.1#xn--a"])
        self.assertIn("--upstream: tls://192.0.2.1#xn--a: no certificate can", text)

    def test_anchors(self) -> None:
        """Trust anchors are the root's, or those of a file."""
        self.started(dnssec=True)
        self.started(dnssec=True, trust_anchor=self.file(ROOT_KEYS[0][1]))
        text = self.refused(dnssec=True, trust_anchor=self.file("nonsense"))
        self.assertIn("--trust-anchor", text)
        text = self.refused(dnssec=True, trust_anchor=Path("/nonexistent"))
        self.assertIn("No such file", text)


class SettingsTests(SynchronousTestCase):
    """What a command line says."""

    def test_mistakes(self) -> None:
        """What cannot be is refused, and named."""
        for key, value in (
            ("dns", "nonsense"),
            ("doh", "udp:53"),
            ("line", "udp:53"),
            ("upstream", "ftp://x"),
            ("allow", "everybody"),
            ("forward", "a..b"),
            ("trust_anchor", Path("x")),
        ):
            given: dict[str, Any] = {key: value}
            with self.assertRaises(SettingsError) as caught:
                DNSSettings(**given)
            self.assertEqual(caught.exception.key, key)
        for given in (
            {"dns": "off", "line": "off"},
            {"allow": ["192.0.2.1"] * 2000},
        ):
            with self.assertRaises(SettingsError):
                DNSSettings(**given)

    def test_help(self) -> None:
        """The help shows what holds by default."""
        options = tap.Options()
        text = options.getUsage(100)
        for part in (
            "tcp:7054:interface=127.0.0.1",
            "default: local",
            "default: system",
        ):
            self.assertIn(part, " ".join(text.split()))

    def test_service(self) -> None:
        """The plugin makes the service of a command line."""
        options = tap.Options()
        options.parseOptions(["--upstream", "@kt", "--dns", "off", "--rate", "off"])
        self.assertEqual(options.settings.upstream, ("kt",))
        daemon = tap.makeService(options, MemoryReactorClock())
        (service,) = daemon
        self.assertIsInstance(service, DNSService)
