"""The pure parts of the benchmarks of name lookups."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import names, peers
from benchmarks.errors import BenchError
from benchmarks.names import Answered, parse_dnsperf
from benchmarks.rows import ALL

STATISTICS = """\
Statistics:

  Queries sent:         1000
  Queries completed:    1000 (100.00%)
  Queries lost:         0 (0.00%)

  Response codes:       NOERROR 1000 (100.00%)
  Run time (s):         0.500000
"""


class NamesTests(SynchronousTestCase):
    """What dnsperf says, and what the servers are told."""

    def test_dnsperf(self) -> None:
        """dnsperf's statistics are read."""
        self.assertEqual(parse_dnsperf(STATISTICS), Answered(1000, 0.5))

    def test_not_all_right(self) -> None:
        """A lost query, another response code or no statistics at all is an error."""
        for text in (
            STATISTICS.replace("lost:         0", "lost:         1"),
            STATISTICS.replace("NOERROR 1000", "SERVFAIL 1000"),
            STATISTICS.replace("NOERROR 1000", "NOERROR 999 (99%), SERVFAIL 1"),
            "",
            "Queries completed: many\n",
        ):
            self.assertRaises(BenchError, parse_dnsperf, text)

    def test_zone(self) -> None:
        """Each name of the zone has an address of its own."""
        lines = names.zone_text(300).splitlines()
        self.assertEqual(lines[-1], "h299 A 10.0.1.43")
        found = {names.address(number) for number in range(names.NAMES)}
        self.assertEqual(len(found), names.NAMES)

    def test_settings(self) -> None:
        """unbound asks the name server for the zone."""
        text = names.unbound_settings(8000, Path("/x"))
        self.assertIn("stub-addr: 127.1.0.1@8000", text)

    def test_rows(self) -> None:
        """There are three rows, each with netsvc."""
        found = {row.name: row for row in ALL if row.name.startswith("dns-")}
        self.assertEqual(sorted(found), ["dns-cache", "dns-lookups", "dns-memory"])
        for row in found.values():
            self.assertIn(peers.NETSVC, row.peers)

    def test_missing(self) -> None:
        """What is not installed is said; what is always there never is."""
        self.assertIsNone(names.missing(peers.NETSVC))
        self.patch(names, "program", lambda name: None)
        self.patch(names, "find_spec", lambda name: None)
        for peer in (peers.UNBOUND, peers.AIODNS):
            self.assertIn("no ", names.missing(peer) or "")
