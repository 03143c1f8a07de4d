"""What netsvc-dns tells of its upstream servers and its cache."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.cache import Cache
from netsvc.dns.memory import STRIKES, Memory
from netsvc.dns.reporting import families, servers_table, state_of
from netsvc.dns.servers import parse_server


def memory(text: str) -> Memory:
    """Know nothing of a server."""
    return Memory(parse_server(text))


class ReportingTests(SynchronousTestCase):
    """L{netsvc.dns.reporting}."""

    def test_states(self) -> None:
        """A server is unknown, up, failing, or down."""
        server = memory("192.0.2.1")
        self.assertEqual(state_of(server), "unknown")
        server.heard(0.02, 1.0)
        self.assertEqual(state_of(server), "up")
        server.failed(2.0)
        self.assertEqual(state_of(server), "failing")
        for _ in range(STRIKES):
            server.failed(3.0)
        self.assertEqual(state_of(server), "down")

    def test_table(self) -> None:
        """Each server has a row, with round-trip times in milliseconds."""
        quick, other = memory("192.0.2.1"), memory("tls://192.0.2.2#dns.example")
        quick.heard(0.02, 1.0)
        quick.counts.update({"udp": 3, "tcp": 1, "wrong-cookie": 2})
        table = servers_table([quick, other])
        self.assertEqual(table.rows[0], ("192.0.2.1", "up", 20.0, 10.0, 4, 0, 2))
        self.assertEqual(table.rows[1][1:4], ("unknown", "-", "-"))

    def test_families(self) -> None:
        """Metrics are labelled by server and transport, and by nothing asked."""
        server = memory("192.0.2.1")
        server.heard(0.02, 1.0)
        server.counts.update({"udp": 3, "malformed": 1})
        cache = Cache()
        cache.counts["hits"] = 5
        found = {
            (family.name, *sorted(sample.labels.values())): sample.value
            for family in families([server], cache)
            for sample in family.samples
        }
        for name, value in (
            (("dns_upstream_up", "192.0.2.1"), 1),
            (("dns_upstream_rtt_seconds", "192.0.2.1"), 0.02),
            (("dns_upstream_queries", "192.0.2.1", "udp"), 3),
            (("dns_upstream_dropped", "192.0.2.1", "malformed"), 1),
            (("dns_cache_requests", "hit"), 5),
            (("dns_cache_requests", "miss"), 0),
            (("dns_cache_entries",), 0),
        ):
            self.assertEqual(found.get(name), value, name)
