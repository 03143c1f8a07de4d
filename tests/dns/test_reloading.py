"""Tests of L{netsvc.dns.reloading}."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import formatEvent

from netsvc.daemon.changes import CombinedReloadError
from netsvc.dns import reloading
from netsvc.dns.dnssec.anchors import ROOT_KEYS
from netsvc.dns.service import DNSService
from netsvc.dns.settings import DNSSettings
from netsvc.dns.upstream import make_upstream
from tests.dns.test_service import ServiceCase

FIRST = "192.0.2.53"


class ReloadTests(ServiceCase):
    """A DNS service that goes on to other settings."""

    def settings(self, **values: Any) -> DNSSettings:
        """Make settings."""
        values.setdefault("upstream", FIRST)
        return DNSSettings(**values)

    def reload(self, service: DNSService, **values: Any) -> None:
        """Use other settings."""
        self.successResultOf(service.prepare(self.settings(**values))).commit()

    def wrong(self, service: DNSService, **values: Any) -> list[str]:
        """Give what is wrong with other settings."""
        failed = service.prepare(self.settings(**values))
        error: Any = self.failureResultOf(failed, CombinedReloadError).value
        return [f"{each.key}: {each.problem}" for each in error.errors]

    def servers(self, service: DNSService) -> list[str]:
        """Give whom it asks."""
        assert service.resolver is not None
        return [server.host for server in service.resolver.servers]

    def test_same(self) -> None:
        """The same settings keep those who are asked, and what is known of them."""
        service = self.started()
        resolver = service.resolver
        self.reload(service)
        self.assertIs(service.resolver, resolver)
        self.assertEqual(len(self.mux.ports), 3)

    def test_upstream(self) -> None:
        """Others are asked from now on; questions under way are answered, and what
        was counted stays counted."""
        service = self.started()
        old = service.resolver
        assert old is not None
        done: Deferred[Any] = service.asks.query("www.example.com")
        self.addCleanup(done.addErrback, lambda failure: None)
        self.reload(service, upstream=["192.0.2.54"], upstream_timeout="2s")
        self.assertEqual(self.servers(service), ["192.0.2.54"])
        self.assertNoResult(done)
        self.assertFalse(old._closed)
        self.assertEqual(service.counters()["upstream-lookups"], 1)
        self.reactor.advance(6.5)
        self.assertTrue(old._closed)
        self.assertEqual(service.counters()["upstream-lookups"], 1)
        texts = [formatEvent(event) for event in self.events]
        self.assertIn("netsvc-dns asks 192.0.2.54", texts)

    def test_stop_meanwhile(self) -> None:
        """Those who are asked no more are closed with the service, too."""
        service = self.started()
        old = service.resolver
        assert old is not None
        self.reload(service, upstream=["192.0.2.54"])
        self.successResultOf(service.stopService())
        self.assertTrue(old._closed)

    def test_cache(self) -> None:
        """What was answered is forgotten when others are asked, and not else."""
        service = self.started()
        cleared: list[bool] = []
        self.patch(service.cache, "clear", lambda: cleared.append(True))
        self.reload(service, upstream_timeout="2s", cache_entries=7, stale="1h")
        self.assertEqual(cleared, [])
        limits = service.cache.limits
        self.assertEqual((limits.entries, limits.stale), (7, 3600))
        self.reload(service, dnssec=True)
        self.assertEqual(cleared, [True])

    def test_anchors(self) -> None:
        """A file of trust anchors is read again, whatever its name."""
        anchor = ROOT_KEYS[0][1]
        path = self.file(anchor)
        given: dict[str, Any] = {"dnssec": True, "trust_anchor": path}
        service = self.started(**given)
        before = service.upstream
        self.reload(service, **given)
        self.assertIs(service.upstream, before)
        path.write_text(f"{anchor}\n\n")
        self.reload(service, **given)
        self.assertIsNot(service.upstream, before)
        path.write_text("nonsense")
        (problem,) = self.wrong(service, **given)
        self.assertIn(f"trust_anchor: {path}: ", problem)

    def test_who(self) -> None:
        """Whom to serve, how fast, and what is special hold from the commit on."""
        service = self.started()
        forwarder = service.forwarder
        allows = forwarder.access.allows  # as ports have it
        self.assertEqual((allows("192.0.2.1"), allows("10.0.0.1")), (False, True))
        self.reload(
            service, allow=["192.0.2.0/24"], rate="1/s:1", forward=["home.arpa"]
        )
        self.assertEqual((allows("192.0.2.1"), allows("10.0.0.1")), (True, False))
        self.assertTrue(forwarder.admits("192.0.2.1", 0.0))
        self.assertFalse(forwarder.admits("192.0.2.1", 0.0))
        self.reload(service, rate="off", max_connections=3)
        self.assertTrue(forwarder.admits("192.0.2.1", 0.0))
        self.assertEqual(service.connections.limits.max_connections, 3)

    def test_listeners(self) -> None:
        """Ports of each sort come and go; what they have counted stays counted."""
        service = self.started()
        service.datagrams[0].received = 4
        service.streams[0].received = 5
        service.lines[0].counts["lines"] = 6
        self.reload(service, dns=["tcp:53"], doh=["tcp:8443"], line=["off"])
        self.assertEqual((service.datagrams, service.lines), ([], []))
        self.assertEqual(len(service.streams), 2)
        counted = service.counters()
        self.assertEqual(
            [counted[name] for name in ("datagrams", "stream-queries", "lines")],
            [4, 5, 6],
        )

    def test_name(self) -> None:
        """A server by name is looked up in a thread, and nobody waits for that."""
        found = [(2, 1, 6, "", ("192.0.2.7", 853))]
        self.patch(socket, "getaddrinfo", lambda *args, **more: found)
        pool = object()
        looked_up: Deferred[None] = Deferred()

        def defer(reactor: Any, given: Any, function: Any, *arguments: Any) -> Any:
            self.assertIs(given, pool)
            return looked_up.addCallback(lambda _: function(*arguments))

        self.patch(reloading, "deferToThreadPool", defer)
        service = self.started()
        self.reactor.getThreadPool = lambda: pool  # type: ignore[attr-defined]
        waiting = service.prepare(self.settings(upstream=["tls://dns.example"]))
        self.assertNoResult(waiting)
        looked_up.callback(None)
        self.successResultOf(waiting).commit()
        self.assertEqual(self.servers(service), ["192.0.2.7"])

    def test_refused(self) -> None:
        """All that is wrong is told, and nothing has changed."""
        service = self.started()
        self.mux.in_use = {99}
        problems = self.wrong(
            service, dns=["udp:99"], upstream_ca=Path("/no/such"), line=["tcp:98"]
        )
        self.assertEqual(
            problems,
            [
                "dns: cannot listen on udp:99: Address already in use",
                "upstream_ca: /no/such: No such file or directory",
            ],
        )
        itself = self.wrong(service, upstream=["127.0.0.1:7053"])
        self.assertEqual(itself, ["upstream: 127.0.0.1:7053 is this service itself"])
        self.assertEqual(self.servers(service), [FIRST])
        self.assertEqual([len(service.streams), len(service.lines)], [1, 1])

    def test_abandoned(self) -> None:
        """Those who would have been asked are closed again."""
        service = self.started()
        made: list[Any] = []

        def make(*given: Any) -> Any:
            made.append(make_upstream(*given))
            return made[-1]

        self.patch(reloading, "make_upstream", make)
        settings = self.settings(upstream=["192.0.2.54"])
        self.successResultOf(service.prepare(settings)).abandon()
        self.assertTrue(made[0].resolver._closed)
        self.assertEqual(self.servers(service), [FIRST])
